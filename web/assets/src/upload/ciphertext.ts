/** The ciphertext of an upload, made batch by batch while it is sent. */

import { type Encryption, getCipher, getPrefix } from "../core/age/files.ts";
import { CHUNK_BYTES, type ChunkCipher, countChunks, getSealedLength } from "../core/age/payload.ts";
import { type Bytes, joinBytes } from "../core/bytes.ts";
import type { ChunkLog } from "./chunk_log.ts";
import { getPlanBytes, type PayloadReader, type Plan } from "./source.ts";

/** Enough to keep the browser's threads busy, few enough to hold two batches at once. */
const BATCH_CHUNKS = 16;

/** Return the length of a plan's ciphertext in bytes. */
export function getCiphertextBytes(plan: Plan, encryption: Encryption): number {
  return encryption.header.length + encryption.nonce.length + getSealedLength(getPlanBytes(plan));
}

/** Yield the ciphertext in order: the prefix, then batches of chunks once they were compared with the log.
 *
 * The next batch is read and encrypted while the last one is hashed and sent. Throws PlaintextChangedError. */
export async function* encryptPayload(
  plan: Plan,
  encryption: Encryption,
  payload: PayloadReader,
  log: ChunkLog,
): AsyncGenerator<Bytes> {
  yield getPrefix(encryption);
  const cipher = await getCipher(encryption);
  const count = countChunks(getPlanBytes(plan));
  let batch = encryptBatch(cipher, payload, 0, count);
  for (let first = 0; first < count; first += BATCH_CHUNKS) {
    const sealed = await batch;
    const following = first + BATCH_CHUNKS;
    if (following < count) {
      batch = encryptBatch(cipher, payload, following, count);
      // Its failure is met when its turn comes; whoever stops before must not leave it unheard.
      batch.catch(() => undefined);
    }
    await log.add(first, sealed);
    yield joinBytes(sealed);
  }
}

async function encryptBatch(
  cipher: ChunkCipher,
  payload: PayloadReader,
  first: number,
  count: number,
): Promise<Bytes[]> {
  const data = await payload.read(BATCH_CHUNKS * CHUNK_BYTES);
  const sealed: Promise<Bytes>[] = [];
  for (let place = 0; place < BATCH_CHUNKS && first + place < count; place += 1) {
    const chunk = data.subarray(place * CHUNK_BYTES, (place + 1) * CHUNK_BYTES);
    sealed.push(cipher.encrypt(first + place, chunk, first + place === count - 1));
  }
  return Promise.all(sealed);
}
