/** The request that makes a link of a finished upload: fixed and stored before it is sent, so that a repetition is the same. */

import { toBase64, toHex } from "../core/bytes.ts";
import { type Digest, hashBytes } from "../core/digest.ts";
import { ProtocolError } from "../core/errors.ts";
import { encryptManifest, type ManifestFile } from "../core/manifest.ts";
import type { Api } from "../core/requests.ts";
import { computeSeal } from "../core/seals.ts";
import type { LinkRequest, StoredUpload } from "./store.ts";

const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** What the server said of the new link. */
export interface NewLink {
  id: string;
  recordId?: string;
}

/** Return the request for the link of an upload whose ciphertext and files have these digests. Throws ManifestError. */
export async function makeLinkRequest(
  upload: StoredUpload,
  uploadPath: string,
  digest: Digest,
  files: readonly ManifestFile[],
): Promise<LinkRequest> {
  const { length, root } = digest;
  const manifest = await encryptManifest({ files, length, root, padding: upload.plan.padding }, upload.secret);
  const manifestSha256 = await hashBytes(manifest);
  const seal = toHex(computeSeal(upload.secret, manifestSha256));
  const [sha256Hex, rootHex] = [toHex(digest.sha256), toHex(root)];
  const body = JSON.stringify({
    upload: uploadPath.replace(/\/$/, "").split("/").at(-1),
    sha256: `sha256:${sha256Hex}`,
    length,
    root: `sha256:${rootHex}`,
    manifest: toBase64(manifest),
    seal,
    price: { amount_msat: toSafeNumber(upload.priceMsat) },
    deletion_token_sha256: upload.deletion.sha256,
    ...(upload.expiresAt === undefined ? {} : { expires_at: upload.expiresAt }),
    ...(upload.transfersMax === undefined ? {} : { transfers_max: upload.transfersMax }),
  });
  return { idempotencyKey: crypto.randomUUID(), body, manifestSha256, sha256: sha256Hex, length, root: rootHex, seal };
}

/** Ask for the link, once. Throws what `Api.send` throws, or ProtocolError if the link is of something else. */
export async function sendLinkRequest(api: Api, request: LinkRequest, signal: AbortSignal): Promise<NewLink> {
  const headers = { "Content-Type": "application/json", "Idempotency-Key": request.idempotencyKey };
  const answer = await api.sendForJson("POST", "/api/v1/links", { headers, body: request.body, signal });
  const { id, sha256, length, root, seal, record } = { ...(answer as Record<string, unknown>) };
  const isOfThis =
    sha256 === `sha256:${request.sha256}` && length === request.length && root === `sha256:${request.root}`;
  if (typeof id !== "string" || !ID.test(id) || !isOfThis || seal !== request.seal) {
    throw new ProtocolError("The server made a link to something else than what was uploaded.");
  }
  return { id, ...(typeof record === "string" && ID.test(record) ? { recordId: record } : {}) };
}

function toSafeNumber(amount: bigint): number {
  if (amount < 0n || amount > BigInt(Number.MAX_SAFE_INTEGER)) throw new RangeError("a price out of range");
  return Number(amount);
}
