"""The command is killed (SIGKILL) at random bytes, again and again, and the same command always ends it right.

The double kills the process when it has taken or sent exactly so many bytes; where that is follows from a seed. Set
TEST_KILLS for more than the few that every run has.
"""

import hashlib
import io
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from client.age.files import decrypt_by_x25519
from client.exits import DONE
from client.links import open_link, parse_link
from tests.client.doubles import Double

ROOT = Path(__file__).parents[2]
KILLS = int(os.environ.get("TEST_KILLS", "10"))
KILLS_PER_TRANSFER = 5
# More than two segments of 4 MiB, so that there is something to resume.
LARGE_BYTES = 9_500_000


def write_file(path: Path, size: int, seed: int) -> bytes:
    data = random.Random(seed).randbytes(size)
    path.write_bytes(data)
    return data


def run(home: Path, *arguments: object, victim_of: Double | None = None) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "client.cli", *map(str, arguments)]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "CADASTRE_HOME": str(home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    if victim_of is not None:
        victim_of.victim = process.pid
    return process


def end(process: "subprocess.Popen[str]", code: int) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    return out.strip()


def kill(double: Double, home: Path, *arguments: object) -> None:
    """Run the command until the double kills it."""
    end(run(home, *arguments, victim_of=double), -signal.SIGKILL)
    double.wait_until_quiet()
    double.victim = None


def read_plaintext(double: Double, link: str) -> bytes:
    opened = open_link(parse_link(link))
    return b"".join(decrypt_by_x25519(io.BytesIO(double.blobs[opened.id]), opened.secret))


def list_ciphertexts(double: Double) -> list[bytes]:
    return [bytes(data) for data in double.uploads.values()]


@pytest.mark.parametrize("seed", range(KILLS // KILLS_PER_TRANSFER))
def test_a_killed_upload_goes_on_with_the_same_bytes(double: Double, signed_in: Path, tmp_path: Path, seed: int):
    path = tmp_path / "large.bin"
    data = write_file(path, LARGE_BYTES, seed)
    chance = random.Random(seed)
    offsets = sorted(chance.sample(range(LARGE_BYTES), KILLS_PER_TRANSFER))
    for offset in offsets:
        double.cut_upload_at = offset
        kill(double, signed_in, "put", path)
        assert list_ciphertexts(double)
        held = list_ciphertexts(double)[0]
        assert len(held) == offset
    double.cut_upload_at = None

    link = end(run(signed_in, "put", path), DONE)

    assert len(double.uploads) == 1
    assert list_ciphertexts(double)[0].startswith(held)
    assert read_plaintext(double, link) == data
    assert list((signed_in / "uploads").iterdir()) == []


@pytest.mark.parametrize("seed", range(KILLS // KILLS_PER_TRANSFER))
def test_many_small_uploads_that_were_killed_all_end_once_and_right(
    double: Double, signed_in: Path, tmp_path: Path, seed: int
):
    chance = random.Random(seed)
    paths = [tmp_path / f"{number}.bin" for number in range(8)]
    contents = [write_file(path, chance.randrange(1, 300_000), seed * 100 + n) for n, path in enumerate(paths)]
    for _ in range(KILLS_PER_TRANSFER):
        double.cut_upload_at = chance.randrange(0, 200)
        kill(double, signed_in, "put", *paths)
        double.cut_upload_at = None
        double.cut_links = 1
        kill(double, signed_in, "put", *paths)
        double.cut_links = 0

    links = end(run(signed_in, "put", *paths), DONE).splitlines()

    assert [read_plaintext(double, link) for link in links] == contents
    # A link whose answer the killed process never read is found again, and not made twice.
    assert len(double.links) == len(paths)


@pytest.mark.parametrize("seed", range(KILLS // KILLS_PER_TRANSFER))
def test_a_killed_download_goes_on_and_nothing_has_the_name_before_the_end(
    double: Double, signed_in: Path, tmp_path: Path, seed: int
):
    data = write_file(tmp_path / "large.bin", LARGE_BYTES, seed)
    link = end(run(signed_in, "put", tmp_path / "large.bin"), DONE)
    out = tmp_path / "out"
    out.mkdir()
    chance = random.Random(seed)
    for _ in range(KILLS_PER_TRANSFER):
        double.cut_content_at = chance.randrange(LARGE_BYTES)
        kill(double, signed_in, "get", link, "-o", out)
        assert {path.suffix for path in out.iterdir()} <= {".part"}

    end(run(signed_in, "get", link, "-o", out), DONE)

    assert list(out.iterdir()) == [out / "large.bin"]
    assert (out / "large.bin").read_bytes() == data


@pytest.mark.parametrize("seed", range(KILLS // KILLS_PER_TRANSFER))
def test_a_download_killed_at_any_moment_leaves_all_or_nothing_under_its_name(
    double: Double, signed_in: Path, tmp_path: Path, seed: int
):
    data = write_file(tmp_path / "large.bin", LARGE_BYTES, seed)
    link = end(run(signed_in, "put", tmp_path / "large.bin"), DONE)
    out = tmp_path / "out"
    out.mkdir()
    # Killed by its own clock, so that decrypting, naming and tidying up are hit as well.
    chance = random.Random(seed)
    for _ in range(KILLS_PER_TRANSFER):
        process = run(signed_in, "get", link, "-o", out)
        try:
            process.communicate(timeout=chance.uniform(0.2, 0.6))
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        if (out / "large.bin").exists():
            assert hashlib.sha256((out / "large.bin").read_bytes()).digest() == hashlib.sha256(data).digest()
            (out / "large.bin").unlink()
    end(run(signed_in, "get", link, "-o", out), DONE)
    assert (out / "large.bin").read_bytes() == data
    assert list(out.iterdir()) == [out / "large.bin"]


def test_standard_input_that_was_killed_leaves_nothing_here(double: Double, signed_in: Path, tmp_path: Path):
    path = tmp_path / "large.bin"
    write_file(path, LARGE_BYTES, 1)
    double.cut_upload_at = 5_000_000
    command = [sys.executable, "-m", "client.cli", "put", "-", "--name", "x"]
    with path.open("rb") as stream:
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "CADASTRE_HOME": str(signed_in)}, stdin=stream)
        double.victim = process.pid
        assert process.wait(60) == -signal.SIGKILL
    assert list((signed_in / "uploads").iterdir()) == []
