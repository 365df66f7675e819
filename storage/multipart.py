"""Uploads in parts: what a store of objects offers for them, and how a length is cut into parts.

Clients send the parts to the store themselves, by addresses that the server signs. Parts come together under a name
that says nothing about their content; only what was read whole and has the declared digest gets a blob's name.
"""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from django.core.files import File
from django.core.files.storage import storages

from storage.errors import MultipartNotOfferedError, PartNumberError, PartsWrongError

ALIGNMENT_BYTES = 1024 * 1024
STAGING_PREFIX = "uploads/"

Beat = Callable[[], None]
"""Is called now and then during a long work; it raises if the work is not to go on."""


@dataclass(frozen=True)
class PartUrl:
    """Where one part is sent by PUT, with which headers; it takes no other bytes than those that it was signed for."""

    number: int
    url: str
    headers: dict[str, str]


@dataclass(frozen=True)
class StoredPart:
    """A part that a store has. `sha256` is None where the store does not tell it."""

    number: int
    length: int
    etag: str
    sha256: bytes | None = None


@dataclass(frozen=True)
class StoredObject:
    """An object as a store describes it. Its ETag names one version, whatever it is computed from."""

    etag: str
    length: int


@dataclass(frozen=True)
class PartPlan:
    """How an upload is cut: parts of `part_bytes`, numbered from 1, the last one with what is left."""

    length: int
    part_bytes: int

    @property
    def count(self) -> int:
        """How many parts that makes."""
        return -(-self.length // self.part_bytes)

    def get_part_length(self, number: int) -> int:
        """Return how many bytes a part has. Raises PartNumberError if there is no such part."""
        if not 1 <= number <= self.count:
            raise PartNumberError(f"The upload has the parts 1 to {self.count}.")
        return min(self.part_bytes, self.length - (number - 1) * self.part_bytes)

    def check(self, parts: Sequence[StoredPart]) -> None:
        """Check that these are all the parts, each of its length. Raises PartsWrongError with those that are not."""
        lengths = {part.number: part.length for part in parts}
        expected = range(1, self.count + 1)
        wrong = [number for number in expected if lengths.get(number) != self.get_part_length(number)]
        wrong += sorted(set(lengths) - set(expected))
        if wrong:
            raise PartsWrongError(wrong)


def plan_parts(length: int, *, part_bytes_min: int, parts_max: int) -> PartPlan:
    """Return how to cut a length into at most `parts_max` parts of at least `part_bytes_min`."""
    needed = -(-length // parts_max)
    if needed > part_bytes_min:
        return PartPlan(length, -(-needed // ALIGNMENT_BYTES) * ALIGNMENT_BYTES)
    return PartPlan(length, part_bytes_min)


def get_staging_name(upload_id: uuid.UUID) -> str:
    """Return the name under which an upload's parts come together."""
    return f"{STAGING_PREFIX}{upload_id}"


class MultipartStore(Protocol):
    """A store that takes parts from clients. Every method raises StoreUnavailableError if the store cannot answer."""

    part_bytes_min: int
    parts_max: int
    url_seconds: int

    def begin(self, name: str) -> str:
        """Begin an upload in parts and return the store's id of it."""

    def sign_part(self, name: str, store_id: str, *, number: int, length: int, sha256: bytes) -> PartUrl:
        """Return the address for one part that has this length and SHA-256."""

    def list_parts(self, name: str, store_id: str) -> list[StoredPart]:
        """Return the parts that are there, by number. Raises StoreUploadLostError if the upload is not."""

    def finish(self, name: str, store_id: str, parts: Sequence[StoredPart]) -> None:
        """Put exactly these parts together. Raises StoreUploadLostError if they or the upload are not there."""

    def find_object(self, name: str) -> StoredObject | None:
        """Return what is under a name."""

    def open_version(self, name: str, found: StoredObject) -> File[bytes]:
        """Open one version of an object; reading raises ObjectChangedError if another one is there."""

    def copy_version(self, source: str, found: StoredObject, target: str, *, beat: Beat) -> None:
        """Copy one version of an object inside the store. Raises ObjectChangedError if another one is there."""

    def remove(self, name: str) -> None:
        """Remove an object, and the parts of every upload of this name. Doing it again is harmless."""


def find_multipart_store() -> MultipartStore | None:
    """Return the store of blobs if it takes parts."""
    found: MultipartStore | None = getattr(storages["blobs"], "multiparts", None)
    return found


def get_multipart_store() -> MultipartStore:
    """Return the store of blobs. Raises MultipartNotOfferedError if it takes no parts."""
    store = find_multipart_store()
    if store is None:
        raise MultipartNotOfferedError
    return store
