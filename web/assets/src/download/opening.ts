/** Opening a link and beginning its transfer. Nothing here needs a page: the tests run it under Node. */

import type { UnwrapByPassword } from "../core/age/files.ts";
import { openByX25519 } from "../core/age/files.ts";
import { CHUNK_BYTES, ChunkCipher, countChunks } from "../core/age/payload.ts";
import { type Bytes, drawBytes, equalBytes, toHex } from "../core/bytes.ts";
import { hashBytes } from "../core/digest.ts";
import {
  AgeKeyError,
  BlobMismatchError,
  LinkFormatError,
  LinkGoneError,
  ManifestError,
  NotFoundError,
  WrongKeyError,
} from "../core/errors.ts";
import { formatLink, type Link, parseLink, unlockLink } from "../core/links.ts";
import {
  decryptManifest,
  getPayloadBytes,
  getTopName,
  isFolder,
  MANIFEST_BYTES_MAX,
  type Manifest,
} from "../core/manifest.ts";
import { type Api, readBody, retry } from "../core/requests.ts";
import { computeSeal } from "../core/seals.ts";
import { openContent, type Transfer } from "./content.ts";
import { type DeliveryKeys, listFiles } from "./keys.ts";
import { checkBlob, parseLinkInfo } from "./link_info.ts";
import { locateChunks } from "./ranges.ts";
import type { OpenedLink } from "./types.ts";

/** What opening found out, besides what pages need. */
interface Secrets {
  link: Link;
  manifest: Manifest;
  prefixBytes: number;
}

const TOKEN_BYTES = 16;
/** An opened link's secrets are reached through the link itself, and by nobody who only walks over its members. */
const secretsOf = new WeakMap<OpenedLink, Secrets>();

/** Fetch and decrypt a link's manifest, and check it against the link, before anything is paid. */
export async function fetchLink(
  api: Api,
  text: string,
  password: string | undefined,
  unwrap?: UnwrapByPassword,
): Promise<OpenedLink> {
  const locked = parseLink(text);
  if (locked.serverUrl !== api.serverUrl) throw new LinkFormatError("The link is of another server.");
  const link = await unlockLink(locked, password, unwrap);
  const [document, sealed] = await Promise.all([
    callForLink(() => api.sendForJson("GET", `/api/v1/links/${link.id}`)),
    callForLink(async () => readBody(await api.send("GET", `/api/v1/links/${link.id}/manifest`), MANIFEST_BYTES_MAX)),
  ]);
  const info = parseLinkInfo(document, link.id);
  const manifest = await openManifest(link, sealed);
  const prefixBytes = checkBlob(info, manifest);
  if (info.seal !== toHex(computeSeal(link.secret, link.manifestSha256))) {
    throw new BlobMismatchError("The server's seal for this link is not of its content and manifest.");
  }
  const opened = {
    id: link.id,
    files: listFiles(manifest),
    topName: getTopName(manifest),
    isFolder: isFolder(manifest),
    plaintextBytes: getPayloadBytes(manifest) - manifest.padding,
    info,
    linkUrl: formatLink(link),
  };
  secretsOf.set(opened, { link, manifest, prefixBytes });
  return opened;
}

/** Begin a transfer: this is what charges. Returns the keys of the delivery, and what was charged.
 *
 * The header gives the payload's key, and the last chunk is authenticated at its place, so a blob that was cut is met here.
 * Throws an AgeError or BlobMismatchError if the blob is not the link's, and what `openContent` throws. */
export async function beginTransfer(
  api: Api,
  opened: OpenedLink,
  priceMaxMsat: bigint,
): Promise<{ keys: DeliveryKeys; chargedMsat: bigint }> {
  const secrets = secretsOf.get(opened);
  if (!secrets) throw new Error("the link was not opened by openLink");
  const { link, manifest, prefixBytes } = secrets;
  const transfer: Transfer = { linkId: link.id, ciphertextBytes: manifest.length, priceLeftMsat: priceMaxMsat };
  const prefix = await fetchRange(api, transfer, 0, prefixBytes);
  const file = openBlob(prefix, link.secret);
  if (file.prefixBytes !== prefixBytes) throw new BlobMismatchError("The blob's header has another length.");
  const keys: DeliveryKeys = {
    ...transfer,
    token: toHex(drawBytes(TOKEN_BYTES)),
    payloadKey: file.payloadKey,
    prefixBytes,
    payloadBytes: getPayloadBytes(manifest),
    files: opened.files,
    topName: opened.topName,
  };
  await checkLastChunk(api, keys);
  return { keys, chargedMsat: priceMaxMsat - keys.priceLeftMsat };
}

async function checkLastChunk(api: Api, keys: DeliveryKeys): Promise<void> {
  const count = countChunks(keys.payloadBytes);
  const { start, end } = locateChunks(keys, { start: count - 1, end: count });
  const sealed = await fetchRange(api, keys, start, end);
  const cipher = await ChunkCipher.create(keys.payloadKey);
  const chunk = await cipher.decrypt(count - 1, sealed, true);
  if (chunk.length !== keys.payloadBytes - (count - 1) * CHUNK_BYTES) throw new BlobMismatchError();
}

async function fetchRange(api: Api, transfer: Transfer, start: number, end: number): Promise<Bytes> {
  return callForLink(async () => {
    const { response } = await openContent(api, transfer, { start, end });
    return readBody(response, end - start);
  });
}

async function openManifest(link: Link, sealed: Bytes): Promise<Manifest> {
  if (!equalBytes(await hashBytes(sealed), link.manifestSha256)) {
    throw new WrongKeyError("The server's manifest is not the one that the link names.");
  }
  try {
    return await decryptManifest(sealed, link.secret);
  } catch (error) {
    if (error instanceof ManifestError && error.cause instanceof AgeKeyError) throw new WrongKeyError();
    throw error;
  }
}

function openBlob(prefix: Bytes, secret: Bytes) {
  try {
    return openByX25519(prefix, secret);
  } catch (error) {
    if (error instanceof AgeKeyError) throw new WrongKeyError("The blob is not encrypted to the link's key.");
    throw error;
  }
}

/** Call through failures that pass; a link that is not there is gone. */
async function callForLink<Answer>(attempt: () => Promise<Answer>): Promise<Answer> {
  try {
    return await retry(attempt);
  } catch (error) {
    if (!(error instanceof NotFoundError)) throw error;
    const { status, problem, details } = error;
    throw new LinkGoneError(error.message, { status, problem, details });
  }
}
