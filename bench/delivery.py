"""The row of delivery through nginx: a paid transfer against nginx serving the same file without asking anybody.

Both run through the same nginx, with the server block of docs/how-to/run-a-server.md, and are read by the same client,
which throws the bytes away. Ours includes the whole way to the application: token, terms, charge, ledger row.
"""

import http.client
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from django.conf import settings
from django.core.files.storage import storages
from django.db import connection
from django.utils import timezone

from bench.rows import Row, compare, time_call
from payouts.models import Balance
from registry.services.records import register_blob
from storage.digest import digest_stream
from storage.models import Blob, Link
from storage.services.uploads import get_storage_name
from tests.nginx import started_nginx, wait_for_listener
from users.models import User
from users.scopes import Scope
from users.services.tokens import create_token

BLOB_BYTES = 2**30
READ_BYTES = 2**20
PRICE_MSAT = 1
CHECKOUT = Path(__file__).resolve().parent.parent


def measure(blob_bytes: int = BLOB_BYTES) -> list[Row]:
    """Return the row; none, with a word, where there is no nginx."""
    if shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") is None:
        print("No nginx is installed: delivery is not measured.\n", file=sys.stderr)
        return []
    user, link = _share(blob_bytes)
    secret = create_token(user=user, name="bench", scopes=[Scope.PAYMENTS_WRITE], now=timezone.now()).secret
    ours = (f"/api/v1/links/{link.id}/content", {"Authorization": f"Bearer {secret}", "Cadastre-Price-Max": "1"})
    plain: tuple[str, dict[str, str]] = (f"/plain/{link.blob.storage_name}", {})
    with started_server() as url:
        return [
            compare(
                f"{blob_bytes:,} bytes through nginx, charged",
                lambda: time_call(lambda: _fetch(url, *ours, blob_bytes)),
                "nginx serving the same file directly",
                lambda: time_call(lambda: _fetch(url, *plain, blob_bytes)),
                bar=1.05,
            )
        ]


@contextmanager
def started_server() -> Iterator[str]:
    """Run the application and nginx in front of it, and give the address of the latter."""
    blobs = Path(storages["blobs"].path(""))
    environment = {
        **os.environ,
        "CADASTRE_VAR_DIR": str(settings.CADASTRE_VAR_DIR),
        "CADASTRE_ACCEL_LOCATION": "/cadastre-blobs/",
    }
    base, _, _ = os.environ["CADASTRE_DATABASE_URL"].rpartition("/")
    environment["CADASTRE_DATABASE_URL"] = f"{base}/{connection.settings_dict['NAME']}"
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        tempfile.TemporaryDirectory(prefix="cadastre-bench-") as folder,
    ):
        port, inherited = listener.getsockname()[1], listener.fileno()
        command = [sys.executable, "-m", "gunicorn", "config.wsgi", "--bind", f"fd://{inherited}", "--threads", "8"]
        process = subprocess.Popen(command, cwd=CHECKOUT, env=environment, pass_fds=[inherited], stderr=sys.stderr)
        try:
            wait_for_listener(port, process)
            with started_nginx(Path(folder), upstream=f"http://127.0.0.1:{port}", blobs=blobs, plain=blobs) as url:
                yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _share(blob_bytes: int) -> tuple[User, Link]:
    """Make a reader with a balance, and another's registered link to a blob of random bytes."""
    now = timezone.now()
    reader, owner = (User.objects.create(username=name) for name in ("bench-reader", "bench-owner"))
    Balance.objects.create(user=reader, balance_msat=1_000)
    waiting = Path(settings.CADASTRE_VAR_DIR) / "bench-blob"
    with waiting.open("wb") as stream:
        for _ in range(blob_bytes // READ_BYTES):
            stream.write(secrets.token_bytes(READ_BYTES))
    with waiting.open("rb") as stream:
        digest = digest_stream(stream)
    name = get_storage_name(digest.sha256)
    target = Path(storages["blobs"].path(name))
    target.parent.mkdir(parents=True)
    waiting.rename(target)
    blob = Blob.objects.create(
        sha256=digest.sha256, length=digest.length, root=digest.root, storage_name=name, created_at=now
    )
    link = Link.objects.create(
        blob=blob, owner=owner, price_msat=PRICE_MSAT, manifest=b"age", seal=bytes(32), created_at=now
    )
    register_blob(blob_id=blob.id, now=now)
    return reader, link


def _fetch(url: str, path: str, headers: dict[str, str], length: int) -> None:
    """Read an answer and throw it away."""
    connection_to_nginx = http.client.HTTPConnection(urlsplit(url).netloc, timeout=60)
    connection_to_nginx.request("GET", path, headers=headers)
    answer = connection_to_nginx.getresponse()
    buffer, got = bytearray(READ_BYTES), 0
    while read := answer.readinto(buffer):
        got += read
    connection_to_nginx.close()
    if answer.status != http.client.OK or got != length:
        raise RuntimeError(f"{path} was answered with {answer.status} and {got} bytes")
