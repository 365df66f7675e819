"""The checked-in vectors of encrypted blobs, manifests, links and seals, read by us and by independent means."""

import base64
import hashlib
import hmac
import io
import json
import runpy
from pathlib import Path
from typing import Any

import pyrage
import pytest

from client import errors
from client.age.files import decrypt_by_x25519
from client.links import open_link, parse_link
from client.manifest import parse_manifest, serialize_manifest
from client.seals import compute_seal

VECTORS = Path(__file__).parents[2] / "fixtures" / "vectors"
FOLDER = VECTORS / "encryption"
NAMES = sorted(path.stem for path in FOLDER.glob("*.json"))


def read(name: str) -> dict[str, Any]:
    vector: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
    return vector


def list_names(prefix: str, *, is_valid: bool) -> list[str]:
    return [name for name in NAMES if name.startswith(prefix) and (read(name)["expect"] == "valid") == is_valid]


def check(vector: dict[str, Any]) -> None:
    """Read a vector of any sort as the client does."""
    if "age" in vector:
        list(decrypt_by_x25519(io.BytesIO(base64.b64decode(vector["age"])), bytes.fromhex(vector["secret"])))
    elif "manifest" in vector:
        parse_manifest(vector["manifest"].encode())
    else:
        open_link(parse_link(vector["link"]), password=vector.get("password"))


def test_the_files_are_what_the_generator_writes():
    generator = runpy.run_path(str(VECTORS / "generate_encryption.py"))
    generated = json.loads(json.dumps(generator["list_vectors"]()))
    assert {name: read(name) for name in NAMES} == generated


@pytest.mark.parametrize("name", list_names("", is_valid=False))
def test_a_bad_vector_is_refused_for_its_cause(name: str):
    vector = read(name)
    with pytest.raises(getattr(errors, vector["expect"])) as caught:
        check(vector)
    assert type(caught.value).__name__ == vector["expect"]


@pytest.mark.parametrize("name", list_names("blob-", is_valid=True))
def test_both_implementations_open_a_blob(name: str):
    vector = read(name)
    data = base64.b64decode(vector["age"])
    ours = b"".join(decrypt_by_x25519(io.BytesIO(data), bytes.fromhex(vector["secret"])))
    theirs = pyrage.decrypt(data, [pyrage.x25519.Identity.from_str(vector["identity"])])
    assert ours == theirs
    assert (len(ours), hashlib.sha256(ours).hexdigest()) == (vector["size"], vector["plaintext_sha256"])


@pytest.mark.parametrize("name", list_names("blob-", is_valid=False))
def test_pyrage_refuses_the_same_blobs(name: str):
    vector = read(name)
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(base64.b64decode(vector["age"]), [pyrage.x25519.Identity.from_str(vector["identity"])])


@pytest.mark.parametrize("name", list_names("manifest-", is_valid=True))
def test_a_manifest_has_one_spelling(name: str):
    text = read(name)["manifest"]
    assert serialize_manifest(parse_manifest(text.encode())) == text.encode()


@pytest.mark.parametrize("name", list_names("link-", is_valid=True))
def test_a_link_gives_the_secret_and_the_seal(name: str):
    vector = read(name)
    link = open_link(parse_link(vector["link"]), password=vector.get("password"))
    assert (link.secret.hex(), link.manifest_sha256.hex()) == (vector["secret"], vector["manifest_sha256"])
    assert compute_seal(secret=link.secret, manifest_sha256=link.manifest_sha256).hex() == vector["seal"]


def test_the_seal_is_what_the_format_says_written_out_by_hand():
    vector = read("link-open")
    extracted = hmac.digest(bytes(32), bytes.fromhex(vector["secret"]), "sha256")
    key = hmac.digest(extracted, b"cadastre/seal\x01", "sha256")
    seal = hashlib.sha256(b"cadastre/seal/v1\0" + key + bytes.fromhex(vector["manifest_sha256"])).hexdigest()
    assert seal == vector["seal"]


def test_the_password_fragment_is_an_age_file_that_pyrage_opens():
    vector = read("link-password")
    fragment = vector["link"].partition("#1.")[2]
    content = pyrage.passphrase.decrypt(base64.urlsafe_b64decode(fragment + "=="), vector["password"])
    assert content.hex() == vector["secret"] + vector["manifest_sha256"]


def test_every_vector_is_named_on_the_reference_page():
    page = (Path(__file__).parents[2] / "docs/reference/format-encryption.md").read_text("utf-8")
    for prefix in sorted({name.partition("-")[0] for name in NAMES}):
        assert f"{prefix}-" in page
