/** Delivering what was opened: agreeing to the price, paying once, then saving and showing as often as wanted. */

import {
  type Delivery,
  type DeliveryProgress,
  type OpenedLink,
  prepareDelivery,
  RejectedError,
} from "../../download/open.ts";
import { find, pick } from "../shared/dom.ts";
import { writeMsat } from "../shared/sizes.ts";
import { QuarterSpeaker, speak } from "../shared/speech.ts";
import type { Words } from "../shared/words.ts";
import { agreeToPrice } from "./paying.ts";
import { showPreview } from "./previews.ts";

const REGISTER_ATTEMPTS_MAX = 20;
const REGISTER_WAIT_MS = 2_000;

export class Deliverer {
  private readonly words: Words;
  private readonly opened: OpenedLink;
  private readonly onProblem: (error: unknown) => void;
  private delivery: Promise<Delivery | undefined> | undefined;
  private speaker = new QuarterSpeaker();

  constructor(words: Words, opened: OpenedLink, onProblem: (error: unknown) => void) {
    [this.words, this.opened, this.onProblem] = [words, opened, onProblem];
  }

  /** Save a file by its place, or the whole folder as a zip for -1. */
  async save(place: number): Promise<void> {
    const delivery = await this.prepare();
    if (!delivery) return;
    this.speaker = new QuarterSpeaker();
    const anchor = document.createElement("a");
    anchor.href = place < 0 ? delivery.zipUrl() : delivery.urlFor(place, "attachment");
    // The worker's answer says how it is to be saved; `download` here would take the name from the address.
    anchor.hidden = true;
    document.body.append(anchor);
    anchor.click();
    anchor.remove();
  }

  /** Show a file in the page. */
  async show(place: number): Promise<void> {
    const file = this.opened.files[place];
    const delivery = await this.prepare();
    if (delivery && file) await showPreview(this.words, file, delivery.urlFor(place, "inline"), this.onProblem);
  }

  /** Return the delivery, which is paid for once; undefined if the person does not want to pay, or it failed. */
  private prepare(): Promise<Delivery | undefined> {
    this.delivery ??= this.begin().then((delivery) => {
      if (!delivery) this.delivery = undefined;
      return delivery;
    });
    return this.delivery;
  }

  private async begin(): Promise<Delivery | undefined> {
    if (!(await agreeToPrice(this.words))) return undefined;
    find("said", HTMLElement).classList.remove("visually-hidden");
    speak(this.words.say("preparing"));
    try {
      const priceMaxMsat = BigInt(find("share", HTMLElement).dataset.priceMsat ?? "0");
      const delivery = await this.prepareOnceRegistered(priceMaxMsat);
      delivery.onProgress((progress) => this.showProgress(progress));
      const amount = writeMsat(delivery.chargedMsat ?? 0n);
      speak(delivery.chargedMsat ? this.words.say("charged", { amount }) : "");
      return delivery;
    } catch (error) {
      speak("");
      this.onProblem(error);
      return undefined;
    }
  }

  /** A file is registered some seconds after its upload, and only then is anybody paid for it: wait for that. */
  private async prepareOnceRegistered(priceMaxMsat: bigint): Promise<Delivery> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await prepareDelivery(this.opened, { priceMaxMsat });
      } catch (error) {
        const isEarly = error instanceof RejectedError && error.problem === "record-not-ready";
        if (!isEarly || attempt === REGISTER_ATTEMPTS_MAX) throw error;
        speak(this.words.say("registering"));
        await new Promise((resolve) => setTimeout(resolve, REGISTER_WAIT_MS));
      }
    }
  }

  private showProgress(progress: DeliveryProgress): void {
    const share = progress.totalBytes ? progress.sentBytes / progress.totalBytes : 1;
    const why = progress.message ? this.words.explain(progress.message) : "";
    const text = this.words.say(progress.state, { percent: this.words.percent(share), why });
    const box = find("progress", HTMLElement);
    box.hidden = false;
    pick(box, "progress", HTMLProgressElement).value = share;
    find("progress-words", HTMLElement).textContent = text;
    if (progress.state === "streaming") this.speaker.reach(share, text);
    else speak(text);
    if (progress.state === "failed") this.onProblem(progress.message ?? "unexpected");
  }
}
