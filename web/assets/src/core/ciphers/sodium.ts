/** libsodium's ChaCha20-Poly1305, compiled to WebAssembly. */

import sodium from "libsodium-wrappers";
import type { Bytes } from "../bytes.ts";
import type { Aead, AeadEngine } from "./engine.ts";

export const SODIUM: AeadEngine = {
  name: "sodium",
  async importKey(key) {
    await sodium.ready;
    return new SodiumAead(key.slice());
  },
};

class SodiumAead implements Aead {
  private readonly key: Bytes;

  constructor(key: Bytes) {
    this.key = key;
  }

  async seal(nonce: Bytes, plaintext: Bytes): Promise<Bytes> {
    return sodium.crypto_aead_chacha20poly1305_ietf_encrypt(plaintext, null, null, nonce, this.key) as Bytes;
  }

  async open(nonce: Bytes, sealed: Bytes): Promise<Bytes | undefined> {
    try {
      return sodium.crypto_aead_chacha20poly1305_ietf_decrypt(null, sealed, null, nonce, this.key) as Bytes;
    } catch {
      return undefined; // libsodium has one error for a wrong tag and a text shorter than one.
    }
  }
}
