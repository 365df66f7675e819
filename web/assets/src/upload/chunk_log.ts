/** Compares each chunk with what was sent before, and notes the new ones before they are sent. */

import { type Bytes, equalBytes, joinBytes } from "../core/bytes.ts";
import { hashBytes } from "../core/digest.ts";
import { PlaintextChangedError } from "../core/errors.ts";
import type { UploadStore } from "./store.ts";

const HASH_BYTES = 32;

export class ChunkLog {
  /** How many chunks may have been sent before this log was opened. */
  readonly countBefore: number;
  private readonly store: UploadStore;
  private readonly id: string;
  private readonly before: Bytes;
  private saved: number;
  private added: Bytes[] = [];

  private constructor(store: UploadStore, id: string, before: Bytes) {
    this.store = store;
    this.id = id;
    this.before = before;
    this.countBefore = before.length / HASH_BYTES;
    this.saved = this.countBefore;
  }

  static async open(store: UploadStore, id: string): Promise<ChunkLog> {
    return new ChunkLog(store, id, await store.readHashes(id));
  }

  /** Take the next chunks in order, the first of number `first`.
   *
   * Throws PlaintextChangedError if another one may have been sent in the place of one of them. */
  async add(first: number, sealed: readonly Bytes[]): Promise<void> {
    const hashes = await Promise.all(sealed.map(hashBytes));
    for (const [place, hash] of hashes.entries()) {
      const start = (first + place) * HASH_BYTES;
      if (first + place >= this.countBefore) this.added.push(hash);
      else if (!equalBytes(this.before.subarray(start, start + HASH_BYTES), hash)) throw new PlaintextChangedError();
    }
  }

  /** Put the new hashes on the disk: after this, and not before, their chunks may be sent. */
  async save(): Promise<void> {
    if (this.added.length === 0) return;
    const [added, first] = [this.added, this.saved];
    this.added = [];
    this.saved += added.length;
    await this.store.addHashes(this.id, first, joinBytes(added));
  }
}
