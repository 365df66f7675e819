/** Reports: a reader tells the reviewers of a link *with its key*, and the server cannot read it.
 *
 * The reviewers' recipient is part of the built script. The server never hands one out, so it cannot put its own in its place. */

import { decodeRecipient } from "./age/bech32.ts";
import { beginForX25519, encryptBytes } from "./age/files.ts";
import { toBase64 } from "./bytes.ts";
import { canonicalise } from "./jcs.ts";
import { parseLink } from "./links.ts";

const VERSION = 1;

/** Tell whether a report can hold the link's key: whether the build pinned a recipient. */
export function canSealReports(recipient: string = REVIEWERS_RECIPIENT): boolean {
  return recipient !== "";
}

/** Return a report sealed to the reviewers, as base64 of an age file.
 *
 * `link` is the whole link with its fragment. Throws LinkFormatError if it is none, AgeHeaderError if no recipient is pinned. */
export async function sealReport(link: string, text: string, recipient: string = REVIEWERS_RECIPIENT): Promise<string> {
  parseLink(link);
  const encryption = beginForX25519(decodeRecipient(recipient));
  return toBase64(await encryptBytes(encryption, canonicalise({ link, text, version: VERSION })));
}
