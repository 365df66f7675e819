/** The page's session: the API takes the site's cookie, and with it, for every change, a token that no other site can read. */

/** Return the token against forged requests, which the page's template puts into <meta name="csrf-token">; "" without one. */
export function getCsrfToken(): string {
  return document.querySelector<HTMLMetaElement>('meta[name="csrf-token"]')?.content ?? "";
}
