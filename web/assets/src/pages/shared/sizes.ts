/** How pages write sizes, speeds, times and amounts. */

import type { Words } from "./words.ts";

/** As the server's pages count. */
const KB = 1_024;
const UNITS: readonly [string, number][] = [
  ["unit.gb", KB ** 3],
  ["unit.mb", KB ** 2],
  ["unit.kb", KB],
];
const MINUTE_S = 60;
const HOUR_S = 3_600;
const MSAT_PER_SAT = 1_000n;

/** Return a size with at most one decimal. */
export function writeSize(words: Words, bytes: number): string {
  const unit = UNITS.find(([, size]) => bytes >= size);
  if (!unit) return words.count("unit.bytes", bytes);
  return words.say(unit[0], { count: words.number(bytes / unit[1], 1) });
}

/** Return the speed and the time that is left, as far as they are known. */
export function writePace(words: Words, bytesPerSecond: number, secondsLeft: number | undefined): string {
  if (bytesPerSecond <= 0) return "";
  const speed = words.say("unit.speed", { size: writeSize(words, bytesPerSecond) });
  return secondsLeft === undefined ? ` · ${speed}` : ` · ${speed} · ${writeTime(words, secondsLeft)}`;
}

function writeTime(words: Words, seconds: number): string {
  if (seconds >= 2 * HOUR_S) return words.count("unit.hours", Math.round(seconds / HOUR_S));
  if (seconds >= 2 * MINUTE_S) return words.count("unit.minutes", Math.round(seconds / MINUTE_S));
  return words.count("unit.seconds", Math.ceil(seconds));
}

/** Return an amount as the server's pages write it: 1,500 msat (1.5 sat). */
export function writeMsat(msat: bigint): string {
  const whole = msat / MSAT_PER_SAT;
  if (whole === 0n) return `${msat} msat`;
  const fraction = String(msat % MSAT_PER_SAT)
    .padStart(3, "0")
    .replace(/0+$/, "");
  const sat = `${whole.toLocaleString("en")}${fraction ? `.${fraction}` : ""}`;
  return `${msat.toLocaleString("en")} msat (${sat} sat)`;
}

/** Read a price in satoshi with at most three decimals; undefined if it is none. */
export function readPrice(text: string): bigint | undefined {
  const match = /^(\d{1,16})(?:[.,](\d{1,3}))?$/.exec(text.trim());
  if (!match?.[1]) return undefined;
  return BigInt(match[1]) * MSAT_PER_SAT + BigInt((match[2] ?? "").padEnd(3, "0"));
}
