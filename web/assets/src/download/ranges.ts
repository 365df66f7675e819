/** Ranges: of a file's plaintext (RFC 9110, section 14), and of the ciphertext that holds it. */

import { CHUNK_BYTES, countChunks, SEALED_CHUNK_BYTES } from "../core/age/payload.ts";
import type { DeliveryKeys } from "./keys.ts";

/** Bytes from `start` up to, and without, `end`. */
export interface ByteRange {
  start: number;
  end: number;
}

/** Return the range that a `Range` header asks for, undefined where the whole is to be sent, or "unsatisfiable".
 *
 * Other units, several ranges and malformed headers are ignored, as the server does. */
export function parseRange(header: string | null, size: number): ByteRange | "unsatisfiable" | undefined {
  const [, first = "", last = ""] = /^bytes=([0-9]{0,16})-([0-9]{0,16})$/.exec(header ?? "") ?? [];
  if (!first) return last ? takeSuffix(Number(last), size) : undefined;
  const range = { start: Number(first), end: last ? Math.min(size, Number(last) + 1) : size };
  if (last && Number(last) < range.start) return undefined;
  return range.start < size ? range : "unsatisfiable";
}

function takeSuffix(bytes: number, size: number): ByteRange | "unsatisfiable" {
  return bytes > 0 && size > 0 ? { start: Math.max(0, size - bytes), end: size } : "unsatisfiable";
}

/** Return the chunks that hold a range of the payload; the last number is one behind. */
export function findChunks(range: ByteRange): ByteRange {
  return { start: Math.floor(range.start / CHUNK_BYTES), end: Math.ceil(range.end / CHUNK_BYTES) };
}

/** Return where the chunks from one number up to, and without, another lie in the ciphertext. */
export function locateChunks(keys: DeliveryKeys, chunks: ByteRange): ByteRange {
  const isLast = chunks.end === countChunks(keys.payloadBytes);
  return {
    start: keys.prefixBytes + chunks.start * SEALED_CHUNK_BYTES,
    end: isLast ? keys.ciphertextBytes : keys.prefixBytes + chunks.end * SEALED_CHUNK_BYTES,
  };
}

/** Return where a file lies in the payload. */
export function locateFile(keys: DeliveryKeys, index: number): ByteRange {
  const start = keys.files.slice(0, index).reduce((total, file) => total + file.size, 0);
  return { start, end: start + (keys.files[index]?.size ?? 0) };
}
