/** What is uploaded: one file, or all files of a folder, read as one stream of bytes.
 *
 * The payload of a blob is its files one after the other, in the manifest's order, and then the padding. */

import type { Bytes } from "../core/bytes.ts";
import { StreamingHash } from "../core/digest.ts";
import {
  EmptySourceError,
  FilesDifferError,
  ManifestError,
  NameRefusedError,
  PlaintextChangedError,
} from "../core/errors.ts";
import { type ManifestFile, normaliseMediaType } from "../core/manifest.ts";
import { checkNames } from "../core/names.ts";
import { getPaddedLength } from "../core/padding.ts";
import type { ChosenFile, PaddingRule } from "./types.ts";

/** The folder's name where files were chosen that lie in none. */
const TOP_NAME_DEFAULT = "files";

/** What fixes a payload besides its bytes: files in order, and the zero bytes after the last. */
export interface Plan {
  files: readonly PlannedFile[];
  padding: number;
}

export interface PlannedFile {
  name: string;
  mediaType: string;
  size: number;
}

/** A plan with the files to read, in the plan's order. */
export interface Source {
  plan: Plan;
  blobs: readonly Blob[];
}

/** Put chosen files in order.
 *
 * Throws NameRefusedError for names that a manifest refuses, EmptySourceError if there is no byte in them. */
export function planSource(chosen: readonly ChosenFile[], topName = "", padding: PaddingRule = "none"): Source {
  const named = nameFiles(chosen, topName);
  const length = named.reduce((total, { file }) => total + file.size, 0);
  if (length === 0) throw new EmptySourceError();
  try {
    checkNames(named.map(({ name }) => name));
  } catch (error) {
    if (!(error instanceof ManifestError)) throw error;
    throw new NameRefusedError(error.message, { cause: error });
  }
  const files = named.map(({ name, file }) => ({ name, mediaType: normaliseMediaType(file.type), size: file.size }));
  return {
    plan: { files, padding: padding === "padme" ? getPaddedLength(length) - length : 0 },
    blobs: named.map(({ file }) => file),
  };
}

/** Find the files of a plan among files that were chosen again.
 *
 * Throws FilesDifferError if they are not as many, or one has another name or size. Their bytes are compared later. */
export function matchSource(plan: Plan, chosen: readonly ChosenFile[], topName = ""): Source {
  const named = nameFiles(chosen, topName);
  const isSame = (planned: PlannedFile, place: number) =>
    planned.name === named[place]?.name && planned.size === named[place]?.file.size;
  if (named.length !== plan.files.length || !plan.files.every(isSame)) throw new FilesDifferError();
  return { plan, blobs: named.map(({ file }) => file) };
}

/** Return the length of a plan's payload in bytes. */
export function getPlanBytes(plan: Plan): number {
  return plan.files.reduce((total, file) => total + file.size, plan.padding);
}

/** Return the name that stands for all of a plan: the single file's, or the folder's. */
export function getPlanName(plan: Plan): string {
  return plan.files[0]?.name.split("/")[0] ?? "";
}

function nameFiles(chosen: readonly ChosenFile[], topName: string): { name: string; file: File }[] {
  const paths = chosen.map(({ path }) => path);
  const tops = new Set(paths.map((path) => path.split("/")[0]));
  const isOne = paths.length === 1 || (tops.size === 1 && paths.every((path) => path.includes("/")));
  const prefix = topName ? `${topName}/` : isOne ? "" : `${TOP_NAME_DEFAULT}/`;
  const named = chosen.map(({ path, file }) => ({ name: prefix + path, file }));
  return named.sort((left, right) => (left.name < right.name ? -1 : Number(left.name > right.name)));
}

/** Reads a source as one stream, and knows each file's SHA-256 once it has passed. */
export class PayloadReader {
  private readonly source: Source;
  private readonly hash: StreamingHash;
  private readonly digests: Bytes[] = [];
  private fileBytesRead = 0;
  private paddingRead = 0;

  private constructor(source: Source, hash: StreamingHash) {
    this.source = source;
    this.hash = hash;
  }

  static async create(source: Source): Promise<PayloadReader> {
    const reader = new PayloadReader(source, await StreamingHash.create());
    reader.finishFiles();
    return reader;
  }

  /** Return exactly `size` bytes, or fewer at the payload's end. Throws PlaintextChangedError if a file cannot be read. */
  async read(size: number): Promise<Bytes> {
    const data = new Uint8Array(size);
    let place = 0;
    while (place < size) {
      const part = await this.readPart(size - place);
      if (part.length === 0) break;
      data.set(part, place);
      place += part.length;
    }
    return data.subarray(0, place);
  }

  /** Return the manifest's entries. Throws Error unless the payload was read to its end. */
  listFiles(): ManifestFile[] {
    return this.source.plan.files.map((file, place) => {
      const sha256 = this.digests[place];
      if (!sha256) throw new Error("the payload was not read to its end");
      return { ...file, sha256 };
    });
  }

  private async readPart(size: number): Promise<Bytes> {
    const place = this.digests.length;
    const [planned, blob] = [this.source.plan.files[place], this.source.blobs[place]];
    if (!planned || !blob) return this.readPadding(size);
    const start = this.fileBytesRead;
    const part = await readSlice(blob, start, Math.min(start + size, planned.size));
    this.hash.update(part);
    this.fileBytesRead += part.length;
    this.finishFiles();
    return part;
  }

  private readPadding(size: number): Bytes {
    const count = Math.min(size, this.source.plan.padding - this.paddingRead);
    this.paddingRead += count;
    return new Uint8Array(count);
  }

  /** Note the digest of each file that has passed, and of the empty ones after it. */
  private finishFiles(): void {
    const { files } = this.source.plan;
    while (this.digests.length < files.length && this.fileBytesRead === files[this.digests.length]?.size) {
      this.digests.push(this.hash.finish());
      this.fileBytesRead = 0;
    }
  }
}

async function readSlice(blob: Blob, start: number, end: number): Promise<Bytes> {
  let data: Bytes;
  try {
    data = new Uint8Array(await blob.slice(start, end).arrayBuffer());
  } catch (error) {
    // A file that was changed, moved or removed since it was chosen cannot be read through what was chosen.
    throw new PlaintextChangedError(undefined, { cause: error });
  }
  if (data.length !== end - start) throw new PlaintextChangedError();
  return data;
}
