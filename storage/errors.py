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
    """The blob was erased and is not served or stored again."""


class BlobUnavailableError(StorageError):
    """The blob's bytes cannot be read now."""


class RangeNotSatisfiableError(StorageError):
    """No byte of the blob lies in the requested range."""

    def __init__(self, length: int) -> None:
        super().__init__(f"The blob has {length} bytes; none of them lies in the requested range.")
        self.length = length


class LinkNotFoundError(StorageError):
    """There is no such link."""


class LinkDisabledError(StorageError):
    """The link was disabled."""


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


class StoreUnavailableError(StorageError):
    """The store of blobs cannot be reached now; try again."""


class ObjectChangedError(StorageError):
    """The object in the store is another one than before."""


class StoreUploadLostError(StorageError):
    """The store does not have the parts of the upload."""


class MultipartNotOfferedError(StorageError):
    """This server takes no uploads in parts; use tus."""


class MultipartClosedError(StorageError):
    """The upload was closed: its parts are being verified, or were."""


class UploadDoorError(StorageError):
    """The upload is sent in parts, not by tus."""


class PartNumberError(StorageError):
    """The upload has no part of this number."""


class PartsWrongError(UploadUnfinishedError):
    """Parts of the upload are missing, or have another length than they should."""

    def __init__(self, numbers: list[int]) -> None:
        super().__init__(f"{len(numbers)} parts are missing or have another length, the first is {numbers[0]}.")
        self.numbers = numbers


class LeaseLostError(StorageError):
    """Another worker went on with this work."""
