"""Attacks that were published against encrypted storage, tried on ours: each must fail before a byte is believed.

The names in the docstrings are of those who were attacked so; docs/explanation/attacks.md has the list.
"""

import hashlib
import io
import json
import secrets
from pathlib import Path

import pytest

from client.age.files import begin_by_password, begin_for_x25519, decrypt_by_x25519, encrypt_bytes
from client.age.header import Stanza, read_header, write_header
from client.age.recipients import get_recipient, wrap_by_password
from client.api import Api
from client.downloads import download
from client.errors import (
    AgeError,
    BlobMismatchError,
    ClientError,
    LinkError,
    ManifestMismatchError,
    SealMismatchError,
)
from client.folders import find_source
from client.links import Link, LockedLink, open_link, parse_link
from client.manifest import Manifest, ManifestFile, encrypt_manifest
from client.offers import get_offer
from client.progress import Progress
from client.seals import compute_seal
from client.terms import LinkTerms
from client.uploads import Uploaded, Uploader
from storage.digest import digest_stream
from tests.client.doubles import Double

SILENT = Progress("", 0, is_silent=True)


def put(api: Api, folder: Path, name: str, data: bytes) -> Uploaded:
    (folder / name).write_bytes(data)
    source, uploader = find_source(folder / name), Uploader(api, folder / "home")
    uploaded = uploader.upload(source, terms=LinkTerms(), progress=SILENT)
    uploader.forget(source)
    return uploaded


def get(api: Api, link: Link, folder: Path) -> bytes:
    done = download(api, get_offer(api, link), folder, price_max_msat=0, progress=SILENT)
    return done.path.read_bytes()


def read_header_of(blob: bytes) -> tuple[Stanza, ...]:
    return read_header(io.BytesIO(blob)).stanzas


def test_two_uploads_of_one_file_share_no_byte_that_tells_it(double: Double, api: Api, tmp_path: Path):
    """Tahoe-LAFS: a key that follows from the content confirms to others who has it."""
    first, second = (put(api, tmp_path, "a", b"the same" * 10_000) for _ in range(2))
    blobs = [double.blobs[uploaded.info.id] for uploaded in (first, second)]
    assert first.info.sha256 != second.info.sha256
    assert first.link.secret != second.link.secret
    chunks = [{blob[place : place + 32] for place in range(22, len(blob) - 32, 32)} for blob in blobs]
    assert not chunks[0] & chunks[1]


def test_no_key_serves_two_contents(double: Double, api: Api, tmp_path: Path):
    """MEGA: key material that is used twice, or not authenticated, gives both away."""
    uploads = [put(api, tmp_path, f"{number}", bytes([number]) * 100) for number in range(20)]
    assert len({uploaded.link.secret for uploaded in uploads}) == 20
    assert len({uploaded.deletion_token for uploaded in uploads}) == 20
    stanzas = [read_header_of(double.blobs[uploaded.info.id])[0] for uploaded in uploads]
    stanzas += [read_header_of(double.manifests[uploaded.info.id])[0] for uploaded in uploads]
    assert len({stanza.arguments[1] for stanza in stanzas}) == 40
    assert len({stanza.body for stanza in stanzas}) == 40


def swap_whole(double: Double, victim: str, other: str) -> None:
    """Let the server answer for one link with all that it holds of another."""
    double.blobs[victim] = double.blobs[other]
    double.manifests[victim] = double.manifests[other]
    double.links[victim] = double.links[other] | {"id": victim}


def swap_blob(double: Double, victim: str, other: str) -> None:
    double.blobs[victim] = double.blobs[other]


def swap_blob_and_digests(double: Double, victim: str, other: str) -> None:
    double.blobs[victim] = double.blobs[other]
    double.links[victim] |= {name: double.links[other][name] for name in ("sha256", "length", "root")}


def swap_manifest(double: Double, victim: str, other: str) -> None:
    double.manifests[victim] = double.manifests[other]


@pytest.mark.parametrize("swap", [swap_whole, swap_blob, swap_blob_and_digests, swap_manifest])
def test_a_server_cannot_swap_files(double: Double, api: Api, tmp_path: Path, swap: object):
    """Nextcloud, Tresorit, Seafile: names and files that are not bound to each other can be exchanged."""
    victim = put(api, tmp_path, "contract.pdf", b"a" * 200_000)
    other = put(api, tmp_path, "holiday.jpg", b"b" * 200_000)
    assert callable(swap)
    swap(double, victim.info.id, other.info.id)
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises((BlobMismatchError, ManifestMismatchError, SealMismatchError)):
        get(api, victim.link, out)
    assert list(out.iterdir()) == []


def test_whoever_has_the_secret_cannot_put_another_file_in_its_place(double: Double, api: Api, tmp_path: Path):
    """A recipient of the link, together with the server: encryption to a known recipient authenticates nobody."""
    victim = put(api, tmp_path, "contract.pdf", b"pay one coin")
    secret, forged = victim.link.secret, b"pay ten coins"
    blob = encrypt_bytes(begin_for_x25519(get_recipient(secret)), forged)
    digest = digest_stream(io.BytesIO(blob))
    entry = ManifestFile("contract.pdf", "application/pdf", len(forged), hashlib.sha256(forged).digest())
    manifest = encrypt_manifest(Manifest((entry,), digest.length, digest.root, 0), secret)
    seal = compute_seal(secret=secret, manifest_sha256=hashlib.sha256(manifest).digest())
    forged_id = double.add_link(blob, manifest, root=digest.root, seal=seal)
    swap_whole(double, victim.info.id, forged_id)
    with pytest.raises(ManifestMismatchError):
        get_offer(api, victim.link)


@pytest.mark.parametrize("chunks", [0, 1, 2, 3])
def test_a_truncated_blob_is_nothing_even_if_the_server_admits_to_its_length(
    double: Double, api: Api, tmp_path: Path, chunks: int
):
    """Cryptomator: a file that is cut at a chunk's border must not pass as a shorter one."""
    victim = put(api, tmp_path, "a", b"x" * (4 * 65536))
    cut = double.blobs[victim.info.id][: 184 + chunks * 65552]
    double.blobs[victim.info.id] = cut
    out = tmp_path / "out"
    out.mkdir()
    digest = digest_stream(io.BytesIO(cut))
    double.links[victim.info.id] |= {
        "length": digest.length, "root": f"sha256:{digest.root.hex()}", "sha256": f"sha256:{digest.sha256.hex()}",
    }  # fmt: skip
    with pytest.raises(BlobMismatchError):
        get(api, victim.link, out)
    assert list(out.iterdir()) == []
    with pytest.raises(AgeError):
        list(decrypt_by_x25519(io.BytesIO(cut), victim.link.secret))


@pytest.mark.parametrize("place", [170, 200, 65_736, 131_300, -1])
def test_a_changed_byte_leaves_no_plaintext_behind(double: Double, api: Api, tmp_path: Path, place: int):
    """MEGA's MAC of 64 bits over what was decrypted already: here the tag of each chunk has 128, and comes first."""
    victim = put(api, tmp_path, "a", b"x" * 200_000)
    changed = bytearray(double.blobs[victim.info.id])
    changed[place] ^= 128
    double.blobs[victim.info.id] = bytes(changed)
    double.links[victim.info.id]["sha256"] = f"sha256:{hashlib.sha256(changed).hexdigest()}"
    out = tmp_path / "out"
    out.mkdir()
    with pytest.raises(BlobMismatchError):
        get(api, victim.link, out)
    assert list(out.iterdir()) == []


@pytest.mark.parametrize("log2", [1, 10, 14, 21, 30, 63])
def test_a_password_costs_what_the_format_says_whoever_wrote_the_link(log2: int):
    """Filen, Seafile: a server, or a forged link, that may choose a weak or an endless key derivation."""
    stanza = wrap_by_password(file_key=bytes(16), password="p", salt=bytes(16), work_factor_log2=10)
    header = write_header((Stanza((*stanza.arguments[:2], str(log2)), stanza.body),), bytes(16))
    locked = LockedLink("https://host", "018f0000-0000-7000-8000-00000000000a", header + bytes(16 + 80))
    with pytest.raises(LinkError, match="work factor"):
        open_link(locked, password="p")


def test_the_server_has_no_say_in_version_key_derivation_or_recipient(double: Double, api: Api, tmp_path: Path):
    """Filen's downgrade: members of an answer that name another version, derivation or key change nothing."""
    first = put(api, tmp_path, "a", b"a" * 100)
    double.link_change = {"version": 0, "kdf": "none", "recipient": "age1attacker", "public_key": "00" * 32}
    double.links[first.info.id] |= double.link_change
    out = tmp_path / "out"
    out.mkdir()
    assert get(api, first.link, out) == b"a" * 100
    second = put(api, tmp_path, "b", b"b" * 100)
    for sealed in (double.blobs[second.info.id], double.manifests[second.info.id]):
        (stanza,) = read_header_of(sealed)
        assert stanza.arguments[0] == "X25519"
        list(decrypt_by_x25519(io.BytesIO(sealed), second.link.secret))


def test_recipients_come_from_this_machines_random_numbers_alone(
    double: Double, api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """MEGA, Nextcloud: public keys that the server hands out are the server's."""
    drawn: list[bytes] = []
    draw = secrets.token_bytes

    def watch(count: int | None = None) -> bytes:
        drawn.append(draw(count))
        return drawn[-1]

    monkeypatch.setattr(secrets, "token_bytes", watch)
    uploaded = put(api, tmp_path, "a", b"a")
    assert uploaded.link.secret in drawn
    told = "".join(double.seen) + "".join(body.decode("latin-1") for body in double.bodies)
    assert not any(secret.hex() in told or secret.decode("latin-1") in told for secret in drawn if len(secret) == 32)


def test_a_password_only_wraps_the_key_and_never_travels(double: Double, api: Api, tmp_path: Path):
    """A password that a server checks is no encryption: ours opens the fragment, which is not sent."""
    uploaded = put(api, tmp_path, "a", b"a")
    content = uploaded.link.secret + uploaded.link.manifest_sha256
    sealed = encrypt_bytes(begin_by_password("correct horse", work_factor_log2=15), content)
    opened = open_link(LockedLink(uploaded.link.server_url, uploaded.info.id, sealed), password="correct horse")
    assert opened == uploaded.link
    assert get_offer(api, opened).manifest.files[0].name == "a"
    assert "correct horse" not in "".join(double.seen)


def test_names_and_layout_are_in_no_request(double: Double, api: Api, tmp_path: Path):
    """Names in the open (mozilla/send's metadata, tus's Upload-Metadata) tell more than contents do."""
    folder = tmp_path / "secret-project"
    (folder / "inner-folder").mkdir(parents=True)
    (folder / "inner-folder" / "budget.ods").write_bytes(b"12345")
    source = find_source(folder)
    uploaded = Uploader(api, tmp_path / "home").upload(source, terms=LinkTerms(), progress=SILENT)
    get_offer(api, uploaded.link)
    told = "".join(double.seen) + "".join(body.decode("latin-1") for body in double.bodies)
    told += json.dumps(double.links)
    for name in ("secret-project", "inner-folder", "budget", "opendocument", "Upload-Metadata"):
        assert name not in told


@pytest.mark.parametrize(
    "text", ["https://host/f/{id}?key={key}", "https://host/f/{id}/{key}", "https://{key}@host/f/{id}"]
)
def test_a_key_outside_of_the_fragment_is_no_link(text: str):
    """Keys in a path or query end in logs."""
    shaped = text.format(id="018f0000-0000-7000-8000-00000000000a", key="A" * 86)
    with pytest.raises(ClientError):
        parse_link(shaped)
