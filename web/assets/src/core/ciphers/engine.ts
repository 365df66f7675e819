/** ChaCha20-Poly1305 (RFC 8439) as several implementations have it: the browser's own, libsodium in wasm, noble in JavaScript. */

import type { Bytes } from "../bytes.ts";

export const NONCE_BYTES = 12;
export const TAG_BYTES = 16;

/** The cipher under one key. */
export interface Aead {
  /** Return the ciphertext with its tag of 16 bytes. */
  seal(nonce: Bytes, plaintext: Bytes): Promise<Bytes>;
  /** Return the plaintext, or undefined if the tag does not fit. */
  open(nonce: Bytes, sealed: Bytes): Promise<Bytes | undefined>;
}

export interface AeadEngine {
  readonly name: "webcrypto" | "sodium" | "noble";
  /** Return the cipher under a key of 32 bytes. Throws whatever the browser does if it has no such cipher. */
  importKey(key: Bytes): Promise<Aead>;
}
