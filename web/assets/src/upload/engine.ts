/** Uploads, as a page sees them. The work is done in a worker; this module talks to it. */

import type { ChosenFile, UnfinishedUpload, UploadHandle, UploadRequest } from "./types.ts";

export type * from "./types.ts";

/** Begin an upload of some files. */
export async function startUpload(_request: UploadRequest): Promise<UploadHandle> {
  throw new Error("not built yet");
}

/** Return the uploads that were begun in this browser and are not finished. */
export async function listUnfinished(): Promise<UnfinishedUpload[]> {
  throw new Error("not built yet");
}

/** Go on with an unfinished upload; `files` are the same files, chosen again. */
export async function resumeUpload(_id: string, _files?: ChosenFile[]): Promise<UploadHandle> {
  throw new Error("not built yet");
}
