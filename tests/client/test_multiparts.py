"""The command's uploads in parts and its downloads from a store, against the real server and a real store."""

import os
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import storages
from django.utils import timezone
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from client.api import Api
from client.connections import Server
from client.downloads import download
from client.errors import ProtocolError, ServerUnavailableError, UploadOffsetError
from client.folders import Source, find_source
from client.multiparts import PartSending, create_multipart, get_multipart
from client.offers import get_offer
from client.paces import Pace
from client.progress import Progress
from client.stores import check_store_url
from client.terms import LinkTerms
from client.uploads import Uploaded, Uploader
from registry.services.records import register_blobs
from storage.digest import Digest
from storage.models import Blob, Multipart, Upload
from storage.partials import get_partial_path
from storage.services.multiparts import clear_multiparts
from storage.tasks import verify_multiparts_task
from tests.factories.storage import digest
from tests.factories.users import make_secret, make_user
from tests.swift import Bucket

pytestmark = pytest.mark.django_db(transaction=True)
SIZE = 300_000
SEGMENT_BYTES = 65_552
"""One chunk of age, so that a small file is worth resuming."""


def work(_: float = 0) -> None:
    """Do what a worker does while a client waits."""
    verify_multiparts_task()
    clear_multiparts(now=timezone.now())
    register_blobs(now=timezone.now())


@pytest.fixture
def api(live_server: LiveServer, bucket: Bucket) -> Any:
    server = Server(live_server.url, token=make_secret(make_user("bob")), sleep=work, attempts_max=2)
    yield Api(server)
    server.close()


@pytest.fixture
def source(tmp_path: Path) -> Source:
    path = tmp_path / "song.flac"
    path.write_bytes(os.urandom(SIZE))
    return find_source(path)


def upload(api: Api, home: Path, source: Source) -> Uploaded:
    uploader = Uploader(api, home, segment_bytes=SEGMENT_BYTES)
    return uploader.upload(source, terms=LinkTerms(price_msat=0), progress=make_progress())


def make_progress() -> Progress:
    return Progress("", 0, is_silent=True)


def read_source(source: Source) -> bytes:
    return source.path.read_bytes()


def get_back(api: Api, uploaded: Uploaded, folder: Path) -> bytes:
    """Return what a reader gets, who is sent to the store."""
    work()
    folder.mkdir()
    found = download(api, get_offer(api, uploaded.link), folder, price_max_msat=0, progress=make_progress())
    return found.path.read_bytes()


class StopsAfter:
    """A way to send parts that ends after some of them, as a killed process does."""

    def __init__(self, parts: int, monkeypatch: pytest.MonkeyPatch) -> None:
        self.left = parts
        send = PartSending._send_part

        def send_or_end(sending: PartSending, length: int) -> None:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            send(sending, length)

        monkeypatch.setattr(PartSending, "_send_part", send_or_end)


def test_a_file_goes_to_the_store_and_comes_back_from_it(api: Api, bucket: Bucket, source: Source, tmp_path: Path):
    uploaded = upload(api, tmp_path / "home", source)

    multipart = Multipart.objects.get()
    assert (multipart.state, multipart.upload.state) == (Multipart.State.VERIFIED, Upload.State.COMPLETED)
    assert not get_partial_path(multipart.upload_id).exists()
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)
    assert bucket.list_names() == [Blob.objects.get().storage_name]


@pytest.mark.parametrize("parts", range(5))
def test_an_upload_that_was_killed_goes_on_with_the_parts_that_the_store_lacks(
    api: Api, source: Source, tmp_path: Path, parts: int, monkeypatch: pytest.MonkeyPatch
):
    with pytest.MonkeyPatch.context() as patch:
        StopsAfter(parts, patch)
        with pytest.raises(KeyboardInterrupt):
            upload(api, tmp_path / "home", source)
    rest = StopsAfter(5 - parts, monkeypatch)

    uploaded = upload(api, tmp_path / "home", source)

    assert (uploaded.is_resumed, rest.left) == (True, 0)
    assert Multipart.objects.count() == 1
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)


def test_an_upload_that_was_killed_while_it_was_verified_goes_on(api: Api, source: Source, tmp_path: Path):
    def end(_: float) -> None:
        raise KeyboardInterrupt

    api.server.sleep = end
    with pytest.raises(KeyboardInterrupt):
        upload(api, tmp_path / "home", source)
    assert Multipart.objects.get().state == Multipart.State.CLOSED
    api.server.sleep = work

    uploaded = upload(api, tmp_path / "home", source)

    assert uploaded.is_resumed
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)


def test_another_plaintext_never_goes_on_with_the_parts_of_the_first(
    api: Api, source: Source, tmp_path: Path, bucket: Bucket
):
    with pytest.MonkeyPatch.context() as patch:
        StopsAfter(2, patch)
        with pytest.raises(KeyboardInterrupt):
            upload(api, tmp_path / "home", source)
    source.path.write_bytes(os.urandom(SIZE))

    uploaded = upload(api, tmp_path / "home", source)

    assert uploaded.is_restarted
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)
    assert bucket.list_uploads() == []
    assert {found.state for found in Multipart.objects.all()} == {Multipart.State.ABANDONED, Multipart.State.VERIFIED}


def test_a_server_that_finds_another_digest_is_told(api: Api):
    content = os.urandom(100)
    sending = PartSending(api, create_multipart(api, length=len(content)), pace=Pace(None), progress=make_progress())
    sending.send(content)
    true = digest(content)

    with pytest.raises(UploadOffsetError, match="digest-mismatch"):
        sending.finish(Digest(bytes(32), true.length, true.root))


def test_an_upload_that_was_given_up_is_not_gone_on_with(api: Api, source: Source, tmp_path: Path):
    with pytest.MonkeyPatch.context() as patch:
        StopsAfter(1, patch)
        with pytest.raises(KeyboardInterrupt):
            upload(api, tmp_path / "home", source)
    api.delete_upload(f"/api/v1/multiparts/{Multipart.objects.get().upload_id}")

    uploaded = upload(api, tmp_path / "home", source)

    assert uploaded.is_restarted
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)


def test_a_part_that_the_store_refuses_is_sent_by_another_address(
    api: Api, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    sign = PartSending._sign
    spoilt: list[int] = []

    def spoil(sending: PartSending, number: int, sha256: bytes) -> tuple[str, dict[str, str]]:
        url, headers = sign(sending, number, sha256)
        if number not in spoilt:
            spoilt.append(number)
            return url.replace("X-Amz-Signature=", "X-Amz-Signature=0"), headers
        return url, headers

    monkeypatch.setattr(PartSending, "_sign", spoil)

    uploaded = upload(api, tmp_path / "home", source)

    assert spoilt == [1, 2, 3, 4, 5]
    assert get_back(api, uploaded, tmp_path / "out") == read_source(source)


def test_a_small_file_takes_the_way_through_the_server(api: Api, tmp_path: Path):
    path = tmp_path / "small.txt"
    path.write_bytes(b"small")

    uploaded = upload(api, tmp_path / "home", find_source(path))

    assert not Multipart.objects.exists()
    assert get_back(api, uploaded, tmp_path / "out") == b"small"


def test_a_download_goes_on_from_the_store_where_it_broke_off(api: Api, source: Source, tmp_path: Path):
    uploaded = upload(api, tmp_path / "home", source)
    work()
    blob = Blob.objects.get()
    with storages["blobs"].open(blob.storage_name) as stream:
        held = stream.read(100_000)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / f".cadastre-{uploaded.link.id}.part").write_bytes(held)

    found = download(api, get_offer(api, uploaded.link), tmp_path / "out", price_max_msat=0, progress=make_progress())

    assert found.path.read_bytes() == read_source(source)


def test_a_store_that_does_not_send_is_asked_again_through_the_server(
    api: Api, source: Source, tmp_path: Path, settings: Settings, bucket: Bucket
):
    uploaded = upload(api, tmp_path / "home", source)
    work()
    options = {**settings.STORAGES["blobs"]["OPTIONS"], "public_url": f"{bucket.store.url}/elsewhere"}
    settings.STORAGES = {**settings.STORAGES, "blobs": {**settings.STORAGES["blobs"], "OPTIONS": options}}
    with pytest.raises(ServerUnavailableError, match="The store answered 4"):
        api.open_content(uploaded.link.id, offset=0, price_max_msat=0)


@pytest.mark.parametrize("url", ["", "file:///etc/passwd", "https:///x", "ftp://store.example/x"])
def test_an_address_that_is_none_of_a_store_is_refused(url: str):
    with pytest.raises(ProtocolError):
        check_store_url(url)


def test_the_store_gets_no_token(api: Api, source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    sent: list[Any] = []
    request_store = Server.request_store

    def watch(server: Server, *arguments: Any, **options: Any) -> Any:
        answer = request_store(server, *arguments, **options)
        sent.append(answer.request.headers)
        return answer

    monkeypatch.setattr(Server, "request_store", watch)
    uploaded = upload(api, tmp_path / "home", source)
    get_back(api, uploaded, tmp_path / "out")

    assert len(sent) == 6
    assert not any("Authorization" in headers or "Cadastre-Price-Max" in headers for headers in sent)


def test_an_answer_about_another_upload_is_refused(api: Api):
    info = create_multipart(api, length=5)

    with pytest.raises(ProtocolError, match="another"):
        get_multipart(api, info.path.replace("/api/v1/", "/api/v1/../v1/"))
