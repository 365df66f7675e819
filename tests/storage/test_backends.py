"""The directory of blobs."""

import os
from pathlib import Path

import pytest
from django.core.files import File
from django.core.files.base import ContentFile

from storage.backends import DirectoryStorage
from storage.services.uploads import get_storage_name

NAME = get_storage_name(bytes(range(32)))


class MovableFile(File[bytes]):
    """A file that may be taken over."""

    def temporary_file_path(self) -> str:
        """Return its path."""
        return str(self.name)


class Torn(ContentFile[bytes]):
    """A content that breaks half-way."""

    def chunks(self, chunk_size: int | None = None):  # noqa: ARG002 - the hook's signature is fixed
        """Yield a part, then fail."""
        yield b"half"
        raise OSError("the disk is full")


def list_files(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


def test_saves_under_the_given_name_for_its_owner_alone(tmp_path: Path):
    storage = DirectoryStorage(tmp_path / "blobs")

    assert storage.save(NAME, ContentFile(b"bytes")) == NAME

    path = tmp_path / "blobs" / NAME
    assert f"00/01/{bytes(range(32)).hex()}" == NAME
    assert path.read_bytes() == b"bytes"
    assert path.stat().st_mode & 0o777 == 0o600
    for directory in (path.parent, path.parent.parent, tmp_path / "blobs"):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_saving_again_keeps_one_file(tmp_path: Path):
    storage = DirectoryStorage(tmp_path)

    for _ in range(2):
        assert storage.save(NAME, ContentFile(b"bytes")) == NAME

    assert list_files(tmp_path) == [NAME]


def test_takes_a_file_over_by_renaming_it(tmp_path: Path):
    source = tmp_path / "source"
    source.write_bytes(b"bytes")
    inode = source.stat().st_ino

    with source.open("rb") as stream:
        DirectoryStorage(tmp_path / "blobs").save(NAME, MovableFile(stream, name=str(source)))

    assert not source.exists()
    assert (tmp_path / "blobs" / NAME).stat().st_ino == inode
    assert (tmp_path / "blobs" / NAME).stat().st_mode & 0o777 == 0o600


def test_a_save_that_fails_leaves_nothing(tmp_path: Path):
    with pytest.raises(OSError, match="full"):
        DirectoryStorage(tmp_path).save(NAME, Torn(b"half of it"))

    assert list_files(tmp_path) == []


@pytest.mark.parametrize("name", ["../outside", "/etc/cadastre"])
def test_a_name_cannot_lead_outside(tmp_path: Path, name: str):
    with pytest.raises(Exception, match=r"path traversal|outside"):
        DirectoryStorage(tmp_path / "blobs").save(name, ContentFile(b"bytes"))

    assert list_files(tmp_path) == []


# --- Removing ---


class DiesBefore(BaseException):
    """The end of a process."""


def test_a_removed_file_was_overwritten_with_zeros(tmp_path: Path):
    storage = DirectoryStorage(tmp_path)
    storage.save(NAME, ContentFile(b"secret" * 400_000))
    # A second name of the same bytes shows what becomes of them; it does not count as somebody who reads.
    os.link(tmp_path / NAME, tmp_path / "seen")
    written: list[bytes] = []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "ftruncate", lambda descriptor, length: written.append((tmp_path / "seen").read_bytes()))  # noqa: ARG005
        storage.delete(NAME)

    assert written == [bytes(len(b"secret" * 400_000))]
    assert list_files(tmp_path) == ["seen"]


def test_whoever_reads_a_file_that_is_removed_gets_no_zeros_but_its_end(tmp_path: Path):
    storage = DirectoryStorage(tmp_path)
    storage.save(NAME, ContentFile(b"secret" * 400_000))

    with storage.open(NAME) as stream:
        first = stream.read(6)
        storage.delete(NAME)
        rest = b"".join(iter(lambda: stream.read(65_536), b""))

    assert first == b"secret"
    # What was read ahead may still come; whatever comes is the file's.
    assert (first + rest) == (b"secret" * 400_000)[: len(first + rest)]
    assert len(rest) < len(b"secret") * 400_000 - 6
    assert list_files(tmp_path) == []


def test_a_removal_that_was_interrupted_is_finished_by_repeating_it(tmp_path: Path):
    storage = DirectoryStorage(tmp_path)
    storage.save(NAME, ContentFile(b"bytes"))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(DiesBefore):
            storage.delete(NAME)
    interrupted = list_files(tmp_path)
    storage.delete(NAME)

    assert (len(interrupted), interrupted != [NAME]) == (1, True)
    assert list_files(tmp_path) == []


def test_a_file_that_comes_back_leaves_nothing_of_the_removed_one(tmp_path: Path):
    storage = DirectoryStorage(tmp_path)
    storage.save(NAME, ContentFile(b"bytes"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", die)
        with pytest.raises(DiesBefore):
            storage.delete(NAME)

    storage.save(NAME, ContentFile(b"bytes"))

    assert list_files(tmp_path) == [NAME]
    assert (tmp_path / NAME).read_bytes() == b"bytes"


def test_removing_what_is_not_there_changes_nothing(tmp_path: Path):
    DirectoryStorage(tmp_path).delete(NAME)

    assert list_files(tmp_path) == []
    with pytest.raises(ValueError, match="has a name"):
        DirectoryStorage(tmp_path).delete("")


def die(descriptor: int) -> None:
    """End where the file system is asked to write."""
    raise DiesBefore(descriptor)
