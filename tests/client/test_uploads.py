"""Uploads over real sockets: every interruption continues the same ciphertext, or none."""

import hashlib
import io
import stat
from pathlib import Path

import pytest

from client.age.files import decrypt_by_x25519
from client.age.payload import SEALED_CHUNK_BYTES
from client.api import Api
from client.connections import Server
from client.errors import (
    EmptySourceError,
    NotAuthorizedError,
    PlaintextChangedError,
    ServerUnavailableError,
    UploadBusyError,
    UploadStateError,
)
from client.folders import find_source
from client.manifest import decrypt_manifest
from client.paces import Pace
from client.progress import Progress
from client.seals import compute_seal
from client.terms import LinkTerms
from client.upload_states import StateFile
from client.uploads import Uploaded, Uploader
from tests.client.doubles import TOKEN, Double

SIZE = 4 * 65536 + 1000


def write_plaintext(path: Path, size: int = SIZE) -> bytes:
    data = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(size // 32 + 1))[:size]
    path.write_bytes(data)
    return data


def put(
    api: Api, home: Path, path: Path, *, price_msat: int = 0, segment_bytes: int = 2 * SEALED_CHUNK_BYTES
) -> Uploaded:
    uploader, source = Uploader(api, home, segment_bytes=segment_bytes), find_source(path)
    uploaded = uploader.upload(source, terms=LinkTerms(price_msat), progress=Progress("", 0, is_silent=True))
    uploader.forget(source)
    return uploaded


def read_back(double: Double, uploaded: Uploaded) -> bytes:
    blob = double.blobs[uploaded.info.id]
    return b"".join(decrypt_by_x25519(io.BytesIO(blob), uploaded.link.secret))


@pytest.mark.parametrize("size", [1, 65535, 65536, 65537, 2 * 65536])
def test_uploads_a_file_that_its_link_opens(double: Double, api: Api, tmp_path: Path, size: int):
    plaintext = write_plaintext(tmp_path / "song.flac", size)

    uploaded = put(api, tmp_path / "home", tmp_path / "song.flac", price_msat=7)

    manifest = decrypt_manifest(double.manifests[uploaded.info.id], uploaded.link.secret)
    assert read_back(double, uploaded) == plaintext
    assert [(entry.name, entry.size, entry.sha256) for entry in manifest.files] == [
        ("song.flac", size, hashlib.sha256(plaintext).digest())
    ]
    assert uploaded.info.seal == compute_seal(
        secret=uploaded.link.secret, manifest_sha256=uploaded.link.manifest_sha256
    )
    assert uploaded.info.price_msat == 7


def test_refuses_an_empty_file(api: Api, tmp_path: Path):
    (tmp_path / "empty").touch()
    with pytest.raises(EmptySourceError):
        put(api, tmp_path / "home", tmp_path / "empty")


@pytest.mark.parametrize("boundary", range(6))
@pytest.mark.parametrize("step", [-1, 0, 1])
def test_resumes_the_same_ciphertext_after_a_cut(double: Double, api: Api, tmp_path: Path, boundary: int, step: int):
    plaintext = write_plaintext(tmp_path / "a.bin")
    prefix_bytes = 200 + 16
    double.cut_upload_at = max(0, prefix_bytes + boundary * SEALED_CHUNK_BYTES + step)
    if boundary < 5:
        with pytest.raises(ServerUnavailableError):
            put(api, tmp_path / "home", tmp_path / "a.bin")
    held = {name: bytes(data) for name, data in double.uploads.items()}
    double.cut_upload_at = None

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert read_back(double, uploaded) == plaintext
    assert len(double.uploads) == 1
    for name, data in held.items():
        assert bytes(double.uploads[name]).startswith(data)
        assert uploaded.is_resumed


@pytest.mark.parametrize("chunk", range(5))
def test_resumes_after_a_cut_at_each_chunk_of_the_file(double: Double, api: Api, tmp_path: Path, chunk: int):
    plaintext = write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 0
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    prefix = len(find_state(api, tmp_path).encryption.prefix)
    double.cut_upload_at = prefix + chunk * SEALED_CHUNK_BYTES
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    assert [len(data) for data in double.uploads.values()] == [double.cut_upload_at]
    double.cut_upload_at = None

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_resumed
    assert read_back(double, uploaded) == plaintext


def find_state(api: Api, tmp_path: Path):
    state = StateFile(tmp_path / "home", server_url=api.server.url, source=find_source(tmp_path / "a.bin")).read()
    assert state is not None
    return state


@pytest.mark.parametrize("place", [0, 65536, 2 * 65536 - 1])
def test_changed_bytes_begin_a_fresh_encryption(double: Double, api: Api, tmp_path: Path, place: int):
    plaintext = bytearray(write_plaintext(tmp_path / "a.bin"))
    double.cut_upload_at = 3 * SEALED_CHUNK_BYTES
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    old = find_state(api, tmp_path)
    ((name, data),) = double.uploads.items()
    held = bytes(data)
    double.cut_upload_at = None
    plaintext[place] ^= 1
    (tmp_path / "a.bin").write_bytes(plaintext)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    blob = double.blobs[uploaded.info.id]
    assert uploaded.is_restarted
    assert uploaded.link.secret != old.secret
    assert not blob.startswith(held[:100])
    assert name not in double.uploads
    assert read_back(double, uploaded) == plaintext


def test_a_change_in_what_was_noted_but_never_arrived_begins_afresh(double: Double, api: Api, tmp_path: Path):
    plaintext = bytearray(write_plaintext(tmp_path / "a.bin"))
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    plaintext[65536] ^= 1
    (tmp_path / "a.bin").write_bytes(plaintext)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_restarted
    assert read_back(double, uploaded) == plaintext


def test_a_change_beyond_everything_sent_continues(double: Double, api: Api, tmp_path: Path):
    plaintext = bytearray(write_plaintext(tmp_path / "a.bin"))
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    plaintext[-1] ^= 1
    (tmp_path / "a.bin").write_bytes(plaintext)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_resumed
    assert read_back(double, uploaded) == plaintext


def test_another_size_begins_a_fresh_encryption(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    plaintext = write_plaintext(tmp_path / "a.bin", SIZE + 1)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_restarted
    assert read_back(double, uploaded) == plaintext


def test_an_expired_upload_begins_afresh(double: Double, api: Api, tmp_path: Path):
    plaintext = write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    double.uploads.clear()

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_restarted
    assert read_back(double, uploaded) == plaintext


def test_a_server_that_holds_bytes_never_sent_is_not_continued(double: Double, api: Api, tmp_path: Path):
    plaintext = write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    for data in double.uploads.values():
        data.extend(bytes(4 * 65536))

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_restarted
    assert read_back(double, uploaded) == plaintext


def test_a_link_whose_answer_was_lost_is_made_once(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    double.cut_links = 1
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.uploads.clear()

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_resumed
    assert list(double.links) == [uploaded.info.id]


def test_another_price_for_an_unfinished_link_is_another_upload(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    double.cut_links = 1
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin", price_msat=1)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin", price_msat=2)

    assert uploaded.is_restarted
    assert uploaded.info.price_msat == 2


def test_one_run_outlasts_a_server_that_is_away_for_a_while(double: Double, tmp_path: Path):
    plaintext = write_plaintext(tmp_path / "a.bin")
    waits: list[float] = []
    server = Server(double.url, token=TOKEN, sleep=waits.append)
    double.cut_upload_at = 3 * SEALED_CHUNK_BYTES

    def mend(delay_s: float) -> None:
        waits.append(delay_s)
        double.cut_upload_at = None

    server.sleep = mend
    uploaded = put(Api(server), tmp_path / "home", tmp_path / "a.bin")
    server.close()

    assert waits
    assert not uploaded.is_resumed
    assert read_back(double, uploaded) == plaintext


def test_the_state_is_private_and_gone_afterwards(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    states = [path for path in (tmp_path / "home" / "uploads").iterdir() if path.suffix != ".lock"]
    assert states
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in states)
    double.cut_upload_at = None

    put(api, tmp_path / "home", tmp_path / "a.bin")

    assert not any(path.exists() for path in states)


def list_synced(synced: list[tuple[Path, list[str]]]) -> list[list[str]]:
    return [[Path(name).suffix for name in names] for path, names in synced if path.name == "uploads"]


def test_keys_and_hashes_are_on_the_disk_before_they_matter(
    api: Api, tmp_path: Path, synced: list[tuple[Path, list[str]]]
):
    write_plaintext(tmp_path / "a.bin")
    put(api, tmp_path / "home", tmp_path / "a.bin")
    names = list_synced(synced)
    assert [".chunks", ".json", ".lock"] in names
    assert names[-1] == []


def test_keys_that_are_given_up_go_before_their_hashes(
    double: Double, api: Api, tmp_path: Path, synced: list[tuple[Path, list[str]]]
):
    plaintext = write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 2 * SEALED_CHUNK_BYTES
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    double.cut_upload_at = None
    (tmp_path / "a.bin").write_bytes(bytes(len(plaintext)))
    synced.clear()
    assert put(api, tmp_path / "home", tmp_path / "a.bin").is_restarted
    # Hashes without keys are harmless, keys without hashes are not.
    assert list_synced(synced)[:2] == [[".chunks", ".lock"], [".lock"]]


def test_what_fits_into_one_request_leaves_no_key_behind_when_it_fails(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin", 1000)
    double.cut_upload_at = 500
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    assert list((tmp_path / "home" / "uploads").iterdir()) == []


def test_keys_whose_hashes_a_power_cut_took_encrypt_nothing_else(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin", 1000)
    double.cut_links = 1
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    old = find_state(api, tmp_path)
    (hashes,) = (tmp_path / "home" / "uploads").glob("*.chunks")
    hashes.unlink()
    changed = write_plaintext(tmp_path / "a.bin", 1000)[::-1]
    (tmp_path / "a.bin").write_bytes(changed)

    uploaded = put(api, tmp_path / "home", tmp_path / "a.bin")

    assert uploaded.is_restarted
    assert uploaded.link.secret != old.secret
    assert read_back(double, uploaded) == changed


def test_a_damaged_state_is_an_error_of_ours(double: Double, api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    double.cut_upload_at = 100
    with pytest.raises(ServerUnavailableError):
        put(api, tmp_path / "home", tmp_path / "a.bin")
    (path,) = (tmp_path / "home" / "uploads").glob("*.json")
    path.write_text("{}")
    with pytest.raises(UploadStateError):
        put(api, tmp_path / "home", tmp_path / "a.bin")


def test_two_uploads_of_one_path_exclude_each_other(api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    file = StateFile(tmp_path / "home", server_url=api.server.url, source=find_source(tmp_path / "a.bin"))
    with file.lock(), pytest.raises(UploadBusyError):
        put(api, tmp_path / "home", tmp_path / "a.bin")


def test_a_file_that_grows_after_it_was_looked_at_is_refused(api: Api, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    source = find_source(tmp_path / "a.bin")
    write_plaintext(tmp_path / "a.bin", SIZE + 1)
    uploader = Uploader(api, tmp_path / "home")
    with pytest.raises(PlaintextChangedError):
        uploader.upload(source, terms=LinkTerms(), progress=Progress("", 0, is_silent=True))


def test_carol_without_a_token_is_refused(double: Double, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    server = Server(double.url)
    with pytest.raises(NotAuthorizedError):
        put(Api(server), tmp_path / "home", tmp_path / "a.bin")
    server.close()


def test_a_rate_limit_waits_between_requests(double: Double, tmp_path: Path):
    write_plaintext(tmp_path / "a.bin")
    now = [0.0]

    def pass_time(delay_s: float) -> None:
        now[0] += delay_s

    server = Server(double.url, token=TOKEN, sleep=pass_time)
    pace = Pace(100_000, clock=lambda: now[0], sleep=pass_time)
    uploader = Uploader(Api(server), tmp_path / "home", pace=pace, segment_bytes=SEALED_CHUNK_BYTES)
    uploader.upload(find_source(tmp_path / "a.bin"), terms=LinkTerms(), progress=Progress("", 0, is_silent=True))
    server.close()

    # The last request is not waited for, so at most one segment less than the whole counts.
    assert (SIZE - 2 * SEALED_CHUNK_BYTES) / 100_000 <= now[0] <= (SIZE + 1000) / 100_000
