/** Copying a link. */

/** Copy a text; return whether the browser let the page do so. */
export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return false; // Without HTTPS, or where the person refused, there is no clipboard.
  }
}
