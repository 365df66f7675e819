/** Plaintext of any range of the payload, decrypted while the ciphertext arrives. No byte leaves before its chunk authenticated. */

import { CHUNK_BYTES, ChunkCipher, countChunks, SEALED_CHUNK_BYTES } from "../core/age/payload.ts";
import type { Bytes } from "../core/bytes.ts";
import { ProtocolError, ServerUnavailableError } from "../core/errors.ts";
import { type Api, getBackoffMs } from "../core/requests.ts";
import { type BodyReader, openBody } from "./bodies.ts";
import { openContent } from "./content.ts";
import type { DeliveryKeys } from "./keys.ts";
import { type ByteRange, findChunks, locateChunks } from "./ranges.ts";

/** Chunks that are decrypted at once: one at first, so that a player soon has something. More than a few only make garbage. */
const BATCH_CHUNKS_MAX = 4;
/** Failures in a row, without a chunk between them, after which a download is given up: the browser offers to go on. */
const FAILURES_MAX = 6;

/** Decrypts ranges of one delivery. */
export class PlaintextReader {
  private readonly api: Api;
  private readonly keys: DeliveryKeys;
  private readonly wait: (delayMs: number) => Promise<void>;

  constructor(api: Api, keys: DeliveryKeys, wait = sleep) {
    [this.api, this.keys, this.wait] = [api, keys, wait];
  }

  /** Yield the plaintext of a range of the payload, piece by piece, through broken connections.
   *
   * Throws an AgeError if a chunk does not authenticate, and what the server refuses. */
  async *read(range: ByteRange, signal?: AbortSignal): AsyncGenerator<Bytes> {
    if (range.start === range.end) return;
    const cipher = await ChunkCipher.create(this.keys.payloadKey);
    const chunks = findChunks(range);
    let failures = 0;
    let next = chunks.start;
    while (next < chunks.end) {
      try {
        for await (const chunk of this.readChunks(cipher, { start: next, end: chunks.end }, signal)) {
          yield cutChunk(chunk, next, range);
          next += 1;
          failures = 0;
        }
      } catch (error) {
        failures += 1;
        if (!(error instanceof ServerUnavailableError) || failures >= FAILURES_MAX) throw error;
        await this.wait(getBackoffMs(failures - 1, error.retryAfterS));
      }
    }
  }

  private async *readChunks(cipher: ChunkCipher, chunks: ByteRange, signal?: AbortSignal): AsyncGenerator<Bytes> {
    const range = locateChunks(this.keys, chunks);
    const { response } = await openContent(this.api, this.keys, range, signal);
    const source = new SealedSource(response, range.end - range.start);
    const last = countChunks(this.keys.payloadBytes) - 1;
    try {
      let [first, size] = [chunks.start, 1];
      const openBatch = async () => {
        const sealed = await source.take(Math.min(size, chunks.end - first) * SEALED_CHUNK_BYTES);
        const opened = sealed.map((chunk, place) => cipher.decrypt(first + place, chunk, first + place === last));
        first += sealed.length;
        size = Math.min(2 * size, BATCH_CHUNKS_MAX);
        // All are awaited together, so that a second failure is not left unheard.
        return Promise.all(opened);
      };
      for (let batch = openBatch(), isMore = true; isMore; ) {
        const opened = await batch;
        isMore = first < chunks.end;
        // The next batch is fetched and decrypted while this one is used; its failure is met when its turn comes.
        if (isMore) batch = openBatch();
        batch.catch(() => undefined);
        yield* opened;
      }
    } finally {
      await source.close();
    }
  }
}

/** Takes sealed chunks from an answer's body, into one buffer that is used again and again. */
class SealedSource {
  private readonly body: BodyReader;
  private buffer: Bytes = new Uint8Array(BATCH_CHUNKS_MAX * SEALED_CHUNK_BYTES);
  private left: number;

  constructor(response: Response, bytes: number) {
    if (!response.body) throw new ProtocolError("The server's answer has no body.");
    this.body = openBody(response.body);
    this.left = bytes;
  }

  /** Return so many bytes as chunks, or all that are left; they are good until the next call.
   *
   * Throws ServerUnavailableError if the connection breaks. */
  async take(size: number): Promise<Bytes[]> {
    const wanted = Math.min(size, this.left);
    this.buffer = await this.body.fill(this.buffer, wanted);
    this.left -= wanted;
    const chunks: Bytes[] = [];
    for (let start = 0; start < wanted; start += SEALED_CHUNK_BYTES) {
      chunks.push(this.buffer.subarray(start, Math.min(wanted, start + SEALED_CHUNK_BYTES)));
    }
    return chunks;
  }

  close(): Promise<void> {
    return this.body.close();
  }
}

function cutChunk(chunk: Bytes, number: number, range: ByteRange): Bytes {
  const offset = number * CHUNK_BYTES;
  return chunk.subarray(Math.max(0, range.start - offset), Math.min(chunk.length, range.end - offset));
}

function sleep(delayMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, delayMs));
}
