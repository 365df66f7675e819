import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as age from "age-encryption";
import fc from "fast-check";
import { encodeIdentity, encodeRecipient } from "../../src/core/age/bech32.ts";
import { beginByPassword, encryptBytes } from "../../src/core/age/files.ts";
import { getRecipient } from "../../src/core/age/recipients.ts";
import { drawBytes, fromBase64Url, fromHex, toBase64Url, toHex } from "../../src/core/bytes.ts";
import { drawDeletionToken } from "../../src/core/deletion.ts";
import { hashBytes } from "../../src/core/digest.ts";
import { AgeHeaderError, CadastreError, LinkFormatError, PasswordNeededError } from "../../src/core/errors.ts";
import { formatLink, formatLockedLink, parseLink, unlockLink } from "../../src/core/links.ts";
import { getPaddedLength } from "../../src/core/padding.ts";
import { canSealReports, sealReport } from "../../src/core/reports.ts";
import { computeSeal } from "../../src/core/seals.ts";
import { readVectors } from "../vectors.ts";

const LINK = {
  serverUrl: "https://cadastre.example",
  id: "01890a5d-ac96-774b-bcce-b302099a8057",
  secret: drawBytes(32),
  manifestSha256: drawBytes(32),
};

describe("vectors of links", () => {
  for (const vector of readVectors("encryption", "link-")) {
    test(`${vector.name}: ${vector.about}`, async () => {
      const password = vector.password === undefined ? undefined : String(vector.password);
      const open = async () => unlockLink(parseLink(String(vector.link)), password);
      const names: Record<string, string> = { LinkError: "LinkFormatError", PasswordError: "WrongPasswordError" };
      if (vector.expect !== "valid") {
        await assert.rejects(open, { name: names[vector.expect] });
        return;
      }
      const link = await open();
      assert.equal(toHex(link.secret), vector.secret);
      assert.equal(toHex(link.manifestSha256), vector.manifest_sha256);
      assert.equal(toHex(computeSeal(link.secret, link.manifestSha256)), vector.seal);
      if (password === undefined) assert.equal(formatLink(link), vector.link);
    });
  }
});

describe("a link", () => {
  test("is read back, whatever capitals the host is written in", async () => {
    const text = formatLink(LINK).replace("https://cadastre.example", "HTTPS://Cadastre.Example");
    assert.deepEqual(await unlockLink(parseLink(text)), LINK);
  });

  test("with a password opens by it alone", async () => {
    const text = await formatLockedLink(LINK, await beginByPassword("correct horse", 15));
    assert.ok(parseLink(text).isLocked);
    assert.deepEqual(await unlockLink(parseLink(text), "correct horse"), LINK);
    await assert.rejects(() => unlockLink(parseLink(text)), PasswordNeededError);
  });

  test("whose locked content is no key is refused", async () => {
    const locked = await encryptBytes(await beginByPassword("x", 15), drawBytes(63));
    const text = `${LINK.serverUrl}/f/${LINK.id}#1.${toBase64Url(locked)}`;
    await assert.rejects(() => unlockLink(parseLink(text), "x"), LinkFormatError);
  });

  test("of other letters raises a LinkFormatError, and nothing else", () => {
    const text = formatLink(LINK);
    fc.assert(
      fc.property(fc.nat(text.length - 1), fc.string({ unit: "grapheme", maxLength: 3 }), (place, letters) => {
        try {
          parseLink(text.slice(0, place) + letters + text.slice(place + 1));
        } catch (error) {
          assert.ok(error instanceof LinkFormatError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

test("the Padmé length is at most 12 % more, and has few values", () => {
  const known: [number, number][] = [
    [0, 0],
    [1, 1],
    [9, 10],
    [1000, 1024],
    [1_000_003, 1_015_808],
    [2 ** 40 + 1, 2 ** 40 + 2 ** 34],
  ];
  for (const [length, padded] of known) assert.equal(getPaddedLength(length), padded);
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 2 ** 52 }), (length) => {
      const padded = getPaddedLength(length);
      assert.ok(padded >= length && padded <= length * 1.12);
      assert.equal(getPaddedLength(padded), padded);
    }),
  );
});

test("a deletion token is told to the server as its SHA-256 alone", async () => {
  const { token, sha256 } = await drawDeletionToken();
  assert.equal(sha256, toHex(await hashBytes(fromBase64Url(token))));
});

describe("a report", () => {
  const reviewers = drawBytes(32);
  const recipient = encodeRecipient(getRecipient(reviewers));

  test("opens by the reviewers' key, with the whole link in it", async () => {
    const sealed = await sealReport(formatLink(LINK), "It is mine.", recipient);

    const reader = new age.Decrypter();
    reader.addIdentity(encodeIdentity(reviewers));
    const text = await reader.decrypt(new Uint8Array(Buffer.from(sealed, "base64")), "text");

    assert.equal(text, JSON.stringify({ link: formatLink(LINK), text: "It is mine.", version: 1 }));
  });

  test("of a link without its key, or to nobody, is not made", async () => {
    await assert.rejects(() => sealReport(formatLink(LINK).split("#")[0] as string, "", recipient), LinkFormatError);
    await assert.rejects(() => sealReport(formatLink(LINK), "", ""), AgeHeaderError);
    assert.equal(canSealReports(), false);
    assert.ok(canSealReports(recipient));
  });
});

test("hexadecimal and base64url have one spelling each", () => {
  for (const text of ["A", "AB==", "+w", "AB"]) assert.throws(() => fromBase64Url(text), RangeError);
  for (const text of ["a", "AB", "0g"]) assert.throws(() => fromHex(text), RangeError);
  assert.ok(new LinkFormatError() instanceof CadastreError);
});
