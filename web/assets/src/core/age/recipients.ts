/** Wrapping and unwrapping of an age file key: for an X25519 recipient, and by a password (scrypt).
 *
 * Source: C2SP/age, "The X25519 recipient type" and "The scrypt recipient type". */

import { chacha20poly1305 } from "@noble/ciphers/chacha.js";
import { x25519 } from "@noble/curves/ed25519.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { type Bytes, concatBytes, encodeUtf8, toBase64Unpadded } from "../bytes.ts";
import { AgeHeaderError, AgeKeyError } from "../errors.ts";
import { decodeBase64, type Header, type Stanza } from "./header.ts";

export const WORK_FACTOR_LOG2_MIN = 15;
export const WORK_FACTOR_LOG2_MAX = 20;

const KEY_BYTES = 32;
const SALT_BYTES = 16;
const WRAPPED_BYTES = 32;
const X25519_ARGUMENTS = 2;
const SCRYPT_ARGUMENTS = 3;
const X25519_INFO = encodeUtf8("age-encryption.org/v1/X25519");
const SCRYPT_SALT_PREFIX = encodeUtf8("age-encryption.org/v1/scrypt");
/** Every wrapping key is used once, so the format fixes the nonce. */
const NONCE = new Uint8Array(12);

/** Return the 32-byte X25519 recipient of a 32-byte secret. */
export function getRecipient(secret: Uint8Array): Bytes {
  return x25519.getPublicKey(secret) as Bytes;
}

/** Wrap a file key for a recipient; the 32-byte ephemeral secret must be fresh for every file. */
export function wrapForX25519(fileKey: Uint8Array, recipient: Uint8Array, ephemeralSecret: Uint8Array): Stanza {
  const share = getRecipient(ephemeralSecret);
  const key = deriveX25519Key(agree(ephemeralSecret, recipient), share, recipient);
  return { arguments: ["X25519", toBase64Unpadded(share)], body: chacha20poly1305(key, NONCE).encrypt(fileKey) };
}

/** Return the file key of a header by a 32-byte secret.
 *
 * Throws AgeHeaderError if an X25519 stanza is malformed, AgeKeyError if none is for this secret. */
export function unwrapByX25519(header: Header, secret: Uint8Array): Uint8Array {
  if (header.stanzas.some((stanza) => stanza.arguments[0] === "scrypt")) {
    throw new AgeKeyError("The age file is encrypted by a password, not to a key.");
  }
  for (const stanza of header.stanzas.filter((candidate) => candidate.arguments[0] === "X25519")) {
    const fileKey = openX25519(stanza, secret);
    if (fileKey) return fileKey;
  }
  throw new AgeKeyError();
}

/** Wrap a file key by a password; the 16-byte salt must be fresh for every file. */
export async function wrapByPassword(
  fileKey: Uint8Array,
  password: string,
  salt: Uint8Array,
  workFactorLog2: number,
): Promise<Stanza> {
  const key = await deriveScryptKey(password, salt, workFactorLog2);
  const body = chacha20poly1305(key, NONCE).encrypt(fileKey);
  return { arguments: ["scrypt", toBase64Unpadded(salt), String(workFactorLog2)], body };
}

/** Return the file key of a header by a password.
 *
 * Throws AgeHeaderError if the only stanza is not a well-formed scrypt stanza with a work factor of 2^15 to 2^20,
 * AgeKeyError if the password is wrong. */
export async function unwrapByPassword(header: Header, password: string): Promise<Uint8Array> {
  const [stanza, ...others] = header.stanzas;
  if (!stanza || others.length > 0 || stanza.arguments[0] !== "scrypt") {
    throw new AgeHeaderError("The age file is not encrypted by a password alone.");
  }
  const { salt, workFactorLog2 } = parseScrypt(stanza);
  const fileKey = open(await deriveScryptKey(password, salt, workFactorLog2), stanza.body);
  if (!fileKey) throw new AgeKeyError("The password does not open the age file.");
  return fileKey;
}

function parseScrypt(stanza: Stanza): { salt: Uint8Array; workFactorLog2: number } {
  if (stanza.arguments.length !== SCRYPT_ARGUMENTS || stanza.body.length !== WRAPPED_BYTES) {
    throw new AgeHeaderError("The scrypt stanza of the age file is malformed.");
  }
  const salt = decodeBase64(stanza.arguments[1] ?? "");
  const factor = stanza.arguments[2] ?? "";
  if (salt.length !== SALT_BYTES || !/^[1-9][0-9]{0,2}$/.test(factor)) {
    throw new AgeHeaderError("The scrypt stanza of the age file is malformed.");
  }
  const workFactorLog2 = Number(factor);
  if (workFactorLog2 < WORK_FACTOR_LOG2_MIN || workFactorLog2 > WORK_FACTOR_LOG2_MAX) {
    throw new AgeHeaderError(`The work factor 2^${factor} is not between 2^15 and 2^20.`);
  }
  return { salt, workFactorLog2 };
}

function openX25519(stanza: Stanza, secret: Uint8Array): Uint8Array | undefined {
  if (stanza.arguments.length !== X25519_ARGUMENTS || stanza.body.length !== WRAPPED_BYTES) {
    throw new AgeHeaderError("The X25519 stanza of the age file is malformed.");
  }
  const share = decodeBase64(stanza.arguments[1] ?? "");
  if (share.length !== KEY_BYTES) throw new AgeHeaderError("The ephemeral share of the age file has a wrong length.");
  return open(deriveX25519Key(agree(secret, share), share, getRecipient(secret)), stanza.body);
}

function agree(secret: Uint8Array, share: Uint8Array): Uint8Array {
  try {
    return x25519.getSharedSecret(secret, share);
  } catch (error) {
    throw new AgeHeaderError("The ephemeral share of the age file is a point of low order.", { cause: error });
  }
}

function open(key: Uint8Array, body: Uint8Array): Uint8Array | undefined {
  try {
    return chacha20poly1305(key, NONCE).decrypt(body);
  } catch {
    return undefined; // The tag does not fit: this stanza is somebody else's.
  }
}

function deriveX25519Key(shared: Uint8Array, share: Uint8Array, recipient: Uint8Array): Uint8Array {
  return hkdf(sha256, shared, concatBytes(share, recipient), X25519_INFO, KEY_BYTES);
}

function deriveScryptKey(password: string, salt: Uint8Array, workFactorLog2: number): Promise<Uint8Array> {
  const options = { N: 2 ** workFactorLog2, r: 8, p: 1, dkLen: KEY_BYTES, maxmem: 2 ** 31 };
  return scryptAsync(encodeUtf8(password), concatBytes(SCRYPT_SALT_PREFIX, salt), options);
}
