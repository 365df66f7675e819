/** Requests to the site's own API: time limits, the session's protection against forgery, and problem documents as typed errors. */

import {
  type CadastreError,
  ChecksumMismatchError,
  LinkGoneError,
  NotFoundError,
  NotSignedInError,
  OffsetConflictError,
  PaymentNeededError,
  PriceError,
  ProtocolError,
  QuotaExceededError,
  type Refusal,
  RejectedError,
  ServerUnavailableError,
  StorageFullError,
  UploadGoneError,
} from "./errors.ts";

/** For how long an answer's head may be awaited. A request that carries bytes gets more, by their number. */
const TIMEOUT_MS = 60_000;
const BYTES_PER_MS_MIN = 8;
const DOCUMENT_BYTES_MAX = 16 * 1024 * 1024;
const DETAIL_CHARACTERS_MAX = 1000;
const SAFE_METHODS = ["GET", "HEAD", "OPTIONS"];
/** 423: an earlier request that broke off still holds the upload. 507 is a state that somebody has to end. */
const UNAVAILABLE = [423, 429, 500, 502, 503, 504];
/** What passes by itself: an earlier request under the same key goes on; a blob that just arrived is registered in seconds. */
const PASSING_PROBLEMS = ["idempotency-key-in-flight", "record-not-ready"];

type Rejection = new (message: string, refusal: Refusal) => RejectedError;

const BY_PROBLEM: Readonly<Record<string, Rejection>> = {
  "price-above-max": PriceError,
  "quota-exceeded": QuotaExceededError,
  "storage-full": StorageFullError,
  "link-not-found": LinkGoneError,
  "blob-erased": LinkGoneError,
};
const BY_STATUS: Readonly<Record<number, Rejection>> = {
  401: NotSignedInError,
  402: PaymentNeededError,
  403: NotSignedInError,
  404: NotFoundError,
  451: LinkGoneError,
  460: ChecksumMismatchError,
  507: StorageFullError,
};

export interface RequestOptions {
  headers?: Record<string, string>;
  body?: Blob | Uint8Array<ArrayBuffer> | string;
  signal?: AbortSignal | undefined;
}

/** Sends requests to one server; `csrfToken` goes with every request that changes something. */
export class Api {
  readonly serverUrl: string;
  private readonly csrfToken: string;

  constructor(serverUrl: string, csrfToken = "") {
    this.serverUrl = serverUrl;
    this.csrfToken = csrfToken;
  }

  /** Send one request once and return an answer of 2xx, whose body is not read yet.
   *
   * Throws ServerUnavailableError if no answer came or the server cannot answer now, a RejectedError of its cause for a
   * refusal, ProtocolError for a redirect, and the signal's reason if it was given up. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const headers = new Headers(options.headers);
    if (!SAFE_METHODS.includes(method) && this.csrfToken) headers.set("X-CSRFToken", this.csrfToken);
    const timer = new AbortController();
    const bytes = options.body instanceof Uint8Array ? options.body.length : 0;
    const timeout = setTimeout(() => timer.abort(), TIMEOUT_MS + bytes / BYTES_PER_MS_MIN);
    const signal = options.signal ? AbortSignal.any([options.signal, timer.signal]) : timer.signal;
    let response: Response;
    try {
      response = await fetch(this.serverUrl + path, {
        method,
        headers,
        body: options.body ?? null,
        signal,
        credentials: "same-origin",
        redirect: "manual",
        cache: "no-store",
      });
    } catch (error) {
      options.signal?.throwIfAborted();
      throw new ServerUnavailableError(
        `The server cannot be reached (${error instanceof Error ? error.name : error}).`,
      );
    } finally {
      clearTimeout(timeout);
    }
    if (response.ok) return response;
    throw await readRefusal(response);
  }

  /** Send a request and return the JSON document of its answer. Throws like `send`. */
  async sendForJson(method: string, path: string, options: RequestOptions = {}): Promise<unknown> {
    const body = await readBody(await this.send(method, path, options), DOCUMENT_BYTES_MAX);
    try {
      return JSON.parse(new TextDecoder().decode(body));
    } catch (error) {
      throw new ProtocolError(`The answer to ${method} ${path} is not JSON.`, { cause: error });
    }
  }
}

/** Read an answer of at most so many bytes. Throws ProtocolError if it is longer, ServerUnavailableError if it breaks off. */
export async function readBody(response: Response, bytesMax: number): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    const reader = response.body?.getReader();
    for (let part = await reader?.read(); part && !part.done; part = await reader?.read()) {
      length += part.value.length;
      if (length > bytesMax) {
        await reader?.cancel();
        throw new ProtocolError(`The server's answer is longer than ${bytesMax} bytes.`);
      }
      parts.push(part.value);
    }
  } catch (error) {
    if (error instanceof ProtocolError) throw error;
    throw new ServerUnavailableError("The connection broke.");
  }
  return new Uint8Array(await new Blob(parts as BlobPart[]).arrayBuffer());
}

/** Call until it succeeds or fails for good, `attemptsMax` times at most, with growing pauses. */
export async function retry<Answer>(attempt: () => Promise<Answer>, attemptsMax = 5): Promise<Answer> {
  for (let number = 0; ; number += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ServerUnavailableError) || number + 1 >= attemptsMax) throw error;
      await new Promise((resolve) => setTimeout(resolve, getBackoffMs(number, error.retryAfterS)));
    }
  }
}

/** Return how long to wait after failure `number`, from 0: ever longer, with jitter, or as long as the server asked. */
export function getBackoffMs(number: number, retryAfterS = 0): number {
  const backoffMs = 500 * 2 ** Math.min(number, 10) * (0.5 + Math.random());
  return Math.min(30_000, Math.max(backoffMs, retryAfterS * 1000));
}

async function readRefusal(response: Response): Promise<CadastreError> {
  const { status } = response;
  // A redirect that is not followed has the status 0 in browsers: following one could carry the session elsewhere.
  if (status < 400) return new ProtocolError("The server redirects where the interface has no redirects.");
  const details = await readProblem(response);
  const problem = typeof details.code === "string" ? details.code : "";
  const text = details.detail ?? details.title;
  const message = typeof text === "string" ? text.slice(0, DETAIL_CHARACTERS_MAX) : `The server answered ${status}.`;
  const Known = findRejection(response, problem);
  if (!Known && (UNAVAILABLE.includes(status) || PASSING_PROBLEMS.includes(problem))) {
    const seconds = response.headers.get("Retry-After") ?? "";
    return new ServerUnavailableError(message, { retryAfterS: /^\d+$/.test(seconds) ? Number(seconds) : undefined });
  }
  return new (Known ?? RejectedError)(message, { status, problem, details });
}

function findRejection(response: Response, problem: string): Rejection | undefined {
  const byProblem = Object.hasOwn(BY_PROBLEM, problem) ? BY_PROBLEM[problem] : undefined;
  if (byProblem) return byProblem;
  if (response.status === 410) return problem.startsWith("link-") ? LinkGoneError : UploadGoneError;
  if (response.status === 409 && response.headers.has("Upload-Offset")) return OffsetConflictError;
  return BY_STATUS[response.status];
}

async function readProblem(response: Response): Promise<Record<string, unknown>> {
  const isProblem = response.headers.get("Content-Type")?.split(";")[0] === "application/problem+json";
  if (!isProblem) {
    await response.body?.cancel();
    return {};
  }
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(await readBody(response, DOCUMENT_BYTES_MAX)));
    return typeof document === "object" && document !== null ? { ...document } : {};
  } catch {
    return {}; // The status tells enough.
  }
}
