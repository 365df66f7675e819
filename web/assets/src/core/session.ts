/** The page's session: the API takes the site's cookie, and with it, for every change, a token that no other site can read. */

const CSRF_COOKIE = /(?:^|;\s*)csrftoken=([^;]+)/;

/** Return the token against forged requests; "" where nobody is signed in. Another tab may change it by signing in anew. */
export function getCsrfToken(): string {
  return CSRF_COOKIE.exec(document.cookie)?.[1] ?? "";
}
