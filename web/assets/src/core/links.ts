/** Links: `https://host/f/<id>#1.<base64url>`, the only place where the key of a blob travels.
 *
 * The part after `#` is never sent to a server. */

import { decryptBytes, type Encryption, encryptBytes, openByPassword, type UnwrapByPassword } from "./age/files.ts";
import { VERSION_LINE } from "./age/header.ts";
import { type Bytes, concatBytes, encodeUtf8, equalBytes, fromBase64Url, toBase64Url } from "./bytes.ts";
import { AgeError, AgeKeyError, LinkFormatError, PasswordNeededError, WrongPasswordError } from "./errors.ts";

/** 128 MiB and a fraction of a second for each guess: bearable on a phone, dear on a graphics card. */
export const PASSWORD_WORK_FACTOR_LOG2 = 17;

const VERSION_PREFIX = "1.";
const SECRET_BYTES = 32;
const OPEN_BYTES = 64;
const FRAGMENT_CHARACTERS_MAX = 1024;
const VERSION_BYTES = encodeUtf8(`${VERSION_LINE}\n`);
const URL_FORM =
  /^(https?):\/\/((?:[a-z0-9.-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?)\/f\/([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})(?:#(.*))?$/;

/** An open link: where the blob is, its X25519 secret, and the SHA-256 of its encrypted manifest. */
export interface Link {
  serverUrl: string;
  id: string;
  secret: Bytes;
  manifestSha256: Bytes;
}

/** A link as it was read: its fragment may need a password. */
export interface LockedLink {
  serverUrl: string;
  id: string;
  fragment: Bytes;
  isLocked: boolean;
}

/** Return an open link as text. */
export function formatLink(link: Link): string {
  return formatFragment(link, concatBytes(link.secret, link.manifestSha256));
}

/** Return the link as text whose fragment is an age scrypt file of the same bytes, begun by the password before. */
export async function formatLockedLink(link: Link, locking: Encryption): Promise<string> {
  return formatFragment(link, await encryptBytes(locking, concatBytes(link.secret, link.manifestSha256)));
}

/** Read a link strictly.
 *
 * Throws LinkFormatError if it has another scheme, path, query, user or spelling of the fragment. */
export function parseLink(text: string): LockedLink {
  // Scheme and host are alike in capitals; the id and the fragment are not.
  const lowered = text.replace(/^[^/]*:\/\/[^/]*/, (start) => start.toLowerCase());
  const [, scheme, host, id, fragmentText] = URL_FORM.exec(lowered) ?? [];
  if (!scheme || !host || !id) throw new LinkFormatError();
  if (!fragmentText) {
    throw new LinkFormatError("The link has no fragment: without the part after `#` there is no key.");
  }
  const fragment = parseFragment(fragmentText);
  return { serverUrl: `${scheme}://${host}`, id, fragment, isLocked: fragment.length !== OPEN_BYTES };
}

/** Return the link's secret and digest, by its password if it has one.
 *
 * `unwrap` may do the slow part, scrypt, elsewhere. Throws PasswordNeededError, WrongPasswordError or LinkFormatError. */
export async function unlockLink(locked: LockedLink, password?: string, unwrap?: UnwrapByPassword): Promise<Link> {
  const content = locked.isLocked ? await decryptFragment(locked.fragment, password, unwrap) : locked.fragment;
  return {
    serverUrl: locked.serverUrl,
    id: locked.id,
    secret: content.slice(0, SECRET_BYTES),
    manifestSha256: content.slice(SECRET_BYTES),
  };
}

function formatFragment(link: Link, content: Bytes): string {
  return `${link.serverUrl}/f/${link.id}#${VERSION_PREFIX}${toBase64Url(content)}`;
}

function parseFragment(text: string): Bytes {
  if (!text.startsWith(VERSION_PREFIX) || text.length > FRAGMENT_CHARACTERS_MAX) {
    throw new LinkFormatError("The fragment of the link is not of version 1.");
  }
  let content: Bytes;
  try {
    content = fromBase64Url(text.slice(VERSION_PREFIX.length));
  } catch (error) {
    throw new LinkFormatError("The fragment of the link is not base64url without padding.", { cause: error });
  }
  if (content.length !== OPEN_BYTES && !equalBytes(content.subarray(0, VERSION_BYTES.length), VERSION_BYTES)) {
    throw new LinkFormatError("The fragment of the link is cut off, or not a key.");
  }
  return content;
}

async function decryptFragment(
  fragment: Bytes,
  password: string | undefined,
  unwrap: UnwrapByPassword | undefined,
): Promise<Bytes> {
  if (password === undefined) throw new PasswordNeededError();
  let content: Bytes;
  try {
    content = await decryptBytes(fragment, await openByPassword(fragment, password, unwrap));
  } catch (error) {
    if (error instanceof AgeKeyError) throw new WrongPasswordError(undefined, { cause: error });
    if (!(error instanceof AgeError)) throw error;
    throw new LinkFormatError(`The fragment of the link is malformed: ${error.message}`, { cause: error });
  }
  if (content.length !== OPEN_BYTES) {
    throw new LinkFormatError("The password opens the link, but there is no key in it.");
  }
  return content;
}
