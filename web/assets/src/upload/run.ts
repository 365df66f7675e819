/** One upload from beginning to end: encrypt while sending, resume at the exact byte, and make the link.
 *
 * The ciphertext is a function of the plaintext and of the stored `Encryption`. Resuming therefore encrypts again from the start,
 * compares every chunk with the hash that was stored before it was first sent, and sends what the server does not have. If anything
 * differs, that ciphertext is given up and a fresh one begins under a new key. */

import { beginByPassword, beginForX25519 } from "../core/age/files.ts";
import { SEALED_CHUNK_BYTES } from "../core/age/payload.ts";
import { getRecipient } from "../core/age/recipients.ts";
import { type Bytes, drawBytes, joinBytes } from "../core/bytes.ts";
import { drawDeletionToken } from "../core/deletion.ts";
import { BlobDigest } from "../core/digest.ts";
import {
  FilesNeededError,
  NotFoundError,
  PlaintextChangedError,
  UploadGoneError,
  UploadOffsetError,
} from "../core/errors.ts";
import { formatLink, formatLockedLink, PASSWORD_WORK_FACTOR_LOG2 } from "../core/links.ts";
import type { Api } from "../core/requests.ts";
import { ChunkLog } from "./chunk_log.ts";
import { encryptPayload, getCiphertextBytes } from "./ciphertext.ts";
import type { UploadControl } from "./control.ts";
import { makeLinkRequest, type NewLink, sendLinkRequest } from "./link_request.ts";
import { ProgressReporter } from "./progress.ts";
import { judgeFailure, Sending, type SendingListener } from "./sending.ts";
import { getPlanBytes, getPlanName, PayloadReader, planSource, type Source } from "./source.ts";
import { type LinkRequest, RECORD_VERSION, type StoredUpload, type UploadStore } from "./store.ts";
import { TusClient } from "./tus.ts";
import type { UploadProgress, UploadRequest, UploadResult } from "./types.ts";

/** How often an upload begins anew by itself, when what was sent cannot be continued. */
const RESTARTS_MAX = 2;

/** Draw the keys of an upload, and store them with its plan.
 *
 * The password is used here and not kept. Throws NameRefusedError or EmptySourceError. */
export async function prepareUpload(
  store: UploadStore,
  id: string,
  request: UploadRequest,
): Promise<{ upload: StoredUpload; source: Source }> {
  const source = planSource(request.files, request.topName, request.padding);
  const handles = request.files.map(({ handle }) => handle).filter((handle) => handle !== undefined);
  const upload: StoredUpload = {
    id,
    version: RECORD_VERSION,
    createdAtMs: Date.now(),
    plan: source.plan,
    topName: request.topName ?? "",
    ...drawKeys(),
    ...(request.password ? { locking: await beginByPassword(request.password, PASSWORD_WORK_FACTOR_LOG2) } : {}),
    priceMsat: request.priceMsat,
    ...(request.expiresAt === undefined ? {} : { expiresAt: request.expiresAt }),
    ...(request.transfersMax === undefined ? {} : { transfersMax: request.transfersMax }),
    deletion: await drawDeletionToken(),
    sentBytes: 0,
    ...(handles.length === request.files.length ? { handles, paths: request.files.map(({ path }) => path) } : {}),
  };
  await store.replace(upload);
  return { upload, source };
}

export class UploadRun {
  private readonly store: UploadStore;
  private readonly api: Api;
  private readonly tus: TusClient;
  private readonly control: UploadControl;
  private readonly progress: ProgressReporter;
  private readonly listener: SendingListener;
  private upload: StoredUpload;

  constructor(
    store: UploadStore,
    api: Api,
    upload: StoredUpload,
    control: UploadControl,
    onProgress: (progress: UploadProgress) => void,
  ) {
    [this.store, this.api, this.upload, this.control] = [store, api, upload, control];
    this.tus = new TusClient(api);
    this.progress = new ProgressReporter(upload.plan.files, onProgress);
    this.listener = {
      onSending: () => this.progress.enter("sending"),
      onOffset: (offset) => this.progress.moveTo(offset),
      onWaiting: (error) => this.progress.enter("waiting", error),
    };
    control.onChange = (isPaused) => this.progress.enter(isPaused ? "paused" : "sending");
  }

  /** Upload and return the link; `source` may be absent once everything was sent.
   *
   * If the files are not what they were, or the server gave the upload up, it begins anew with new keys. Throws
   * PlaintextChangedError if a file changes during this very call, CancelledError, and what the server refuses. */
  async run(source: Source | undefined): Promise<UploadResult> {
    for (let restarts = 0; ; restarts += 1) {
      const isFresh = this.upload.uploadPath === undefined;
      try {
        return await this.finish(source);
      } catch (error) {
        const isLost =
          error instanceof UploadGoneError || error instanceof NotFoundError || error instanceof UploadOffsetError;
        const isOther = error instanceof PlaintextChangedError && !isFresh;
        if (!source || restarts === RESTARTS_MAX || !(isLost || isOther)) throw error;
        await this.restart();
      }
    }
  }

  /** Remove what was sent and all that is stored of it. */
  async discard(): Promise<void> {
    await this.store.remove(this.upload.id);
    await this.removeFromServer();
  }

  /** The failure that ended the upload, for whoever watches it. */
  fail(error: unknown): void {
    this.progress.enter("failed", error);
  }

  private async restart(): Promise<void> {
    await this.removeFromServer();
    const { uploadPath: _path, linkRequest: _request, ...kept } = this.upload;
    // The password's lock stays: it has locked nothing yet, for it is used once the link is made, and then nothing begins anew.
    this.upload = { ...kept, ...drawKeys(), sentBytes: 0 };
    await this.store.replace(this.upload);
  }

  private async removeFromServer(): Promise<void> {
    try {
      if (this.upload.uploadPath !== undefined) await this.tus.remove(this.upload.uploadPath);
    } catch {
      return; // The server removes what expires; nothing here depends on it.
    }
  }

  private async finish(source: Source | undefined): Promise<UploadResult> {
    const request = this.upload.linkRequest ?? (await this.sendAll(source));
    const link = await this.persist((signal) => sendLinkRequest(this.api, request, signal));
    const result = await this.format(link, request);
    await this.store.remove(this.upload.id, {
      linkId: link.id,
      linkUrl: result.linkUrl,
      name: getPlanName(this.upload.plan),
      plaintextBytes: getPlanBytes(this.upload.plan) - this.upload.plan.padding,
      deletionToken: result.deletionToken,
      madeAtMs: Date.now(),
    });
    this.progress.enter("done");
    return result;
  }

  private async sendAll(source: Source | undefined): Promise<LinkRequest> {
    if (!source) throw new FilesNeededError();
    const { plan, encryption } = this.upload;
    const length = getCiphertextBytes(plan, encryption);
    const path = await this.createUpload(length);
    const held = await this.persist((signal) => this.tus.getOffset(path, signal));
    this.progress.begin(length, held);
    const log = await ChunkLog.open(this.store, this.upload.id);
    if (held > encryption.header.length + encryption.nonce.length + log.countBefore * SEALED_CHUNK_BYTES) {
      throw new UploadOffsetError("The server claims to hold bytes that were never sent.");
    }
    const [payload, digest] = [await PayloadReader.create(source), await BlobDigest.create()];
    const sending = new Sending(this.tus, path, held, this.control, this.listener);
    try {
      await this.sendPieces(encryptPayload(plan, encryption, payload, log), sending, log, digest);
    } finally {
      sending.stop();
    }
    if (sending.offset !== length) {
      throw new UploadOffsetError(`The server holds ${sending.offset} bytes of ${length}.`);
    }
    const linkRequest = await makeLinkRequest(this.upload, path, await digest.finish(), payload.listFiles());
    await this.update({ linkRequest, sentBytes: length });
    return linkRequest;
  }

  /** Send what the server does not have; one segment is made while another is on its way. */
  private async sendPieces(
    pieces: AsyncGenerator<Bytes>,
    sending: Sending,
    log: ChunkLog,
    digest: BlobDigest,
  ): Promise<void> {
    const held = sending.offset;
    let position = 0;
    let segment: Bytes[] = [];
    let segmentBytes = 0;
    let underWay: Promise<void> = Promise.resolve();
    const flush = async () => {
      const data = joinBytes(segment);
      [segment, segmentBytes] = [[], 0];
      await underWay;
      // After this, and not before, these bytes may leave the machine.
      await log.save();
      underWay = this.sendSegment(sending, data);
      underWay.catch(() => undefined); // It is awaited before the next segment, or at the end.
    };
    for await (const piece of pieces) {
      await this.control.pass();
      await digest.update(piece);
      const rest = piece.subarray(Math.max(0, Math.min(piece.length, held - position)));
      position += piece.length;
      segment.push(rest);
      segmentBytes += rest.length;
      if (segmentBytes >= sending.segmentBytes) await flush();
    }
    await flush();
    await underWay;
  }

  private async sendSegment(sending: Sending, data: Bytes): Promise<void> {
    await sending.send(data);
    await this.update({ sentBytes: sending.offset });
  }

  private async createUpload(length: number): Promise<string> {
    if (this.upload.uploadPath !== undefined) return this.upload.uploadPath;
    const uploadPath = await this.persist((signal) => this.tus.create(length, signal));
    await this.update({ uploadPath });
    return uploadPath;
  }

  private async format(link: NewLink, request: LinkRequest): Promise<UploadResult> {
    const { secret, locking, deletion } = this.upload;
    const parts = { serverUrl: this.api.serverUrl, id: link.id, secret, manifestSha256: request.manifestSha256 };
    return {
      linkUrl: locking ? await formatLockedLink(parts, locking) : formatLink(parts),
      linkId: link.id,
      ...(link.recordId === undefined ? {} : { recordId: link.recordId }),
      sha256: request.sha256,
      deletionToken: deletion.token,
    };
  }

  private async update(changes: Partial<StoredUpload>): Promise<void> {
    this.upload = { ...this.upload, ...changes };
    await this.store.put(this.upload);
  }

  private persist<Answer>(attempt: (signal: AbortSignal) => Promise<Answer>): Promise<Answer> {
    return this.control.persist(attempt, (error, number) => judgeFailure(error, number, this.listener));
  }
}

function drawKeys(): Pick<StoredUpload, "secret" | "encryption"> {
  const secret = drawBytes(32);
  return { secret, encryption: beginForX25519(getRecipient(secret)) };
}
