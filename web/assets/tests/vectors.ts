/** The project's vectors, which every implementation of the formats reads: fixtures/vectors/. */

import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";

const FOLDER = path.resolve("../../fixtures/vectors");

export interface Vector {
  name: string;
  about: string;
  expect: string;
  [member: string]: string | number;
}

/** Return the vectors of a folder whose names begin so. Throws Error if there is none, lest a test of them test nothing. */
export function readVectors(folder: string, prefix = ""): Vector[] {
  const names = readdirSync(path.join(FOLDER, folder)).filter((name) => name.startsWith(prefix));
  if (names.length === 0) throw new Error(`no vectors ${folder}/${prefix}*`);
  return names.sort().map((name) => {
    const vector = JSON.parse(readFileSync(path.join(FOLDER, folder, name), "utf8")) as Vector;
    return { ...vector, name };
  });
}
