/** Bytes and their spellings. Every decoder is strict: one spelling for each value. */

import { base64, base64nopad, base64urlnopad, hex } from "@scure/base";

/** Bytes over memory that is not shared, which is what WebCrypto and fetch take. */
export type Bytes = Uint8Array<ArrayBuffer>;

const ENCODER = new TextEncoder();

/** Return the UTF-8 bytes of a text. */
export function encodeUtf8(text: string): Bytes {
  return ENCODER.encode(text) as Bytes;
}

/** Return the text of UTF-8 bytes. Throws TypeError if they are not UTF-8; a byte order mark is a character like any other. */
export function decodeUtf8(data: Uint8Array): string {
  return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(data);
}

/** Return all parts one after the other. */
export function concatBytes(...parts: readonly Uint8Array[]): Bytes {
  return joinBytes(parts);
}

/** Return all parts of a list, however long, one after the other. */
export function joinBytes(parts: readonly Uint8Array[]): Bytes {
  const joined = new Uint8Array(parts.reduce((total, part) => total + part.length, 0));
  let place = 0;
  for (const part of parts) {
    joined.set(part, place);
    place += part.length;
  }
  return joined;
}

/** Tell whether two are equal, in a time that tells only their lengths. */
export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  if (left.length !== right.length) return false;
  let difference = 0;
  for (let place = 0; place < left.length; place += 1) {
    difference |= (left[place] as number) ^ (right[place] as number);
  }
  return difference === 0;
}

/** Return fresh random bytes of the system's generator. */
export function drawBytes(count: number): Bytes {
  return crypto.getRandomValues(new Uint8Array(count));
}

/** Return lower-case hexadecimal. */
export function toHex(data: Uint8Array): string {
  return hex.encode(data);
}

/** Return the bytes of lower-case hexadecimal. Throws RangeError for anything else. */
export function fromHex(text: string): Bytes {
  if (!/^([0-9a-f]{2})*$/.test(text)) throw new RangeError("not lower-case hexadecimal");
  return hex.decode(text) as Bytes;
}

/** Return standard base64 with padding, as JSON documents have it. */
export function toBase64(data: Uint8Array): string {
  return base64.encode(data);
}

/** Return standard base64 without padding, as age headers have it. */
export function toBase64Unpadded(data: Uint8Array): string {
  return base64nopad.encode(data);
}

/** Return the bytes of canonical unpadded base64. Throws RangeError for padding, other letters and spare bits that are set. */
export function fromBase64Unpadded(text: string): Bytes {
  return decodeCanonically(text, /^[A-Za-z0-9+/]*$/, base64nopad);
}

/** Return base64url without padding, as links have it. */
export function toBase64Url(data: Uint8Array): string {
  return base64urlnopad.encode(data);
}

/** Return the bytes of canonical unpadded base64url. Throws RangeError for any other spelling. */
export function fromBase64Url(text: string): Bytes {
  return decodeCanonically(text, /^[A-Za-z0-9_-]*$/, base64urlnopad);
}

interface Coder {
  decode(text: string): Uint8Array;
  encode(data: Uint8Array): string;
}

function decodeCanonically(text: string, letters: RegExp, coder: Coder): Bytes {
  if (!letters.test(text)) throw new RangeError("not base64 of this alphabet, without padding");
  let data: Uint8Array;
  try {
    data = coder.decode(text);
  } catch (error) {
    throw new RangeError("not canonical base64", { cause: error });
  }
  if (coder.encode(data) !== text) throw new RangeError("not canonical base64");
  return data as Bytes;
}
