/** What an opened link shows: its name, its size, its files, and buttons for what can be done with them. */

import type { OpenedFile, OpenedLink } from "../../download/open.ts";
import { find, make, makeButton, pick } from "../shared/dom.ts";
import { writeSize } from "../shared/sizes.ts";
import type { Words } from "../shared/words.ts";
import type { Deliverer } from "./delivering.ts";
import { canPreview } from "./previews.ts";

const FILE_ROWS_MAX = 2_000;

/** Show an opened link. */
export function showFiles(words: Words, opened: OpenedLink, deliverer: Deliverer): void {
  showHead(words, opened);
  const download = find("download", HTMLButtonElement);
  download.textContent = words.say(opened.isFolder ? "download.folder" : "download.file");
  download.addEventListener("click", () => deliverer.save(opened.isFolder ? -1 : 0));
  const [first] = opened.files;
  if (opened.isFolder) {
    const list = find("shared-files", HTMLElement);
    list.hidden = false;
    const shown = opened.files.slice(0, FILE_ROWS_MAX);
    list.replaceChildren(...shown.map((file, place) => makeRow(words, file, place, deliverer)));
  } else if (first && canPreview(first)) {
    const preview = find("preview", HTMLButtonElement);
    preview.hidden = false;
    preview.addEventListener("click", () => deliverer.show(0));
  }
  find("opened", HTMLElement).hidden = false;
}

function showHead(words: Words, opened: OpenedLink): void {
  const title = opened.isFolder ? opened.topName : (opened.files[0]?.name ?? opened.topName);
  find("title", HTMLElement).textContent = title;
  document.title = `${title} · Cadastre`;
  find("lede", HTMLElement).textContent = opened.isFolder
    ? words.count("lede.folder", opened.files.length)
    : words.say("lede.file");
  const size = find("fact-size", HTMLElement);
  pick(size, "dd", HTMLElement).textContent = writeSize(words, opened.plaintextBytes);
  size.hidden = false;
  find("fact-length", HTMLElement).hidden = true;
  find("command", HTMLElement).hidden = true;
}

function makeRow(words: Words, file: OpenedFile, place: number, deliverer: Deliverer): HTMLElement {
  const row = make("li", "");
  // The folder's own name stands above all of them.
  const name = file.name.split("/").slice(1).join("/") || file.name;
  row.append(make("span", "file-name", name), make("span", "file-size", writeSize(words, file.size)));
  if (canPreview(file)) {
    const look = makeButton(words.say("look"), words.say("look.one", { name }), () => deliverer.show(place));
    row.append(look);
  }
  const label = words.say("download.one", { name });
  row.append(makeButton(words.say("download.file"), label, () => deliverer.save(place)));
  return row;
}
