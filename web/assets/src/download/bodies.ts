/** An answer's body, read into a buffer of the caller's: a stream of gigabytes otherwise makes garbage faster than it is collected. */

import type { Bytes } from "../core/bytes.ts";
import { ServerUnavailableError } from "../core/errors.ts";

/** Reads exactly as many bytes as are asked for. */
export interface BodyReader {
  /** Return a buffer whose first `size` bytes are the body's next ones: the one that was given, or its successor.
   *
   * Throws ServerUnavailableError if the connection breaks. */
  fill(buffer: Bytes, size: number): Promise<Bytes>;
  close(): Promise<void>;
}

/** Return the reader of a body: into the caller's buffer where the browser can (BYOB), else by copying. */
export function openBody(body: ReadableStream<Bytes>): BodyReader {
  try {
    return new DirectReader(body.getReader({ mode: "byob" }));
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    return new CopyingReader(body.getReader());
  }
}

/** The browser writes into the buffer itself. It takes the buffer away meanwhile, and gives back another one over the same memory. */
class DirectReader implements BodyReader {
  private readonly reader: ReadableStreamBYOBReader;

  constructor(reader: ReadableStreamBYOBReader) {
    this.reader = reader;
  }

  async fill(buffer: Bytes, size: number): Promise<Bytes> {
    let held = buffer;
    for (let place = 0; place < size; ) {
      const view = held.subarray(place, size);
      const { value } = await catchBreak(this.reader.read(view));
      if (!value?.length) throw new ServerUnavailableError("The server closed the connection early.");
      place += value.length;
      held = new Uint8Array(value.buffer);
    }
    return held;
  }

  close(): Promise<void> {
    return closeReader(this.reader);
  }
}

class CopyingReader implements BodyReader {
  private readonly reader: ReadableStreamDefaultReader<Bytes>;
  private rest: Bytes = new Uint8Array(0);

  constructor(reader: ReadableStreamDefaultReader<Bytes>) {
    this.reader = reader;
  }

  async fill(buffer: Bytes, size: number): Promise<Bytes> {
    for (let place = 0; place < size; ) {
      if (this.rest.length === 0) {
        const { value } = await catchBreak(this.reader.read());
        if (!value) throw new ServerUnavailableError("The server closed the connection early.");
        this.rest = value;
      }
      const part = this.rest.subarray(0, size - place);
      buffer.set(part, place);
      this.rest = this.rest.subarray(part.length);
      place += part.length;
    }
    return buffer;
  }

  close(): Promise<void> {
    return closeReader(this.reader);
  }
}

async function catchBreak<Value>(reading: Promise<Value>): Promise<Value> {
  try {
    return await reading;
  } catch {
    throw new ServerUnavailableError("The connection broke.");
  }
}

async function closeReader(reader: ReadableStreamGenericReader): Promise<void> {
  // A connection that has broken cannot be cancelled, and needs not.
  await reader.cancel().catch(() => undefined);
}
