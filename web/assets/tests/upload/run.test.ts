import "fake-indexeddb/auto";
import assert from "node:assert/strict";
import { afterEach, beforeEach, describe, test } from "node:test";
import { IDBFactory } from "fake-indexeddb";
import fc from "fast-check";
import { fromBase64Url, toHex } from "../../src/core/bytes.ts";
import { hashBytes } from "../../src/core/digest.ts";
import { CancelledError, EmptySourceError, FilesNeededError, NotSignedInError } from "../../src/core/errors.ts";
import { parseLink, unlockLink } from "../../src/core/links.ts";
import { Api } from "../../src/core/requests.ts";
import { UploadControl } from "../../src/upload/control.ts";
import { prepareUpload, UploadRun } from "../../src/upload/run.ts";
import { SEGMENT_BYTES_MIN } from "../../src/upload/sending.ts";
import { matchSource, type Source } from "../../src/upload/source.ts";
import { UploadStore } from "../../src/upload/store.ts";
import type { ChosenFile, UploadProgress, UploadRequest, UploadResult } from "../../src/upload/types.ts";
import { choose, drawBytes, fetchAll, ImpatientControl, makeRequest } from "./rig.ts";
import { LINK_ID, TusServer } from "./server.ts";

const ID = "upload";
const LARGE = 12 * SEGMENT_BYTES_MIN + 12_345;

let server: TusServer;
let serverUrl: string;
let store: UploadStore;
let progress: UploadProgress[];

beforeEach(async () => {
  server = new TusServer();
  serverUrl = await server.start();
  store = await UploadStore.open(new IDBFactory());
  progress = [];
});

afterEach(async () => {
  store.close();
  await server.stop();
});

async function begin(request: UploadRequest, control: UploadControl = new ImpatientControl()) {
  const { upload, source } = await prepareUpload(store, ID, request);
  return { source, run: makeRun(upload, control) };
}

async function goOn(files: ChosenFile[] | undefined, control = new ImpatientControl()): Promise<UploadResult> {
  const upload = await store.get(ID);
  const source = files && matchSource(upload.plan, files, upload.topName);
  return makeRun(upload, control).run(source);
}

function makeRun(upload: Awaited<ReturnType<UploadStore["get"]>>, control: UploadControl): UploadRun {
  return new UploadRun(store, new Api(serverUrl), upload, control, (entry) => progress.push(entry));
}

async function upload(request: UploadRequest): Promise<UploadResult> {
  const { run, source } = await begin(request);
  return run.run(source);
}

/** Run until the server has taken so many bytes, and then stop for ever, as a closed tab does. */
async function runUntil(bytes: number, run: UploadRun, source: Source, control: UploadControl): Promise<void> {
  const stopped = new Promise<void>((resolve) => {
    server.onPatch = (end) => {
      if (end < bytes) return;
      control.pause();
      resolve();
    };
  });
  run.run(source).catch(() => undefined);
  await stopped;
  server.onPatch = () => undefined;
  await new Promise((resolve) => setTimeout(resolve, 20));
}

describe("an upload", () => {
  test("of one file becomes a link that opens to its bytes, type and name", async () => {
    const content = drawBytes(100_000);
    const result = await upload(makeRequest([choose("song.flac", content, "audio/flac")], { priceMsat: 1500n }));

    const { manifest, payload } = await fetchAll(server, result);
    assert.deepEqual(payload, content);
    assert.deepEqual(manifest.files, [
      { name: "song.flac", mediaType: "audio/flac", size: 100_000, sha256: await hashBytes(content) },
    ]);
    assert.equal(server.links[0]?.body.price.amount_msat, 1500);
    assert.equal(result.linkId, LINK_ID);
    assert.equal(
      toHex(await hashBytes(fromBase64Url(result.deletionToken))),
      server.links[0]?.body.deletion_token_sha256,
    );
  });

  test("of a folder holds its files in the order of their names, empty ones too", async () => {
    const files = [
      choose("album/b.txt", "second"),
      choose("album/a/x.txt", "first"),
      choose("album/c", ""),
      choose("album/a/e", ""),
    ];
    const { manifest, payload } = await fetchAll(server, await upload(makeRequest(files)));
    assert.deepEqual(
      manifest.files.map(({ name }) => name),
      ["album/a/e", "album/a/x.txt", "album/b.txt", "album/c"],
    );
    assert.equal(new TextDecoder().decode(payload), "firstsecond");
  });

  test("of files that lie in no folder gets one", async () => {
    const { manifest } = await fetchAll(server, await upload(makeRequest([choose("a", "1"), choose("b", "2")])));
    assert.deepEqual(
      manifest.files.map(({ name }) => name),
      ["files/a", "files/b"],
    );
  });

  test("with padding declares the zero bytes that follow", async () => {
    const { manifest, payload } = await fetchAll(
      server,
      await upload(makeRequest([choose("a", drawBytes(70_001))], { padding: "padme" })),
    );
    assert.equal(manifest.padding, 71_680 - 70_001);
    assert.equal(payload.length, 71_680);
    assert.ok(payload.subarray(70_001).every((byte) => byte === 0));
  });

  test("with a password has a link that opens by it, and the password is not kept", async () => {
    const { run, source } = await begin(makeRequest([choose("a", "1")], { password: "correct horse" }));
    assert.ok(
      !JSON.stringify(await store.get(ID), (_, value) => (typeof value === "bigint" ? "" : value)).includes("horse"),
    );
    const result = await run.run(source);
    assert.equal(new TextDecoder().decode((await fetchAll(server, result, "correct horse")).payload), "1");
    await assert.rejects(() => unlockLink(parseLink(result.linkUrl), "wrong"));
  });

  test("tells the server of expiry and transfers, and remembers the link with its name", async () => {
    const extra = { expiresAt: "2030-01-01T00:00:00Z", transfersMax: 3 };
    const result = await upload(makeRequest([choose("a.txt", "1")], extra));
    assert.equal(server.links[0]?.body.expires_at, extra.expiresAt);
    assert.equal(server.links[0]?.body.transfers_max, 3);
    const [made] = await store.listLinks();
    assert.deepEqual([made?.linkUrl, made?.name, made?.plaintextBytes], [result.linkUrl, "a.txt", 1]);
    assert.deepEqual(await store.list(), []);
    await store.removeLink(LINK_ID);
    assert.deepEqual(await store.listLinks(), []);
  });

  test("of no byte at all is refused before anything is stored or sent", async () => {
    await assert.rejects(() => upload(makeRequest([choose("a", "")])), EmptySourceError);
    assert.deepEqual([server.requests.length, await store.list()], [0, []]);
  });

  test("says how far it is, and ends with done", async () => {
    await upload(makeRequest([choose("a", drawBytes(LARGE))]));
    assert.equal(progress[0]?.state, "encrypting");
    assert.equal(progress.at(-1)?.state, "done");
    const sent = progress.map(({ sentBytes }) => sentBytes);
    assert.deepEqual(
      sent,
      sent.toSorted((a, b) => a - b),
    );
    assert.equal(sent.at(-1), progress.at(-1)?.totalBytes);
  });
});

describe("an upload through a bad network", () => {
  test("is byte-exact wherever its requests are cut", async () => {
    const content = drawBytes(LARGE);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 8 }), async (cuts) => {
        const left = [...cuts];
        server.cut = (size) => {
          const share = left.shift();
          return share === undefined ? undefined : Math.floor(share * size);
        };
        const { payload } = await fetchAll(server, await upload(makeRequest([choose("a", content)])));
        assert.equal(Buffer.compare(payload, content), 0);
      }),
      { numRuns: 8 },
    );
  });

  test("waits for a server that cannot answer, and says so", async () => {
    server.refusals.push(
      { method: "POST", status: 503 },
      { method: "PATCH", status: 423 },
      { method: "HEAD", status: 502 },
    );
    await fetchAll(server, await upload(makeRequest([choose("a", "1")])));
    assert.equal(progress.find(({ state }) => state === "waiting")?.message, "server-unavailable");
  });

  test("ends where the server does not accept the session, and goes on after the next sign-in", async () => {
    server.refusals.push({ method: "PATCH", status: 403, problem: "permission-denied" });
    const files = [choose("a", "1")];
    await assert.rejects(() => upload(makeRequest(files)), NotSignedInError);
    await fetchAll(server, await goOn(files));
    assert.equal(server.uploads.length, 1);
  });
});

describe("an upload that is resumed", () => {
  test("after the tab was closed continues the same ciphertext", async () => {
    const content = drawBytes(LARGE);
    const control = new ImpatientControl();
    const { run, source } = await begin(makeRequest([choose("a", content)]), control);
    await runUntil(3 * SEGMENT_BYTES_MIN, run, source, control);
    const before = Buffer.from(server.uploads[0]?.bytes ?? "");
    assert.ok(before.length > 0);

    const result = await goOn([choose("a", content)]);

    assert.equal(server.uploads.length, 1);
    assert.equal(Buffer.compare(server.uploads[0]?.bytes.subarray(0, before.length) as Buffer, before), 0);
    assert.equal(Buffer.compare((await fetchAll(server, result)).payload, content), 0);
  });

  test("with a file that changed begins anew under other keys", async () => {
    const content = drawBytes(LARGE);
    const control = new ImpatientControl();
    const { run, source } = await begin(makeRequest([choose("a", content)]), control);
    await runUntil(3 * SEGMENT_BYTES_MIN, run, source, control);
    const keys = await store.get(ID);
    const changed = content.slice();
    changed[5] = (changed[5] as number) ^ 1;

    const { payload } = await fetchAll(server, await goOn([choose("a", changed)]));

    assert.equal(Buffer.compare(payload, changed), 0);
    assert.ok(server.uploads[0]?.isRemoved);
    assert.equal(server.uploads.length, 2);
    const prefix = keys.encryption.header.length + 16;
    assert.notDeepEqual(server.uploads[1]?.bytes.subarray(0, prefix), server.uploads[0]?.bytes.subarray(0, prefix));
  });

  test("never sends a byte of a change behind what was sent before it was compared", async () => {
    const content = drawBytes(LARGE);
    const control = new ImpatientControl();
    const { run, source } = await begin(makeRequest([choose("a", content)]), control);
    // The hashes of a segment are stored, and its request is lost: nothing of it counts, and its bytes may be known.
    server.cut = () => 0;
    await runUntil(1, run, source, control);
    server.cut = () => undefined;
    const changed = content.slice();
    changed[100] = (changed[100] as number) ^ 1;
    const { payload } = await fetchAll(server, await goOn([choose("a", changed)]));
    assert.equal(Buffer.compare(payload, changed), 0);
    assert.deepEqual(
      server.uploads.map(({ isRemoved, bytes }) => [isRemoved, bytes.length > 0]),
      [
        [true, false],
        [false, true],
      ],
    );
  });

  test("with other files is refused", async () => {
    await begin(makeRequest([choose("a", "12")]));
    await assert.rejects(() => goOn([choose("b", "12")]), { name: "FilesDifferError" });
    await assert.rejects(() => goOn([choose("a", "123")]), { name: "FilesDifferError" });
    await assert.rejects(() => goOn(undefined), FilesNeededError);
  });

  test("once all was sent needs no files, and repeats the very request for the link", async () => {
    server.isLinkAnswerLost = true;
    const control = new ImpatientControl();
    const { run, source } = await begin(makeRequest([choose("a", "1")]), control);
    // The link is made, and the tab is closed before the answer arrives.
    run.run(source).catch(() => undefined);
    while (server.links.length === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    control.pause();
    server.isLinkAnswerLost = false;

    const result = await goOn(undefined);

    assert.equal(new TextDecoder().decode((await fetchAll(server, result)).payload), "1");
    assert.ok(server.links.length > 1);
    assert.equal(new Set(server.links.map((link) => JSON.stringify(link))).size, 1);
  });
});

test("each chunk's hash is on the disk before the server sees its bytes", async () => {
  const seen: number[] = [];
  server.onPatch = async (end) => {
    const known = (await store.readHashes(ID)).length / 32;
    const { encryption } = await store.get(ID);
    seen.push(end);
    assert.ok(
      encryption.header.length + 16 + known * 65552 >= end,
      `${known} chunks are known, ${end} bytes were sent`,
    );
  };
  server.cut = (size) => (seen.length === 1 ? Math.floor(size / 3) : undefined);
  await upload(makeRequest([choose("a", drawBytes(LARGE))]));
  assert.ok(seen.length > 3);
});

describe("a server that is not to be relied on", () => {
  test("and gives the upload up gets a fresh one under other keys", async () => {
    server.refusals.push({ method: "PATCH", status: 410, problem: "upload-expired" });
    await fetchAll(server, await upload(makeRequest([choose("a", "1")])));
    assert.equal(server.uploads.length, 2);
    const [one, two] = server.uploads.map(({ bytes }) => bytes.toString("hex"));
    assert.notEqual(one, two);
  });

  test("and loses bytes gets a fresh upload", async () => {
    let isLost = false;
    server.cut = (size) => {
      const first = server.uploads[0];
      if (isLost || !first || first.bytes.length === 0) return undefined;
      isLost = true;
      first.bytes = Buffer.alloc(0);
      return Math.min(0, size);
    };
    const content = drawBytes(LARGE);
    const { payload } = await fetchAll(server, await upload(makeRequest([choose("a", content)])));
    assert.ok(isLost);
    assert.equal(Buffer.compare(payload, content), 0);
    assert.equal(server.uploads.length, 2);
  });

  test("and never takes the upload is given up after a few fresh ones", async () => {
    for (let number = 0; number < 9; number += 1) server.refusals.push({ method: "HEAD", status: 410 });
    await assert.rejects(() => upload(makeRequest([choose("a", "1")])), { name: "UploadGoneError" });
    assert.equal(server.uploads.length, 3);
  });
});

describe("the user", () => {
  test("pauses and resumes", async () => {
    const control = new ImpatientControl();
    const content = drawBytes(LARGE);
    const { run, source } = await begin(makeRequest([choose("a", content)]), control);
    let patches = 0;
    server.onPatch = () => {
      patches += 1;
      if (patches === 1) control.pause();
    };
    const done = run.run(source);
    while (!progress.some(({ state }) => state === "paused")) await new Promise((resolve) => setTimeout(resolve, 5));
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(patches, 1);
    control.resume();
    assert.equal(Buffer.compare((await fetchAll(server, await done)).payload, content), 0);
    assert.equal(server.uploads.length, 1);
  });

  test("cancels, and nothing is left here or on the server", async () => {
    const control = new ImpatientControl();
    const { run, source } = await begin(makeRequest([choose("a", drawBytes(LARGE))]), control);
    server.onPatch = () => control.cancel();
    await assert.rejects(() => run.run(source), CancelledError);
    await run.discard();
    assert.ok(server.uploads[0]?.isRemoved);
    assert.deepEqual(await store.list(), []);
    assert.equal((await store.readHashes(ID)).length, 0);
  });

  test("cancels while the upload is paused or waits", async () => {
    const control = new UploadControl();
    const { run, source } = await begin(makeRequest([choose("a", "1")]), control);
    server.refusals.push({ method: "POST", status: 503 });
    const done = run.run(source);
    while (!progress.some(({ state }) => state === "waiting")) await new Promise((resolve) => setTimeout(resolve, 5));
    control.pause();
    control.cancel();
    await assert.rejects(() => done, CancelledError);
  });
});
