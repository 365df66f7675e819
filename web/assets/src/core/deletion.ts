/** Deletion tokens: 32 random bytes of which the server knows only the SHA-256. */

import { drawBytes, toBase64Url, toHex } from "./bytes.ts";
import { hashBytes } from "./digest.ts";

const TOKEN_BYTES = 32;

/** A token as it is shown (base64url), and what the server is told of it (64 hexadecimal digits). */
export interface DeletionToken {
  token: string;
  sha256: string;
}

/** Draw a fresh token. */
export async function drawDeletionToken(): Promise<DeletionToken> {
  const bytes = drawBytes(TOKEN_BYTES);
  return { token: toBase64Url(bytes), sha256: toHex(await hashBytes(bytes)) };
}
