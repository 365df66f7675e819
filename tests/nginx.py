"""A real nginx for tests: Debian's, with the server block that docs/how-to/run-a-server.md tells people to use."""

import getpass
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[1] / "docs" / "how-to" / "run-a-server.md"
START_SECONDS = 30
MAIN = """
user {user};
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes 1;
events {{}}
http {{
    access_log off;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {server}
}}
"""
LEFT_OUT = re.compile(r"^\s*(?:http2|ssl_certificate|ssl_certificate_key) .*$", re.MULTILINE)
"""What needs a certificate, or a newer nginx than Debian's."""


def find_nginx() -> str:
    """Return the program, or skip the test where none is installed; TEST_NGINX=require makes that a failure."""
    wanted = os.environ.get("TEST_NGINX")
    if wanted == "skip":
        pytest.skip("TEST_NGINX=skip")
    # Debian has it in a directory that only root's path names.
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        message = "nginx is not installed"
        if wanted == "require":
            pytest.fail(message)
        pytest.skip(message)
    return program


def read_server_block(*, port: int, upstream: str, blobs: Path, plain: Path | None = None) -> str:
    """Return the block of the page, with the addresses and directories of a test in the place of the page's.

    `plain` is a directory that is served below /plain/ without asking anybody, to compare with.
    """
    block = re.search(r"```nginx\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None, "the page must have a block of nginx"
    text = LEFT_OUT.sub("", block[1])
    changes = {
        "listen 443 ssl;": f"listen 127.0.0.1:{port};",
        "register.example.org": "127.0.0.1",
        "http://127.0.0.1:8000": upstream,
        "/srv/cadastre/blobs/": f"{blobs}/",
        "$scheme": "https",
    }
    for old, new in changes.items():
        assert old in text, f"the page's block must have {old}"
        text = text.replace(old, new)
    if plain is not None:
        text = text.rstrip().removesuffix("}") + f"    location /plain/ {{ alias {plain}/; }}\n}}\n"
    return text


@contextmanager
def started_nginx(folder: Path, *, upstream: str, blobs: Path, plain: Path | None = None) -> Iterator[str]:
    """Run nginx in front of an application, give its address, and stop it at the end."""
    program = find_nginx()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    server = read_server_block(port=port, upstream=upstream, blobs=blobs, plain=plain)
    config = folder / "nginx.conf"
    config.write_text(MAIN.format(user=getpass.getuser(), folder=folder, server=server), encoding="utf-8")
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(config), "-g", "daemon off;"])
    try:
        wait_for_listener(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=START_SECONDS)


def wait_for_listener(port: int, process: "subprocess.Popen[bytes]") -> None:
    """Wait until somebody takes connections on a port. Fails after START_SECONDS, or if the process ends."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail("nginx did not start")
