/** What the page and the upload's worker say to each other. */

import type { ErrorCode } from "../core/errors.ts";
import type { ChosenFile, UploadProgress, UploadRequest, UploadResult } from "./types.ts";

export type PageMessage =
  | { type: "begin"; id: string; request: UploadRequest; serverUrl: string; csrfToken: string }
  | { type: "go-on"; id: string; files: ChosenFile[] | undefined; serverUrl: string; csrfToken: string }
  | { type: "discard"; id: string; serverUrl: string; csrfToken: string }
  | { type: "pause" }
  | { type: "resume" }
  | { type: "cancel" };

export type WorkerMessage =
  | { type: "progress"; progress: UploadProgress }
  | { type: "done"; result: UploadResult }
  | { type: "failed"; code: ErrorCode; message: string; problem: string };
