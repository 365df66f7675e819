import assert from "node:assert/strict";
import { describe, test } from "node:test";
import type { Bytes } from "../../src/core/bytes.ts";
import { ServerUnavailableError } from "../../src/core/errors.ts";
import { openBody } from "../../src/download/bodies.ts";

const PIECES = [3, 1, 6].map((size, place) => new Uint8Array(size).fill(place + 1));

/** A body as a browser has it: of bytes, into which a reader may lend a buffer, or of any pieces. */
function makeBody(kind: "bytes" | "pieces", end: "close" | "break"): ReadableStream<Bytes> {
  const left = PIECES.map((piece) => piece.slice());
  const pull = (controller: ReadableStreamDefaultController<Bytes> | ReadableByteStreamController) => {
    const piece = left.shift();
    if (piece) controller.enqueue(piece);
    else if (end === "break") controller.error(new Error("reset"));
    else {
      controller.close();
      if ("byobRequest" in controller) controller.byobRequest?.respond(0);
    }
  };
  return (
    kind === "bytes" ? new ReadableStream({ type: "bytes", pull }) : new ReadableStream({ pull })
  ) as ReadableStream<Bytes>;
}

describe("a body", () => {
  for (const kind of ["bytes", "pieces"] as const) {
    test(`of ${kind} is read in the sizes that are asked for`, async () => {
      const body = openBody(makeBody(kind, "close"));
      let buffer: Bytes = new Uint8Array(8);
      buffer = await body.fill(buffer, 2);
      assert.deepEqual([...buffer.subarray(0, 2)], [1, 1]);
      buffer = await body.fill(buffer, 7);
      assert.deepEqual([...buffer.subarray(0, 7)], [1, 2, 3, 3, 3, 3, 3]);
      await body.close();
    });

    for (const end of ["close", "break"] as const) {
      test(`of ${kind} that ends early by a ${end} is a server that is unavailable`, async () => {
        const body = openBody(makeBody(kind, end));
        await assert.rejects(() => body.fill(new Uint8Array(11), 11), ServerUnavailableError);
        await body.close();
      });
    }
  }
});
