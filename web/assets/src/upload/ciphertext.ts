/** The ciphertext of an upload, made batch by batch while it is sent. */

import { type Encryption, getCipher, getPrefix } from "../core/age/files.ts";
import { getSealedLength, sealBatches } from "../core/age/payload.ts";
import { type Bytes, joinBytes } from "../core/bytes.ts";
import type { ChunkLog } from "./chunk_log.ts";
import { getPlanBytes, type PayloadReader, type Plan } from "./source.ts";

/** Return the length of a plan's ciphertext in bytes. */
export function getCiphertextBytes(plan: Plan, encryption: Encryption): number {
  return encryption.header.length + encryption.nonce.length + getSealedLength(getPlanBytes(plan));
}

/** Yield the ciphertext in order: the prefix, then batches of chunks once they were compared with the log.
 *
 * Throws PlaintextChangedError. */
export async function* encryptPayload(
  plan: Plan,
  encryption: Encryption,
  payload: PayloadReader,
  log: ChunkLog,
): AsyncGenerator<Bytes> {
  yield getPrefix(encryption);
  const cipher = await getCipher(encryption);
  let first = 0;
  for await (const sealed of sealBatches(cipher, getPlanBytes(plan), (size) => payload.read(size))) {
    await log.add(first, sealed);
    first += sealed.length;
    yield joinBytes(sealed);
  }
}
