"""Downloads over real sockets: resumed, checked, and named only when everything is right."""

import fcntl
import hashlib
import io
import re
import subprocess
import sys
from pathlib import Path

import pytest

from client.age.encoding import encode_identity
from client.age.files import begin_for_x25519, encrypt_bytes
from client.age.recipients import get_recipient
from client.api import Api
from client.connections import Server
from client.downloads import Downloaded, download
from client.errors import (
    BlobMismatchError,
    ClientError,
    DownloadBusyError,
    HiddenNameError,
    ManifestMismatchError,
    OutputExistsError,
    PaymentRequiredError,
    PlaintextMismatchError,
    PriceAboveMaxError,
    PriceNotAcceptedError,
    SealMismatchError,
    ServerUnavailableError,
)
from client.links import Link
from client.manifest import Manifest, ManifestFile, encrypt_manifest
from client.offers import get_offer
from client.progress import Progress
from client.seals import compute_seal
from storage.digest import digest_stream
from tests.client.doubles import TOKEN, Double

ROOT = Path(__file__).parents[2]
SECRET = bytes(range(32))
PLAINTEXT = b"".join(hashlib.sha256(number.to_bytes(4)).digest() for number in range(6000))


def make_link(
    double: Double,
    *,
    payload: bytes = PLAINTEXT,
    blob: bytes | None = None,
    files: tuple[tuple[str, bytes], ...] = (("song.flac", PLAINTEXT),),
    padding: int = 0,
    price_msat: int = 0,
) -> Link:
    blob = blob or encrypt_bytes(begin_for_x25519(get_recipient(SECRET)), payload)
    digest = digest_stream(io.BytesIO(blob))
    entries = tuple(ManifestFile(name, "audio/flac", len(data), hashlib.sha256(data).digest()) for name, data in files)
    sealed = encrypt_manifest(Manifest(entries, digest.length, digest.root, padding), SECRET)
    manifest_sha256 = hashlib.sha256(sealed).digest()
    seal = compute_seal(secret=SECRET, manifest_sha256=manifest_sha256)
    link_id = double.add_link(blob, sealed, root=digest.root, seal=seal, price_msat=price_msat)
    return Link(double.url, link_id, SECRET, manifest_sha256)


def get(api: Api, link: Link, output: Path, *, price_max_msat: int = 0) -> Downloaded:
    progress = Progress("", 0, is_silent=True)
    return download(api, get_offer(api, link), output, price_max_msat=price_max_msat, progress=progress)


def tamper(double: Double, link: Link, place: int) -> None:
    blob = bytearray(double.blobs[link.id])
    blob[place] ^= 1
    double.blobs[link.id] = bytes(blob)


def test_fetches_the_bytes_that_were_encrypted(double: Double, api: Api, tmp_path: Path):
    done = get(api, make_link(double), tmp_path)
    assert done.path == tmp_path / "song.flac"
    assert done.path.read_bytes() == PLAINTEXT
    assert list(tmp_path.iterdir()) == [done.path]


def test_fetches_what_the_age_command_encrypted(age_command: str, double: Double, api: Api, tmp_path: Path):
    (tmp_path / "key").write_text(encode_identity(SECRET) + "\n")
    command = [age_command, "-e", "-i", str(tmp_path / "key")]
    blob = subprocess.run(command, input=PLAINTEXT, capture_output=True, check=True).stdout
    (tmp_path / "out").mkdir()
    assert get(api, make_link(double, blob=blob), tmp_path / "out").path.read_bytes() == PLAINTEXT


def test_cuts_a_folder_and_its_padding(double: Double, api: Api, tmp_path: Path):
    files = (("album/1.flac", b"one"), ("album/b/2.flac", b""), ("album/c.txt", PLAINTEXT))
    link = make_link(double, files=files, payload=b"one" + PLAINTEXT + bytes(70000), padding=70000)
    get(api, link, tmp_path)
    assert {
        str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()
    } == dict(files)


@pytest.mark.parametrize("cut_at", [0, 1, 216, 65768, 131304, 190000])
def test_resumes_a_cut_download_and_pays_once(double: Double, api: Api, tmp_path: Path, cut_at: int):
    link = make_link(double, price_msat=5)
    double.balance_msat, double.cut_content_at = 5, cut_at
    with pytest.raises(ServerUnavailableError):
        get(api, link, tmp_path, price_max_msat=5)
    assert not (tmp_path / "song.flac").exists()
    double.balance_msat = 5

    get(api, link, tmp_path, price_max_msat=5)

    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT
    assert double.transfers == [5, 0]
    if cut_at:
        assert f"'Range': 'bytes={cut_at}-'" in double.seen[-1]


def test_one_run_outlasts_a_cut(double: Double, tmp_path: Path):
    link = make_link(double)
    double.cut_content_at = 1000
    server = Server(double.url, token=TOKEN, sleep=lambda _: None)
    get(Api(server), link, tmp_path)
    server.close()
    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT


def test_a_server_that_ignores_the_range_sends_everything_again(double: Double, api: Api, tmp_path: Path):
    link = make_link(double)
    double.cut_content_at, double.ignores_range = 1000, True
    with pytest.raises(ServerUnavailableError):
        get(api, link, tmp_path)
    get(api, link, tmp_path)
    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT


@pytest.mark.parametrize("place", [0, 30, 150, 220, 65768, 131303, -1])
def test_writes_nothing_if_a_byte_of_the_blob_was_changed(double: Double, api: Api, tmp_path: Path, place: int):
    link = make_link(double)
    tamper(double, link, place)
    with pytest.raises(BlobMismatchError):
        get(api, link, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_if_the_server_changed_the_digest_too(double: Double, api: Api, tmp_path: Path):
    link = make_link(double)
    tamper(double, link, 70000)
    double.links[link.id]["sha256"] = f"sha256:{hashlib.sha256(double.blobs[link.id]).hexdigest()}"
    with pytest.raises(BlobMismatchError):
        get(api, link, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_writes_nothing_if_the_plaintext_is_not_the_listed_one(double: Double, api: Api, tmp_path: Path):
    link = make_link(double, payload=PLAINTEXT[:-1] + b"x")
    with pytest.raises(PlaintextMismatchError):
        get(api, link, tmp_path)
    assert not (tmp_path / "song.flac").exists()


@pytest.mark.parametrize(
    ("payload", "padding"),
    [(PLAINTEXT + b"x", 0), (PLAINTEXT[:-1], 0), (PLAINTEXT, 1), (PLAINTEXT + b"\0x", 2), (PLAINTEXT + b"\0\0", 1)],
)
def test_writes_nothing_if_the_payload_has_another_length(
    double: Double, api: Api, tmp_path: Path, payload: bytes, padding: int
):
    link = make_link(double, payload=payload, padding=padding)
    with pytest.raises(PlaintextMismatchError):
        get(api, link, tmp_path)
    assert not (tmp_path / "song.flac").exists()


def test_refuses_a_swapped_manifest_before_paying(double: Double, api: Api):
    link = make_link(double)
    double.manifests[link.id] = double.manifests[make_link(double).id]
    with pytest.raises(ManifestMismatchError):
        get_offer(api, link)


def test_refuses_a_swapped_blob_before_paying(double: Double, api: Api):
    link = make_link(double)
    double.links[link.id]["root"] = "sha256:" + "00" * 32
    with pytest.raises(BlobMismatchError):
        get_offer(api, link)


def test_refuses_a_foreign_seal_before_paying(double: Double, api: Api):
    link = make_link(double)
    double.links[link.id]["seal"] = "00" * 32
    with pytest.raises(SealMismatchError):
        get_offer(api, link)


def test_overwrites_nothing_and_pays_nothing_for_it(double: Double, api: Api, tmp_path: Path):
    (tmp_path / "song.flac").write_text("mine")
    with pytest.raises(OutputExistsError):
        get(api, make_link(double), tmp_path)
    assert (tmp_path / "song.flac").read_text() == "mine"
    assert double.transfers == []


def test_asks_for_nothing_above_the_agreed_price(double: Double, api: Api, tmp_path: Path):
    double.balance_msat = 100
    with pytest.raises(PriceNotAcceptedError):
        get(api, make_link(double, price_msat=6), tmp_path, price_max_msat=5)
    assert double.balance_msat == 100


def test_a_price_raised_after_the_offer_is_refused_by_the_server(double: Double, api: Api, tmp_path: Path):
    link = make_link(double, price_msat=5)
    double.balance_msat = 100
    offer = get_offer(api, link)
    double.links[link.id]["price"] = {"amount_msat": 6}
    with pytest.raises(PriceAboveMaxError):
        download(api, offer, tmp_path, price_max_msat=5, progress=Progress("", 0, is_silent=True))
    assert double.balance_msat == 100


def test_says_that_payment_is_required(double: Double, api: Api, tmp_path: Path):
    with pytest.raises(PaymentRequiredError):
        get(api, make_link(double, price_msat=6), tmp_path, price_max_msat=6)


def test_keeps_the_ciphertext_on_request(double: Double, api: Api, tmp_path: Path):
    link = make_link(double)
    progress = Progress("", 0, is_silent=True)
    kept = tmp_path / "blob.age"
    download(api, get_offer(api, link), tmp_path, price_max_msat=0, progress=progress, ciphertext_path=kept)
    assert kept.read_bytes() == double.blobs[link.id]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", "\x1b[2K"),
        ("length", "1"),
        ("length", True),
        ("sha256", "00"),
        ("root", None),
        ("seal", "0"),
        ("price", {}),
        ("payees", {}),
    ],
)
def test_a_malformed_answer_is_an_error_of_ours(double: Double, api: Api, name: str, value: object):
    link = make_link(double)
    double.links[link.id][name] = value
    with pytest.raises(ClientError):
        get_offer(api, link)


def connect_patiently(double: Double) -> Server:
    return Server(double.url, token=TOKEN, sleep=lambda _: None)


def list_price_maxima(double: Double) -> list[int]:
    return [int(found[1]) for line in double.seen if (found := re.search(r"'Cadastre-Price-Max': '(\d+)'", line))]


def test_a_resume_may_cost_only_what_is_left_of_the_agreed_price(double: Double, tmp_path: Path):
    link = make_link(double, price_msat=5)
    double.balance_msat, double.cut_content_at, double.charges_again = 100, 1000, True
    server = connect_patiently(double)
    with pytest.raises(PriceAboveMaxError):
        get(Api(server), link, tmp_path, price_max_msat=8)
    server.close()
    assert list_price_maxima(double) == [8, 3]
    assert double.balance_msat == 95


def test_a_resume_within_the_agreed_price_adds_up(double: Double, tmp_path: Path):
    link = make_link(double, price_msat=5)
    double.balance_msat, double.cut_content_at, double.charges_again = 100, 1000, True
    server = connect_patiently(double)
    done = get(Api(server), link, tmp_path, price_max_msat=10)
    server.close()
    assert list_price_maxima(double) == [10, 5]
    assert done.charged_msat == 10


def test_stops_at_a_server_that_charges_more_than_was_agreed(double: Double, tmp_path: Path):
    link = make_link(double, price_msat=5)
    double.balance_msat, double.cut_content_at = 100, 1000
    double.charges_again = double.ignores_price_max = True
    server = connect_patiently(double)
    with pytest.raises(PriceNotAcceptedError, match="charged 10 msat, more than the 8 msat"):
        get(Api(server), link, tmp_path, price_max_msat=8)
    server.close()
    assert not (tmp_path / "song.flac").exists()
    assert double.transfers == [5, 5]


@pytest.mark.parametrize("output", [".", "folder"])
def test_a_hidden_name_of_the_links_own_is_refused_before_paying(double: Double, api: Api, tmp_path: Path, output: str):
    (tmp_path / "folder").mkdir()
    link = make_link(double, files=((".bashrc", PLAINTEXT),), price_msat=5)
    double.balance_msat = 5
    with pytest.raises(HiddenNameError):
        get(api, link, tmp_path / output, price_max_msat=5)
    assert double.balance_msat == 5


def test_a_hidden_folder_of_the_links_own_is_refused_unless_it_is_given_a_name(
    double: Double, api: Api, tmp_path: Path
):
    link = make_link(double, files=((".ssh/authorized_keys", PLAINTEXT),))
    with pytest.raises(HiddenNameError):
        get(api, link, tmp_path)
    get(api, link, tmp_path / ".ssh")
    assert (tmp_path / ".ssh" / "authorized_keys").read_bytes() == PLAINTEXT


def test_plaintext_of_a_process_that_was_killed_is_removed_by_the_next(double: Double, api: Api, tmp_path: Path):
    link = make_link(double, files=(("album/1.flac", PLAINTEXT),))
    # The first file that is put on the disk is plaintext; the process ends there as by a power cut.
    script = f"""
import os, signal
os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)
from pathlib import Path
from client.api import Api
from client.connections import Server
from client.downloads import download
from client.links import Link
from client.offers import get_offer
from client.progress import Progress
link = Link({link.server_url!r}, {link.id!r}, {link.secret!r}, {link.manifest_sha256!r})
api = Api(Server({double.url!r}, token={TOKEN!r}))
download(api, get_offer(api, link), Path({str(tmp_path)!r}), price_max_msat=0, progress=Progress("", 0))
"""
    killed = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False)
    left = tmp_path / f".cadastre-{link.id}.new" / "1.flac"
    assert killed.returncode == -9
    assert left.read_bytes() == PLAINTEXT

    done = get(api, link, tmp_path)

    assert (done.path / "1.flac").read_bytes() == PLAINTEXT
    assert list(tmp_path.iterdir()) == [done.path]
    assert double.transfers == [0]


def test_a_symbolic_link_in_the_place_of_the_plaintext_is_not_followed(double: Double, api: Api, tmp_path: Path):
    link = make_link(double)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").write_text("mine")
    (tmp_path / f".cadastre-{link.id}.new").symlink_to(tmp_path / "mine")
    done = get(api, link, tmp_path)
    assert done.path.read_bytes() == PLAINTEXT
    assert (tmp_path / "mine" / "file").read_text() == "mine"


def test_two_downloads_of_one_link_into_one_folder_exclude_each_other(double: Double, api: Api, tmp_path: Path):
    link = make_link(double)
    with (tmp_path / f".cadastre-{link.id}.part").open("wb") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(DownloadBusyError):
            get(api, link, tmp_path)
    get(api, link, tmp_path)
    assert (tmp_path / "song.flac").read_bytes() == PLAINTEXT


def test_a_refused_download_leaves_nothing(double: Double, api: Api, tmp_path: Path):
    with pytest.raises(PaymentRequiredError):
        get(api, make_link(double, price_msat=6), tmp_path, price_max_msat=6)
    assert list(tmp_path.iterdir()) == []
