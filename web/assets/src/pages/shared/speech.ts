/** What a screen reader is told while something goes on: few words, and never twice the same. */

import { find } from "./dom.ts";

/** Say something in the page's status line. */
export function speak(text: string): void {
  const line = find("said", HTMLElement);
  if (line.textContent !== text) line.textContent = text;
}

/** Says how far something has come, but only at every quarter. */
export class QuarterSpeaker {
  private quarter = 0;

  /** Take a share of 1, and speak if it entered another quarter. */
  reach(share: number, text: string): void {
    const quarter = Math.floor(share * 4);
    if (quarter === this.quarter) return;
    this.quarter = quarter;
    speak(text);
  }
}
