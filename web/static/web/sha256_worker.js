/* SHA-256 (FIPS 180-4) of a file of any size, in a worker: WebCrypto hashes only what is in memory as a whole.
   It is told a File; it answers {hashed, total} as it goes on, then {digest}, or {error}. */
"use strict";

const BLOCK_BYTES = 64;
const READ_BYTES = 4 * 1024 * 1024;

/* The first 32 bits of the fractional parts of the square and cube roots of the first primes (sections 5.3.3, 4.2.2). */
const { INITIAL, ROUND } = makeConstants();

function makeConstants() {
  const primes = [];
  for (let n = 2; primes.length < 64; n += 1) {
    if (primes.every((prime) => n % prime)) primes.push(n);
  }
  // In 64-bit whole numbers: floor(root(n) * 2^32) by bisection, since a double has too few digits for cube roots.
  const rootBits = (n, degree) => {
    const goal = BigInt(n) << BigInt(32 * degree);
    let low = 0n;
    let high = 1n << 40n;
    while (high - low > 1n) {
      const middle = (low + high) >> 1n;
      if (middle ** BigInt(degree) <= goal) low = middle;
      else high = middle;
    }
    return Number(BigInt.asIntN(32, low));
  };
  return {
    INITIAL: primes.slice(0, 8).map((prime) => rootBits(prime, 2)),
    ROUND: Int32Array.from(primes, (prime) => rootBits(prime, 3)),
  };
}

class Sha256 {
  constructor() {
    this.state = Int32Array.from(INITIAL);
    this.schedule = new Int32Array(64);
    this.rest = new Uint8Array(BLOCK_BYTES);
    this.restBytes = 0;
    this.totalBytes = 0;
  }

  update(bytes) {
    this.totalBytes += bytes.length;
    let at = 0;
    if (this.restBytes) {
      const taken = Math.min(BLOCK_BYTES - this.restBytes, bytes.length);
      this.rest.set(bytes.subarray(0, taken), this.restBytes);
      this.restBytes += taken;
      at = taken;
      if (this.restBytes < BLOCK_BYTES) return;
      this.compress(this.rest, 0);
      this.restBytes = 0;
    }
    for (; at + BLOCK_BYTES <= bytes.length; at += BLOCK_BYTES) this.compress(bytes, at);
    this.rest.set(bytes.subarray(at));
    this.restBytes = bytes.length - at;
  }

  /* One bit 1, zeros, and the length in bits as 64 bits (section 5.1.1). */
  digest() {
    const total = this.totalBytes;
    const padding = new Uint8Array(((this.restBytes < 56 ? 64 : 128) - this.restBytes));
    padding[0] = 0x80;
    const view = new DataView(padding.buffer);
    view.setUint32(padding.length - 8, Math.floor(total / 0x20000000));
    view.setUint32(padding.length - 4, (total % 0x20000000) * 8);
    this.update(padding);
    return Array.from(this.state, (word) => (word >>> 0).toString(16).padStart(8, "0")).join("");
  }

  /* Section 6.2.2. */
  compress(bytes, start) {
    const w = this.schedule;
    for (let t = 0, at = start; t < 16; t += 1, at += 4) {
      w[t] = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    }
    for (let t = 16; t < 64; t += 1) {
      const x = w[t - 15];
      const y = w[t - 2];
      const small0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
      const small1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
      w[t] = (w[t - 16] + small0 + w[t - 7] + small1) | 0;
    }
    const state = this.state;
    let a = state[0], b = state[1], c = state[2], d = state[3];
    let e = state[4], f = state[5], g = state[6], h = state[7];
    for (let t = 0; t < 64; t += 1) {
      const big1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
      const first = (h + big1 + ((e & f) ^ (~e & g)) + ROUND[t] + w[t]) | 0;
      const big0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
      const second = (big0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
      h = g;
      g = f;
      f = e;
      e = (d + first) | 0;
      d = c;
      c = b;
      b = a;
      a = (first + second) | 0;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
  }
}

async function hashFile(file) {
  const hash = new Sha256();
  const read = (at) => file.slice(at, at + READ_BYTES).arrayBuffer();
  let next = read(0);
  for (let at = 0; at < file.size; at += READ_BYTES) {
    const bytes = new Uint8Array(await next);
    // The next piece is read while this one is hashed.
    if (at + READ_BYTES < file.size) next = read(at + READ_BYTES);
    hash.update(bytes);
    postMessage({ hashed: Math.min(at + READ_BYTES, file.size), total: file.size });
  }
  return hash.digest();
}

self.addEventListener("message", async (event) => {
  try {
    postMessage({ digest: await hashFile(event.data) });
  } catch (error) {
    postMessage({ error: String(error.message || error) });
  }
});
