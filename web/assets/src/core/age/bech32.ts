/** The Bech32 spellings of age: `age1...` for a recipient, `AGE-SECRET-KEY-1...` for an identity (BIP 173, any length). */

import { bech32 } from "@scure/base";
import type { Bytes } from "../bytes.ts";
import { AgeHeaderError } from "../errors.ts";

const KEY_BYTES = 32;

/** Return `age1...` for an X25519 recipient of 32 bytes. */
export function encodeRecipient(recipient: Uint8Array): string {
  return bech32.encodeFromBytes("age", recipient);
}

/** Return `AGE-SECRET-KEY-1...` for a secret of 32 bytes. */
export function encodeIdentity(secret: Uint8Array): string {
  return bech32.encodeFromBytes("age-secret-key-", secret).toUpperCase();
}

/** Return the 32 bytes of `age1...`. Throws AgeHeaderError if it is not one. */
export function decodeRecipient(text: string): Bytes {
  try {
    const { prefix, bytes } = bech32.decodeToBytes(text);
    if (prefix === "age" && bytes.length === KEY_BYTES) return bytes as Bytes;
  } catch (error) {
    throw new AgeHeaderError("This is not an age recipient.", { cause: error });
  }
  throw new AgeHeaderError("This is not an age recipient.");
}
