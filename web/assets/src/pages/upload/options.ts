/** What the link is to be: password, expiry, maximum, price, hidden size. */

import type { UploadRequest } from "../../upload/engine.ts";
import { find } from "../shared/dom.ts";
import { readPrice } from "../shared/sizes.ts";
import type { Words } from "../shared/words.ts";

/** An option was filled in wrongly; the message is for the person. */
export class OptionError extends Error {}

/** Return the options of the form. Throws OptionError, and puts the focus on what is wrong. */
export function readOptions(words: Words): Omit<UploadRequest, "files"> {
  const password = find("password", HTMLInputElement).value;
  const seconds = find("expiry", HTMLSelectElement).value;
  const isPadded = find("padding", HTMLInputElement).checked;
  const transfersMax = readTransfersMax(words);
  return {
    priceMsat: readPriceField(words),
    padding: isPadded ? "padme" : "none",
    ...(password ? { password } : {}),
    ...(seconds ? { expiresAt: new Date(Date.now() + Number(seconds) * 1_000).toISOString() } : {}),
    ...(transfersMax === undefined ? {} : { transfersMax }),
  };
}

function readPriceField(words: Words): bigint {
  const field = find("price", HTMLInputElement);
  const price = readPrice(field.value || "0");
  if (price === undefined || field.validity.badInput) throw reject(field, words.say("price.wrong"));
  return price;
}

function readTransfersMax(words: Words): number | undefined {
  const field = find("transfers", HTMLInputElement);
  if (!field.value && !field.validity.badInput) return undefined;
  const count = Number(field.value);
  if (!Number.isSafeInteger(count) || count < 1) throw reject(field, words.say("transfers.wrong"));
  return count;
}

function reject(field: HTMLInputElement, message: string): OptionError {
  field.focus();
  return new OptionError(message);
}
