/** noble's ChaCha20-Poly1305 in JavaScript: slow, and everywhere. */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import type { Bytes } from "../bytes.ts";
import type { Aead, AeadEngine } from "./engine.ts";

export const NOBLE: AeadEngine = {
  name: "noble",
  async importKey(key) {
    return new NobleAead(key.slice());
  },
};

class NobleAead implements Aead {
  private readonly key: Bytes;

  constructor(key: Bytes) {
    this.key = key;
  }

  async seal(nonce: Bytes, plaintext: Bytes): Promise<Bytes> {
    return chacha20poly1305(this.key, nonce).encrypt(plaintext) as Bytes;
  }

  async open(nonce: Bytes, sealed: Bytes): Promise<Bytes | undefined> {
    try {
      return chacha20poly1305(this.key, nonce).decrypt(sealed) as Bytes;
    } catch {
      return undefined; // A tag that does not fit, or a text shorter than one.
    }
  }
}
