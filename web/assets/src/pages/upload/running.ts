/** The uploads that are under way on this page, and the links that came of them. */

import type { ChosenFile, UploadHandle, UploadProgress, UploadResult } from "../../upload/engine.ts";
import { drawCode } from "../shared/codes.ts";
import { copyText } from "../shared/copying.ts";
import { copyTemplate, find, make, part, pick } from "../shared/dom.ts";
import { writePace, writeSize } from "../shared/sizes.ts";
import { QuarterSpeaker, speak } from "../shared/speech.ts";
import type { Words } from "../shared/words.ts";

const FILE_ROWS_MAX = 200;

export class RunningList {
  private readonly words: Words;
  private busy = 0;

  constructor(words: Words) {
    this.words = words;
  }

  /** Whether leaving the page would interrupt something. */
  get isBusy(): boolean {
    return this.busy > 0;
  }

  /** Show an upload that has begun; `files` are told one by one if they are known and several. */
  add(handle: UploadHandle, name: string, files: readonly ChosenFile[] = []): void {
    const section = find("running", HTMLElement);
    section.hidden = false;
    const item = new RunningItem(this.words, handle, name, files);
    pick(section, "ul", HTMLUListElement).prepend(item.element);
    this.busy += 1;
    void item.finished.finally(() => {
      this.busy -= 1;
    });
  }
}

class RunningItem {
  readonly element = copyTemplate("running-item");
  readonly finished: Promise<void>;
  private readonly words: Words;
  private readonly handle: UploadHandle;
  private readonly name: string;
  private readonly rows: HTMLElement[] = [];
  private readonly files: readonly ChosenFile[];
  private readonly speaker = new QuarterSpeaker();
  private state = "";

  constructor(words: Words, handle: UploadHandle, name: string, files: readonly ChosenFile[]) {
    [this.words, this.handle, this.name, this.files] = [words, handle, name, files];
    part(this.element, "name", HTMLElement).textContent = name;
    part(this.element, "bar", HTMLProgressElement).setAttribute("aria-label", words.say("bar", { name }));
    this.addButtons();
    this.addFileRows();
    handle.onProgress((progress) => this.showProgress(progress));
    this.finished = handle.done.then(
      (result) => this.showResult(result),
      (error: unknown) => this.showFailure(error),
    );
  }

  private addButtons(): void {
    const actions = {
      pause: () => this.handle.pause(),
      resume: () => this.handle.resume(),
      cancel: () => this.cancel(),
    };
    for (const [name, act] of Object.entries(actions)) {
      const button = part(this.element, name, HTMLButtonElement);
      button.setAttribute("aria-label", this.words.say(name, { name: this.name }));
      button.addEventListener("click", act);
    }
  }

  private addFileRows(): void {
    if (this.files.length < 2) return;
    part(this.element, "each", HTMLElement).hidden = false;
    for (const { path, file } of this.files.slice(0, FILE_ROWS_MAX)) {
      const row = make("li", "");
      row.append(make("span", "file-name", path), make("span", "file-size", writeSize(this.words, file.size)));
      row.append(make("span", "file-size"));
      this.rows.push(row);
    }
    part(this.element, "files", HTMLElement).replaceChildren(...this.rows);
  }

  private showProgress(progress: UploadProgress): void {
    const share = progress.totalBytes ? progress.sentBytes / progress.totalBytes : 0;
    const text = this.describe(progress, this.words.percent(share));
    part(this.element, "bar", HTMLProgressElement).value = share;
    part(this.element, "words", HTMLElement).textContent = text;
    this.showButtons(progress.state === "paused");
    this.showFiles(progress);
    if (this.state !== progress.state) speak(`${this.name}: ${text}`);
    else this.speaker.reach(share, `${this.name}: ${text}`);
    this.state = progress.state;
  }

  private describe(progress: UploadProgress, percent: string): string {
    const why = progress.message ? this.words.explain(progress.message) : "";
    if (progress.state === "done") return this.words.say("state.finishing");
    const text = this.words.say(`state.${progress.state}`, { percent, why });
    if (progress.state !== "encrypting" && progress.state !== "sending") return text;
    return text + writePace(this.words, progress.bytesPerSecond, progress.secondsLeft);
  }

  /** Swap the two buttons, and let the focus follow if it was on the one that goes. */
  private showButtons(isPaused: boolean): void {
    const pause = part(this.element, "pause", HTMLButtonElement);
    const resume = part(this.element, "resume", HTMLButtonElement);
    if (pause.hidden === isPaused) return;
    const hasFocus = document.activeElement === (isPaused ? pause : resume);
    pause.hidden = isPaused;
    resume.hidden = !isPaused;
    if (hasFocus) (isPaused ? resume : pause).focus();
  }

  private showFiles({ fileIndex, fileSentBytes }: UploadProgress): void {
    for (const [place, row] of this.rows.entries()) {
      const size = this.files[place]?.file.size ?? 0;
      const sent = place < fileIndex ? size : place === fileIndex ? fileSentBytes : 0;
      const text = `${this.words.percent(size ? sent / size : Number(place <= fileIndex))} %`;
      if (row.lastChild && row.lastChild.textContent !== text) row.lastChild.textContent = text;
    }
  }

  private async cancel(): Promise<void> {
    await this.handle.cancel();
    this.element.remove();
    speak(this.words.say("state.cancelled"));
    find("choose-files", HTMLInputElement).focus();
  }

  private showFailure(error: unknown): void {
    const text = this.words.say("state.failed", { why: this.words.explain(error) });
    part(this.element, "words", HTMLElement).textContent = text;
    for (const name of ["pause", "resume"]) part(this.element, name, HTMLElement).hidden = true;
    if (this.element.isConnected) speak(`${this.name}: ${text}`);
  }

  private showResult(result: UploadResult): void {
    const { words, element } = this;
    part(element, "work", HTMLElement).hidden = true;
    part(element, "result", HTMLElement).hidden = false;
    const link = part(element, "link", HTMLInputElement);
    link.id = `link-${result.linkId}`;
    link.value = result.linkUrl;
    part(element, "link-label", HTMLLabelElement).htmlFor = link.id;
    link.addEventListener("focus", () => link.select());
    part(element, "open", HTMLAnchorElement).href = result.linkUrl;
    part(element, "code", HTMLElement).append(drawCode(result.linkUrl, words.say("qr")));
    part(element, "copy", HTMLButtonElement).addEventListener("click", () => this.copy(link));
    speak(`${this.name}: ${words.say("state.done")}`);
  }

  private async copy(link: HTMLInputElement): Promise<void> {
    const isCopied = await copyText(link.value);
    if (!isCopied) link.focus();
    speak("");
    speak(this.words.say(isCopied ? "copied" : "not-copied"));
  }
}
