/** The service worker's answers: a file or a range of it, or all files as an archive. Nothing here knows of a service worker. */

import type { Bytes } from "../core/bytes.ts";
import { getErrorCode } from "../core/errors.ts";
import type { Api } from "../core/requests.ts";
import { getZipBytes } from "../core/zip.ts";
import { checkFile, makeArchive } from "./checked_files.ts";
import type { DeliveryKeys, PlainAddress } from "./keys.ts";
import { findInlineType, getContentPolicy } from "./media_types.ts";
import { PlaintextReader } from "./plaintext.ts";
import { type ByteRange, locateFile, parseRange } from "./ranges.ts";
import type { DeliveryProgress, OpenedFile } from "./types.ts";

const ARCHIVE = -1;
const TELL_EVERY_MS = 250;

/** An answer, and a promise that is kept once its last byte has left or it has failed. */
export interface Answer {
  response: Response;
  finished: Promise<void>;
}

/** Answers for one delivery. */
export class Responder {
  private readonly keys: DeliveryKeys;
  private readonly reader: PlaintextReader;
  private readonly onProgress: (progress: DeliveryProgress) => void;

  constructor(api: Api, keys: DeliveryKeys, onProgress: (progress: DeliveryProgress) => void) {
    this.keys = keys;
    this.reader = new PlaintextReader(api, keys);
    this.onProgress = onProgress;
  }

  /** Answer a request for an address, with its `Range` and `If-Range` if it has them. */
  answer(address: PlainAddress, headers: Headers): Answer {
    if (address.index === "zip") return this.sendArchive();
    const file = this.keys.files[address.index];
    return file ? this.sendFile(file, address.index, address.disposition, headers) : refuse(404);
  }

  private sendFile(file: OpenedFile, index: number, disposition: string, headers: Headers): Answer {
    const etag = `"${file.sha256}"`;
    const ifRange = headers.get("If-Range");
    const asked = ifRange === null || ifRange === etag ? parseRange(headers.get("Range"), file.size) : undefined;
    if (asked === "unsatisfiable") return refuse(416, { "Content-Range": `bytes */${file.size}` });
    const range = asked ?? { start: 0, end: file.size };
    const shown = findInlineType(file.mediaType);
    const isShown = disposition === "inline" && shown !== undefined;
    const all = {
      ...describe(range.end - range.start, shown, isShown, file.name.split("/").at(-1) ?? ""),
      "Accept-Ranges": "bytes",
      ETag: etag,
      ...(asked ? { "Content-Range": `bytes ${range.start}-${range.end - 1}/${file.size}` } : {}),
    };
    return this.stream(index, range.end - range.start, asked ? 206 : 200, all, (signal) => {
      const pieces = this.reader.read(shift(range, locateFile(this.keys, index).start), signal);
      return range.end - range.start === file.size ? checkFile(file, pieces) : pieces;
    });
  }

  private sendArchive(): Answer {
    const { files, topName } = this.keys;
    const size = getZipBytes(files);
    const last = locateFile(this.keys, files.length - 1);
    const headers = { ...describe(size, undefined, false, `${topName}.zip`), "Content-Type": "application/zip" };
    return this.stream(ARCHIVE, size, 200, headers, (signal) =>
      makeArchive(files, this.reader.read({ start: 0, end: last.end }, signal)),
    );
  }

  private stream(
    fileIndex: number,
    totalBytes: number,
    status: number,
    headers: Record<string, string>,
    open: (signal: AbortSignal) => AsyncGenerator<Bytes>,
  ): Answer {
    const meter = new Meter(fileIndex, totalBytes, this.onProgress);
    const { body, finished } = makeStream(open, meter);
    return { response: new Response(body, { status, headers }), finished };
  }
}

/** Return a refusal without a body. */
export function refuse(status: number, headers: Record<string, string> = {}): Answer {
  const response = new Response(null, { status, headers: { "Cache-Control": "no-store", ...headers } });
  return { response, finished: Promise.resolve() };
}

function shift(range: ByteRange, offset: number): ByteRange {
  return { start: range.start + offset, end: range.end + offset };
}

function describe(bytes: number, inlineType: string | undefined, isShown: boolean, name: string) {
  // RFC 8187, and the few letters that encodeURIComponent leaves as they are.
  const encoded = encodeURIComponent(name).replace(/['()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`);
  return {
    "Content-Length": String(bytes),
    "Content-Type": inlineType ?? "application/octet-stream",
    "Content-Disposition": `${isShown ? "inline" : "attachment"}; filename*=UTF-8''${encoded}`,
    "Content-Security-Policy": getContentPolicy(isShown ? inlineType : undefined),
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
  };
}

/** Make a stream that pulls: nothing is read before the browser wants it, so nothing piles up in memory.
 *
 * An error fails the stream, and with it the download: the browser sees fewer bytes than were announced. */
function makeStream(open: (signal: AbortSignal) => AsyncGenerator<Bytes>, meter: Meter) {
  const aborting = new AbortController();
  let pieces: AsyncGenerator<Bytes> | undefined;
  let finish: () => void = () => undefined;
  const finished = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const body = new ReadableStream<Bytes>(
    {
      async pull(controller) {
        try {
          pieces ??= open(aborting.signal);
          const { value, done } = await pieces.next();
          if (value) {
            controller.enqueue(value);
            meter.add(value.length);
          }
          if (!done) return;
          controller.close();
          meter.end();
        } catch (error) {
          controller.error(error);
          meter.fail(error);
        }
        finish();
      },
      async cancel() {
        aborting.abort();
        finish();
        await pieces?.return(undefined).catch(() => undefined);
      },
    },
    { highWaterMark: 0 },
  );
  return { body, finished };
}

/** Tells how far an answer has come, a few times a second. */
class Meter {
  private sentBytes = 0;
  private toldMs = 0;
  private readonly fileIndex: number;
  private readonly totalBytes: number;
  private readonly listener: (progress: DeliveryProgress) => void;

  constructor(fileIndex: number, totalBytes: number, listener: (progress: DeliveryProgress) => void) {
    [this.fileIndex, this.totalBytes, this.listener] = [fileIndex, totalBytes, listener];
  }

  add(bytes: number): void {
    this.sentBytes += bytes;
    if (performance.now() - this.toldMs >= TELL_EVERY_MS) this.tell("streaming");
  }

  end(): void {
    this.tell("done");
  }

  fail(error: unknown): void {
    this.tell("failed", getErrorCode(error));
  }

  private tell(state: DeliveryProgress["state"], message?: string): void {
    this.toldMs = performance.now();
    const { fileIndex, sentBytes, totalBytes } = this;
    this.listener({ fileIndex, sentBytes, totalBytes, state, ...(message === undefined ? {} : { message }) });
  }
}
