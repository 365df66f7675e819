/** The browser's own ChaCha20-Poly1305 ("Modern Algorithms in the Web Cryptography API"): native, and off the calling thread. */

import type { Bytes } from "../bytes.ts";
import type { Aead, AeadEngine } from "./engine.ts";

const NAME = "ChaCha20-Poly1305";

export const WEBCRYPTO: AeadEngine = {
  name: "webcrypto",
  async importKey(key) {
    // TypeScript's library does not know this format yet.
    const format = "raw-secret" as "raw";
    return new WebCryptoAead(await crypto.subtle.importKey(format, key, NAME, false, ["encrypt", "decrypt"]));
  },
};

class WebCryptoAead implements Aead {
  private readonly key: CryptoKey;

  constructor(key: CryptoKey) {
    this.key = key;
  }

  async seal(nonce: Bytes, plaintext: Bytes): Promise<Bytes> {
    return new Uint8Array(await crypto.subtle.encrypt({ name: NAME, iv: nonce }, this.key, plaintext));
  }

  async open(nonce: Bytes, sealed: Bytes): Promise<Bytes | undefined> {
    try {
      return new Uint8Array(await crypto.subtle.decrypt({ name: NAME, iv: nonce }, this.key, sealed));
    } catch (error) {
      // "OperationError" is the standard's name for a tag that does not fit; anything else is a fault of this program.
      if (error instanceof DOMException && error.name === "OperationError") return undefined;
      throw error;
    }
  }
}
