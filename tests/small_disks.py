"""Disks of a few MiB that really become full: a tmpfs of its own, where the tests may mount one."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

MIB = 1024 * 1024
DISK_BYTES = 4 * MIB


class SmallDisk:
    """A file system of DISK_BYTES."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def free_bytes(self) -> int:
        """How much room is left."""
        found = os.statvfs(self.path)
        return found.f_bavail * found.f_frsize

    @property
    def filler(self) -> Path:
        """The file that takes the room that others want."""
        return self.path / "filler"

    def fill_up_to(self, free_bytes: int) -> None:
        """Take so much room that only this is left."""
        self.filler.write_bytes(bytes(self.free_bytes - free_bytes))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[SmallDisk]:
    """A mounted small disk; the test is skipped where none can be mounted."""
    path = tmp_path / "small disk"
    path.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=700", "tmpfs", str(path)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no small disk can be mounted here: it takes root")
    yield SmallDisk(path)
    subprocess.run(["umount", str(path)], check=True)
