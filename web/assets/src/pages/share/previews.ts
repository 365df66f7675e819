/** Showing a file in the page. What was shared may be hostile, so nothing of it ever becomes a document of this site.
 *
 * Pictures, sound and films go into elements that run nothing; PDF into a frame of the browser's own viewer, where it has one;
 * everything else that is text into a text node, HTML and SVG's source included. */

import type { OpenedFile } from "../../download/open.ts";
import { find, make, pick } from "../shared/dom.ts";
import { writeSize } from "../shared/sizes.ts";
import type { Words } from "../shared/words.ts";

type Kind = "image" | "video" | "audio" | "pdf" | "text";

const TEXT_BYTES_MAX = 256 * 1024;
const TEXT_TYPES = /^(text\/.*|application\/(json|xml|yaml|toml|javascript|.*\+(json|xml)))$/;
const TEXT_NAMES =
  /\.(txt|md|rst|csv|tsv|log|json|ya?ml|toml|ini|py|js|ts|c|h|cpp|rs|go|java|sh|sql|tex|html?|xml|svg)$/i;

/** Return whether a file can be shown. */
export function canPreview(file: OpenedFile): boolean {
  return findKind(file) !== undefined;
}

function findKind({ name, mediaType }: OpenedFile): Kind | undefined {
  if (mediaType === "application/pdf") return navigator.pdfViewerEnabled ? "pdf" : undefined;
  if (mediaType === "image/svg+xml") return "text";
  for (const kind of ["image", "video", "audio"] as const) {
    if (mediaType.startsWith(`${kind}/`)) return kind;
  }
  return TEXT_TYPES.test(mediaType) || TEXT_NAMES.test(name) ? "text" : undefined;
}

/** Show a file that the worker serves at `url`. */
export async function showPreview(
  words: Words,
  file: OpenedFile,
  url: string,
  onProblem: (error: unknown) => void,
): Promise<void> {
  const figure = find("shown", HTMLElement);
  const name = file.name.split("/").pop() ?? file.name;
  const caption = pick(figure, "figcaption", HTMLElement);
  caption.textContent = words.say("shown", { name });
  const place = pick(figure, "div", HTMLElement);
  try {
    const element = await makeElement(words, file, url, caption);
    element.addEventListener("error", () => {
      caption.textContent = words.say("not-shown", { name });
      element.remove();
    });
    place.replaceChildren(element);
    figure.hidden = false;
    figure.scrollIntoView({ block: "nearest" });
  } catch (error) {
    onProblem(error);
  }
}

async function makeElement(words: Words, file: OpenedFile, url: string, caption: HTMLElement): Promise<HTMLElement> {
  const kind = findKind(file);
  if (kind === "text") return makeText(words, file, url, caption);
  if (kind === "pdf") return makeFrame(file, url);
  if (kind === "image") return Object.assign(new Image(), { src: url, alt: file.name });
  const player = document.createElement(kind === "video" ? "video" : "audio");
  player.controls = true;
  player.preload = "metadata";
  player.src = url;
  player.setAttribute("aria-label", file.name);
  return player;
}

function makeFrame(file: OpenedFile, url: string): HTMLElement {
  const frame = document.createElement("iframe");
  frame.src = url;
  frame.title = file.name;
  return frame;
}

async function makeText(words: Words, file: OpenedFile, url: string, caption: HTMLElement): Promise<HTMLElement> {
  const isCut = file.size > TEXT_BYTES_MAX;
  const response = await fetch(url, isCut ? { headers: { Range: `bytes=0-${TEXT_BYTES_MAX - 1}` } } : {});
  if (!response.ok) throw new Error(`the worker answered ${response.status}`);
  const element = make("pre", "", await response.text());
  element.tabIndex = 0;
  element.setAttribute("role", "region");
  element.setAttribute("aria-label", file.name);
  if (isCut) caption.textContent = words.say("shown.cut", { name: file.name, size: writeSize(words, TEXT_BYTES_MAX) });
  return element;
}
