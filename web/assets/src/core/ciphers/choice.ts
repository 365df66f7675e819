/** Which ChaCha20-Poly1305 is used: the fastest that passes a self test here. The server has no say in it. */

import { type Bytes, concatBytes, equalBytes, fromHex } from "../bytes.ts";
import type { AeadEngine } from "./engine.ts";
import { NOBLE } from "./noble.ts";
import { SODIUM } from "./sodium.ts";
import { WEBCRYPTO } from "./webcrypto.ts";

/** From the fastest to the slowest. */
export const ENGINES: readonly AeadEngine[] = [WEBCRYPTO, SODIUM, NOBLE];

// A plaintext of two and a half ChaCha20 blocks; the sealed bytes are those that OpenSSL gives for it.
const KEY = Uint8Array.from({ length: 32 }, (_, place) => 0x80 + place);
const NONCE = fromHex("000000000000000000000701");
const PLAINTEXT = Uint8Array.from({ length: 160 }, (_, place) => place);
const SEALED = fromHex(
  "9e377a2dd7c0961141d1c0038c9212119ea3ee3204047afd2972d85487567f371f304a4cad01b19b935132c6af168bf25ff187f92b876aae76bd9ec970f0b242d40b28f4d994d5b868ac8e83a86081a940365a3a09333865df788cdc8833adcb11dd23de1d0d5aaf8b88c6f3062087c43890bac520c20f82459588c224dc979d425007cb89771f9c81a4ccfe60010abc980cbe249c283c97d94c19619431606993aa83382e074890cc0e0a41b1bca1cf",
);

let chosen: Promise<AeadEngine> | undefined;

/** Return the first engine that works here; asked again, the same. */
export function chooseEngine(): Promise<AeadEngine> {
  chosen ??= findEngine(ENGINES);
  return chosen;
}

/** Return the first of some engines that passes the self test. Throws Error if none does. */
export async function findEngine(engines: readonly AeadEngine[]): Promise<AeadEngine> {
  for (const engine of engines) {
    if (await passesSelfTest(engine)) return engine;
  }
  throw new Error("no implementation of ChaCha20-Poly1305 works in this browser");
}

/** Tell whether an engine seals and opens as it must, and refuses each way in which a sealed text can be wrong. */
export async function passesSelfTest(engine: AeadEngine): Promise<boolean> {
  try {
    const aead = await engine.importKey(KEY);
    const wrong: Bytes[] = [flipBit(SEALED, 0), flipBit(SEALED, SEALED.length - 1), SEALED.slice(0, -1)];
    const sealed = await aead.seal(NONCE, PLAINTEXT);
    const opened = await aead.open(NONCE, SEALED);
    const refused = await Promise.all(wrong.map((text) => aead.open(NONCE, text)));
    const isRight = equalBytes(sealed, SEALED) && opened !== undefined && equalBytes(opened, PLAINTEXT);
    return isRight && refused.every((answer) => answer === undefined);
  } catch {
    return false; // Whatever it is that fails here, it is no engine for this browser.
  }
}

function flipBit(data: Bytes, place: number): Bytes {
  const flipped = concatBytes(data);
  flipped[place] = (flipped[place] as number) ^ 1;
  return flipped;
}
