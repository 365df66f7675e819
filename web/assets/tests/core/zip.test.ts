import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { ftruncateSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { crc32 } from "hash-wasm";
import { encodeUtf8, joinBytes } from "../../src/core/bytes.ts";
import { getZipBytes, type ZipEntry, ZipWriter } from "../../src/core/zip.ts";

/** Reads an archive by Python's zipfile, another implementation, and prints names, sizes and checked contents. */
const READER = `
import json, sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as archive:
    bad = archive.testzip() if sys.argv[2] == "whole" else None
    print(json.dumps([bad, [[entry.filename, entry.file_size, entry.header_offset] for entry in archive.infolist()]]))
`;

function readByPython(file: string, how: "whole" | "list"): [string | null, [string, number, number][]] {
  const { stdout, stderr } = spawnSync("python3", ["-c", READER, file, how], { encoding: "utf8", maxBuffer: 2 ** 26 });
  assert.equal(stderr, "");
  return JSON.parse(stdout);
}

function inFolder(use: (file: string) => void): void {
  const folder = mkdtempSync(path.join(tmpdir(), "cadastre-zip-"));
  try {
    use(path.join(folder, "archive.zip"));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test("an archive is read by another program, and has the length that was told beforehand", async () => {
  const contents: [string, string][] = [
    ["album/Ärger.txt", "one"],
    ["album/empty", ""],
    ["album/b/two", "22"],
  ];
  const entries = contents.map(([name, text]) => ({ name, size: text.length }));
  const writer = new ZipWriter(entries);
  const parts: Uint8Array[] = [];
  for (const [, text] of contents) {
    parts.push(writer.beginEntry(), encodeUtf8(text), writer.endEntry(Number.parseInt(await crc32(text), 16)));
  }
  const archive = joinBytes([...parts, writer.finish()]);

  assert.equal(archive.length, getZipBytes(entries));
  inFolder((file) => {
    writeFileSync(file, archive);
    const [bad, found] = readByPython(file, "whole");
    assert.equal(bad, null);
    assert.deepEqual(
      found.map(([name, size]) => [name, size]),
      contents.map(([name, text]) => [name, text.length]),
    );
  });
});

test("an archive of files beyond 4 GiB is zip64", () => {
  const entries: ZipEntry[] = [
    { name: "large", size: 5 * 2 ** 30 },
    { name: "small", size: 3 },
    { name: "edge", size: 0xffffffff },
  ];
  inFolder((file) => {
    const descriptor = openSync(file, "w");
    const writer = new ZipWriter(entries);
    let offset = 0;
    for (const { size } of entries) {
      offset += writeSync(descriptor, writer.beginEntry(), 0, undefined, offset) + size;
      offset += writeSync(descriptor, writer.endEntry(0), 0, undefined, offset);
    }
    offset += writeSync(descriptor, writer.finish(), 0, undefined, offset);
    ftruncateSync(descriptor, offset);
    assert.equal(offset, getZipBytes(entries));
    const [, found] = readByPython(file, "list");
    assert.deepEqual(
      found.map(([name, size]) => ({ name, size })),
      entries,
    );
    assert.ok((found[2]?.[2] ?? 0) > 2 ** 32);
  });
});

test("an archive of 70,000 files is zip64", () => {
  const entries = Array.from({ length: 70_000 }, (_, number) => ({ name: `f/${number}`, size: 0 }));
  const writer = new ZipWriter(entries);
  const parts = entries.flatMap(() => [writer.beginEntry(), writer.endEntry(0)]);
  inFolder((file) => {
    writeFileSync(file, joinBytes([...parts, writer.finish()]));
    assert.equal(readByPython(file, "whole")[1].length, 70_000);
  });
  assert.throws(() => writer.beginEntry());
});
