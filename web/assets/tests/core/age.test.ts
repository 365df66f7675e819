import assert from "node:assert/strict";
import { describe, test } from "node:test";
import * as age from "age-encryption";
import fc from "fast-check";
import { decodeRecipient, encodeIdentity, encodeRecipient } from "../../src/core/age/bech32.ts";
import {
  beginByPassword,
  beginForX25519,
  decryptBytes,
  encryptBytes,
  openByPassword,
  openByX25519,
} from "../../src/core/age/files.ts";
import { HEADER_BYTES_MAX, readHeader, writeHeader } from "../../src/core/age/header.ts";
import { countChunks, getSealedLength } from "../../src/core/age/payload.ts";
import { getRecipient } from "../../src/core/age/recipients.ts";
import { type Bytes, concatBytes, drawBytes, encodeUtf8, fromHex, toHex } from "../../src/core/bytes.ts";
import { hashBytes } from "../../src/core/digest.ts";
import { AgeError, AgeHeaderError, AgeKeyError, AgePayloadError } from "../../src/core/errors.ts";
import { readVectors } from "../vectors.ts";

const SECRET = drawBytes(32);
const SIZES = [0, 1, 65535, 65536, 65537, 131072, 200_001];

async function decrypt(data: Bytes, secret: Bytes): Promise<Bytes> {
  return decryptBytes(data, openByX25519(data, secret));
}

describe("vectors of encrypted blobs", () => {
  for (const vector of readVectors("encryption", "blob-")) {
    test(`${vector.name}: ${vector.about}`, async () => {
      const data = new Uint8Array(Buffer.from(String(vector.age), "base64"));
      const secret = fromHex(String(vector.secret));
      assert.equal(encodeIdentity(secret), vector.identity);

      if (vector.expect === "valid") {
        const plaintext = await decrypt(data, secret);
        assert.equal(plaintext.length, vector.size);
        assert.equal(toHex(await hashBytes(plaintext)), vector.plaintext_sha256);
      } else {
        await assert.rejects(async () => decrypt(data, secret), { name: vector.expect });
      }
    });
  }
});

describe("npm age-encryption, another implementation", () => {
  for (const size of SIZES) {
    test(`reads ${size} bytes that were written here`, async () => {
      const plaintext = drawBytes(size % 65536 ? Math.min(size, 65535) : size && 65536);
      const whole = concatBytes(...Array.from({ length: Math.ceil(size / 65536) }, () => plaintext)).slice(0, size);
      const sealed = await encryptBytes(beginForX25519(getRecipient(SECRET)), whole);

      const reader = new age.Decrypter();
      reader.addIdentity(encodeIdentity(SECRET));

      assert.deepEqual(new Uint8Array(await reader.decrypt(sealed)), whole);
    });

    test(`writes ${size} bytes that are read here`, async () => {
      const plaintext = new Uint8Array(size).fill(7);
      const writer = new age.Encrypter();
      writer.addRecipient(encodeRecipient(getRecipient(SECRET)));

      const sealed = new Uint8Array(await writer.encrypt(plaintext));

      assert.deepEqual(await decrypt(sealed, SECRET), plaintext);
    });
  }

  test("reads a file locked by a password here, and writes one that opens here", async () => {
    const content = encodeUtf8("content");
    const reader = new age.Decrypter();
    reader.addPassphrase("correct horse");
    const sealed = await encryptBytes(await beginByPassword("correct horse", 15), content);
    assert.deepEqual(new Uint8Array(await reader.decrypt(sealed)), content);

    const writer = new age.Encrypter();
    writer.setPassphrase("correct horse");
    writer.setScryptWorkFactor(15);
    const other = new Uint8Array(await writer.encrypt(content));
    assert.deepEqual(await decryptBytes(other, await openByPassword(other, "correct horse")), content);
  });
});

describe("a header", () => {
  test("of more than 64 KiB is refused", () => {
    const long = encodeUtf8(`age-encryption.org/v1\n-> ${"a".repeat(HEADER_BYTES_MAX)}\n\n--- ${"A".repeat(43)}\n`);
    assert.throws(() => readHeader(long), AgeHeaderError);
  });

  test("keeps stanzas of types that are not known", () => {
    const written = writeHeader([{ arguments: ["grease", "x"], body: new Uint8Array(48) }], new Uint8Array(16));
    assert.deepEqual(readHeader(written).stanzas[0]?.arguments, ["grease", "x"]);
    assert.equal(readHeader(written).bytes, written.length);
  });

  test("with a share of low order is refused", () => {
    const stanza = { arguments: ["X25519", "A".repeat(43)], body: new Uint8Array(32) };
    const data = concatBytes(writeHeader([stanza], new Uint8Array(16)), new Uint8Array(32));
    assert.throws(() => openByX25519(data, SECRET), AgeHeaderError);
  });

  test("for somebody else does not open", () => {
    const { header, nonce } = beginForX25519(getRecipient(drawBytes(32)));
    assert.throws(() => openByX25519(concatBytes(header, nonce), SECRET), AgeKeyError);
  });

  for (const [workFactor, expected] of [
    ["14", AgeHeaderError],
    ["21", AgeHeaderError],
    ["015", AgeHeaderError],
  ] as const) {
    test(`with the scrypt work factor ${workFactor} is refused before any work is done`, async () => {
      const stanza = { arguments: ["scrypt", "A".repeat(22), workFactor], body: new Uint8Array(32) };
      const data = concatBytes(writeHeader([stanza], new Uint8Array(16)), new Uint8Array(32));
      await assert.rejects(() => openByPassword(data, "x"), expected);
    });
  }
});

describe("a payload", () => {
  test("never opens with two chunks exchanged, repeated or left out", async () => {
    const sealed = await encryptBytes(beginForX25519(getRecipient(SECRET)), new Uint8Array(3 * 65536));
    const { prefixBytes } = openByX25519(sealed, SECRET);
    const prefix = sealed.slice(0, prefixBytes);
    const [one, two, three] = [0, 1, 2].map((number) => {
      const start = prefixBytes + number * 65552;
      return sealed.slice(start, start + 65552);
    }) as [Bytes, Bytes, Bytes];
    for (const chunks of [
      [two, one, three],
      [one, one, three],
      [one, three],
    ]) {
      await assert.rejects(() => decrypt(concatBytes(prefix, ...chunks), SECRET), AgePayloadError);
    }
  });

  test("has the length that is told beforehand", async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 0, max: 300_000 }), async (size) => {
        const encryption = beginForX25519(getRecipient(SECRET));
        const sealed = await encryptBytes(encryption, new Uint8Array(size));
        assert.equal(sealed.length, encryption.header.length + 16 + getSealedLength(size));
        assert.equal(countChunks(size), Math.max(1, Math.ceil(size / 65536)));
      }),
      { numRuns: 20 },
    );
  });
});

test("a changed byte anywhere raises an error of age's, and nothing else", async () => {
  const sealed = await encryptBytes(beginForX25519(getRecipient(SECRET)), drawBytes(300));
  await fc.assert(
    fc.asyncProperty(fc.nat(sealed.length - 1), fc.integer({ min: 1, max: 255 }), async (place, mask) => {
      const changed = sealed.slice();
      changed[place] = (changed[place] as number) ^ mask;
      await assert.rejects(async () => decrypt(changed, SECRET), AgeError);
    }),
  );
});

test("a cut file raises an error of age's wherever it is cut", async () => {
  const sealed = await encryptBytes(beginForX25519(getRecipient(SECRET)), drawBytes(40));
  for (let length = 0; length < sealed.length; length += 1) {
    await assert.rejects(async () => decrypt(sealed.slice(0, length), SECRET), AgeError);
  }
});

test("recipients are read back, and nothing else is taken for one", () => {
  const recipient = getRecipient(SECRET);
  assert.deepEqual(decodeRecipient(encodeRecipient(recipient)), recipient);
  for (const text of ["", "age1", encodeIdentity(SECRET), `${encodeRecipient(recipient)}q`, "age1qqqq"]) {
    assert.throws(() => decodeRecipient(text), AgeHeaderError);
  }
});
