/** What `make bench` measures in Chromium: our encryption against npm age-encryption, in one page, and whole files. */

import * as age from "age-encryption";
import { encodeIdentity, encodeRecipient } from "../src/core/age/bech32.ts";
import { beginForX25519, encryptBytes, getCipher, getPrefix, openByX25519 } from "../src/core/age/files.ts";
import { CHUNK_BYTES, ChunkCipher, countChunks, SEALED_CHUNK_BYTES, sealBatches } from "../src/core/age/payload.ts";
import { getRecipient } from "../src/core/age/recipients.ts";
import { type Bytes, drawBytes, joinBytes } from "../src/core/bytes.ts";
import { chooseEngine } from "../src/core/ciphers/choice.ts";
import { BlobDigest, StreamingHash } from "../src/core/digest.ts";
import { openLink, prepareDelivery } from "../src/download/open.ts";
import { startUpload } from "../src/upload/engine.ts";

const BATCH_CHUNKS = 16;
const secret = drawBytes(32);
let plaintext: Bytes = new Uint8Array(0);
let ciphertext: Bytes = new Uint8Array(0);

/** Make the bytes that all measurements share, and return the engine's name. */
async function prepare(bytes: number): Promise<string> {
  plaintext = Uint8Array.from({ length: bytes }, (_, place) => (place * 7) & 255);
  ciphertext = await encryptBytes(beginForX25519(getRecipient(secret)), plaintext);
  return (await chooseEngine()).name;
}

/** Return the seconds that a piece of work takes. */
async function time(work: () => Promise<unknown>): Promise<number> {
  const beganMs = performance.now();
  await work();
  return (performance.now() - beganMs) / 1000;
}

/** Encrypt all, and hand out each batch of sealed chunks. */
async function encryptOurs(onBatch: (sealed: Bytes[]) => Promise<void> = async () => undefined): Promise<void> {
  const encryption = beginForX25519(getRecipient(secret));
  await onBatch([getPrefix(encryption)]);
  let place = 0;
  const read = async (size: number) => {
    place += size;
    return plaintext.subarray(place - size, place);
  };
  for await (const sealed of sealBatches(await getCipher(encryption), plaintext.length, read)) await onBatch(sealed);
}

async function encryptWithDigests(): Promise<void> {
  const [blob, hash] = [await BlobDigest.create(), await StreamingHash.create()];
  let place = 0;
  await encryptOurs(async (sealed) => {
    hash.update(plaintext.subarray(place, place + BATCH_CHUNKS * CHUNK_BYTES));
    place += BATCH_CHUNKS * CHUNK_BYTES;
    await blob.update(joinBytes(sealed));
  });
  hash.finish();
  await blob.finish();
}

async function decryptOurs(): Promise<void> {
  const { payloadKey, prefixBytes } = openByX25519(ciphertext, secret);
  const cipher = await ChunkCipher.create(payloadKey);
  const count = countChunks(plaintext.length);
  const openBatch = (first: number) => {
    const numbers = Array.from({ length: Math.min(BATCH_CHUNKS, count - first) }, (_, place) => first + place);
    return Promise.all(
      numbers.map((number) => {
        const start = prefixBytes + number * SEALED_CHUNK_BYTES;
        return cipher.decrypt(number, ciphertext.subarray(start, start + SEALED_CHUNK_BYTES), number === count - 1);
      }),
    );
  };
  // As deliveries do: the next batch is under way while one is used.
  let batch = openBatch(0);
  for (let first = BATCH_CHUNKS; first < count; first += BATCH_CHUNKS) {
    const following = openBatch(first);
    await batch;
    batch = following;
  }
  await batch;
}

/** Stream bytes in chunks, which is how the peer is faster. */
function streamOf(data: Bytes): ReadableStream<Uint8Array> {
  let place = 0;
  return new ReadableStream({
    pull(controller) {
      if (place >= data.length) controller.close();
      else controller.enqueue(data.slice(place, place + CHUNK_BYTES));
      place += CHUNK_BYTES;
    },
  });
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  const reader = stream.getReader();
  let total = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) total += part.value.length;
  return total;
}

async function encryptPeer(): Promise<void> {
  const encrypter = new age.Encrypter();
  encrypter.addRecipient(encodeRecipient(getRecipient(secret)));
  await drain(await encrypter.encrypt(streamOf(plaintext)));
}

async function decryptPeer(): Promise<void> {
  const decrypter = new age.Decrypter();
  decrypter.addIdentity(encodeIdentity(secret));
  await drain(await decrypter.decrypt(streamOf(ciphertext)));
}

/** Upload the file that was chosen, and return its link. */
async function upload(): Promise<string> {
  const file = document.querySelector<HTMLInputElement>("#file")?.files?.[0];
  if (!file) throw new Error("no file was chosen");
  const handle = await startUpload({ files: [{ path: file.name, file }], priceMsat: 0n });
  return (await handle.done).linkUrl;
}

/** Save a link's file, as a click on the share page does, and return once its last byte has left the service worker. */
async function download(link: string): Promise<string> {
  const delivery = await prepareDelivery(await openLink(link), { priceMaxMsat: 0n });
  const ended = new Promise<string>((resolve) => {
    delivery.onProgress(({ state, message }) => {
      if (state !== "streaming") resolve(message ?? state);
    });
  });
  const anchor = document.createElement("a");
  anchor.href = delivery.urlFor(0, "attachment");
  anchor.click();
  const state = await ended;
  delivery.close();
  return state;
}

const works = { encryptOurs, encryptWithDigests, encryptPeer, decryptOurs, decryptPeer };

Object.assign(globalThis, {
  bench: {
    prepare,
    upload,
    download,
    measure: (name: keyof typeof works) => time(() => works[name]()),
    forget: () => {
      [plaintext, ciphertext] = [new Uint8Array(0), new Uint8Array(0)];
    },
  },
});
