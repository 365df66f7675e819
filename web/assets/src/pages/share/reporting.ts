/** Reporting a file to the reviewers, sealed together with the link's key, so that they can see what is reported. */

import { canSealReports, sealReport } from "../../core/reports.ts";
import { find } from "../shared/dom.ts";
import { post } from "../shared/requests.ts";
import type { Words } from "../shared/words.ts";

/** Make the form work; `getLink` returns the whole link of the page. */
export function setUpReport(words: Words, getLink: () => string): void {
  const form = find("report-form", HTMLFormElement);
  find(canSealReports() ? "report-sealed" : "report-open", HTMLElement).hidden = false;
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void send(words, form, getLink());
  });
  find("report", HTMLElement).hidden = false;
}

async function send(words: Words, form: HTMLFormElement, link: string): Promise<void> {
  const problem = find("report-error", HTMLElement);
  problem.textContent = "";
  try {
    const linkId = find("share", HTMLElement).dataset.link ?? "";
    await post(`/api/v1/links/${linkId}/reports`, await makeReport(link));
    form.hidden = true;
    find("report-thanks", HTMLElement).hidden = false;
  } catch {
    problem.textContent = words.say("report.failed");
  }
}

/** Return the report: sealed it says nothing in the open but its category. */
async function makeReport(link: string): Promise<Record<string, string>> {
  const category = find("category", HTMLSelectElement).value;
  const text = find("report-text", HTMLTextAreaElement).value;
  if (!canSealReports()) return { category, sealed: "", text };
  return { category, sealed: await sealReport(link, text), text: "" };
}
