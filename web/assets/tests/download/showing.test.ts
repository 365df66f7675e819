import assert from "node:assert/strict";
import { test } from "node:test";
import { findInlineType } from "../../src/download/media_types.ts";
import { parseRange } from "../../src/download/ranges.ts";

test("nothing that could run as a page of this site is shown in one", () => {
  for (const type of [
    "text/html",
    "image/svg+xml",
    "application/xhtml+xml",
    "text/javascript",
    "application/xml",
    "multipart/x-mixed-replace",
  ]) {
    assert.ok([undefined, "text/plain; charset=utf-8"].includes(findInlineType(type)), type);
  }
  assert.equal(findInlineType("video/mp4"), "video/mp4");
});

test("ranges that are none are ignored", () => {
  for (const header of [null, "", "bytes=", "bytes=-", "bytes=5-4", "items=1-2", "bytes=a-b"])
    assert.equal(parseRange(header, 10), undefined);
  for (const header of ["bytes=10-", "bytes=-0", "bytes=11-12"]) assert.equal(parseRange(header, 10), "unsatisfiable");
});
