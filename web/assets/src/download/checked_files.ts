/** Whole files and archives, compared with the manifest while they stream. The last bytes are held back until the comparison. */

import { createCRC32 } from "hash-wasm";
import { type Bytes, toHex } from "../core/bytes.ts";
import { StreamingHash } from "../core/digest.ts";
import { PlaintextMismatchError } from "../core/errors.ts";
import { ZipWriter } from "../core/zip.ts";
import type { OpenedFile } from "./types.ts";

/** Yield a file's bytes again, the last piece once its SHA-256 is that of the manifest.
 *
 * Throws PlaintextMismatchError if it is not. */
export async function* checkFile(file: OpenedFile, pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const hash = await StreamingHash.create();
  let held: Bytes | undefined;
  for await (const piece of pieces) {
    hash.update(piece);
    if (held) yield held;
    held = piece;
  }
  compare(file, hash);
  if (held) yield held;
}

/** Yield the archive of all files, whose bytes are the pieces one after the other.
 *
 * Throws PlaintextMismatchError at the end of the first file that is not the manifest's. */
export async function* makeArchive(files: readonly OpenedFile[], pieces: AsyncIterable<Bytes>): AsyncGenerator<Bytes> {
  const [writer, hash, crc] = [new ZipWriter(files), await StreamingHash.create(), await createCRC32()];
  const source = new PieceSource(pieces);
  try {
    for (const file of files) {
      crc.init();
      yield writer.beginEntry();
      for await (const piece of source.take(file.size)) {
        hash.update(piece);
        crc.update(piece);
        yield piece;
      }
      compare(file, hash);
      yield writer.endEntry(Number.parseInt(crc.digest("hex"), 16));
    }
    yield writer.finish();
  } finally {
    await source.close();
  }
}

function compare(file: OpenedFile, hash: StreamingHash): void {
  if (toHex(hash.finish()) !== file.sha256) {
    throw new PlaintextMismatchError(`${JSON.stringify(file.name)} is not the file that the manifest lists.`);
  }
}

/** Takes exact numbers of bytes from pieces of any size. */
class PieceSource {
  private readonly pieces: AsyncIterator<Bytes>;
  private held: Bytes = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Bytes>) {
    this.pieces = pieces[Symbol.asyncIterator]();
  }

  async *take(size: number): AsyncGenerator<Bytes> {
    let left = size;
    while (left > 0) {
      if (this.held.length === 0) await this.pull();
      const piece = this.held.subarray(0, left);
      this.held = this.held.subarray(piece.length);
      left -= piece.length;
      yield piece;
    }
  }

  async close(): Promise<void> {
    await this.pieces.return?.();
  }

  private async pull(): Promise<void> {
    const { value, done } = await this.pieces.next();
    if (done) throw new PlaintextMismatchError("The blob is shorter than the files that the manifest lists.");
    this.held = value;
  }
}
