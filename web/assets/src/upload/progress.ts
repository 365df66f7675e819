/** How far an upload has come, how fast it is, and how long it will take. */

import { getErrorCode } from "../core/errors.ts";
import type { PlannedFile } from "./source.ts";
import type { UploadProgress, UploadState } from "./types.ts";

/** The speed is the average of the last so many milliseconds. */
const WINDOW_MS = 10_000;
/** A speed over less than this is noise. */
const SPAN_MS_MIN = 500;

/** The speed of bytes that are counted from time to time; `now` is in milliseconds. */
export class RateMeter {
  private samples: { now: number; bytes: number }[] = [];

  /** Take how many bytes have been sent by now. */
  add(bytes: number, now: number): void {
    this.samples.push({ now, bytes });
    while (this.samples.length > 2 && now - (this.samples[1]?.now ?? now) > WINDOW_MS) this.samples.shift();
  }

  /** Forget what was: after a pause the old speed says nothing. */
  reset(): void {
    this.samples = [];
  }

  /** Return bytes per second, 0 as long as nothing can be said. */
  get bytesPerSecond(): number {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (!first || !last || last.now - first.now < SPAN_MS_MIN) return 0;
    return Math.max(0, ((last.bytes - first.bytes) * 1000) / (last.now - first.now));
  }
}

/** Tells a listener of every change. Bytes are those of the ciphertext. */
export class ProgressReporter {
  private readonly meter = new RateMeter();
  private readonly files: readonly PlannedFile[];
  private readonly listener: (progress: UploadProgress) => void;
  private sentBytes = 0;
  private state: UploadState = "encrypting";
  private totalBytes = 0;

  constructor(files: readonly PlannedFile[], listener: (progress: UploadProgress) => void) {
    this.files = files;
    this.listener = listener;
  }

  /** Begin to count a ciphertext of so many bytes, of which the server holds the first ones. */
  begin(totalBytes: number, heldBytes: number): void {
    [this.totalBytes, this.sentBytes] = [totalBytes, heldBytes];
    this.meter.reset();
    this.meter.add(heldBytes, performance.now());
    this.enter("encrypting");
  }

  /** The server holds so many bytes now. */
  moveTo(sentBytes: number): void {
    this.sentBytes = sentBytes;
    this.meter.add(sentBytes, performance.now());
    this.tell();
  }

  /** The upload does something else now; `cause` is why it waits or failed. */
  enter(state: UploadState, cause?: unknown): void {
    const isStopped = this.state === "paused" || this.state === "waiting";
    if (state === "sending" && isStopped) {
      this.meter.reset();
      this.meter.add(this.sentBytes, performance.now());
    }
    this.state = state;
    this.tell(cause);
  }

  private tell(cause?: unknown): void {
    const { bytesPerSecond } = this.meter;
    const left = this.totalBytes - this.sentBytes;
    this.listener({
      sentBytes: this.sentBytes,
      totalBytes: this.totalBytes,
      bytesPerSecond,
      state: this.state,
      ...this.findFile(),
      ...(bytesPerSecond > 0 ? { secondsLeft: left / bytesPerSecond } : {}),
      ...(cause === undefined ? {} : { message: getErrorCode(cause) }),
    });
  }

  /** Return which file the last byte that was sent belongs to; header and tags are spread evenly. */
  private findFile(): { fileIndex: number; fileSentBytes: number } {
    const plaintextBytes = this.files.reduce((total, file) => total + file.size, 0);
    let left = this.totalBytes ? Math.floor((this.sentBytes / this.totalBytes) * plaintextBytes) : 0;
    for (const [fileIndex, file] of this.files.entries()) {
      if (left < file.size) return { fileIndex, fileSentBytes: left };
      left -= file.size;
    }
    const fileIndex = Math.max(0, this.files.length - 1);
    return { fileIndex, fileSentBytes: this.files[fileIndex]?.size ?? 0 };
  }
}
