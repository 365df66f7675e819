/** Strict JSON reading and the canonical JSON of RFC 8785 (JCS), for the values that manifests and reports use.
 *
 * Those are strings, integers that every JSON reader keeps exact, booleans, null, lists, and objects with ASCII keys. */

import { type Bytes, decodeUtf8, encodeUtf8, equalBytes } from "./bytes.ts";
import { NotCanonicalError } from "./errors.ts";

const DEPTH_MAX = 32;

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Return the UTF-8 bytes of a value's canonical JSON. Throws NotCanonicalError if it holds anything but the types above. */
export function canonicalise(value: Json): Bytes {
  return encodeUtf8(write(value, DEPTH_MAX));
}

/** Return the value of canonical JSON. Throws NotCanonicalError for any other bytes. */
export function parseCanonical(data: Bytes): Json {
  let value: Json;
  try {
    value = JSON.parse(decodeUtf8(data)) as Json;
  } catch (error) {
    throw new NotCanonicalError("These bytes are not JSON in UTF-8.", { cause: error });
  }
  // This refuses repeated names, fractions, exponents and any other spelling too: none of them is written again as it was read.
  if (!equalBytes(canonicalise(value), data)) throw new NotCanonicalError("The JSON is not canonical.");
  return value;
}

function write(value: Json, depth: number): string {
  if (typeof value === "string") return writeText(value);
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "number") return writeInteger(value);
  if (depth === 0) throw new NotCanonicalError(`The value is nested more than ${DEPTH_MAX} deep.`);
  if (Array.isArray(value)) return `[${value.map((item: Json) => write(item, depth - 1)).join(",")}]`;
  const members = Object.entries(value as Record<string, Json>).sort(([left], [right]) => (left < right ? -1 : 1));
  return `{${members.map(([key, item]) => `${writeKey(key)}:${write(item, depth - 1)}`).join(",")}}`;
}

function writeText(text: string): string {
  if (/\p{Surrogate}/u.test(text)) throw new NotCanonicalError("A string holds half of a surrogate pair.");
  return JSON.stringify(text);
}

function writeKey(key: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ASCII begins with them
  if (!/^[\x00-\x7f]*$/.test(key)) throw new NotCanonicalError("An object has a key that is not ASCII.");
  return JSON.stringify(key);
}

function writeInteger(value: number): string {
  if (!Number.isSafeInteger(value)) throw new NotCanonicalError(`${value} is not an integer within 2^53 - 1.`);
  return String(value);
}
