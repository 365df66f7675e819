/** What may be shown inside a page of this site. Whoever uploads chooses the bytes, so nothing that could run as a page is. */

/** Images without scripts (SVG has them). */
const IMAGES = ["image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/bmp"];
const TEXTS = ["application/json", "application/xml"];

/** Return the type to show a file under, or undefined where it is only to be saved. */
export function findInlineType(mediaType: string): string | undefined {
  if (IMAGES.includes(mediaType) || mediaType === "application/pdf" || /^(audio|video)\//.test(mediaType)) {
    return mediaType;
  }
  // HTML, scripts and the like are shown as the text that they are.
  return /^text\//.test(mediaType) || TEXTS.includes(mediaType) ? "text/plain; charset=utf-8" : undefined;
}

/** Return the policy that an answer of such a type comes with. */
export function getContentPolicy(inlineType: string | undefined): string {
  // A sandbox would keep Chromium's viewer of PDF files from loading; such a file's own scripts never run in a page's name.
  return inlineType === "application/pdf"
    ? "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
    : "default-src 'none'; img-src 'self' data:; media-src 'self'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'self'";
}
