/** The names that a manifest takes: no name leaves its folder, hides how it reads, or stands for two files. */

import { encodeUtf8 } from "./bytes.ts";
import { ManifestError } from "./errors.ts";

const NAME_BYTES_MAX = 1024;
const COMPONENT_BYTES_MAX = 255;
/** Controls, invisible format characters (which can reverse how a name reads), line and paragraph separators, backslashes. */
const REFUSED = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\\]/u;

/** Check the names of a manifest's files together.
 *
 * One file has a plain name; several lie in one folder, which is the first component of each name. No name repeats, is a folder
 * of another, or has a component that a file system reads as something else than a name. Throws ManifestError. */
export function checkNames(names: readonly string[]): void {
  for (const name of names) checkName(name);
  const tops = new Set(names.map((name) => name.split("/")[0]));
  if (tops.size !== 1 || (names.length > 1 && !names.every((name) => name.includes("/")))) {
    throw new ManifestError("The files of the manifest do not lie in one folder.");
  }
  const known = new Set(names);
  if (known.size !== names.length || names.some((name) => listFolders(name).some((folder) => known.has(folder)))) {
    throw new ManifestError("A name in the manifest is used twice.");
  }
}

/** Check one name by itself. Throws ManifestError. */
export function checkName(name: string): void {
  if (/\p{Surrogate}/u.test(name)) throw new ManifestError("A name in the manifest is not valid Unicode.");
  if (encodeUtf8(name).length > NAME_BYTES_MAX) {
    throw new ManifestError(`A name in the manifest is longer than ${NAME_BYTES_MAX} bytes.`);
  }
  for (const component of name.split("/")) {
    if (["", ".", ".."].includes(component) || encodeUtf8(component).length > COMPONENT_BYTES_MAX) {
      throw new ManifestError(`The name ${JSON.stringify(name)} is not a path below a folder.`);
    }
    if (REFUSED.test(component)) {
      throw new ManifestError(`The name ${JSON.stringify(name)} has a backslash, or a character that is not seen.`);
    }
  }
}

function listFolders(name: string): string[] {
  const components = name.split("/");
  return components.slice(1).map((_, place) => components.slice(0, place + 1).join("/"));
}
