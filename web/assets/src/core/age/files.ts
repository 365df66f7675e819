/** Whole age files: begin one, write one, open one.
 *
 * An `Encryption` holds everything that fixes a ciphertext besides its plaintext. An interrupted upload stores it and continues
 * the *same* ciphertext, which no age library offers; that is why this folder exists. */

import { type Bytes, concatBytes, drawBytes, joinBytes } from "../bytes.ts";
import { AgeHeaderError, AgeTruncatedError } from "../errors.ts";
import { checkMac, type Header, readHeader, writeHeader } from "./header.ts";
import { ChunkCipher, decryptChunks, derivePayloadKey, encryptChunks, NONCE_BYTES } from "./payload.ts";
import { unwrapByPassword, unwrapByX25519, wrapByPassword, wrapForX25519 } from "./recipients.ts";

const FILE_KEY_BYTES = 16;
const SECRET_BYTES = 32;
const SALT_BYTES = 16;

/** A ciphertext that is being made: header, file key (16 bytes) and payload nonce (16 bytes). */
export interface Encryption {
  header: Bytes;
  fileKey: Bytes;
  nonce: Bytes;
}

/** Values for test vectors: a key or nonce that is used for two different plaintexts betrays both. */
export interface FixedValues {
  fileKey?: Bytes;
  nonce?: Bytes;
  ephemeralSecret?: Bytes;
  salt?: Bytes;
}

/** A file whose header was read: the key of its payload, and how many bytes come before the first chunk. */
export interface OpenedFile {
  payloadKey: Bytes;
  prefixBytes: number;
}

/** Returns the file key of a header by a password. Throws AgeHeaderError, or AgeKeyError if the password is wrong. */
export type UnwrapByPassword = (header: Header, password: string) => Promise<Uint8Array>;

/** Begin a file for a 32-byte recipient; whatever is not given is drawn at random. */
export function beginForX25519(recipient: Uint8Array, fixed: FixedValues = {}): Encryption {
  const fileKey = fixed.fileKey ?? drawBytes(FILE_KEY_BYTES);
  const stanza = wrapForX25519(fileKey, recipient, fixed.ephemeralSecret ?? drawBytes(SECRET_BYTES));
  return { header: writeHeader([stanza], fileKey), fileKey, nonce: fixed.nonce ?? drawBytes(NONCE_BYTES) };
}

/** Begin a file for whoever knows the password, at a cost of 2^workFactorLog2 rounds of scrypt. */
export async function beginByPassword(
  password: string,
  workFactorLog2: number,
  fixed: FixedValues = {},
): Promise<Encryption> {
  const fileKey = fixed.fileKey ?? drawBytes(FILE_KEY_BYTES);
  const stanza = await wrapByPassword(fileKey, password, fixed.salt ?? drawBytes(SALT_BYTES), workFactorLog2);
  return { header: writeHeader([stanza], fileKey), fileKey, nonce: fixed.nonce ?? drawBytes(NONCE_BYTES) };
}

/** Return the bytes before the first chunk. */
export function getPrefix(encryption: Encryption): Bytes {
  return concatBytes(encryption.header, encryption.nonce);
}

/** Return the cipher of an encryption's chunks. */
export function getCipher(encryption: Encryption): Promise<ChunkCipher> {
  return ChunkCipher.create(derivePayloadKey(encryption.fileKey, encryption.nonce));
}

/** Return the whole age file of a plaintext that fits into memory. */
export async function encryptBytes(encryption: Encryption, plaintext: Bytes): Promise<Bytes> {
  const chunks = await encryptChunks(await getCipher(encryption), plaintext);
  return joinBytes([getPrefix(encryption), ...chunks]);
}

/** Read header and nonce at the start of a file by a 32-byte secret.
 *
 * Throws AgeHeaderError, AgeKeyError, AgeMacError or AgeTruncatedError. */
export function openByX25519(data: Bytes, secret: Uint8Array): OpenedFile {
  const header = readHeader(data);
  return openPayload(data, header, unwrapByX25519(header, secret));
}

/** Read header and nonce at the start of a file by a password.
 *
 * Throws AgeHeaderError, AgeKeyError, AgeMacError or AgeTruncatedError. */
export async function openByPassword(
  data: Bytes,
  password: string,
  unwrap: UnwrapByPassword = unwrapByPassword,
): Promise<OpenedFile> {
  const header = readHeader(data);
  return openPayload(data, header, await unwrap(header, password));
}

/** Return the plaintext of a file that is in memory as a whole. Throws an AgeError. */
export async function decryptBytes(data: Bytes, opened: OpenedFile): Promise<Bytes> {
  const cipher = await ChunkCipher.create(opened.payloadKey);
  return joinBytes(await decryptChunks(cipher, data.subarray(opened.prefixBytes)));
}

function openPayload(data: Bytes, header: Header, fileKey: Uint8Array): OpenedFile {
  if (fileKey.length !== FILE_KEY_BYTES) throw new AgeHeaderError("The file key of the age file has a wrong length.");
  checkMac(header, fileKey);
  const prefixBytes = header.bytes + NONCE_BYTES;
  if (data.length < prefixBytes) throw new AgeTruncatedError();
  return { payloadKey: derivePayloadKey(fileKey, data.subarray(header.bytes, prefixBytes)), prefixBytes };
}
