/** Every way in which the browser's part can fail, one type per cause. The code is for the page's own words and never changes. */

export type ErrorCode =
  | "age-header"
  | "age-key"
  | "age-mac"
  | "age-payload"
  | "age-trailing-data"
  | "age-truncated"
  | "blob-mismatch"
  | "browser"
  | "cancelled"
  | "checksum-mismatch"
  | "empty-source"
  | "files-differ"
  | "files-needed"
  | "link-format"
  | "link-gone"
  | "manifest"
  | "name-refused"
  | "not-canonical"
  | "not-found"
  | "not-signed-in"
  | "offset-conflict"
  | "password-needed"
  | "payment-needed"
  | "plaintext-changed"
  | "plaintext-mismatch"
  | "price"
  | "protocol"
  | "quota-exceeded"
  | "rejected"
  | "server-unavailable"
  | "storage-full"
  | "unexpected"
  | "upload-busy"
  | "upload-gone"
  | "upload-offset"
  | "upload-unknown"
  | "wrong-key"
  | "wrong-password";

/** The root of all errors of this project's own. */
export class CadastreError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}

/** The age file is not valid. */
export abstract class AgeError extends CadastreError {}

/** The header of the age file is malformed. */
export class AgeHeaderError extends AgeError {
  constructor(message = "The header of the age file is malformed.", options?: ErrorOptions) {
    super("age-header", message, options);
  }
}

/** The age file is not encrypted to this key. */
export class AgeKeyError extends AgeError {
  constructor(message = "The age file is not encrypted to this key.", options?: ErrorOptions) {
    super("age-key", message, options);
  }
}

/** The header of the age file was changed: its MAC does not match. */
export class AgeMacError extends AgeError {
  constructor(message = "The header of the age file was changed: its MAC does not match.", options?: ErrorOptions) {
    super("age-mac", message, options);
  }
}

/** A chunk of the age file does not authenticate. */
export class AgePayloadError extends AgeError {
  constructor(message = "A chunk of the age file does not authenticate.", options?: ErrorOptions) {
    super("age-payload", message, options);
  }
}

/** The age file ends before its final chunk. */
export class AgeTruncatedError extends AgeError {
  constructor(message = "The age file ends before its final chunk.", options?: ErrorOptions) {
    super("age-truncated", message, options);
  }
}

/** The age file goes on after its final chunk. */
export class AgeTrailingDataError extends AgeError {
  constructor(message = "The age file goes on after its final chunk.", options?: ErrorOptions) {
    super("age-trailing-data", message, options);
  }
}

/** This is not a link of the form https://host/f/<id>#1.<secret>. */
export class LinkFormatError extends CadastreError {
  constructor(message = "This is not a link of the form https://host/f/<id>#1.<secret>.", options?: ErrorOptions) {
    super("link-format", message, options);
  }
}

/** The link is protected by a password. */
export class PasswordNeededError extends CadastreError {
  constructor(message = "The link is protected by a password.", options?: ErrorOptions) {
    super("password-needed", message, options);
  }
}

/** The password does not open the link. */
export class WrongPasswordError extends CadastreError {
  constructor(message = "The password does not open the link.", options?: ErrorOptions) {
    super("wrong-password", message, options);
  }
}

/** The link's key is not that of what the server has under its name. */
export class WrongKeyError extends CadastreError {
  constructor(message = "The link's key is not that of what the server has under its name.", options?: ErrorOptions) {
    super("wrong-key", message, options);
  }
}

/** The manifest is malformed. */
export class ManifestError extends CadastreError {
  constructor(message = "The manifest is malformed.", options?: ErrorOptions) {
    super("manifest", message, options);
  }
}

/** A file has a name that a manifest refuses. */
export class NameRefusedError extends CadastreError {
  constructor(message = "A file has a name that a manifest refuses.", options?: ErrorOptions) {
    super("name-refused", message, options);
  }
}

/** The value has no canonical JSON. */
export class NotCanonicalError extends CadastreError {
  constructor(message = "The value has no canonical JSON.", options?: ErrorOptions) {
    super("not-canonical", message, options);
  }
}

/** The server offers another blob than the one in the link's manifest. */
export class BlobMismatchError extends CadastreError {
  constructor(message = "The server offers another blob than the one in the link's manifest.", options?: ErrorOptions) {
    super("blob-mismatch", message, options);
  }
}

/** The decrypted files are not the ones that the manifest lists. */
export class PlaintextMismatchError extends CadastreError {
  constructor(message = "The decrypted files are not the ones that the manifest lists.", options?: ErrorOptions) {
    super("plaintext-mismatch", message, options);
  }
}

/** There is not one byte to upload: empty blobs are refused. */
export class EmptySourceError extends CadastreError {
  constructor(message = "There is not one byte to upload: empty blobs are refused.", options?: ErrorOptions) {
    super("empty-source", message, options);
  }
}

/** A file changed while it was uploaded. */
export class PlaintextChangedError extends CadastreError {
  constructor(message = "A file changed while it was uploaded.", options?: ErrorOptions) {
    super("plaintext-changed", message, options);
  }
}

/** These are not the files that the upload was begun with. */
export class FilesDifferError extends CadastreError {
  constructor(message = "These are not the files that the upload was begun with.", options?: ErrorOptions) {
    super("files-differ", message, options);
  }
}

/** The upload goes on once the same files are chosen again. */
export class FilesNeededError extends CadastreError {
  constructor(message = "The upload goes on once the same files are chosen again.", options?: ErrorOptions) {
    super("files-needed", message, options);
  }
}

/** This browser knows no such unfinished upload. */
export class UploadUnknownError extends CadastreError {
  constructor(message = "This browser knows no such unfinished upload.", options?: ErrorOptions) {
    super("upload-unknown", message, options);
  }
}

/** Another tab is at work on this upload. */
export class UploadBusyError extends CadastreError {
  constructor(message = "Another tab is at work on this upload.", options?: ErrorOptions) {
    super("upload-busy", message, options);
  }
}

/** The server does not hold the bytes that were sent to it. */
export class UploadOffsetError extends CadastreError {
  constructor(message = "The server does not hold the bytes that were sent to it.", options?: ErrorOptions) {
    super("upload-offset", message, options);
  }
}

/** The upload was cancelled. */
export class CancelledError extends CadastreError {
  constructor(message = "The upload was cancelled.", options?: ErrorOptions) {
    super("cancelled", message, options);
  }
}

/** The server's answer does not have the documented form. */
export class ProtocolError extends CadastreError {
  constructor(message = "The server's answer does not have the documented form.", options?: ErrorOptions) {
    super("protocol", message, options);
  }
}

/** This browser lacks what is needed: a secure page, and service workers that are allowed. */
export class BrowserError extends CadastreError {
  constructor(
    message = "This browser lacks what is needed: a secure page, and service workers that are allowed.",
    options?: ErrorOptions,
  ) {
    super("browser", message, options);
  }
}

/** The server cannot be reached or is not able to answer now: the only cause that is tried again. */
export class ServerUnavailableError extends CadastreError {
  readonly retryAfterS: number | undefined;

  constructor(message = "The server cannot be reached now.", options: { retryAfterS?: number | undefined } = {}) {
    super("server-unavailable", message);
    this.retryAfterS = options.retryAfterS;
  }
}

/** The server refused the request. `status` is HTTP's, `problem` the code of its problem document ("" without one). */
export class RejectedError extends CadastreError {
  readonly status: number;
  readonly problem: string;
  readonly details: Readonly<Record<string, unknown>>;

  constructor(message: string, refusal: Refusal, code: ErrorCode = "rejected") {
    super(code, message);
    this.status = refusal.status;
    this.problem = refusal.problem;
    this.details = refusal.details;
  }
}

/** What a refusal said. */
export interface Refusal {
  status: number;
  problem: string;
  details: Readonly<Record<string, unknown>>;
}

/** The server does not accept the credentials, or there are none. */
export class NotSignedInError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "not-signed-in");
  }
}

/** The server knows nothing under this name. */
export class NotFoundError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "not-found");
  }
}

/** The link leads nowhere any more. */
export class LinkGoneError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "link-gone");
  }
}

/** The upload expired or was removed. */
export class UploadGoneError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "upload-gone");
  }
}

/** The server is at another offset of the upload. */
export class OffsetConflictError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "offset-conflict");
  }
}

/** Bytes of the upload were damaged on their way. */
export class ChecksumMismatchError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "checksum-mismatch");
  }
}

/** The transfer must be paid for. */
export class PaymentNeededError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "payment-needed");
  }
}

/** The price is higher than what was agreed to. */
export class PriceError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "price");
  }
}

/** The account's storage is full. */
export class QuotaExceededError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "quota-exceeded");
  }
}

/** The server's storage is full. */
export class StorageFullError extends RejectedError {
  constructor(message: string, refusal: Refusal) {
    super(message, refusal, "storage-full");
  }
}

/** Return the code of whatever was thrown. */
export function getErrorCode(error: unknown): ErrorCode {
  return error instanceof CadastreError ? error.code : "unexpected";
}
