/** The requests for a link's ciphertext: those that charge, and count as one transfer however many ranges it takes. */

import { ProtocolError } from "../core/errors.ts";
import type { Api } from "../core/requests.ts";
import type { DeliveryKeys } from "./keys.ts";
import type { ByteRange } from "./ranges.ts";

/** What the requests of one transfer share; each answer brings it up to date. */
export type Transfer = Pick<DeliveryKeys, "linkId" | "ciphertextBytes" | "priceLeftMsat" | "pass">;

/** What an answer said besides its bytes. */
export interface Answer {
  response: Response;
  chargedMsat: bigint;
}

/** Ask for a range of a link's ciphertext.
 *
 * Notes in `transfer` what was charged and the pass for later requests. Throws what `Api.send` throws, or ProtocolError if another
 * range came, or more was charged than was agreed to. */
export async function openContent(
  api: Api,
  transfer: Transfer,
  range: ByteRange,
  signal?: AbortSignal,
): Promise<Answer> {
  const headers: Record<string, string> = {
    Range: `bytes=${range.start}-${range.end - 1}`,
    "Cadastre-Price-Max": String(transfer.priceLeftMsat),
    ...(transfer.pass === undefined ? {} : { "Cadastre-Pass": transfer.pass }),
  };
  const path = `/api/v1/links/${transfer.linkId}/content`;
  const response = await api.send("GET", path, { headers, signal });
  const chargedMsat = readCharge(response);
  transfer.priceLeftMsat -= chargedMsat;
  const pass = response.headers.get("Cadastre-Pass");
  if (pass !== null) transfer.pass = pass;
  if (transfer.priceLeftMsat < 0n) throw new ProtocolError("The server charged more than was agreed to.");
  checkRange(response, range, transfer.ciphertextBytes);
  return { response, chargedMsat };
}

function checkRange(response: Response, range: ByteRange, length: number): void {
  const expected = `bytes ${range.start}-${range.end - 1}/${length}`;
  if (response.status === 206 && response.headers.get("Content-Range") === expected) return;
  void response.body?.cancel();
  throw new ProtocolError("The server sends another range than the one asked for.");
}

function readCharge(response: Response): bigint {
  const text = response.headers.get("Cadastre-Charged-Msat") ?? "0";
  if (!/^[0-9]{1,19}$/.test(text)) throw new ProtocolError("The server's answer has a malformed charge.");
  return BigInt(text);
}
