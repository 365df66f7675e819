"""Every way in which the command or the library can fail, one type per cause.

An error's docstring is its default message. Nothing here knows about exit codes: client/exits.py has that
table.
"""

from typing import Any


class ClientError(Exception):
    """Something went wrong."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (type(self).__doc__ or "").split("\n", maxsplit=1)[0])


class UsageError(ClientError):
    """The command was called wrongly."""


class AgeError(ClientError):
    """The age file is not valid."""


class AgeHeaderError(AgeError):
    """The header of the age file is malformed."""


class AgeKeyError(AgeError):
    """The age file is not encrypted to this key."""


class AgeMacError(AgeError):
    """The header of the age file was changed: its MAC does not match."""


class AgePayloadError(AgeError):
    """A chunk of the age file does not authenticate."""


class AgeTruncatedError(AgeError):
    """The age file ends before its final chunk."""


class AgeTrailingDataError(AgeError):
    """The age file goes on after its final chunk."""


class LinkError(ClientError):
    """This is not a link of the form https://host/f/<id>#1.<secret>."""


class PasswordRequiredError(LinkError):
    """The link is protected by a password."""


class PasswordError(LinkError):
    """The password does not open the link."""


class ManifestError(ClientError):
    """The manifest is malformed."""


class ManifestMismatchError(ManifestError):
    """The manifest is not the one that the link names."""


class BlobMismatchError(ClientError):
    """The ciphertext is not the one that the link and its manifest name."""


class PlaintextMismatchError(ClientError):
    """The decrypted files are not the ones that the manifest lists."""


class SealMismatchError(ClientError):
    """The proof does not commit to this link's content and manifest."""


class SourceError(ClientError):
    """The path cannot be uploaded."""


class EmptySourceError(SourceError):
    """There is not one byte to upload: empty blobs are refused."""


class PlaintextChangedError(SourceError):
    """The file changed while its upload was under way."""


class OutputExistsError(ClientError):
    """The output exists and is not overwritten."""


class FolderStreamError(UsageError):
    """A folder cannot be written to standard output: its files have no borders there."""


class OutputClosedError(ClientError):
    """Nobody reads standard output any more: the transfer was broken off."""


class HiddenNameError(ClientError):
    """The link's own name begins with a dot: choose a name with -o."""


class DownloadBusyError(ClientError):
    """Another process is fetching this link into this folder."""


class KeptLinksError(ClientError):
    """The file of the links that were made here is damaged."""


class LinkNotKeptError(ClientError):
    """Nothing is kept here about this link."""


class NotTriedError(ClientError):
    """It was not tried, for what failed before it would have failed here too."""


class InterruptedRunError(ClientError):
    """The command was interrupted."""


class UploadStateError(ClientError):
    """The stored state of an upload is damaged."""


class UploadBusyError(ClientError):
    """Another process is uploading this path."""


class UploadOffsetError(ClientError):
    """The server does not hold the bytes that were sent to it."""


class ConfigError(ClientError):
    """The configuration cannot be used."""


class NotSignedInError(ConfigError):
    """There is no token for this server: run `cadastre login USERNAME` first."""


class PriceNotAcceptedError(ClientError):
    """The transfer has a price, and nobody agreed to it."""


class ProtocolError(ClientError):
    """The server's answer does not have the documented form."""


class ServerUnavailableError(ClientError):
    """The server cannot be reached or is not able to answer now."""

    def __init__(self, message: str | None = None, *, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class RequestRejectedError(ClientError):
    """The server refused the request."""

    def __init__(self, message: str | None = None, *, status: int = 400, problem: dict[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem or {}


class NotAuthorizedError(RequestRejectedError):
    """The server does not accept the credentials."""


class NotFoundError(RequestRejectedError):
    """The server knows nothing under this name."""


class UploadGoneError(RequestRejectedError):
    """The upload expired or was removed."""


class LinkGoneError(RequestRejectedError):
    """The link was deleted or disabled, expired or was used up."""


class StorageFullError(RequestRejectedError):
    """The server, or the user's part of it, has no room for the upload."""


class OffsetConflictError(RequestRejectedError):
    """The server is at another offset of the upload."""


class ChecksumMismatchError(RequestRejectedError):
    """Bytes of the upload were damaged on their way."""


class PaymentRequiredError(RequestRejectedError):
    """The transfer must be paid for, and the balance does not suffice or nobody is signed in."""


class PriceAboveMaxError(RequestRejectedError):
    """The price is higher than what was agreed to."""


class DigestListError(UsageError):
    """The list of digests is malformed."""


class SubmissionLimitError(RequestRejectedError):
    """The server takes no more records in bulk from this user today."""


class ProofNotReadyError(RequestRejectedError):
    """The record is not in a mined anchor yet."""
