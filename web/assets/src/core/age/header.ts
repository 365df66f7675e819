/** The text header of an age v1 file: recipient stanzas and their MAC (C2SP/age, "Header").
 *
 * Reading is as strict as the grammar: one spelling per header, so that nobody can change a byte unseen. */

import { hkdf } from "@noble/hashes/hkdf.js";
import { hmac } from "@noble/hashes/hmac.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concatBytes, encodeUtf8, equalBytes, fromBase64Unpadded, toBase64Unpadded } from "../bytes.ts";
import { AgeHeaderError, AgeMacError } from "../errors.ts";

export const VERSION_LINE = "age-encryption.org/v1";
/** The grammar has no limit; ours have about 200 bytes. This bounds what a hostile file makes us hold. */
export const HEADER_BYTES_MAX = 64 * 1024;

const COLUMNS = 64;
const MAC_BYTES = 32;
const NEWLINE = 10;

/** The file key wrapped for one recipient: printable arguments (the first names the type) and a body. */
export interface Stanza {
  arguments: readonly string[];
  body: Uint8Array;
}

/** A parsed header: `authenticated` is every byte up to and including the `---` mark, `bytes` the length of all of it. */
export interface Header {
  stanzas: readonly Stanza[];
  authenticated: Uint8Array;
  mac: Uint8Array;
  bytes: number;
}

/** Return the header's bytes, ended by the MAC under the 16-byte file key. */
export function writeHeader(stanzas: readonly Stanza[], fileKey: Uint8Array): Bytes {
  const lines = [VERSION_LINE];
  for (const stanza of stanzas) {
    lines.push(`-> ${stanza.arguments.join(" ")}`);
    const body = toBase64Unpadded(stanza.body);
    // A body ends with a line shorter than 64 columns, which is empty if the last full line used it up.
    for (let start = 0; start <= body.length; start += COLUMNS) lines.push(body.slice(start, start + COLUMNS));
  }
  const authenticated = encodeUtf8(`${lines.join("\n")}\n---`);
  const mac = toBase64Unpadded(computeMac(authenticated, fileKey));
  return concatBytes(authenticated, encodeUtf8(` ${mac}\n`));
}

/** Read the header at the start of some bytes.
 *
 * Throws AgeHeaderError if it departs from the grammar, is longer than HEADER_BYTES_MAX, or is not all there. */
export function readHeader(data: Uint8Array): Header {
  const lines = new HeaderLines(data);
  if (lines.readLine() !== VERSION_LINE) throw new AgeHeaderError("This is not an age v1 file.");
  const stanzas: Stanza[] = [];
  let before = lines.taken;
  let line = lines.readLine();
  while (line.startsWith("-> ")) {
    stanzas.push({ arguments: parseArguments(line.slice(3)), body: readBody(lines) });
    before = lines.taken;
    line = lines.readLine();
  }
  if (stanzas.length === 0 || !line.startsWith("--- ")) throw new AgeHeaderError();
  const mac = decodeBase64(line.slice(4));
  if (mac.length !== MAC_BYTES) throw new AgeHeaderError("The MAC of the age file's header has a wrong length.");
  return { stanzas, authenticated: data.subarray(0, before + 3), mac, bytes: lines.taken };
}

/** Throws AgeMacError unless the header's MAC is right under the file key. */
export function checkMac(header: Header, fileKey: Uint8Array): void {
  if (!equalBytes(computeMac(header.authenticated, fileKey), header.mac)) throw new AgeMacError();
}

/** Return the bytes of canonical unpadded base64. Throws AgeHeaderError for any other spelling. */
export function decodeBase64(text: string): Bytes {
  try {
    return fromBase64Unpadded(text);
  } catch (error) {
    throw new AgeHeaderError("The header of the age file has base64 that is not canonical.", { cause: error });
  }
}

/** Takes whole lines of ASCII, up to the limit. */
class HeaderLines {
  taken = 0;
  private readonly data: Uint8Array;

  constructor(data: Uint8Array) {
    this.data = data;
  }

  readLine(): string {
    const end = this.data.indexOf(NEWLINE, this.taken);
    if ((end < 0 ? this.data.length : end + 1) > HEADER_BYTES_MAX) {
      throw new AgeHeaderError(`The header of the age file is longer than ${HEADER_BYTES_MAX} bytes.`);
    }
    if (end < 0) throw new AgeHeaderError("The age file ends inside its header.");
    const line = this.data.subarray(this.taken, end);
    if (line.some((byte) => byte > 0x7e)) throw new AgeHeaderError();
    this.taken = end + 1;
    return new TextDecoder().decode(line);
  }
}

function readBody(lines: HeaderLines): Bytes {
  let body = "";
  for (;;) {
    const line = lines.readLine();
    body += line;
    if (line.length > COLUMNS) throw new AgeHeaderError("A line of the age file's header is longer than 64 columns.");
    if (line.length < COLUMNS) return decodeBase64(body);
  }
}

function parseArguments(line: string): readonly string[] {
  const parts = line.split(" ");
  if (parts.some((part) => !/^[!-~]+$/.test(part))) {
    throw new AgeHeaderError("A recipient stanza of the age file has malformed arguments.");
  }
  return parts;
}

function computeMac(authenticated: Uint8Array, fileKey: Uint8Array): Uint8Array {
  const key = hkdf(sha256, fileKey, undefined, encodeUtf8("header"), 32);
  return hmac(sha256, key, authenticated);
}
