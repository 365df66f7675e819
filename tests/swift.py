"""A real S3-compatible store for tests: OpenStack Swift with its s3api, on loopback, over a directory.

It verifies signatures, checksums of bodies and sizes of parts, which stores made for tests do not. It is installed from
a lock file of its own into var/tools/, so that its dependencies never meet ours. `python -m tests.swift` installs it;
the exit code says whether it is there.
"""

import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from pytest_django import Settings

from storage.s3_clients import S3Options, make_client

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

LOCK = Path(__file__).resolve().parent / "swift_server" / "requirements.lock"
CHECKOUT = LOCK.parents[2]
FOLDER = CHECKOUT / "var" / "tools" / f"swift-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
SERVERS = ("account", "container", "object", "proxy")
START_SECONDS = 60
PART_BYTES_MIN = 64 * 1024
"""Parts may be smaller than a real store's 5 MiB, so that a test of many parts need not move many bytes."""

HASHES = "[swift-hash]\nswift_hash_path_suffix = {suffix}\n[storage-policy:0]\nname = one\ndefault = yes\n"
STORAGE = """
[DEFAULT]
devices = {folder}/devices
mount_check = false
swift_dir = {folder}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
log_file = {folder}/{kind}.log
fallocate_reserve = 0
disable_fallocate = true
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""
PROXY = """
[DEFAULT]
swift_dir = {folder}
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
user = {user}
cors_allow_origin = *
[pipeline:main]
pipeline = s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{name} = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
auth_pipeline_check = false
min_segment_size = {part_bytes_min}
max_upload_part_num = 1000
cors_preflight_allow_origin = *
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
"""


@dataclass(frozen=True)
class Store:
    """A running store: where it listens, and who may use it."""

    url: str
    access_key: str
    secret_key: str


def find_swift() -> Path | None:
    """Return the folder of the programs, or None if they are not installed whole."""
    return FOLDER / "bin" if (FOLDER / "installed").exists() else None


def install_swift() -> Path | None:
    """Install the locked packages where they are missing; return the folder of the programs, or None if that failed."""
    if find_swift() is None:
        print("== Installing OpenStack Swift", flush=True)
        shutil.rmtree(FOLDER, ignore_errors=True)
        venv.create(FOLDER, with_pip=True)
        pip = [str(FOLDER / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install", "-q"]
        finished = subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", str(LOCK)], check=False)
        if finished.returncode == 0:
            (FOLDER / "installed").touch()
    return find_swift()


@contextmanager
def started_swift(programs: Path, folder: Path) -> Iterator[Store]:
    """Run a store over a folder, give its address and its one user's keys, and stop it at the end."""
    ports = dict(zip(SERVERS, find_ports(len(SERVERS)), strict=True))
    store = Store(f"http://127.0.0.1:{ports['proxy']}", "tests:store", secrets.token_hex(16))
    write_configuration(folder, ports, store)
    build_rings(programs, folder, ports)
    processes = []
    try:
        for kind in SERVERS:
            command = [programs / "python", programs / f"swift-{kind}-server", folder / f"{kind}.conf"]
            with (folder / f"{kind}.out").open("wb") as output:
                processes.append(subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder))
        for process, port in zip(processes, ports.values(), strict=True):
            wait_for_listener(port, process, folder)
        yield store
    finally:
        for process in processes:
            process.send_signal(signal.SIGKILL)
        for process in processes:
            process.wait(timeout=START_SECONDS)


def write_configuration(folder: Path, ports: dict[str, int], store: Store) -> None:
    """Write the files that the four servers read."""
    (folder / "devices" / "one").mkdir(parents=True)
    (folder / "swift.conf").write_text(HASHES.format(suffix=secrets.token_hex(8)))
    user = subprocess.run(["id", "-un"], capture_output=True, text=True, check=True).stdout.strip()
    account, _, name = store.access_key.partition(":")
    for kind in SERVERS:
        template = PROXY if kind == "proxy" else STORAGE
        text = template.format(
            folder=folder,
            port=ports[kind],
            user=user,
            kind=kind,
            account=account,
            name=name,
            secret=store.secret_key,
            part_bytes_min=PART_BYTES_MIN,
        )
        (folder / f"{kind}.conf").write_text(text)


def build_rings(programs: Path, folder: Path, ports: dict[str, int]) -> None:
    """Write the three rings: one replica on one device. They are small, for nothing is ever moved."""
    script = (
        "import sys\nfrom swift.common.ring import RingBuilder\n"
        "for kind, port in zip(sys.argv[1::2], sys.argv[2::2]):\n"
        "    ring = RingBuilder(4, 1, 0)\n"
        "    ring.add_dev({'region': 1, 'zone': 1, 'ip': '127.0.0.1', 'port': int(port),"
        " 'device': 'one', 'weight': 1.0})\n"
        "    ring.rebalance()\n"
        "    ring.get_ring().save(kind + '.ring.gz')\n"
    )
    arguments = [word for kind in SERVERS[:3] for word in (kind, str(ports[kind]))]
    subprocess.run([programs / "python", "-c", script, *arguments], cwd=folder, check=True, capture_output=True)


def find_ports(count: int) -> list[int]:
    """Return ports of loopback that nobody listens on, all different."""
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def wait_for_listener(port: int, process: "subprocess.Popen[bytes]", folder: Path) -> None:
    """Wait until a server takes connections. Fails after START_SECONDS, or if the process ends."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    said = "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(folder.glob("*.out")))
    pytest.fail(f"Swift did not start: {said}")


@pytest.fixture(scope="session")
def store() -> Iterator[Store]:
    """Run a store for the whole session, or skip the test where none is installed; TEST_SWIFT=require forbids that."""
    wanted = os.environ.get("TEST_SWIFT")
    if wanted == "skip":
        pytest.skip("TEST_SWIFT=skip")
    programs = find_swift()
    if programs is None:
        message = "OpenStack Swift is not installed: python -m tests.swift installs it"
        if wanted == "require":
            pytest.fail(message)
        pytest.skip(message)
    with (
        tempfile.TemporaryDirectory(prefix="cadastre-swift-") as folder,
        started_swift(programs, Path(folder)) as running,
    ):
        yield running


@dataclass(frozen=True)
class Bucket:
    """A bucket of the store that is one test's own."""

    store: Store
    name: str

    def get_options(self) -> dict[str, Any]:
        """Return what a storage of this bucket is made with. Parts are as small as the store lets them be."""
        return {
            "bucket": self.name,
            "endpoint_url": self.store.url,
            "access_key": self.store.access_key,
            "secret_key": self.store.secret_key,
            "addressing": "path",
            "part_bytes_min": PART_BYTES_MIN,
            "parts_max": 1_000,
        }

    def get_client(self) -> "S3Client":
        """Return a client of the store that is not part of what is tested."""
        names = {field.name for field in fields(S3Options)}
        options = S3Options(**{name: value for name, value in self.get_options().items() if name in names})
        return make_client(options, endpoint_url=self.store.url)

    def list_names(self) -> list[str]:
        """Return the names of all objects."""
        found = self.get_client().list_objects_v2(Bucket=self.name)
        return [entry["Key"] for entry in found.get("Contents", [])]

    def list_uploads(self) -> list[str]:
        """Return the names of all uploads in parts that are open."""
        found = self.get_client().list_multipart_uploads(Bucket=self.name)
        return [entry["Key"] for entry in found.get("Uploads", [])]


@pytest.fixture
def bucket(store: Store, settings: Settings) -> Bucket:
    """Return a new bucket, and keep the test's blobs in it."""
    made = Bucket(store, f"blobs-{secrets.token_hex(8)}")
    made.get_client().create_bucket(Bucket=made.name)
    use_bucket(settings, made)
    return made


def use_bucket(settings: Settings, bucket: Bucket, *, backend: str = "storage.s3.S3Storage", **options: Any) -> None:
    """Keep the blobs of a test in a bucket."""
    chosen = {"BACKEND": backend, "OPTIONS": {**bucket.get_options(), **options}}
    settings.STORAGES = {**settings.STORAGES, "blobs": chosen}
    settings.CADASTRE_S3_BUCKET = bucket.name


if __name__ == "__main__":
    sys.exit(install_swift() is None)
