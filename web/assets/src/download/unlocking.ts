/** Unlocking a link's fragment by a password, in a worker of its own. */

import type { Header } from "../core/age/header.ts";
import { AgeHeaderError, AgeKeyError, type ErrorCode } from "../core/errors.ts";

type WorkerAnswer = { fileKey: Uint8Array } | { code: ErrorCode; message: string };

/** Return the file key of a header by a password. Throws AgeHeaderError, or AgeKeyError if the password is wrong. */
export async function unwrapInWorker(header: Header, password: string): Promise<Uint8Array> {
  const worker = new Worker(new URL(PASSWORD_WORKER_FILE, import.meta.url));
  try {
    const answer = await new Promise<WorkerAnswer>((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<WorkerAnswer>) => resolve(data);
      worker.onerror = (event) => reject(new Error(event.message || "the password's worker failed"));
      worker.postMessage({ header, password });
    });
    if ("fileKey" in answer) return answer.fileKey;
    if (answer.code === "age-key") throw new AgeKeyError(answer.message);
    if (answer.code === "age-header") throw new AgeHeaderError(answer.message);
    throw new Error(answer.message);
  } finally {
    worker.terminate();
  }
}
