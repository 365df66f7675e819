import assert from "node:assert/strict";
import { describe, test } from "node:test";
import fc from "fast-check";
import { type Bytes, fromHex, toHex } from "../../src/core/bytes.ts";
import { chooseEngine, ENGINES, findEngine, passesSelfTest } from "../../src/core/ciphers/choice.ts";
import type { Aead, AeadEngine } from "../../src/core/ciphers/engine.ts";
import { NOBLE } from "../../src/core/ciphers/noble.ts";
import { SODIUM } from "../../src/core/ciphers/sodium.ts";

/** An engine that a test makes wrong in one way. */
class WrongEngine implements AeadEngine {
  readonly name = "noble";
  private readonly change: (aead: Aead) => Aead;

  constructor(change: (aead: Aead) => Aead) {
    this.change = change;
  }

  async importKey(key: Bytes): Promise<Aead> {
    return this.change(await NOBLE.importKey(key));
  }
}

describe("the self test", () => {
  test("passes libsodium and noble", async () => {
    assert.ok(await passesSelfTest(SODIUM));
    assert.ok(await passesSelfTest(NOBLE));
  });

  test("refuses an engine that takes any tag", async () => {
    const careless = new WrongEngine((aead) => ({
      seal: (nonce, plaintext) => aead.seal(nonce, plaintext),
      open: async (nonce, sealed) => (await aead.open(nonce, sealed)) ?? sealed.slice(0, -16),
    }));
    assert.equal(await passesSelfTest(careless), false);
  });

  test("refuses an engine that leaves the nonce out", async () => {
    const zero = new Uint8Array(12);
    const stuck = new WrongEngine((aead) => ({
      seal: (_nonce, plaintext) => aead.seal(zero, plaintext),
      open: (_nonce, sealed) => aead.open(zero, sealed),
    }));
    assert.equal(await passesSelfTest(stuck), false);
  });

  test("refuses an engine that fails", async () => {
    const absent = new WrongEngine(() => {
      throw new Error("not supported");
    });
    assert.equal(await passesSelfTest(absent), false);
    assert.equal((await findEngine([absent, NOBLE])).name, "noble");
    await assert.rejects(() => findEngine([absent]));
  });
});

test("the engines that work here seal alike, and open what the others sealed", async () => {
  const works = await Promise.all(ENGINES.map(passesSelfTest));
  const engines = ENGINES.filter((_, place) => works[place]);
  assert.ok(engines.length >= 2);
  const key = fromHex("ab".repeat(32));
  const aeads = await Promise.all(engines.map((engine) => engine.importKey(key)));
  await fc.assert(
    fc.asyncProperty(
      fc.uint8Array({ maxLength: 300 }),
      fc.uint8Array({ minLength: 12, maxLength: 12 }),
      async (text, iv) => {
        const [plaintext, nonce] = [new Uint8Array(text), new Uint8Array(iv)];
        const sealed = await Promise.all(aeads.map((aead) => aead.seal(nonce, plaintext)));
        assert.equal(new Set(sealed.map(toHex)).size, 1);
        for (const aead of aeads) assert.deepEqual(await aead.open(nonce, sealed[0] as Bytes), plaintext);
      },
    ),
  );
});

test("the choice is made once, and is the fastest that works", async () => {
  const engine = await chooseEngine();
  assert.equal(engine, await chooseEngine());
  const works = await Promise.all(ENGINES.map(passesSelfTest));
  assert.equal(engine, ENGINES[works.indexOf(true)]);
});
