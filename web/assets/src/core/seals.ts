/** The seal: what a record commits to about the plaintext without telling anything about it. */

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concatBytes, encodeUtf8 } from "./bytes.ts";

const SEAL_TAG = encodeUtf8("cadastre/seal/v1\0");
const SEAL_KEY_INFO = encodeUtf8("cadastre/seal");

/** Return the 32-byte seal of a link's secret and of the SHA-256 of its encrypted manifest. */
export function computeSeal(secret: Uint8Array, manifestSha256: Uint8Array): Bytes {
  const key = hkdf(sha256, secret, undefined, SEAL_KEY_INFO, 32);
  return sha256(concatBytes(SEAL_TAG, key, manifestSha256)) as Bytes;
}
