/** The share page: what is behind a link, and how to get it. */

import { getErrorCode } from "../core/errors.ts";
import { type OpenedLink, openLink } from "../download/open.ts";
import { Deliverer } from "./share/delivering.ts";
import { recallLink } from "./share/keys.ts";
import { setUpReport } from "./share/reporting.ts";
import { showFiles } from "./share/showing.ts";
import { find } from "./shared/dom.ts";
import { speak } from "./shared/speech.ts";
import { readWords } from "./shared/words.ts";

const words = readWords();
const box = find("share", HTMLElement);
const problem = find("problem", HTMLElement);
const form = find("password-form", HTMLFormElement);

/** Say what is wrong in the place above everything; the alert is read out. */
function showProblem(error: unknown): void {
  problem.textContent = words.explain(error);
  problem.hidden = false;
}

function showOpened(opened: OpenedLink): void {
  const deliverer = new Deliverer(words, opened, showProblem);
  problem.hidden = true;
  form.hidden = true;
  showFiles(words, opened, deliverer);
  // The title says it to who sees.
  find("said", HTMLElement).classList.add("visually-hidden");
  speak(words.say("opened", { name: opened.topName }));
}

async function open(password?: string): Promise<void> {
  const passwordError = find("password-error", HTMLElement);
  passwordError.textContent = "";
  speak(words.say("opening"));
  try {
    showOpened(await openLink(recallLink(box.dataset.link ?? ""), password === undefined ? {} : { password }));
  } catch (error) {
    speak("");
    const code = getErrorCode(error);
    if (code === "password-needed") {
      form.hidden = false;
      find("password", HTMLInputElement).focus();
    } else if (code === "wrong-password") {
      passwordError.textContent = words.explain(error);
      find("password", HTMLInputElement).select();
    } else {
      showProblem(error);
    }
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  void open(find("password", HTMLInputElement).value);
});
addEventListener("hashchange", () => location.reload());
box.hidden = false;
setUpReport(words, () => recallLink(box.dataset.link ?? ""));
await open();
