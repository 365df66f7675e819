/** What the tests of uploads share: files, requests, and another program that opens what was uploaded. */

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import * as age from "age-encryption";
import { encodeIdentity } from "../../src/core/age/bech32.ts";
import { type Bytes, toHex } from "../../src/core/bytes.ts";
import { hashBytes } from "../../src/core/digest.ts";
import { parseLink, unlockLink } from "../../src/core/links.ts";
import { decryptManifest, type Manifest } from "../../src/core/manifest.ts";
import { computeSeal } from "../../src/core/seals.ts";
import { UploadControl } from "../../src/upload/control.ts";
import type { ChosenFile, UploadRequest, UploadResult } from "../../src/upload/types.ts";
import type { TusServer } from "./server.ts";

/** A control that does not wait between attempts. */
export class ImpatientControl extends UploadControl {
  override wait(): Promise<void> {
    return super.wait(0);
  }
}

export function drawBytes(count: number): Bytes {
  return new Uint8Array(randomBytes(count));
}

export function choose(path: string, content: Bytes | string, type = "text/plain"): ChosenFile {
  return { path, file: new File([content], path.split("/").at(-1) ?? "", { type }) };
}

export function makeRequest(files: ChosenFile[], extra: Partial<UploadRequest> = {}): UploadRequest {
  return { files, priceMsat: 0n, ...extra };
}

/** Open a link with what the server got, by npm age-encryption. */
export async function fetchAll(
  server: TusServer,
  result: UploadResult,
  password?: string,
): Promise<{ manifest: Manifest; payload: Bytes }> {
  const link = await unlockLink(parseLink(result.linkUrl), password);
  const { body } = server.links.at(-1) as (typeof server.links)[number];
  const sealed = new Uint8Array(Buffer.from(body.manifest, "base64"));
  assert.deepEqual(await hashBytes(sealed), link.manifestSha256);
  assert.equal(toHex(computeSeal(link.secret, link.manifestSha256)), body.seal);
  const manifest = await decryptManifest(sealed, link.secret);
  const { bytes, length } = server.uploads.find(({ id }) => id === body.upload) as (typeof server.uploads)[number];
  assert.deepEqual([bytes.length, length], [manifest.length, manifest.length]);
  assert.equal(`sha256:${toHex(manifest.root)}`, body.root);
  const reader = new age.Decrypter();
  reader.addIdentity(encodeIdentity(link.secret));
  return { manifest, payload: new Uint8Array(await reader.decrypt(bytes)) };
}
