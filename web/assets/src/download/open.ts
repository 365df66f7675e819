/** Opening a link, and preparing its delivery, as a page sees them. */

import type { Delivery, OpenedLink } from "./types.ts";

export * from "../core/errors.ts";
export type * from "./types.ts";

/** Fetch and decrypt a link's manifest, and check it against the link: free of charge.
 *
 * Throws LinkFormatError, PasswordNeededError, WrongPasswordError, WrongKeyError, LinkGoneError, ManifestError, or
 * ServerUnavailableError. */
export async function openLink(_url: string, _options: { password?: string } = {}): Promise<OpenedLink> {
  throw new Error("not built yet");
}

/** Register the service worker, hand it the keys, and authenticate the last chunk; this is what charges.
 *
 * Throws PriceError, PaymentNeededError, LinkGoneError, BlobError, or ServerUnavailableError. */
export async function prepareDelivery(_opened: OpenedLink, _options: { priceMaxMsat: bigint }): Promise<Delivery> {
  throw new Error("not built yet");
}
