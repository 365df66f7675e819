"""Links, seals and manifests beyond their vectors: what is written is read, and hostile bytes raise our errors."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.errors import LinkError, ManifestError, PasswordError, PasswordRequiredError, SealMismatchError
from client.links import Link, format_link, open_link, parse_link, parse_public_url
from client.manifest import (
    MANIFEST_BYTES_MAX,
    Manifest,
    ManifestFile,
    decrypt_manifest,
    encrypt_manifest,
    parse_manifest,
    serialize_manifest,
)
from client.seals import check_seal, compute_seal

LINK = Link("http://127.0.0.1:8000", "01890a5d-ac96-774b-bcce-b302099a8057", bytes(range(32)), bytes(32))


def test_reads_what_it_writes():
    assert open_link(parse_link(format_link(LINK))) == LINK


def test_a_password_locks_the_link():
    text = format_link(LINK, password="Passwort mit ä", work_factor_log2=15)
    with pytest.raises(PasswordRequiredError):
        open_link(parse_link(text))
    assert open_link(parse_link(text), password="Passwort mit ä") == LINK


def test_refuses_an_empty_password():
    with pytest.raises(PasswordError):
        format_link(LINK, password="")


def test_its_public_part_has_no_fragment():
    assert parse_public_url(format_link(LINK)) == parse_public_url(LINK.public_url) == (LINK.server_url, LINK.id)


def test_never_shows_its_secret():
    assert LINK.secret.hex() not in repr(LINK)
    assert repr(LINK.secret)[2:-1] not in repr(LINK)


@settings(max_examples=200, deadline=None)
@given(st.text())
def test_any_text_is_a_link_or_our_error(text: str):
    for candidate in (text, LINK.public_url + text, f"{LINK.public_url}#1.{text}"):
        with pytest.raises(LinkError):
            parse_link(candidate)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_a_manifest_or_our_error(data: bytes):
    with pytest.raises(ManifestError):
        parse_manifest(data)


def test_a_manifest_for_another_secret_is_refused():
    manifest = Manifest((ManifestFile("a", "a/b", 1, bytes(32)),), 217, bytes(32), 0)
    sealed = encrypt_manifest(manifest, LINK.secret)
    assert decrypt_manifest(sealed, LINK.secret) == manifest
    with pytest.raises(ManifestError):
        decrypt_manifest(sealed, bytes(range(1, 33)))


def test_a_manifest_over_the_limit_is_refused_when_written_and_when_read():
    files = tuple(ManifestFile(f"f/{number:0200}", "a/b", 1, bytes(32)) for number in range(4000))
    with pytest.raises(ManifestError, match="too many files"):
        encrypt_manifest(Manifest(files, 1, bytes(32), 0), LINK.secret)
    with pytest.raises(ManifestError):
        decrypt_manifest(bytes(MANIFEST_BYTES_MAX + 1), LINK.secret)


@pytest.mark.parametrize(
    "letter",
    ["\x00", "\n", "\x1b", "\x7f", "\x9b", "\u00ad", "\u200b", "\u202e", "\u2066", "\ufeff", "\u2028", "\u2029", "\\"],
)
def test_a_name_has_no_character_that_is_not_seen(letter: str):
    entry = ManifestFile(f"folder/song{letter}3pm.exe", "a/b", 1, bytes(32))
    with pytest.raises(ManifestError, match="not seen"):
        serialize_manifest(Manifest((entry,), 217, bytes(32), 0))


@pytest.mark.parametrize("name", ["Ärger.flac", "a b", "歌.flac", "🎵", ".bashrc", "e\u0301"])
def test_a_name_may_be_of_any_language(name: str):
    manifest = Manifest((ManifestFile(name, "a/b", 1, bytes(32)),), 217, bytes(32), 0)
    assert parse_manifest(serialize_manifest(manifest)) == manifest


@pytest.mark.parametrize("change", [{"secret": bytes(range(1, 33))}, {"manifest_sha256": bytes(range(32))}])
def test_a_seal_is_of_one_secret_and_one_manifest(change: dict[str, bytes]):
    parts = {"secret": LINK.secret, "manifest_sha256": LINK.manifest_sha256}
    seal = compute_seal(**parts)
    check_seal(seal, **parts)
    with pytest.raises(SealMismatchError):
        check_seal(seal, **(parts | change))
