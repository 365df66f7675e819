/** What the user does to a running upload: pause, resume, cancel. */

import { CancelledError } from "../core/errors.ts";

/** A request that was given up because the user paused; the bytes it carried are sent again. */
export class PausedSignal extends Error {}

/** The state of the switch, and a signal for what is under way. */
export class UploadControl {
  /** Is told whenever the upload stops or goes on. */
  onChange: (isPaused: boolean) => void = () => undefined;
  private isPaused = false;
  private isCancelled = false;
  private attempt = new AbortController();
  /** Whoever waits: the sender, and the one that makes the next segment. */
  private readonly sleepers = new Set<() => void>();

  /** The signal of the present attempt: it ends with a pause, a cancellation. */
  get signal(): AbortSignal {
    return this.attempt.signal;
  }

  pause(): void {
    if (this.isPaused || this.isCancelled) return;
    this.isPaused = true;
    this.attempt.abort(new PausedSignal());
    this.onChange(true);
  }

  resume(): void {
    if (!this.isPaused) return;
    this.isPaused = false;
    this.attempt = new AbortController();
    this.onChange(false);
    this.wake();
  }

  cancel(): void {
    this.isCancelled = true;
    this.isPaused = false;
    this.attempt.abort(new CancelledError());
    this.wake();
  }

  /** Cut every wait short: the network is back. */
  hurry(): void {
    this.wake();
  }

  /** Return once the upload may go on. Throws CancelledError if it may not any more. */
  async pass(): Promise<void> {
    while (this.isPaused) await new Promise<void>((resolve) => this.sleepers.add(resolve));
    if (this.isCancelled) throw new CancelledError();
  }

  /** Wait so long, or until something happens. */
  async wait(delayMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    await new Promise<void>((resolve) => {
      const sleeper = () => {
        this.sleepers.delete(sleeper);
        resolve();
      };
      this.sleepers.add(sleeper);
      timer = setTimeout(sleeper, delayMs);
    });
    clearTimeout(timer);
  }

  /** Call until it succeeds or fails for good: through pauses, and as long as the server cannot be reached.
   *
   * `onWait` is told before each wait. Throws CancelledError, or what failed for good. */
  async persist<Answer>(attempt: (signal: AbortSignal) => Promise<Answer>, onFailure: OnFailure): Promise<Answer> {
    for (let failures = 0; ; failures += 1) {
      await this.pass();
      try {
        return await attempt(this.signal);
      } catch (error) {
        if (error instanceof PausedSignal) continue;
        const delayMs = onFailure(error, failures);
        if (delayMs === undefined) throw error;
        if (!this.isPaused) await this.wait(delayMs);
      }
    }
  }

  private wake(): void {
    const sleepers = [...this.sleepers];
    this.sleepers.clear();
    for (const sleeper of sleepers) sleeper();
  }
}

/** Returns for how long to wait after a failure (its number from 0), or undefined if it is for good. */
export type OnFailure = (error: unknown, number: number) => number | undefined;
