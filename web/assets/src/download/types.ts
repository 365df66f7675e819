/** What a page asks of a link, and what it is told. Sizes are bytes. */

export interface OpenedFile {
  name: string;
  mediaType: string;
  size: number;
  /** 64 hexadecimal digits, of the plaintext. */
  sha256: string;
}

/** A link whose manifest was fetched, checked against the link, and decrypted. It holds the key: it never leaves the browser. */
export interface OpenedLink {
  id: string;
  files: OpenedFile[];
  topName: string;
  isFolder: boolean;
  plaintextBytes: number;
  /** What the server says about the link to anybody. */
  info: LinkInfo;
  /** The open link, whose fragment needs no password: for `cadastre key`, a report, another program. */
  linkUrl: string;
}

export interface LinkInfo {
  length: number;
  /** SHA-256 of the ciphertext, 64 hexadecimal digits. */
  sha256: string;
  priceMsat: bigint;
  recordId?: string;
  expiresAt?: string;
  transfersLeft?: number;
}

export interface DeliveryProgress {
  /** The file's place in the manifest; -1 for the whole folder as a zip. */
  fileIndex: number;
  sentBytes: number;
  totalBytes: number;
  state: "streaming" | "done" | "failed";
  /** A code of the cause of `failed`: see `ErrorCode`. */
  message?: string;
}

export interface Delivery {
  /** What the transfer was charged, in millisatoshi; absent if the server did not say. */
  chargedMsat?: bigint;
  urlFor(fileIndex: number, disposition: "attachment" | "inline"): string;
  zipUrl(): string;
  onProgress(listener: (progress: DeliveryProgress) => void): void;
  /** Forget the keys: the addresses answer no more. */
  close(): void;
}
