/** What the server says about a link to anybody. It is not trusted to answer in the documented form. */

import { HEADER_BYTES_MAX } from "../core/age/header.ts";
import { getSealedLength } from "../core/age/payload.ts";
import { toHex } from "../core/bytes.ts";
import { BlobMismatchError, ProtocolError } from "../core/errors.ts";
import type { Manifest } from "../core/manifest.ts";
import { getPayloadBytes } from "../core/manifest.ts";
import type { LinkInfo } from "./types.ts";

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** A link's answer, with what only this program compares. */
export interface ServerInfo extends LinkInfo {
  root: string;
  seal: string;
}

/** Read the answer for one link. Throws ProtocolError. */
export function parseLinkInfo(document: unknown, linkId: string): ServerInfo {
  const answer = { ...(document as Record<string, unknown>) };
  if (answer.id !== linkId) throw new ProtocolError("The server answered about another link.");
  const record = findText(answer, "record");
  const expiresAt = findText(answer, "expires_at");
  const left = answer.transfers_left ?? undefined;
  if (left !== undefined && !isCount(left)) throw new ProtocolError("The server's answer has malformed transfers.");
  if (record !== undefined && !UUID.test(record))
    throw new ProtocolError("The server's answer has a malformed record.");
  return {
    length: getCount(answer, "length"),
    sha256: getHex(answer, "sha256", "sha256:"),
    root: getHex(answer, "root", "sha256:"),
    seal: getHex(answer, "seal", ""),
    priceMsat: BigInt(getCount({ ...(answer.price as Record<string, unknown>) }, "amount_msat")),
    ...(record === undefined ? {} : { recordId: record }),
    ...(expiresAt === undefined ? {} : { expiresAt }),
    ...(left === undefined ? {} : { transfersLeft: left }),
  };
}

/** Return the length of a blob's header and nonce, which follows from its manifest.
 *
 * Throws BlobMismatchError if the server would deliver another blob than the manifest's, or the manifest contradicts itself. */
export function checkBlob(info: ServerInfo, manifest: Manifest): number {
  if (info.length !== manifest.length || info.root !== toHex(manifest.root)) throw new BlobMismatchError();
  const prefixBytes = manifest.length - getSealedLength(getPayloadBytes(manifest));
  if (getPayloadBytes(manifest) === 0 || prefixBytes < 1 || prefixBytes > HEADER_BYTES_MAX) {
    throw new BlobMismatchError("The manifest's files do not fill the blob that it names.");
  }
  return prefixBytes;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}

function getCount(answer: Record<string, unknown>, name: string): number {
  const value = answer[name];
  if (!isCount(value)) throw new ProtocolError(`The server's answer has no well-formed ${name}.`);
  return value;
}

function getHex(answer: Record<string, unknown>, name: string, prefix: string): string {
  const value = answer[name];
  const hex = typeof value === "string" && value.startsWith(prefix) ? value.slice(prefix.length) : "";
  if (!/^[0-9a-f]{64}$/.test(hex)) throw new ProtocolError(`The server's answer has no well-formed ${name}.`);
  return hex;
}

function findText(answer: Record<string, unknown>, name: string): string | undefined {
  const value = answer[name] ?? undefined;
  if (value !== undefined && typeof value !== "string") {
    throw new ProtocolError(`The server's answer has no well-formed ${name}.`);
  }
  return value;
}
