"""Making names survive a power cut: a file's own fsync does not put the name on the disk, its folder's does."""

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Return once the folder's names, new, renamed and removed ones, are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_private_folder(folder: Path) -> None:
    """Make a folder and those above it where they are missing, for their user alone, and put them on the disk."""
    if folder.is_dir():
        return
    make_private_folder(folder.parent)
    folder.mkdir(mode=0o700, exist_ok=True)
    sync_folder(folder.parent)
