/** What it takes to turn one link's ciphertext into plaintext. It goes from the page to the service worker and lives in memory only.
 *
 * The link's secret is not among it: the payload's key opens this one ciphertext, and nothing else. */

import { type Bytes, toHex } from "../core/bytes.ts";
import { getTopName, isFolder, type Manifest } from "../core/manifest.ts";
import type { OpenedFile } from "./types.ts";

export interface DeliveryKeys {
  /** Random, in hexadecimal: it names the delivery in addresses that nobody else can guess. */
  token: string;
  linkId: string;
  payloadKey: Bytes;
  /** Length of header and nonce, before the first chunk. */
  prefixBytes: number;
  ciphertextBytes: number;
  /** Length of all files and the padding. */
  payloadBytes: number;
  files: readonly OpenedFile[];
  topName: string;
  /** What may still be charged, in millisatoshi. */
  priceLeftMsat: bigint;
  /** An anonymous reader's pass, by which later requests belong to the same transfer. */
  pass?: string;
}

/** Return the files of a manifest as pages see them. */
export function listFiles(manifest: Manifest): OpenedFile[] {
  return manifest.files.map((file) => ({ ...file, sha256: toHex(file.sha256) }));
}

/** Return the name under which all of it is saved. */
export function getArchiveName(manifest: Manifest): string {
  return isFolder(manifest) ? `${getTopName(manifest)}.zip` : getTopName(manifest);
}

/** Return the address at which the service worker answers. `index` is a file's place in the manifest, or "zip". */
export function makePlainPath(keys: DeliveryKeys, index: number | "zip", disposition: string, name: string): string {
  return `/f/${keys.linkId}/plain/${keys.token}/${index}/${disposition}/${encodeURIComponent(name)}`;
}

export interface PlainAddress {
  token: string;
  index: number | "zip";
  disposition: "attachment" | "inline";
}

const PLAIN_PATH = /^\/f\/[0-9a-f-]{36}\/plain\/([0-9a-f]{32})\/([0-9]{1,7}|zip)\/(attachment|inline)\/[^/]*$/;

/** Return what an address asks for, or undefined if it is not one of these. */
export function parsePlainPath(path: string): PlainAddress | undefined {
  const [, token, index, disposition] = PLAIN_PATH.exec(path) ?? [];
  if (!token || !index) return undefined;
  return {
    token,
    index: index === "zip" ? "zip" : Number(index),
    disposition: disposition === "inline" ? "inline" : "attachment",
  };
}
