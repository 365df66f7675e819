"""What can go wrong in storage; every error of the package descends from StorageError."""


class StorageError(Exception):
    """Storage could not do what was asked."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class EmptyBlobError(StorageError):
    """A blob must have at least one byte."""


class BlobNotFoundError(StorageError):
    """There is no such blob."""


class BlobErasedError(StorageError):
    """The blob's bytes were erased, with the last link that kept them. Whoever has them may upload them again."""


class BlobUnavailableError(StorageError):
    """The blob's bytes cannot be read now."""


class RangeNotSatisfiableError(StorageError):
    """No byte of the blob lies in the requested range."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The blob has {length} bytes; none of them lies in the requested range.")
        self.length = length


class DigestStateError(StorageError):
    """The state of an unfinished digest cannot be used; the digest is computed from the bytes instead."""


class LinkNotFoundError(StorageError):
    """There is no such link."""


class LinkEndedError(StorageError):
    """The link serves no more."""


class LinkDisabledError(LinkEndedError):
    """The link was disabled."""


class LinkDeletedError(LinkEndedError):
    """The link was deleted."""


class LinkExpiredError(LinkEndedError):
    """The link's time is over."""


class LinkUsedUpError(LinkEndedError):
    """As many transfers of the link were begun as it allows."""


class DigestBlockedError(StorageError):
    """A blob with this digest is neither stored nor served here, by a reviewer's decision."""


class DigestNotBlockedError(StorageError):
    """The digest is not blocked."""


class DigestBlockedAlreadyError(StorageError):
    """The digest is blocked already."""


class NotLinkOwnerError(StorageError):
    """The link is somebody else's."""


class DeletionTokenRefusedError(StorageError):
    """The deletion token is not this link's."""


class ExpiryOutOfRangeError(StorageError):
    """A link expires in the future, within a hundred years."""


class TransfersMaxOutOfRangeError(StorageError):
    """A maximum of transfers is a whole number from 1 on, below 2 to the power of 63."""


class ReportTooLargeError(StorageError):
    """The report is too large."""


class ReportNotEncryptedError(StorageError):
    """What a report seals is an age file to the reviewers: in the open it would give the link's key away."""


class ReportNotFoundError(StorageError):
    """There is no such report."""


class ReportStateError(StorageError):
    """The report was decided before."""


class OwnReportError(StorageError):
    """Nobody decides about a link of their own."""


class ReasonMissingError(StorageError):
    """A decision gives its reason."""


class PriceOutOfRangeError(StorageError):
    """A price lies between 0 and all the bitcoin there will ever be."""


class ManifestTooLargeError(StorageError):
    """The manifest is too large."""


class ManifestNotEncryptedError(StorageError):
    """The manifest is not an age file: unencrypted it would show the names of the files."""


class DigestMismatchError(StorageError):
    """The bytes that arrived are not those that the request names."""


class UploadNotFoundError(StorageError):
    """You have no upload with this id."""


class UploadGoneError(StorageError):
    """The upload was terminated."""


class UploadExpiredError(UploadGoneError):
    """The upload's time is over; begin a new one."""


class UploadLostError(UploadGoneError):
    """Bytes of the upload were lost; begin a new one."""


class UploadTooLargeError(StorageError):
    """The upload is larger than this server accepts."""


class UploadOverflowError(StorageError):
    """The request carries more bytes than the upload has left."""


class TooManyUploadsError(StorageError):
    """You have too many unfinished uploads; finish or terminate one."""


class StorageFullError(StorageError):
    """The server has no room left for these bytes."""


class QuotaExceededError(StorageError):
    """Your links and unfinished uploads would take more room than you have."""


class UploadOffsetError(StorageError):
    """The bytes do not start where the upload continues."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The upload continues at offset {offset}.")
        self.offset = offset


class UploadInterruptedError(StorageError):
    """The request ended before all of its bytes arrived."""

    def __init__(self, offset: int) -> None:
        super().__init__(f"The request ended early; the upload continues at offset {offset}.")
        self.offset = offset


class UploadChecksumError(StorageError):
    """The bytes do not have the checksum that came with them; none of them was kept."""


class UploadBusyError(StorageError):
    """Another request is writing to this upload."""


class UploadUnfinishedError(StorageError):
    """Bytes of the upload are still missing."""


class UploadCompletedError(StorageError):
    """The upload was made into a link before."""


class UploadHeaderError(StorageError):
    """A header of the upload is missing or malformed."""


class UploadMetadataError(StorageError):
    """Upload-Metadata is not accepted: names of files belong into the encrypted manifest."""


class UploadBodyLengthError(StorageError):
    """The request must announce its length in Content-Length."""


class UploadMediaTypeError(StorageError):
    """The bytes of an upload are sent as application/offset+octet-stream."""


class UploadVersionError(StorageError):
    """The request must carry Tus-Resumable: 1.0.0."""
