/** What a page asks of an upload, and what it is told. Sizes are bytes, speeds bytes per second. */

/** A file as the user chose it, under its path below the folder (or its plain name). */
export interface ChosenFile {
  path: string;
  file: File;
  /** Where the browser gave one, it finds the file again after the tab was closed. */
  handle?: FileSystemFileHandle;
}

/** How the length is hidden: not at all, or rounded up by the Padmé rule. */
export type PaddingRule = "none" | "padme";

export interface UploadRequest {
  files: ChosenFile[];
  /** The folder's name, if the files lie in one that their paths do not name. */
  topName?: string;
  password?: string;
  priceMsat: bigint;
  /** RFC 3339; without it the link never expires. */
  expiresAt?: string;
  transfersMax?: number;
  padding?: PaddingRule;
}

export type UploadState = "encrypting" | "sending" | "paused" | "waiting" | "done" | "failed";

export interface UploadProgress {
  sentBytes: number;
  totalBytes: number;
  bytesPerSecond: number;
  secondsLeft?: number;
  state: UploadState;
  /** The place of the file that is being sent, in the order of the names, and how many of its bytes were sent. */
  fileIndex: number;
  fileSentBytes: number;
  /** A code of the cause of `waiting` and `failed`, for the page's own words: see `ErrorCode`. */
  message?: string;
}

export interface UploadResult {
  /** The whole link, with its fragment: the only place where the key is. */
  linkUrl: string;
  linkId: string;
  recordId?: string;
  /** SHA-256 of the ciphertext, 64 hexadecimal digits. */
  sha256: string;
  /** Base64url of 32 bytes: who shows it may delete the link. */
  deletionToken: string;
}

export interface UploadHandle {
  id: string;
  pause(): void;
  resume(): void;
  cancel(): Promise<void>;
  onProgress(listener: (progress: UploadProgress) => void): void;
  done: Promise<UploadResult>;
}

export interface UnfinishedUpload {
  id: string;
  name: string;
  totalBytes: number;
  sentBytes: number;
  /** Whether the user must choose the same files again before it can go on. */
  needsFiles: boolean;
}

/** A link that was made in this browser, with its key: the server knows neither the name nor the key. */
export interface MadeLink {
  linkId: string;
  linkUrl: string;
  name: string;
  /** Length of the files, without padding. */
  plaintextBytes: number;
  deletionToken: string;
  madeAtMs: number;
}
