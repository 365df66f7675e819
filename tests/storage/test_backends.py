"""The directory of blobs."""

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
