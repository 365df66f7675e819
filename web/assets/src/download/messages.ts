/** What the page and the service worker say to each other. */

import type { DeliveryKeys } from "./keys.ts";
import type { DeliveryProgress } from "./types.ts";

export type PageMessage =
  /** Take these keys; the answer is `true` at the message's port, if it came with one. */
  | { type: "take-keys"; keys: DeliveryKeys }
  /** Stay alive for this delivery; who has lost its keys says so. */
  | { type: "keep-alive"; token: string }
  | { type: "forget"; token: string }
  /** Answer this page's requests too: one that was loaded past the service worker is not among its own. */
  | { type: "claim" };

export type ServiceWorkerMessage =
  /** The browser ended the service worker and started it anew: hand the keys over again. */
  | { type: "need-keys"; token: string }
  | { type: "progress"; token: string; progress: DeliveryProgress; priceLeftMsat: bigint; pass: string | undefined };
