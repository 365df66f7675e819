/** Opening a link, and preparing its delivery, as a page sees them. */

import { BrowserError } from "../core/errors.ts";
import { Api } from "../core/requests.ts";
import { type DeliveryKeys, makePlainPath } from "./keys.ts";
import type { PageMessage, ServiceWorkerMessage } from "./messages.ts";
import { beginTransfer, fetchLink } from "./opening.ts";
import type { Delivery, DeliveryProgress, OpenedLink } from "./types.ts";
import { unwrapInWorker } from "./unlocking.ts";

export * from "../core/errors.ts";
export type * from "./types.ts";

/** The script lies where the addresses are that it answers: a service worker has no power above its own folder. */
const SERVICE_WORKER_PATH = "/f/worker.js";
/** Browsers end a service worker that has had nothing to do for half a minute, also while a download waits for its reader. */
const KEEP_ALIVE_MS = 10_000;
const HAND_OVER_TIMEOUT_MS = 10_000;

/** Fetch and decrypt a link's manifest, and check it against the link: free of charge.
 *
 * Throws LinkFormatError, PasswordNeededError, WrongPasswordError, WrongKeyError, LinkGoneError, ManifestError,
 * BlobMismatchError, ProtocolError, or ServerUnavailableError. */
export function openLink(url: string, options: { password?: string } = {}): Promise<OpenedLink> {
  return fetchLink(new Api(location.origin), url, options.password, unwrapInWorker);
}

/** Register the service worker, hand it the keys, and authenticate the last chunk; this is what charges.
 *
 * Throws BrowserError, PriceError, PaymentNeededError, LinkGoneError, BlobMismatchError, an AgeError, or
 * ServerUnavailableError. */
export async function prepareDelivery(opened: OpenedLink, options: { priceMaxMsat: bigint }): Promise<Delivery> {
  // First what costs nothing: nobody pays for what this browser cannot do.
  const worker = await startServiceWorker();
  const { keys, chargedMsat } = await beginTransfer(new Api(location.origin), opened, options.priceMaxMsat);
  const delivery = new PageDelivery(keys, chargedMsat);
  await delivery.handOver(worker);
  return delivery;
}

/** A delivery whose keys the page holds, for the service worker may lose them at any time. */
class PageDelivery implements Delivery {
  readonly chargedMsat: bigint;
  private keys: DeliveryKeys;
  private readonly listeners: ((progress: DeliveryProgress) => void)[] = [];
  private readonly timer: ReturnType<typeof setInterval>;
  private readonly hear = ({ data, source }: MessageEvent<ServiceWorkerMessage>) => this.answer(data, source);

  constructor(keys: DeliveryKeys, chargedMsat: bigint) {
    [this.keys, this.chargedMsat] = [keys, chargedMsat];
    navigator.serviceWorker.addEventListener("message", this.hear);
    this.timer = setInterval(() => {
      const message: PageMessage = { type: "keep-alive", token: keys.token };
      navigator.serviceWorker.controller?.postMessage(message);
    }, KEEP_ALIVE_MS);
  }

  urlFor(fileIndex: number, disposition: "attachment" | "inline"): string {
    const name = this.keys.files[fileIndex]?.name.split("/").at(-1);
    if (name === undefined) throw new RangeError("no file has this place");
    return makePlainPath(this.keys, fileIndex, disposition, name);
  }

  zipUrl(): string {
    return makePlainPath(this.keys, "zip", "attachment", `${this.keys.topName}.zip`);
  }

  onProgress(listener: (progress: DeliveryProgress) => void): void {
    this.listeners.push(listener);
  }

  close(): void {
    clearInterval(this.timer);
    navigator.serviceWorker.removeEventListener("message", this.hear);
    const message: PageMessage = { type: "forget", token: this.keys.token };
    navigator.serviceWorker.controller?.postMessage(message);
  }

  /** Give the keys to a service worker, and return once it has them. Throws BrowserError if it does not answer. */
  async handOver(worker: ServiceWorker): Promise<void> {
    const { port1, port2 } = new MessageChannel();
    const taken = new Promise((resolve, reject) => {
      port1.onmessage = resolve;
      setTimeout(() => reject(new BrowserError("The browser's service worker does not answer.")), HAND_OVER_TIMEOUT_MS);
    });
    this.give(worker, [port2]);
    await taken;
  }

  private give(worker: MessageEventSource, ports: Transferable[] = []): void {
    const message: PageMessage = { type: "take-keys", keys: this.keys };
    worker.postMessage(message, { transfer: ports });
  }

  private answer(message: ServiceWorkerMessage, source: MessageEventSource | null): void {
    if (message.token !== this.keys.token) return;
    if (message.type === "need-keys") {
      if (source) this.give(source);
      return;
    }
    const { priceLeftMsat, pass } = message;
    this.keys = { ...this.keys, priceLeftMsat, ...(pass === undefined ? {} : { pass }) };
    for (const listener of this.listeners) listener(message.progress);
  }
}

/** Return the service worker, once it answers this page's requests. Throws BrowserError if it may not. */
async function startServiceWorker(): Promise<ServiceWorker> {
  // Without HTTPS, in some browsers' private windows, and where the user forbids it, there is none.
  if (!("serviceWorker" in navigator)) throw new BrowserError();
  const controlled = new Promise<void>((resolve, reject) => {
    navigator.serviceWorker.addEventListener("controllerchange", () => resolve(), { once: true });
    setTimeout(() => reject(new BrowserError("The browser's service worker does not start.")), HAND_OVER_TIMEOUT_MS);
  });
  controlled.catch(() => undefined);
  try {
    const registration = await navigator.serviceWorker.register(SERVICE_WORKER_PATH);
    const message: PageMessage = { type: "claim" };
    registration.active?.postMessage(message);
  } catch (error) {
    throw new BrowserError(undefined, { cause: error });
  }
  if (!navigator.serviceWorker.controller) await controlled;
  const { controller } = navigator.serviceWorker;
  if (!controller) throw new BrowserError();
  return controller;
}
