/** The browser's memory of unfinished uploads, in IndexedDB, written before the bytes that it is about are sent.
 *
 * One record per upload holds keys and plan; the SHA-256 of each sealed chunk lies beside it. Together they make sure that one key
 * never encrypts two different plaintexts: a chunk whose hash differs from the stored one is never sent. */

import type { Encryption } from "../core/age/files.ts";
import { type Bytes, joinBytes } from "../core/bytes.ts";
import type { DeletionToken } from "../core/deletion.ts";
import { UploadUnknownError } from "../core/errors.ts";
import type { Plan } from "./source.ts";
import type { MadeLink } from "./types.ts";

const DATABASE = "cadastre-uploads";
const DATABASE_VERSION = 1;
export const RECORD_VERSION = 1;

/** A link that was asked for, so that asking again is the same request. */
export interface LinkRequest {
  idempotencyKey: string;
  body: string;
  manifestSha256: Bytes;
  /** Hexadecimal, of the ciphertext. */
  sha256: string;
  length: number;
  root: string;
  seal: string;
}

/** What fixes one ciphertext and where it goes, and what its link is to be. */
export interface StoredUpload {
  id: string;
  version: typeof RECORD_VERSION;
  createdAtMs: number;
  plan: Plan;
  topName: string;
  secret: Bytes;
  encryption: Encryption;
  /** The link's lock, begun by the password, which is not kept itself. */
  locking?: Encryption;
  priceMsat: bigint;
  expiresAt?: string;
  transfersMax?: number;
  deletion: DeletionToken;
  sentBytes: number;
  uploadPath?: string;
  linkRequest?: LinkRequest;
  /** Where the browser gave one for every file: the handles, and the paths that they were chosen under. */
  handles?: FileSystemFileHandle[];
  paths?: string[];
}

export class UploadStore {
  private readonly database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.database = database;
  }

  static async open(factory: IDBFactory = indexedDB): Promise<UploadStore> {
    const request = factory.open(DATABASE, DATABASE_VERSION);
    request.onupgradeneeded = () => {
      request.result.createObjectStore("uploads", { keyPath: "id" });
      request.result.createObjectStore("hashes");
      request.result.createObjectStore("links", { keyPath: "linkId" });
    };
    const database = await finish(request);
    // A page of a later version waits until this connection is closed.
    database.onversionchange = () => database.close();
    return new UploadStore(database);
  }

  close(): void {
    this.database.close();
  }

  /** Return all unfinished uploads, the newest first. */
  async list(): Promise<StoredUpload[]> {
    const found = (await finish(this.read("uploads").getAll())) as StoredUpload[];
    return found.sort((left, right) => right.createdAtMs - left.createdAtMs);
  }

  /** Return an unfinished upload. Throws UploadUnknownError if there is none of this id. */
  async get(id: string): Promise<StoredUpload> {
    const found = (await finish(this.read("uploads").get(id))) as StoredUpload | undefined;
    if (found?.version !== RECORD_VERSION) throw new UploadUnknownError();
    return found;
  }

  /** Replace an upload's record, and return once it is on the disk. */
  async put(upload: StoredUpload): Promise<void> {
    await this.write(["uploads"], (transaction) => transaction.objectStore("uploads").put(upload));
  }

  /** Begin an upload anew: its record without the hashes of the ciphertext before. */
  async replace(upload: StoredUpload): Promise<void> {
    await this.write(["uploads", "hashes"], (transaction) => {
      transaction.objectStore("hashes").delete(getRange(upload.id));
      transaction.objectStore("uploads").put(upload);
    });
  }

  /** Return the hashes of the chunks that may have been sent, in order, 32 bytes each. */
  async readHashes(id: string): Promise<Bytes> {
    const parts = (await finish(this.read("hashes").getAll(getRange(id)))) as Bytes[];
    return joinBytes(parts);
  }

  /** Add the hashes of the chunks from number `first` on, and return once they are on the disk. */
  async addHashes(id: string, first: number, hashes: Bytes): Promise<void> {
    await this.write(["hashes"], (transaction) => transaction.objectStore("hashes").add(hashes, [id, first]));
  }

  /** Forget an upload with its keys; a link that was made of it is kept in the same step. */
  async remove(id: string, made?: MadeLink): Promise<void> {
    await this.write(["uploads", "hashes", "links"], (transaction) => {
      transaction.objectStore("uploads").delete(id);
      transaction.objectStore("hashes").delete(getRange(id));
      if (made) transaction.objectStore("links").put(made);
    });
  }

  /** Return the links that were made in this browser, the newest first. */
  async listLinks(): Promise<MadeLink[]> {
    const found = (await finish(this.read("links").getAll())) as MadeLink[];
    return found.sort((left, right) => right.madeAtMs - left.madeAtMs);
  }

  /** Forget a link. */
  async removeLink(linkId: string): Promise<void> {
    await this.write(["links"], (transaction) => transaction.objectStore("links").delete(linkId));
  }

  private read(name: string): IDBObjectStore {
    return this.database.transaction(name).objectStore(name);
  }

  private write(names: string[], change: (transaction: IDBTransaction) => unknown): Promise<void> {
    // "strict": the promise is kept only once the bytes are on the disk, also through a power cut.
    const transaction = this.database.transaction(names, "readwrite", { durability: "strict" });
    return new Promise((resolve, reject) => {
      transaction.oncomplete = () => resolve();
      transaction.onabort = () => reject(transaction.error ?? new Error("the browser gave up storing"));
      change(transaction);
    });
  }
}

/** Return the range of an upload's hashes, whose keys are [id, number of the first chunk]. */
function getRange(id: string): IDBKeyRange {
  return IDBKeyRange.bound([id, 0], [id, Number.MAX_SAFE_INTEGER]);
}

function finish<Value>(request: IDBRequest<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
