/** The manifest: what is inside a blob, for whoever has its link (docs/reference/format-encryption.md).
 *
 * It is canonical JSON in an age file of its own, to the same recipient as the blob. The link names the SHA-256 of that file, so
 * that nobody else who has the secret can put another manifest in its place. */

import { beginForX25519, decryptBytes, encryptBytes, openByX25519 } from "./age/files.ts";
import { getRecipient } from "./age/recipients.ts";
import { type Bytes, fromHex, toHex } from "./bytes.ts";
import { AgeError, ManifestError, NotCanonicalError } from "./errors.ts";
import { canonicalise, type Json, parseCanonical } from "./jcs.ts";
import { checkNames } from "./names.ts";

export const MANIFEST_BYTES_MAX = 1024 * 1024;
const VERSION = 1;
const MEDIA_TYPE = /^[a-z0-9][a-z0-9!#$&^_.+-]{0,63}\/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}$/;
const MEDIA_TYPE_UNKNOWN = "application/octet-stream";

/** One file: its name (components joined by `/`), media type, plaintext size in bytes and SHA-256. */
export interface ManifestFile {
  name: string;
  mediaType: string;
  size: number;
  sha256: Bytes;
}

/** Files in the payload's order, the ciphertext that holds them, and the zero bytes after the last. */
export interface Manifest {
  files: readonly ManifestFile[];
  length: number;
  root: Bytes;
  padding: number;
}

/** Tell whether the files lie in one folder, rather than being a single file. */
export function isFolder(manifest: Manifest): boolean {
  return manifest.files[0]?.name.includes("/") ?? false;
}

/** Return the name of the single file, or of the folder that all files lie in. */
export function getTopName(manifest: Manifest): string {
  return manifest.files[0]?.name.split("/")[0] ?? "";
}

/** Return the length of the payload: all files and the padding. */
export function getPayloadBytes(manifest: Manifest): number {
  return manifest.files.reduce((total, file) => total + file.size, manifest.padding);
}

/** Return a media type as manifests spell it, by what the browser says of a file; its parameters are left out. */
export function normaliseMediaType(text: string): string {
  const bare = (text.split(";")[0] ?? "").trim().toLowerCase();
  return MEDIA_TYPE.test(bare) ? bare : MEDIA_TYPE_UNKNOWN;
}

/** Return the canonical JSON of a manifest. Throws ManifestError if a reader would refuse it. */
export function serializeManifest(manifest: Manifest): Bytes {
  checkNames(manifest.files.map((file) => file.name));
  return canonicalise({
    blob: { length: manifest.length, root: toHex(manifest.root) },
    files: manifest.files.map((file) => ({
      media_type: file.mediaType,
      name: file.name,
      sha256: toHex(file.sha256),
      size: file.size,
    })),
    padding: manifest.padding,
    version: VERSION,
  });
}

/** Return the manifest of canonical JSON.
 *
 * Throws ManifestError for any other spelling, unknown members, wrong types, or names that could leave the folder which they
 * are written to. */
export function parseManifest(data: Bytes): Manifest {
  const document = takeMembers(parseJson(data), ["blob", "files", "padding", "version"]);
  if (document.version !== VERSION) throw new ManifestError("The manifest is of another version than 1.");
  const blob = takeMembers(document.blob, ["length", "root"]);
  if (!Array.isArray(document.files) || document.files.length === 0) {
    throw new ManifestError("The manifest lists no files.");
  }
  const files = document.files.map(parseFile);
  checkNames(files.map((file) => file.name));
  return { files, length: parseSize(blob.length), root: parseDigest(blob.root), padding: parseSize(document.padding) };
}

/** Return the manifest as an age file to the blob's recipient. Throws ManifestError if that file is longer than 1 MiB. */
export async function encryptManifest(manifest: Manifest, secret: Bytes): Promise<Bytes> {
  const sealed = await encryptBytes(beginForX25519(getRecipient(secret)), serializeManifest(manifest));
  if (sealed.length > MANIFEST_BYTES_MAX) {
    throw new ManifestError(`The manifest has more than ${MANIFEST_BYTES_MAX} bytes: too many files.`);
  }
  return sealed;
}

/** Return the manifest of an age file. Throws ManifestError if it is too long, does not decrypt or is malformed. */
export async function decryptManifest(sealed: Bytes, secret: Bytes): Promise<Manifest> {
  if (sealed.length > MANIFEST_BYTES_MAX) throw new ManifestError("The manifest is too long.");
  let plaintext: Bytes;
  try {
    plaintext = await decryptBytes(sealed, openByX25519(sealed, secret));
  } catch (error) {
    if (!(error instanceof AgeError)) throw error;
    throw new ManifestError(`The manifest does not decrypt: ${error.message}`, { cause: error });
  }
  return parseManifest(plaintext);
}

function parseJson(data: Bytes): Json {
  try {
    return parseCanonical(data);
  } catch (error) {
    if (!(error instanceof NotCanonicalError)) throw error;
    throw new ManifestError("The manifest is not canonical JSON.", { cause: error });
  }
}

function takeMembers(value: Json | undefined, names: readonly string[]): Record<string, Json> {
  const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
  const found = isObject ? Object.keys(value) : [];
  if (found.length !== names.length || !names.every((name) => found.includes(name))) {
    throw new ManifestError(`The manifest needs an object of exactly ${names.join(", ")}.`);
  }
  return value as Record<string, Json>;
}

function parseFile(value: Json): ManifestFile {
  const { name, media_type: mediaType, size, sha256 } = takeMembers(value, ["media_type", "name", "sha256", "size"]);
  if (typeof name !== "string" || typeof mediaType !== "string" || !MEDIA_TYPE.test(mediaType)) {
    throw new ManifestError("A file of the manifest has a malformed name or media type.");
  }
  return { name, mediaType, size: parseSize(size), sha256: parseDigest(sha256) };
}

function parseSize(value: Json | undefined): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new ManifestError("A size in the manifest is not a whole number of bytes.");
  }
  return value;
}

function parseDigest(value: Json | undefined): Bytes {
  if (typeof value !== "string" || !/^[0-9a-f]{64}$/.test(value)) {
    throw new ManifestError("A digest in the manifest is not 64 lowercase hexadecimal digits.");
  }
  return fromHex(value);
}
