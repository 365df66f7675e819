/** The upload's worker: it encrypts, hashes and sends one upload, away from the page's thread. */

import { CancelledError, getErrorCode, RejectedError, UploadBusyError } from "../core/errors.ts";
import { Api } from "../core/requests.ts";
import { UploadControl } from "./control.ts";
import type { PageMessage, WorkerMessage } from "./messages.ts";
import { prepareUpload, UploadRun } from "./run.ts";
import { matchSource } from "./source.ts";
import { UploadStore } from "./store.ts";
import type { UploadResult } from "./types.ts";

type Beginning = Extract<PageMessage, { type: "begin" | "go-on" | "discard" }>;

const scope = self as unknown as DedicatedWorkerGlobalScope;
const control = new UploadControl();

scope.addEventListener("message", ({ data }: MessageEvent<PageMessage>) => {
  if (data.type === "pause") control.pause();
  else if (data.type === "resume") control.resume();
  else if (data.type === "cancel") control.cancel();
  else void answer(data);
});
scope.addEventListener("online", () => control.hurry());

async function answer(message: Beginning): Promise<void> {
  try {
    tell({ type: "done", result: await runAlone(message) });
  } catch (error) {
    const problem = error instanceof RejectedError ? error.problem : "";
    tell({ type: "failed", code: getErrorCode(error), message: String(error), problem });
  }
}

/** Keep every other tab from this upload. Throws UploadBusyError if one is at work on it. */
function runAlone(message: Beginning): Promise<UploadResult> {
  return scope.navigator.locks.request(`cadastre-upload-${message.id}`, { ifAvailable: true }, (lock) => {
    if (!lock) throw new UploadBusyError();
    return runUpload(message);
  });
}

async function runUpload(message: Beginning): Promise<UploadResult> {
  const store = await UploadStore.open();
  const { upload, source } = await findUpload(store, message);
  const api = new Api(message.serverUrl, message.csrfToken);
  const run = new UploadRun(store, api, upload, control, (progress) => tell({ type: "progress", progress }));
  try {
    if (message.type === "discard") throw new CancelledError();
    return await run.run(source);
  } catch (error) {
    if (error instanceof CancelledError) await run.discard();
    run.fail(error);
    throw error;
  } finally {
    store.close();
  }
}

async function findUpload(store: UploadStore, message: Beginning) {
  if (message.type === "begin") return prepareUpload(store, message.id, message.request);
  const upload = await store.get(message.id);
  const files = message.type === "go-on" ? message.files : undefined;
  return { upload, source: files && matchSource(upload.plan, files, upload.topName) };
}

function tell(message: WorkerMessage): void {
  scope.postMessage(message);
}
