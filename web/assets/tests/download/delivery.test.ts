import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { afterEach, describe, test } from "node:test";
import fc from "fast-check";
import { type Bytes, drawBytes } from "../../src/core/bytes.ts";
import {
  AgePayloadError,
  BlobMismatchError,
  LinkFormatError,
  LinkGoneError,
  PaymentNeededError,
  PriceError,
  ProtocolError,
  WrongKeyError,
} from "../../src/core/errors.ts";
import { formatLink, parseLink, unlockLink } from "../../src/core/links.ts";
import { Api } from "../../src/core/requests.ts";
import { type DeliveryKeys, makePlainPath, parsePlainPath } from "../../src/download/keys.ts";
import { beginTransfer, fetchLink } from "../../src/download/opening.ts";
import { PlaintextReader } from "../../src/download/plaintext.ts";
import { Responder } from "../../src/download/responses.ts";
import type { DeliveryProgress } from "../../src/download/types.ts";
import { LinkServer, share } from "./server.ts";

const servers: LinkServer[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
});

function random(count: number): Bytes {
  return new Uint8Array(randomBytes(count));
}

async function serve(...parameters: Parameters<typeof share>): Promise<LinkServer> {
  const server = new LinkServer(await share(...parameters));
  servers.push(server);
  await server.start();
  return server;
}

async function prepare(
  server: LinkServer,
  priceMaxMsat = 0n,
): Promise<{ api: Api; keys: DeliveryKeys; chargedMsat: bigint }> {
  const api = new Api(server.url);
  const opened = await fetchLink(api, server.link, undefined);
  return { api, ...(await beginTransfer(api, opened, priceMaxMsat)) };
}

async function request(
  server: LinkServer,
  index: number | "zip",
  headers: Record<string, string> = {},
  disposition: "inline" | "attachment" = "attachment",
) {
  const { api, keys } = await prepare(server);
  const told: DeliveryProgress[] = [];
  const responder = new Responder(api, keys, (progress) => told.push(progress));
  const { response, finished } = responder.answer({ token: keys.token, index, disposition }, new Headers(headers));
  return { response, finished, told };
}

async function readAll(response: Response): Promise<Bytes> {
  return new Uint8Array(await response.arrayBuffer());
}

async function collect(pieces: AsyncIterable<Bytes>): Promise<Bytes> {
  const parts: Bytes[] = [];
  for await (const piece of pieces) parts.push(piece);
  return new Uint8Array(Buffer.concat(parts));
}

describe("opening a link", () => {
  test("gives what is behind it, free of charge", async () => {
    const server = await serve([{ name: "song.flac", content: random(70_000), mediaType: "audio/flac" }], 100);
    const opened = await fetchLink(new Api(server.url), server.link, undefined);
    assert.deepEqual([opened.topName, opened.isFolder, opened.plaintextBytes], ["song.flac", false, 70_000]);
    assert.equal(opened.linkUrl, server.link);
    assert.equal(server.contentRequests.length, 0);
    assert.ok(!JSON.stringify(opened.files).includes("secret"));
  });

  test("with another key fails, whether the key or the manifest's digest is another", async () => {
    const server = await serve([{ name: "a", content: random(10) }]);
    const link = await unlockLink(parseLink(server.link));
    const api = new Api(server.url);
    await assert.rejects(
      () => fetchLink(api, formatLink({ ...link, secret: drawBytes(32) }), undefined),
      WrongKeyError,
    );
    await assert.rejects(
      () => fetchLink(api, formatLink({ ...link, manifestSha256: drawBytes(32) }), undefined),
      WrongKeyError,
    );
  });

  test("of another server is refused before anything is asked", async () => {
    const server = await serve([{ name: "a", content: random(10) }]);
    const api = new Api("http://other.example");
    await assert.rejects(() => fetchLink(api, server.link, undefined), LinkFormatError);
  });

  test("refuses a manifest that another file's server put in its place", async () => {
    const [server, other] = [
      await serve([{ name: "a", content: random(10) }]),
      await share([{ name: "b", content: random(9) }]),
    ];
    server.shared.manifest = other.manifest;
    const before = await unlockLink(parseLink(server.link));
    const link = formatLink({ ...before, manifestSha256: random(32) });
    await assert.rejects(() => fetchLink(new Api(server.url), link, undefined), WrongKeyError);
  });

  for (const [name, value] of [
    ["root", `sha256:${"0".repeat(64)}`],
    ["length", 5],
    ["seal", "0".repeat(64)],
  ] as const) {
    test(`refuses another blob, by its ${name}`, async () => {
      const server = await serve([{ name: "a", content: random(10) }]);
      server.shared.info[name] = value;
      await assert.rejects(() => fetchLink(new Api(server.url), server.link, undefined), BlobMismatchError);
    });
  }

  test("that is gone says why", async () => {
    const server = await serve([{ name: "a", content: random(10) }]);
    server.refusals.push({ status: 410, problem: "link-expired" }, { status: 410, problem: "link-expired" });
    await assert.rejects(
      () => fetchLink(new Api(server.url), server.link, undefined),
      (error) => {
        assert.ok(error instanceof LinkGoneError);
        assert.equal(error.problem, "link-expired");
        return true;
      },
    );
  });

  test("refuses answers of another form", async () => {
    const server = await serve([{ name: "a", content: random(10) }]);
    for (const [name, value] of [
      ["id", "x"],
      ["length", "5"],
      ["sha256", 1],
      ["record", "x"],
      ["transfers_left", -1],
      ["expires_at", 3],
    ] as const) {
      const before = server.shared.info[name];
      server.shared.info[name] = value;
      await assert.rejects(() => fetchLink(new Api(server.url), server.link, undefined), ProtocolError);
      server.shared.info[name] = before;
    }
  });
});

describe("beginning a transfer", () => {
  test("charges once, within what was agreed to, and keeps the pass", async () => {
    const server = await serve([{ name: "a", content: random(200_000) }]);
    server.priceMsat = 700;
    const { keys, chargedMsat } = await prepare(server, 1000n);
    assert.deepEqual([chargedMsat, keys.priceLeftMsat, keys.pass], [700n, 300n, "pass"]);
    assert.deepEqual(
      server.contentRequests.map((headers) => headers["cadastre-price-max"]),
      ["1000", "300"],
    );
    assert.equal(server.contentRequests[1]?.["cadastre-pass"], "pass");
  });

  test("stops where the server charges more than was agreed to", async () => {
    const server = await serve([{ name: "a", content: random(10) }]);
    server.priceMsat = 700;
    await assert.rejects(() => prepare(server, 699n), ProtocolError);
  });

  for (const [status, problem, expected] of [
    [402, "payment-required", PaymentNeededError],
    [409, "price-above-max", PriceError],
    [410, "link-used-up", LinkGoneError],
    [404, "link-not-found", LinkGoneError],
  ] as const) {
    test(`says ${problem}`, async () => {
      const server = await serve([{ name: "a", content: random(10) }]);
      server.refusals.push({ status, problem });
      await assert.rejects(() => prepare(server), expected);
    });
  }

  test("meets a blob that was cut, at any chunk, before a byte is handed out", async () => {
    const server = await serve([{ name: "a", content: random(3 * 65536) }]);
    const { blob, prefixBytes } = server.shared;
    // The server cuts one chunk off and lies about the length in its answers: the last chunk is not where it has to be.
    server.shared.blob = new Uint8Array([...blob.subarray(0, prefixBytes + 2 * 65552), ...random(65552)]);
    await assert.rejects(() => prepare(server), AgePayloadError);
    server.shared.blob = blob.slice(0, prefixBytes + 2 * 65552);
    await assert.rejects(() => prepare(server), ProtocolError);
  });
});

describe("plaintext of a range", () => {
  test("is that of the file, whatever the range", async () => {
    const content = random(300_001);
    const server = await serve([{ name: "a", content }], 4321);
    const { api, keys } = await prepare(server);
    const reader = new PlaintextReader(api, keys);
    await fc.assert(
      fc.asyncProperty(fc.nat(content.length), fc.nat(content.length), async (one, two) => {
        const range = { start: Math.min(one, two), end: Math.max(one, two) };
        const found = await collect(reader.read(range));
        assert.equal(Buffer.compare(found, content.subarray(range.start, range.end)), 0);
      }),
      { numRuns: 30 },
    );
  });

  test("asks for the chunks that hold it, and no others", async () => {
    const server = await serve([{ name: "a", content: random(300_000) }]);
    const { api, keys } = await prepare(server);
    await collect(new PlaintextReader(api, keys).read({ start: 65536, end: 65537 }));
    const start = server.shared.prefixBytes + 65552;
    assert.equal(server.contentRequests.at(-1)?.range, `bytes=${start}-${start + 65551}`);
  });

  test("goes on through broken connections, and gives up after a few without a chunk", async () => {
    const content = random(500_000);
    const server = await serve([{ name: "a", content }]);
    const { api, keys } = await prepare(server);
    const reader = new PlaintextReader(api, keys, async () => undefined);
    server.cuts.push(200_000, 10, 70_000);
    const found = await collect(reader.read({ start: 0, end: content.length }));
    assert.equal(Buffer.compare(found, content), 0);
    server.cuts.push(...Array<number>(6).fill(10));
    await assert.rejects(() => collect(reader.read({ start: 0, end: 1 })), { code: "server-unavailable" });
  });

  test("holds back a chunk that was tampered with, and what follows", async () => {
    const content = random(4 * 65536);
    const server = await serve([{ name: "a", content }]);
    const { api, keys } = await prepare(server);
    const place = server.shared.prefixBytes + 2 * 65552 + 7;
    server.shared.blob[place] = (server.shared.blob[place] as number) ^ 1;
    let held = 0;
    await assert.rejects(async () => {
      for await (const piece of new PlaintextReader(api, keys).read({ start: 0, end: content.length }))
        held += piece.length;
    }, AgePayloadError);
    assert.ok(held <= 2 * 65536);
  });
});

describe("an answer with a file", () => {
  test("is whole, with its length, its name, and the type that may be shown", async () => {
    const content = random(100_000);
    const server = await serve([{ name: "Ärger (1).png", content, mediaType: "image/png" }]);
    const { response, finished, told } = await request(server, 0, {}, "inline");
    assert.equal(response.status, 200);
    assert.equal(response.headers.get("Content-Length"), "100000");
    assert.equal(response.headers.get("Content-Type"), "image/png");
    assert.equal(response.headers.get("Content-Disposition"), "inline; filename*=UTF-8''%C3%84rger%20%281%29.png");
    assert.equal(Buffer.compare(await readAll(response), content), 0);
    await finished;
    assert.deepEqual([told.at(-1)?.state, told.at(-1)?.sentBytes], ["done", 100_000]);
  });

  test("answers ranges as RFC 9110 has it", async () => {
    const content = random(100_000);
    const server = await serve([
      { name: "f/a", content: random(10) },
      { name: "f/b", content },
    ]);
    const whole = await request(server, 1);
    const etag = whole.response.headers.get("ETag") ?? "";
    await whole.response.body?.cancel();
    for (const [range, ifRange, status, start, end] of [
      ["bytes=0-", undefined, 206, 0, 100_000],
      ["bytes=70000-70009", undefined, 206, 70_000, 70_010],
      ["bytes=-5", undefined, 206, 99_995, 100_000],
      ["bytes=5-", etag, 206, 5, 100_000],
      ["bytes=5-", '"other"', 200, 0, 100_000],
      ["bytes=1-2,4-5", undefined, 200, 0, 100_000],
    ] as const) {
      const headers = { Range: range, ...(ifRange === undefined ? {} : { "If-Range": ifRange }) };
      const { response } = await request(server, 1, headers);
      assert.equal(response.status, status, range);
      if (status === 206) assert.equal(response.headers.get("Content-Range"), `bytes ${start}-${end - 1}/100000`);
      assert.equal(Buffer.compare(await readAll(response), content.subarray(start, end)), 0, range);
    }
    const beyond = await request(server, 1, { Range: "bytes=100000-" });
    assert.deepEqual([beyond.response.status, beyond.response.headers.get("Content-Range")], [416, "bytes */100000"]);
  });

  test("that is not the manifest's fails before its last byte", async () => {
    const content = random(200_000);
    const server = await serve([{ name: "a", content }]);
    const { api, keys } = await prepare(server);
    const files = keys.files.map((file) => ({ ...file, sha256: "0".repeat(64) }));
    const told: DeliveryProgress[] = [];
    const responder = new Responder(api, { ...keys, files }, (progress) => told.push(progress));
    const { response } = responder.answer({ token: keys.token, index: 0, disposition: "attachment" }, new Headers());
    let received = 0;
    await assert.rejects(async () => {
      for await (const piece of response.body as unknown as AsyncIterable<Bytes>) received += piece.length;
    });
    assert.ok(received < content.length);
    assert.equal(told.at(-1)?.message, "plaintext-mismatch");
  });

  test("that was tampered with fails", async () => {
    const server = await serve([{ name: "a", content: random(200_000) }]);
    const { response, told, finished } = await request(server, 0);
    const place = server.shared.prefixBytes + 7;
    server.shared.blob[place] = (server.shared.blob[place] as number) ^ 1;
    await assert.rejects(() => readAll(response));
    await finished;
    assert.deepEqual([told.at(-1)?.state, told.at(-1)?.message], ["failed", "age-payload"]);
  });

  test("that is empty is empty, and one that is not there is not found", async () => {
    const server = await serve([
      { name: "f/a", content: random(1) },
      { name: "f/e", content: random(0) },
    ]);
    assert.equal((await readAll((await request(server, 1)).response)).length, 0);
    assert.equal((await request(server, 2)).response.status, 404);
  });

  test("whose reader goes away ends the request to the server", async () => {
    const server = await serve([{ name: "a", content: random(3_000_000) }]);
    const { response, finished } = await request(server, 0);
    const reader = response.body?.getReader();
    await reader?.read();
    await reader?.cancel();
    await finished;
  });
});

describe("an archive", () => {
  test("has all files, and the length that it announces", async () => {
    const files = [
      { name: "f/a", content: random(100_000) },
      { name: "f/b", content: random(0) },
      { name: "f/c", content: random(65_536) },
    ];
    const { response } = await request(await serve(files, 999), "zip");
    assert.match(response.headers.get("Content-Disposition") ?? "", /f\.zip$/);
    const archive = await readAll(response);
    assert.equal(String(archive.length), response.headers.get("Content-Length"));
    for (const { content } of files) assert.ok(Buffer.from(archive).includes(Buffer.from(content)));
  });

  test("with a file that was tampered with fails", async () => {
    const server = await serve([
      { name: "f/a", content: random(100) },
      { name: "f/b", content: random(100_000) },
    ]);
    const { response } = await request(server, "zip");
    const place = server.shared.prefixBytes + 3;
    server.shared.blob[place] = (server.shared.blob[place] as number) ^ 1;
    await assert.rejects(() => readAll(response));
  });
});

test("addresses of plaintext are read back, and no others", async () => {
  const { keys } = await prepare(await serve([{ name: "a", content: random(5) }]));
  assert.deepEqual(parsePlainPath(makePlainPath(keys, 0, "inline", "a/b ü")), {
    token: keys.token,
    index: 0,
    disposition: "inline",
  });
  assert.deepEqual(parsePlainPath(makePlainPath(keys, "zip", "attachment", "a.zip")), {
    token: keys.token,
    index: "zip",
    disposition: "attachment",
  });
  for (const path of [
    "/",
    `/f/${keys.linkId}`,
    makePlainPath(keys, 0, "other", "a"),
    `${makePlainPath(keys, 0, "inline", "a")}/b`,
  ]) {
    assert.equal(parsePlainPath(path), undefined);
  }
});
