/** The upload page: choose, set what the link is to be, encrypt and send; take up what was left unfinished. */

import { startUpload, type UploadRequest } from "../upload/engine.ts";
import { find } from "./shared/dom.ts";
import { readWords } from "./shared/words.ts";
import { Chooser } from "./upload/chooser.ts";
import { OptionError, readOptions } from "./upload/options.ts";
import { RunningList } from "./upload/running.ts";
import { UnfinishedList } from "./upload/unfinished.ts";

const words = readWords();
const chooser = new Chooser(words);
const running = new RunningList(words);
const unfinished = new UnfinishedList(words, running);
const form = find("upload-form", HTMLFormElement);
const refused = find("refused", HTMLElement);

/** Say why nothing was begun; the alert is read out. */
function refuse(text: string): void {
  refused.textContent = text;
  refused.hidden = text === "";
}

async function begin(): Promise<void> {
  refuse("");
  const { files, name } = chooser;
  try {
    const request: UploadRequest = { files, ...readOptions(words) };
    running.add(await startUpload(request), name, files);
  } catch (error) {
    refuse(error instanceof OptionError ? error.message : words.explain(error));
    return;
  }
  chooser.clear();
  form.reset();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void begin();
});
find("clear", HTMLButtonElement).addEventListener("click", () => {
  chooser.clear();
  find("choose-files", HTMLInputElement).focus();
});
addEventListener("beforeunload", (event) => {
  if (running.isBusy) event.preventDefault();
});
find("upload", HTMLElement).hidden = false;
await unfinished.show();
