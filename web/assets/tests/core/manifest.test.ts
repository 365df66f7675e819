import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { beginForX25519, encryptBytes } from "../../src/core/age/files.ts";
import { getRecipient } from "../../src/core/age/recipients.ts";
import { decodeUtf8, drawBytes, encodeUtf8 } from "../../src/core/bytes.ts";
import { ManifestError, NotCanonicalError } from "../../src/core/errors.ts";
import { canonicalise, type Json, parseCanonical } from "../../src/core/jcs.ts";
import {
  decryptManifest,
  encryptManifest,
  getPayloadBytes,
  getTopName,
  isFolder,
  MANIFEST_BYTES_MAX,
  type Manifest,
  normaliseMediaType,
  parseManifest,
  serializeManifest,
} from "../../src/core/manifest.ts";
import { readVectors } from "../vectors.ts";

const SECRET = drawBytes(32);

function makeManifest(...names: string[]): Manifest {
  const files = names.map((name) => ({ name, mediaType: "audio/flac", size: 3, sha256: new Uint8Array(32) }));
  return { files, length: 219, root: new Uint8Array(32), padding: 5 };
}

describe("vectors of manifests", () => {
  for (const vector of readVectors("encryption", "manifest-")) {
    test(`${vector.name}: ${vector.about}`, () => {
      const data = encodeUtf8(String(vector.manifest));
      if (vector.expect === "valid") assert.deepEqual(serializeManifest(parseManifest(data)), data);
      else assert.throws(() => parseManifest(data), { name: vector.expect });
    });
  }
});

describe("a manifest", () => {
  test("is read back after encryption", async () => {
    const manifest = makeManifest("album/a.flac", "album/b/c.flac");
    assert.deepEqual(await decryptManifest(await encryptManifest(manifest, SECRET), SECRET), manifest);
    assert.ok(isFolder(manifest));
    assert.equal(getTopName(manifest), "album");
    assert.equal(getPayloadBytes(manifest), 11);
  });

  test("is of a single file where the name has no folder", () => {
    assert.equal(isFolder(makeManifest("a.flac")), false);
  });

  test("of another key does not decrypt", async () => {
    const sealed = await encryptManifest(makeManifest("a"), drawBytes(32));
    await assert.rejects(() => decryptManifest(sealed, SECRET), ManifestError);
  });

  test("that is too long is neither written nor read", async () => {
    const names = Array.from({ length: 9000 }, (_, number) => `folder/${number}-${"n".repeat(40)}`);
    await assert.rejects(() => encryptManifest(makeManifest(...names), SECRET), ManifestError);
    const sealed = await encryptBytes(beginForX25519(getRecipient(SECRET)), new Uint8Array(MANIFEST_BYTES_MAX));
    await assert.rejects(() => decryptManifest(sealed, SECRET), ManifestError);
  });

  for (const name of ["\u202egnp.exe", "a\u200bb", "\ud800", "n".repeat(256), `${"d/".repeat(511)}name`]) {
    test(`with the name ${JSON.stringify(name).slice(0, 24)} is not written`, () => {
      assert.throws(() => serializeManifest(makeManifest(name)), ManifestError);
    });
  }

  test("that is mutated raises a ManifestError, and nothing else", () => {
    const data = serializeManifest(makeManifest("album/a.flac", "album/Ärger.flac"));
    fc.assert(
      fc.property(fc.nat(data.length - 1), fc.nat(255), fc.boolean(), (place, byte, isCut) => {
        const changed = isCut ? data.slice(0, place) : data.slice();
        if (!isCut) changed[place] = byte;
        try {
          assert.deepEqual(serializeManifest(parseManifest(changed)), changed);
        } catch (error) {
          assert.ok(error instanceof ManifestError, String(error));
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe("canonical JSON", () => {
  test("is read back for every value that it takes", () => {
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.constant(null),
        fc.boolean(),
        fc.maxSafeInteger().map((number) => number || 0),
        fc.string({ unit: "grapheme" }),
        fc.array(tie("value"), { maxLength: 4 }),
        fc.dictionary(fc.string({ unit: "grapheme-ascii" }), tie("value"), { maxKeys: 4 }),
      ),
    }));
    fc.assert(
      fc.property(value, (drawn) => {
        const written = canonicalise(drawn as Json);
        assert.deepEqual(canonicalise(parseCanonical(written)), written);
      }),
    );
  });

  for (const text of [
    "{",
    '{"b":1,"a":2}',
    '{"a":1,"a":1}',
    "1.0",
    "1e2",
    "-0",
    "9007199254740992",
    "\ufeff1",
    '"\\u0041"',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      assert.throws(() => parseCanonical(encodeUtf8(text)), NotCanonicalError);
    });
  }

  test("refuses what is nested too deep, keys that are not ASCII, halves of surrogate pairs", () => {
    const deep = `${"[".repeat(33)}${"]".repeat(33)}`;
    assert.throws(() => parseCanonical(encodeUtf8(deep)), NotCanonicalError);
    assert.throws(() => canonicalise({ é: 1 }), NotCanonicalError);
    assert.throws(() => canonicalise("\udc00"), NotCanonicalError);
  });

  test("orders members and escapes as RFC 8785 has it", () => {
    assert.equal(decodeUtf8(canonicalise({ b: '\u000f\n"é\u2028', a: [] })), '{"a":[],"b":"\\u000f\\n\\"é\u2028"}');
  });
});

test("a browser's media type loses parameters and capitals, and what is none becomes octet-stream", () => {
  assert.equal(normaliseMediaType("Text/HTML; charset=utf-8"), "text/html");
  assert.equal(normaliseMediaType(""), "application/octet-stream");
  assert.equal(normaliseMediaType("nonsense"), "application/octet-stream");
});
