/** Keeps the part after the # in this tab, so that signing in, or choosing a language, and coming back loses no key.
 *
 * It is the tab's own memory, which ends with the tab. Nothing of it is sent. */

/** Return the whole link of the page that is shown: with the fragment of the address bar, else the one that was kept. */
export function recallLink(linkId: string): string {
  const name = `cadastre-fragment-${linkId}`;
  if (location.hash.length > 1) sessionStorage.setItem(name, location.hash);
  const fragment = location.hash.length > 1 ? location.hash : (sessionStorage.getItem(name) ?? "");
  if (fragment && !location.hash) history.replaceState(null, "", fragment);
  return `${location.origin}/f/${linkId}${fragment}`;
}
