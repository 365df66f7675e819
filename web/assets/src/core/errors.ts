/** Every way in which the browser's part can fail, one type per cause. The code is for the page's words and never changes. */

export type ErrorCode =
  | "age-header"
  | "age-key"
  | "age-mac"
  | "age-payload"
  | "age-truncated"
  | "age-trailing-data"
  | "blob-mismatch"
  | "cancelled"
  | "digest-mismatch"
  | "empty-source"
  | "files-differ"
  | "link-format"
  | "link-gone"
  | "manifest"
  | "name-refused"
  | "no-service-worker"
  | "not-canonical"
  | "not-signed-in"
  | "offline"
  | "password-needed"
  | "payment-needed"
  | "plaintext-changed"
  | "price"
  | "protocol"
  | "quota-exceeded"
  | "rejected"
  | "server-unavailable"
  | "storage-full"
  | "upload-busy"
  | "upload-gone"
  | "upload-offset"
  | "wrong-key"
  | "wrong-password";

/** The root of all errors of this project's own. */
export class CadastreError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.name = new.target.name;
    this.code = code;
  }
}

/** This is not a link of the form https://host/f/<id>#1.<secret>. */
export class LinkFormatError extends CadastreError {
  constructor(message = "This is not a link of the form https://host/f/<id>#1.<secret>.") {
    super("link-format", message);
  }
}

/** The link is protected by a password. */
export class PasswordNeededError extends CadastreError {
  constructor() {
    super("password-needed", "The link is protected by a password.");
  }
}

/** The password does not open the link. */
export class WrongPasswordError extends CadastreError {
  constructor() {
    super("wrong-password", "The password does not open the link.");
  }
}

/** The link's key does not open what the server has under its name. */
export class WrongKeyError extends CadastreError {
  constructor(message = "The link's key does not open what the server has under its name.") {
    super("wrong-key", message);
  }
}

/** The link expired, was deleted, disabled or used up, or never was. `problem` is the server's code for it. */
export class LinkGoneError extends CadastreError {
  readonly problem: string;

  constructor(problem: string, message = "The link leads nowhere any more.") {
    super("link-gone", message);
    this.problem = problem;
  }
}

/** The manifest is malformed. */
export class ManifestError extends CadastreError {
  constructor(message = "The manifest is malformed.") {
    super("manifest", message);
  }
}
