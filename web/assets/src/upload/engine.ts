/** Uploads, as a page sees them. The work is done in a worker, one for each upload; this module talks to it. */

import { CadastreError, FilesNeededError, getErrorCode, UploadBusyError } from "../core/errors.ts";
import { getCsrfToken } from "../core/session.ts";
import { getCiphertextBytes } from "./ciphertext.ts";
import type { PageMessage, WorkerMessage } from "./messages.ts";
import { getPlanName, matchSource, planSource } from "./source.ts";
import { type StoredUpload, UploadStore } from "./store.ts";
import type {
  ChosenFile,
  MadeLink,
  UnfinishedUpload,
  UploadHandle,
  UploadProgress,
  UploadRequest,
  UploadResult,
} from "./types.ts";

export * from "../core/errors.ts";
export type * from "./types.ts";

/** Begin an upload of some files.
 *
 * Throws NameRefusedError or EmptySourceError. What fails later ends the handle's `done`, with a CadastreError. */
export async function startUpload(request: UploadRequest): Promise<UploadHandle> {
  planSource(request.files, request.topName, request.padding);
  return new WorkerHandle(crypto.randomUUID(), { type: "begin", request });
}

/** Return the uploads that were begun in this browser and are not finished, the newest first. */
export async function listUnfinished(): Promise<UnfinishedUpload[]> {
  return (await useStore((store) => store.list())).map((upload) => ({
    id: upload.id,
    name: getPlanName(upload.plan),
    totalBytes: getCiphertextBytes(upload.plan, upload.encryption),
    sentBytes: upload.sentBytes,
    needsFiles: upload.linkRequest === undefined && upload.handles === undefined,
  }));
}

/** Go on with an unfinished upload; `files` are the same files, chosen again.
 *
 * To be called where the user has just clicked: the browser may ask whether kept files may be read. Throws
 * UploadUnknownError, FilesNeededError, FilesDifferError, or UploadBusyError if another tab is at work on it. */
export async function resumeUpload(id: string, files?: ChosenFile[]): Promise<UploadHandle> {
  const upload = await useStore((store) => store.get(id));
  const chosen = files ?? (await findKeptFiles(upload));
  if (chosen) matchSource(upload.plan, chosen, upload.topName);
  else if (!upload.linkRequest) throw new FilesNeededError();
  if (await isHeldByAnotherTab(id)) throw new UploadBusyError();
  return new WorkerHandle(id, { type: "go-on", files: chosen });
}

/** Forget an unfinished upload with its keys, here and on the server.
 *
 * Throws UploadUnknownError, or UploadBusyError if another tab is at work on it. */
export async function discardUpload(id: string): Promise<void> {
  const handle = new WorkerHandle(id, { type: "discard" });
  await handle.done.catch((error: unknown) => {
    if (getErrorCode(error) !== "cancelled") throw error;
  });
}

/** Return the links that were made in this browser, with names and keys, the newest first. */
export function listMadeLinks(): Promise<MadeLink[]> {
  return useStore((store) => store.listLinks());
}

/** Forget a link that was made in this browser; the server keeps it. */
export function forgetMadeLink(linkId: string): Promise<void> {
  return useStore((store) => store.removeLink(linkId));
}

/** What a worker is asked to do, before the handle adds where to. */
type Task =
  | Pick<Extract<PageMessage, { type: "begin" }>, "type" | "request">
  | Pick<Extract<PageMessage, { type: "go-on" }>, "type" | "files">
  | Pick<Extract<PageMessage, { type: "discard" }>, "type">;

class WorkerHandle implements UploadHandle {
  readonly id: string;
  readonly done: Promise<UploadResult>;
  private readonly worker: Worker;
  private readonly listeners: ((progress: UploadProgress) => void)[] = [];
  private last: UploadProgress | undefined;

  constructor(id: string, task: Task) {
    this.id = id;
    this.worker = new Worker(new URL(UPLOAD_WORKER_FILE, import.meta.url));
    this.done = new Promise((resolve, reject) => {
      this.worker.onmessage = ({ data }: MessageEvent<WorkerMessage>) => {
        if (data.type === "progress") this.tell(data.progress);
        else if (data.type === "done") resolve(data.result);
        else reject(new UploadFailedError(data));
      };
      this.worker.onerror = (event) => reject(new Error(event.message || "the upload's worker failed"));
    });
    const end = () => this.worker.terminate();
    this.done.then(end, end);
    this.post({ ...task, id, serverUrl: location.origin, csrfToken: getCsrfToken() });
  }

  pause(): void {
    this.post({ type: "pause" });
  }

  resume(): void {
    this.post({ type: "resume" });
  }

  async cancel(): Promise<void> {
    this.post({ type: "cancel" });
    await this.done.catch(() => undefined);
  }

  onProgress(listener: (progress: UploadProgress) => void): void {
    this.listeners.push(listener);
    if (this.last) listener(this.last);
  }

  private tell(progress: UploadProgress): void {
    this.last = progress;
    for (const listener of this.listeners) listener(progress);
  }

  private post(message: PageMessage): void {
    this.worker.postMessage(message);
  }
}

/** What ended an upload, as its worker said; `problem` is the server's own code, if it refused. */
export class UploadFailedError extends CadastreError {
  readonly problem: string;

  constructor(failure: Extract<WorkerMessage, { type: "failed" }>) {
    super(failure.code, failure.message);
    this.problem = failure.problem;
  }
}

async function useStore<Value>(use: (store: UploadStore) => Promise<Value>): Promise<Value> {
  const store = await UploadStore.open();
  try {
    return await use(store);
  } finally {
    store.close();
  }
}

/** Return the files whose handles the browser kept, once the user has let them be read; undefined without handles. */
async function findKeptFiles(upload: StoredUpload): Promise<ChosenFile[] | undefined> {
  if (!upload.handles || upload.linkRequest) return undefined;
  const files: ChosenFile[] = [];
  for (const [place, handle] of upload.handles.entries()) {
    if (!(await mayRead(handle))) return undefined;
    const path = upload.paths?.[place] ?? handle.name;
    try {
      files.push({ path, file: await handle.getFile(), handle });
    } catch {
      return undefined; // The file was moved or removed: the user has to choose.
    }
  }
  return files;
}

/** TypeScript's library leaves out what only some browsers have. */
interface AskableHandle {
  requestPermission?(options: { mode: "read" }): Promise<PermissionState>;
}

async function mayRead(handle: FileSystemFileHandle): Promise<boolean> {
  const askable = handle as unknown as AskableHandle;
  return (await askable.requestPermission?.({ mode: "read" })) === "granted";
}

async function isHeldByAnotherTab(id: string): Promise<boolean> {
  const { held } = await navigator.locks.query();
  return held?.some((lock) => lock.name === `cadastre-upload-${id}`) ?? false;
}
