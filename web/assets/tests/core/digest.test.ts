import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Bytes, toHex } from "../../src/core/bytes.ts";
import { BlobDigest, type Digest } from "../../src/core/digest.ts";
import { EmptySourceError } from "../../src/core/errors.ts";
import { readVectors } from "../vectors.ts";

function makeBlob(length: number): Bytes {
  return Uint8Array.from({ length }, (_, place) => place % 251);
}

async function digest(pieces: readonly Bytes[]): Promise<Digest> {
  const blob = await BlobDigest.create();
  for (const piece of pieces) await blob.update(piece);
  return blob.finish();
}

function hash(...parts: Uint8Array[]): Buffer {
  const hasher = createHash("sha256");
  for (const part of parts) hasher.update(part);
  return hasher.digest();
}

/** The root as docs/reference/format-digest.md has it, step by step and all at once. */
function computeRootSlowly(blob: Bytes): Buffer {
  let level: Buffer[] = [];
  for (let start = 0; start < blob.length; start += 16384) level.push(hash(blob.subarray(start, start + 16384)));
  while (Math.log2(level.length) % 1) level.push(Buffer.alloc(32));
  while (level.length > 1) {
    level = level.filter((_, place) => place % 2 === 0).map((left, pair) => hash(left, level[2 * pair + 1] as Buffer));
  }
  return level[0] as Buffer;
}

describe("vectors of digests", () => {
  for (const vector of readVectors("digest")) {
    test(vector.name, async () => {
      const found = await digest([makeBlob(Number(vector.length))]);
      assert.deepEqual(
        { sha256: toHex(found.sha256), length: found.length, root: toHex(found.root) },
        { sha256: vector.sha256, length: vector.length, root: vector.root },
      );
    });
  }
});

test("the digest does not depend on how the blob is cut", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 300_000 }),
      fc.array(fc.nat(300_000), { maxLength: 6 }),
      async (length, cuts) => {
        const blob = makeBlob(length);
        const places = [0, ...cuts.map((cut) => cut % length).sort((a, b) => a - b), length];
        const pieces = places.slice(1).map((end, number) => blob.slice(places[number], end));

        const found = await digest(pieces);

        assert.equal(toHex(found.sha256), hash(blob).toString("hex"));
        assert.equal(toHex(found.root), computeRootSlowly(blob).toString("hex"));
        assert.equal(found.length, length);
      },
    ),
    { numRuns: 40 },
  );
});

test("an empty blob has no digest", async () => {
  await assert.rejects(() => digest([new Uint8Array(0)]), EmptySourceError);
});
