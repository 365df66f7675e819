/** Uploads that a closed tab or a crash interrupted: they go on from where the server has them. */

import {
  type ChosenFile,
  discardUpload,
  listUnfinished,
  resumeUpload,
  type UnfinishedUpload,
} from "../../upload/engine.ts";
import { copyTemplate, find, part, pick } from "../shared/dom.ts";
import { writeSize } from "../shared/sizes.ts";
import { speak } from "../shared/speech.ts";
import type { Words } from "../shared/words.ts";
import { listPicked } from "./chooser.ts";
import type { RunningList } from "./running.ts";

export class UnfinishedList {
  private readonly words: Words;
  private readonly running: RunningList;
  private readonly section = find("unfinished", HTMLElement);

  constructor(words: Words, running: RunningList) {
    [this.words, this.running] = [words, running];
  }

  /** Show what this browser began and did not finish. */
  async show(): Promise<void> {
    const found = await listUnfinished();
    this.section.hidden = found.length === 0;
    pick(this.section, "ul", HTMLUListElement).replaceChildren(...found.map((upload) => this.makeItem(upload)));
  }

  private makeItem(upload: UnfinishedUpload): HTMLElement {
    const item = copyTemplate("unfinished-item");
    const { words } = this;
    const share = upload.totalBytes ? upload.sentBytes / upload.totalBytes : 0;
    part(item, "name", HTMLElement).textContent = upload.name;
    const bar = part(item, "bar", HTMLProgressElement);
    bar.value = share;
    bar.setAttribute("aria-label", words.say("bar", { name: upload.name }));
    part(item, "words", HTMLElement).textContent = words.say(upload.needsFiles ? "unfinished.files" : "unfinished", {
      percent: words.percent(share),
      size: writeSize(words, upload.totalBytes),
    });
    this.addWays(item, upload);
    const cancel = part(item, "cancel", HTMLButtonElement);
    cancel.setAttribute("aria-label", words.say("cancel", { name: upload.name }));
    cancel.addEventListener("click", () => this.giveUp(item, upload));
    return item;
  }

  /** Let it go on by a click where the browser still has the files, else by choosing them again. */
  private addWays(item: HTMLElement, upload: UnfinishedUpload): void {
    const resume = part(item, "resume", HTMLButtonElement);
    resume.hidden = upload.needsFiles;
    resume.setAttribute("aria-label", this.words.say("resume", { name: upload.name }));
    resume.addEventListener("click", () => this.goOn(item, upload));
    for (const way of ["again-files", "again-folder"]) {
      const box = part(item, way, HTMLElement);
      box.hidden = !upload.needsFiles;
      const input = pick(box, "input", HTMLInputElement);
      input.id = `${way}-${upload.id}`;
      pick(box, "label", HTMLLabelElement).htmlFor = input.id;
      input.addEventListener("change", () => {
        const files = listPicked(input);
        input.value = "";
        void this.goOn(item, upload, files);
      });
    }
  }

  private async goOn(item: HTMLElement, upload: UnfinishedUpload, files?: ChosenFile[]): Promise<void> {
    try {
      this.running.add(await resumeUpload(upload.id, files), upload.name, files);
      this.remove(item);
    } catch (error) {
      this.tell(item, error);
    }
  }

  private async giveUp(item: HTMLElement, upload: UnfinishedUpload): Promise<void> {
    try {
      await discardUpload(upload.id);
      this.remove(item);
      speak(this.words.say("state.cancelled"));
    } catch (error) {
      this.tell(item, error);
    }
  }

  private tell(item: HTMLElement, error: unknown): void {
    const text = this.words.say("state.failed", { why: this.words.explain(error) });
    part(item, "words", HTMLElement).textContent = text;
    speak(text);
  }

  private remove(item: HTMLElement): void {
    item.remove();
    this.section.hidden = !this.section.querySelector("li");
    find("choose-files", HTMLInputElement).focus();
  }
}
