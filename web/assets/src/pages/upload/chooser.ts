/** Choosing files: by the two buttons, or by dropping files and folders anywhere on the page. */

import type { ChosenFile } from "../../upload/engine.ts";
import { find, make, makeButton, pick } from "../shared/dom.ts";
import { writeSize } from "../shared/sizes.ts";
import { speak } from "../shared/speech.ts";
import type { Words } from "../shared/words.ts";
import { readDropped } from "./dropping.ts";

/** A list longer than this is only counted. */
const ROWS_MAX = 200;

export class Chooser {
  private readonly words: Words;
  private readonly found = new Map<string, ChosenFile>();
  private readonly box = find("chosen", HTMLElement);
  private readonly list = pick(find("chosen", HTMLElement), "ul", HTMLUListElement);

  constructor(words: Words) {
    this.words = words;
    for (const id of ["choose-files", "choose-folder"]) {
      const input = find(id, HTMLInputElement);
      input.addEventListener("change", () => {
        this.add(listPicked(input));
        input.value = "";
      });
    }
    this.watchDrops();
  }

  /** The chosen files, in the order of their paths. */
  get files(): ChosenFile[] {
    return [...this.found.values()].sort((left, right) => (left.path < right.path ? -1 : 1));
  }

  /** What the page calls them: the file, the folder they lie in, or the first of several. */
  get name(): string {
    const { files } = this;
    const tops = [...new Set(files.map(({ path }) => path.split("/")[0] ?? ""))];
    const first = tops[0] ?? "";
    return tops.length === 1 ? first : this.words.count("name.several", tops.length - 1, { name: first });
  }

  /** Choose no file any more. */
  clear(): void {
    this.found.clear();
    this.show();
  }

  private add(files: readonly ChosenFile[]): void {
    for (const file of files) this.found.set(file.path, file);
    this.show();
    speak(files.length ? this.words.count("chosen.added", files.length) : this.words.say("chosen.empty"));
  }

  private remove(path: string): void {
    this.found.delete(path);
    this.show();
    const next = this.list.querySelector("button") ?? find("choose-files", HTMLInputElement);
    next.focus();
  }

  private show(): void {
    const { files, words } = this;
    this.box.hidden = files.length === 0;
    this.list.replaceChildren(...files.slice(0, ROWS_MAX).map((file) => this.makeRow(file)));
    const size = writeSize(
      words,
      files.reduce((total, { file }) => total + file.size, 0),
    );
    find("chosen-total", HTMLElement).textContent = words.count("chosen.total", files.length, { size });
  }

  private makeRow({ path, file }: ChosenFile): HTMLElement {
    const row = make("li", "");
    const remove = makeButton("×", this.words.say("chosen.remove", { name: path }), () => this.remove(path));
    row.append(make("span", "file-name", path), make("span", "file-size", writeSize(this.words, file.size)), remove);
    return row;
  }

  private watchDrops(): void {
    const box = find("drop", HTMLElement);
    // A file that is dropped beside the box would be opened by the browser instead.
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      box.classList.add("over");
    });
    document.addEventListener("dragleave", (event) => {
      if (!event.relatedTarget) box.classList.remove("over");
    });
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      box.classList.remove("over");
      if (event.dataTransfer) void readDropped(event.dataTransfer).then((files) => this.add(files));
    });
  }
}

/** Return what an input of files holds; a folder's files have their paths below it. */
export function listPicked(input: HTMLInputElement): ChosenFile[] {
  return [...(input.files ?? [])].map((file) => ({ path: file.webkitRelativePath || file.name, file }));
}
