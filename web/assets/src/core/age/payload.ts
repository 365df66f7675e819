/** The binary payload of an age file: chunks of 64 KiB under ChaCha20-Poly1305, the STREAM construction.
 *
 * Source: C2SP/age, "Payload". A chunk's nonce is its number and a flag for the final chunk, so cut, swapped or repeated
 * chunks do not authenticate. */

import { hkdf } from "@noble/hashes/hkdf.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, encodeUtf8 } from "../bytes.ts";
import { chooseEngine } from "../ciphers/choice.ts";
import { NONCE_BYTES as AEAD_NONCE_BYTES, type Aead, type AeadEngine, TAG_BYTES } from "../ciphers/engine.ts";
import { AgePayloadError, AgeTrailingDataError, AgeTruncatedError } from "../errors.ts";

export const CHUNK_BYTES = 64 * 1024;
export const SEALED_CHUNK_BYTES = CHUNK_BYTES + TAG_BYTES;
/** The payload's own nonce, which follows the header. */
export const NONCE_BYTES = 16;

/** Chunks under way at once: enough to keep the browser's threads busy, few enough to hold two batches in memory. */
const BATCH_CHUNKS = 16;
const KEY_BYTES = 32;
const COUNTER_BYTES = 11;

/** Return the 32-byte key of a payload from the file key (16 bytes) and the nonce (16 bytes). */
export function derivePayloadKey(fileKey: Uint8Array, nonce: Uint8Array): Bytes {
  return hkdf(sha256, fileKey, nonce, encodeUtf8("payload"), KEY_BYTES) as Bytes;
}

/** Encrypts and decrypts single chunks under one payload key. */
export class ChunkCipher {
  private readonly aead: Aead;

  private constructor(aead: Aead) {
    this.aead = aead;
  }

  /** Return the cipher of a payload key, by the best engine of this browser or by a named one. */
  static async create(payloadKey: Bytes, engine?: AeadEngine): Promise<ChunkCipher> {
    return new ChunkCipher(await (engine ?? (await chooseEngine())).importKey(payloadKey));
  }

  /** Return the chunk with its tag. */
  encrypt(number: number, chunk: Bytes, isFinal: boolean): Promise<Bytes> {
    return this.aead.seal(makeNonce(number, isFinal), chunk);
  }

  /** Return the chunk's plaintext.
   *
   * Throws AgeTruncatedError if it is a good chunk but not the final one that it has to be, AgeTrailingDataError if it is
   * the final one and has no right to be, AgePayloadError if it does not authenticate at all. */
  async decrypt(number: number, sealed: Bytes, isFinal: boolean): Promise<Bytes> {
    const chunk = await this.aead.open(makeNonce(number, isFinal), sealed);
    if (!chunk) {
      const other = await this.aead.open(makeNonce(number, !isFinal), sealed);
      if (!other) throw new AgePayloadError(`Chunk ${number} of the age file does not authenticate.`);
      throw isFinal ? new AgeTruncatedError() : new AgeTrailingDataError();
    }
    if (chunk.length === 0 && number > 0) throw new AgePayloadError("The final chunk of the age file is empty.");
    return chunk;
  }
}

/** Return the number of chunks of a plaintext: an empty one has one empty chunk. */
export function countChunks(plaintextBytes: number): number {
  return Math.max(1, Math.ceil(plaintextBytes / CHUNK_BYTES));
}

/** Return the length of the chunks of a plaintext, without header and nonce. */
export function getSealedLength(plaintextBytes: number): number {
  return plaintextBytes + TAG_BYTES * countChunks(plaintextBytes);
}

/** Yield the sealed chunks of a plaintext of so many bytes, in batches; `read` gives its next bytes, as many as asked for.
 *
 * The next batch is read and encrypted while the last one is used. */
export async function* sealBatches(
  cipher: ChunkCipher,
  plaintextBytes: number,
  read: (size: number) => Promise<Bytes>,
): AsyncGenerator<Bytes[]> {
  const count = countChunks(plaintextBytes);
  const seal = async (first: number) => {
    const data = await read(BATCH_CHUNKS * CHUNK_BYTES);
    const numbers = Array.from({ length: Math.min(BATCH_CHUNKS, count - first) }, (_, place) => place);
    return Promise.all(
      numbers.map((place) => {
        const chunk = data.subarray(place * CHUNK_BYTES, (place + 1) * CHUNK_BYTES);
        return cipher.encrypt(first + place, chunk, first + place === count - 1);
      }),
    );
  };
  let batch = seal(0);
  for (let first = 0; first < count; first += BATCH_CHUNKS) {
    const sealed = await batch;
    if (first + BATCH_CHUNKS < count) {
      batch = seal(first + BATCH_CHUNKS);
      // Its failure is met when its turn comes; whoever stops before must not leave it unheard.
      batch.catch(() => undefined);
    }
    yield sealed;
  }
}

/** Return the sealed chunks of a plaintext that is in memory as a whole. */
export function encryptChunks(cipher: ChunkCipher, plaintext: Bytes): Promise<Bytes[]> {
  const count = countChunks(plaintext.length);
  const numbers = Array.from({ length: count }, (_, number) => number);
  return Promise.all(
    numbers.map((number) =>
      cipher.encrypt(
        number,
        plaintext.subarray(number * CHUNK_BYTES, (number + 1) * CHUNK_BYTES),
        number === count - 1,
      ),
    ),
  );
}

/** Return the plaintext's chunks of a payload that is in memory as a whole.
 *
 * Throws AgePayloadError, AgeTruncatedError or AgeTrailingDataError, the cause that comes first. */
export async function decryptChunks(cipher: ChunkCipher, payload: Bytes): Promise<Bytes[]> {
  const count = Math.max(1, Math.ceil(payload.length / SEALED_CHUNK_BYTES));
  const chunks: Bytes[] = [];
  for (let number = 0; number < count; number += 1) {
    const sealed = payload.subarray(number * SEALED_CHUNK_BYTES, (number + 1) * SEALED_CHUNK_BYTES);
    if (sealed.length < TAG_BYTES) throw new AgeTruncatedError();
    chunks.push(await cipher.decrypt(number, sealed, number === count - 1));
  }
  return chunks;
}

function makeNonce(number: number, isFinal: boolean): Bytes {
  const nonce = new Uint8Array(AEAD_NONCE_BYTES);
  const view = new DataView(nonce.buffer);
  // The counter has 11 bytes; a file of 2^53 bytes needs fewer than the last 8 of them.
  view.setBigUint64(COUNTER_BYTES - 8, BigInt(number));
  nonce[COUNTER_BYTES] = isFinal ? 1 : 0;
  return nonce;
}
