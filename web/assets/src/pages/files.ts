/** The own files: puts names and keys, which only this browser has, to the links that the server lists. */

import { listMadeLinks, type MadeLink } from "../upload/engine.ts";
import { copyText } from "./shared/copying.ts";
import { part } from "./shared/dom.ts";
import { speak } from "./shared/speech.ts";
import { readWords, type Words } from "./shared/words.ts";

async function main(): Promise<void> {
  const words = readWords();
  const made = new Map((await listMadeLinks()).map((link) => [link.linkId, link]));
  for (const row of document.querySelectorAll<HTMLElement>("#files > li")) {
    const link = made.get(row.dataset.link ?? "");
    if (link) showLink(words, row, link);
  }
}

function showLink(words: Words, row: HTMLElement, link: MadeLink): void {
  part(row, "name", HTMLElement).textContent = link.name;
  const copy = part(row, "copy", HTMLButtonElement);
  copy.hidden = false;
  copy.setAttribute("aria-label", words.say("copy", { name: link.name }));
  copy.addEventListener("click", async () => {
    speak("");
    speak(words.say((await copyText(link.linkUrl)) ? "copied" : "not-copied"));
  });
  const open = part(row, "open", HTMLAnchorElement);
  open.hidden = false;
  open.href = link.linkUrl;
  open.setAttribute("aria-label", words.say("open", { name: link.name }));
}

await main();
