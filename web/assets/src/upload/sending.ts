/** Moves an upload's offset forward, finding out after each failure how far the server came. */

import type { Bytes } from "../core/bytes.ts";
import {
  CancelledError,
  ChecksumMismatchError,
  OffsetConflictError,
  ServerUnavailableError,
  UploadOffsetError,
} from "../core/errors.ts";
import { getBackoffMs } from "../core/requests.ts";
import type { OnFailure, UploadControl } from "./control.ts";
import type { TusClient } from "./tus.ts";

/** A damaged or misplaced segment is sent again so many times; an unreachable server is waited for without end. */
const REFUSALS_MAX = 5;

/** One request should take about so long: shorter ones waste time on waiting, longer ones are lost by a cut. */
const SEGMENT_MS = 2_000;
export const SEGMENT_BYTES_MIN = 1024 * 1024;
export const SEGMENT_BYTES_MAX = 16 * 1024 * 1024;

export class Sending {
  offset: number;
  /** How many bytes the next segment should have, by how fast the last one went. */
  segmentBytes = 4 * 1024 * 1024;
  private readonly stopped = new AbortController();
  private readonly tus: TusClient;
  private readonly path: string;
  private readonly control: UploadControl;
  private readonly listener: SendingListener;

  constructor(tus: TusClient, path: string, offset: number, control: UploadControl, listener: SendingListener) {
    this.tus = tus;
    this.path = path;
    this.offset = offset;
    this.control = control;
    this.listener = listener;
  }

  /** Send bytes that start at the current offset, however many requests it takes.
   *
   * Throws UploadOffsetError if the server lost or invented bytes, CancelledError, or what failed for good. */
  async send(data: Bytes): Promise<void> {
    const start = this.offset;
    const end = start + data.length;
    let isOffsetKnown = true;
    while (this.offset < end) {
      await this.control.persist(async (attempt) => {
        this.stopped.signal.throwIfAborted();
        const signal = AbortSignal.any([attempt, this.stopped.signal]);
        // After a failure nobody knows what arrived.
        if (!isOffsetKnown) this.move(await this.tus.getOffset(this.path, signal), start, end);
        isOffsetKnown = false;
        if (this.offset < end) await this.append(data.subarray(this.offset - start), start, end, signal);
        isOffsetKnown = true;
      }, this.makeJudge());
    }
  }

  /** Send no more: what was to follow cannot be made. */
  stop(): void {
    this.stopped.abort(new CancelledError());
  }

  private async append(rest: Bytes, start: number, end: number, signal: AbortSignal): Promise<void> {
    const [before, beganMs] = [this.offset, performance.now()];
    this.listener.onSending();
    const offset = await this.tus.append(this.path, this.offset, rest, signal);
    if (offset <= before) throw new UploadOffsetError("The server took no bytes and said that it did.");
    this.move(offset, start, end);
    this.adapt(offset - before, performance.now() - beganMs);
  }

  private move(offset: number, start: number, end: number): void {
    if (offset < start || offset > end) throw new UploadOffsetError();
    this.offset = offset;
    this.listener.onOffset(offset);
  }

  private adapt(sentBytes: number, tookMs: number): void {
    const fitting = (sentBytes / Math.max(1, tookMs)) * SEGMENT_MS;
    const bounded = Math.min(2 * this.segmentBytes, Math.max(this.segmentBytes / 2, fitting));
    this.segmentBytes = Math.round(Math.min(SEGMENT_BYTES_MAX, Math.max(SEGMENT_BYTES_MIN, bounded)));
  }

  private makeJudge(): OnFailure {
    return (error, number) => judgeFailure(error, number, this.listener);
  }
}

/** Who wants to know how sending goes on. */
export interface SendingListener {
  onSending(): void;
  onOffset(offset: number): void;
  onWaiting(error: ServerUnavailableError): void;
}

/** Return for how long to wait after a failure, or undefined if it is for good. */
export function judgeFailure(error: unknown, number: number, listener: SendingListener): number | undefined {
  if (error instanceof ServerUnavailableError) {
    listener.onWaiting(error);
    return getBackoffMs(number, error.retryAfterS);
  }
  const isRefusal = error instanceof OffsetConflictError || error instanceof ChecksumMismatchError;
  return isRefusal && number < REFUSALS_MAX ? getBackoffMs(number) : undefined;
}
