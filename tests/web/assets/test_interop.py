"""What the browser's code uploads, the `cadastre` command fetches, and the other way round, at a real server."""

import io
import os
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django.live_server_helper import LiveServer

from client.api import Api
from client.connections import Server
from client.downloads import download
from client.folders import find_source
from client.links import format_link, open_link, parse_link
from client.offers import get_offer
from client.progress import Progress
from client.terms import LinkTerms
from client.uploads import Uploader
from registry.services.records import register_blobs
from tests.factories.users import make_secret, make_user
from tests.web.assets.conftest import RunNode

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "correct horse"
CONTENT = os.urandom(3 * 65_536 + 11)
SILENT = Progress("", 0, is_silent=True)


@pytest.fixture
def token() -> str:
    return make_secret(make_user())


@pytest.fixture
def api(live_server: LiveServer, token: str) -> Iterator[Api]:
    server = Server(live_server.url, token=token)
    yield Api(server)
    server.close()


def run(run_node: RunNode, *arguments: str) -> bytes:
    finished = run_node("TESTS/interop.mjs", *arguments)
    assert finished.returncode == 0, finished.stderr.decode()
    return finished.stdout


@pytest.mark.parametrize(("padding", "password"), [("none", ""), ("padme", PASSWORD)])
def test_the_command_fetches_what_the_browsers_code_uploaded(
    run_node: RunNode, api: Api, token: str, tmp_path: Path, padding: str, password: str
):
    path = tmp_path / "song.flac"
    path.write_bytes(CONTENT)

    link = run(run_node, "put", api.server.url, token, padding, password, str(path)).decode()
    register_blobs(now=datetime.now(UTC))

    opened = open_link(parse_link(link), password=password or None)
    offer = get_offer(api, opened)
    assert bool(offer.manifest.padding) == (padding == "padme")
    fetched = download(api, offer, tmp_path / "fetched", price_max_msat=0, progress=SILENT)
    assert fetched.path.read_bytes() == CONTENT


def test_the_command_fetches_a_folder_that_the_browsers_code_uploaded(
    run_node: RunNode, api: Api, token: str, tmp_path: Path
):
    paths = []
    for name, content in {"album/b.txt": b"b", "album/a/c.bin": CONTENT, "album/empty": b""}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        paths.append(f"{tmp_path}/./{name}")

    link = run(run_node, "put", api.server.url, token, "none", "", *paths).decode()
    register_blobs(now=datetime.now(UTC))

    offer = get_offer(api, open_link(parse_link(link)))
    fetched = download(api, offer, tmp_path / "fetched", price_max_msat=0, progress=SILENT).path
    assert (fetched / "a" / "c.bin").read_bytes() == CONTENT
    assert sorted(entry.name for entry in fetched.iterdir()) == ["a", "b.txt", "empty"]


@pytest.mark.parametrize("is_padded", [False, True])
def test_the_browsers_code_fetches_what_the_command_uploaded(
    run_node: RunNode, api: Api, token: str, tmp_path: Path, is_padded: bool
):
    path = tmp_path / "song.flac"
    path.write_bytes(CONTENT)
    uploaded = Uploader(api, tmp_path / "home").upload(
        find_source(path, is_padded=is_padded), terms=LinkTerms(price_msat=0), progress=SILENT
    )
    register_blobs(now=datetime.now(UTC))

    locked = format_link(uploaded.link, password=PASSWORD, work_factor_log2=15)

    assert run(run_node, "get", token, PASSWORD, locked, "0") == CONTENT


def test_the_browsers_code_makes_a_zip_of_a_folder_that_the_command_uploaded(
    run_node: RunNode, api: Api, token: str, tmp_path: Path
):
    folder = tmp_path / "album"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "Ärger.bin").write_bytes(CONTENT)
    (folder / "empty").write_bytes(b"")
    uploaded = Uploader(api, tmp_path / "home").upload(
        find_source(folder), terms=LinkTerms(price_msat=0), progress=SILENT
    )
    register_blobs(now=datetime.now(UTC))

    archive = zipfile.ZipFile(io.BytesIO(run(run_node, "get", token, "", format_link(uploaded.link), "zip")))

    assert archive.testzip() is None
    assert archive.namelist() == ["album/a/Ärger.bin", "album/empty"]
    assert archive.read("album/a/Ärger.bin") == CONTENT
