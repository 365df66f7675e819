/** The digest that names a blob: SHA-256, length and BitTorrent v2's pieces root, in one streaming pass.
 *
 * The root is a SHA-256 Merkle tree over blocks of 16 KiB (BEP 52). WebCrypto hashes only what is in memory as a whole, so the
 * streaming SHA-256 is hash-wasm's and the blocks are the browser's own, which is some four times faster. */

import { createSHA256, type IHasher } from "hash-wasm";
import { type Bytes, concatBytes } from "./bytes.ts";
import { EmptySourceError } from "./errors.ts";

export const BLOCK_BYTES = 16 * 1024;
const HASH_BYTES = 32;

/** What names a blob. `root` means nothing without `length`. */
export interface Digest {
  sha256: Bytes;
  length: number;
  root: Bytes;
}

/** Return the SHA-256 of bytes that are in memory as a whole. */
export async function hashBytes(data: Bytes): Promise<Bytes> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", data));
}

/** SHA-256 of what arrives in pieces. */
export class StreamingHash {
  private readonly hasher: IHasher;

  private constructor(hasher: IHasher) {
    this.hasher = hasher;
  }

  static async create(): Promise<StreamingHash> {
    return new StreamingHash((await createSHA256()).init());
  }

  /** Take the next bytes. */
  update(data: Uint8Array): void {
    this.hasher.update(data);
  }

  /** Return the hash of everything taken, and begin anew. */
  finish(): Bytes {
    const digest = this.hasher.digest("binary") as Bytes;
    this.hasher.init();
    return digest;
  }
}

/** Digests a blob that arrives in pieces of any size; each update must be awaited before the next. */
export class BlobDigest {
  private readonly sha256: StreamingHash;
  private length = 0;
  private pending: Bytes = new Uint8Array(0);
  /** Place n holds the root of 2^n finished blocks that wait for their right neighbour, or nothing. */
  private readonly subtrees: (Bytes | undefined)[] = [];

  private constructor(sha256: StreamingHash) {
    this.sha256 = sha256;
  }

  static async create(): Promise<BlobDigest> {
    return new BlobDigest(await StreamingHash.create());
  }

  /** Take the next bytes of the blob, which must not change before the promise is kept. */
  async update(data: Bytes): Promise<void> {
    this.length += data.length;
    const joined = this.pending.length > 0 ? concatBytes(this.pending, data) : data;
    const whole = joined.length - (joined.length % BLOCK_BYTES);
    const leaves: Promise<Bytes>[] = [];
    for (let start = 0; start < whole; start += BLOCK_BYTES) {
      leaves.push(hashBytes(joined.subarray(start, start + BLOCK_BYTES)));
    }
    // The browser hashes the blocks on other threads while this one goes on.
    this.sha256.update(data);
    this.pending = joined.slice(whole);
    for (const leaf of await Promise.all(leaves)) await this.push(leaf);
  }

  /** Return the digest of everything taken. Throws EmptySourceError if nothing was. */
  async finish(): Promise<Digest> {
    if (this.length === 0) throw new EmptySourceError();
    if (this.pending.length > 0) await this.push(await hashBytes(this.pending));
    return { sha256: this.sha256.finish(), length: this.length, root: await this.fold() };
  }

  /** Add one leaf, joining finished subtrees of equal size, as a binary counter carries. */
  private async push(leaf: Bytes): Promise<void> {
    let node = leaf;
    for (let level = 0; level < this.subtrees.length; level += 1) {
      const left = this.subtrees[level];
      if (!left) {
        this.subtrees[level] = node;
        return;
      }
      node = await hashPair(left, node);
      this.subtrees[level] = undefined;
    }
    this.subtrees.push(node);
  }

  /** Join what waits into one root; leaves missing up to the next power of two are 32 zero bytes. */
  private async fold(): Promise<Bytes> {
    const top = this.subtrees.at(-1) as Bytes;
    let node: Bytes | undefined;
    let padding: Bytes = new Uint8Array(HASH_BYTES);
    for (const left of this.subtrees.slice(0, -1)) {
      if (left) node = await hashPair(left, node ?? padding);
      else if (node) node = await hashPair(node, padding);
      padding = await hashPair(padding, padding);
    }
    return node ? hashPair(top, node) : top;
  }
}

function hashPair(left: Bytes, right: Bytes): Promise<Bytes> {
  return hashBytes(concatBytes(left, right));
}
