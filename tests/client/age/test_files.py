"""Our age files against two independent implementations, and against everything that must not open."""

import io
import subprocess
from pathlib import Path

import pyrage
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from client.age.encoding import encode_identity
from client.age.files import (
    Encryption,
    begin_by_password,
    begin_for_x25519,
    decrypt_by_x25519,
    encrypt_bytes,
    open_by_password,
    open_by_x25519,
)
from client.age.header import Stanza, write_header
from client.age.payload import SEALED_CHUNK_BYTES, decrypt_chunks
from client.age.recipients import get_recipient, wrap_by_password, wrap_for_x25519
from client.errors import (
    AgeError,
    AgeHeaderError,
    AgeKeyError,
    AgeMacError,
    AgePayloadError,
    AgeTrailingDataError,
    AgeTruncatedError,
)

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
SIZES = [0, 1, 65535, 65536, 65537, 2 * 65536, 2 * 65536 + 1]


def make_plaintext(size: int) -> bytes:
    return (b"0123456789abcde" * (size // 15 + 1))[:size]


def seal(plaintext: bytes) -> bytes:
    return encrypt_bytes(begin_for_x25519(get_recipient(SECRET)), plaintext)


def unseal(data: bytes, secret: bytes = SECRET) -> bytes:
    return b"".join(decrypt_by_x25519(io.BytesIO(data), secret))


def split(data: bytes) -> tuple[bytes, list[bytes]]:
    """Cut an age file into what is before the first chunk, and its chunks."""
    stream = io.BytesIO(data)
    open_by_x25519(stream, SECRET)
    start = stream.tell()
    return data[:start], [
        data[place : place + SEALED_CHUNK_BYTES] for place in range(start, len(data), SEALED_CHUNK_BYTES)
    ]


@pytest.mark.parametrize("size", SIZES)
def test_pyrage_opens_what_we_write(size: int):
    identity = pyrage.x25519.Identity.from_str(encode_identity(SECRET))
    assert pyrage.decrypt(seal(make_plaintext(size)), [identity]) == make_plaintext(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_pyrage_writes(size: int):
    identity = pyrage.x25519.Identity.from_str(encode_identity(SECRET))
    data = pyrage.encrypt(make_plaintext(size), [identity.to_public()])
    assert unseal(data) == make_plaintext(size)


def test_we_open_a_file_for_several_recipients():
    others = [pyrage.x25519.Identity.generate().to_public() for _ in range(3)]
    own = pyrage.x25519.Identity.from_str(encode_identity(SECRET)).to_public()
    assert unseal(pyrage.encrypt(b"for all", [*others, own])) == b"for all"


@pytest.mark.parametrize("size", SIZES)
def test_the_age_command_opens_what_we_write(age_command: str, tmp_path: Path, size: int):
    (tmp_path / "key").write_text(encode_identity(SECRET) + "\n")
    (tmp_path / "blob").write_bytes(seal(make_plaintext(size)))
    done = subprocess.run(
        [age_command, "-d", "-i", str(tmp_path / "key"), str(tmp_path / "blob")], capture_output=True, check=True
    )
    assert done.stdout == make_plaintext(size)


@pytest.mark.parametrize("size", SIZES)
def test_we_open_what_the_age_command_writes(age_command: str, tmp_path: Path, size: int):
    (tmp_path / "key").write_text(encode_identity(SECRET) + "\n")
    (tmp_path / "plain").write_bytes(make_plaintext(size))
    command = [age_command, "-e", "-i", str(tmp_path / "key"), str(tmp_path / "plain")]
    assert unseal(subprocess.run(command, capture_output=True, check=True).stdout) == make_plaintext(size)


def test_passwords_work_both_ways_with_pyrage():
    ours = encrypt_bytes(begin_by_password("correct horse", work_factor_log2=15), b"ours")
    theirs = io.BytesIO(pyrage.passphrase.encrypt(b"theirs", "correct horse"))
    assert pyrage.passphrase.decrypt(ours, "correct horse") == b"ours"
    assert b"".join(decrypt_chunks(open_by_password(theirs, "correct horse"), theirs)) == b"theirs"


def test_refuses_a_wrong_password():
    data = encrypt_bytes(begin_by_password("correct horse", work_factor_log2=15), b"x")
    with pytest.raises(AgeKeyError):
        open_by_password(io.BytesIO(data), "battery staple")


@pytest.mark.parametrize("log2", [14, 21])
def test_refuses_a_work_factor_out_of_bounds(log2: int):
    key = bytes(16)
    stanza = wrap_by_password(file_key=key, password="p", salt=bytes(16), work_factor_log2=10)
    header = write_header((Stanza((*stanza.arguments[:2], str(log2)), stanza.body),), key)
    with pytest.raises(AgeHeaderError, match=r"work factor"):
        open_by_password(io.BytesIO(header + bytes(32)), "p")


def test_refuses_a_password_stanza_beside_another():
    key = bytes(16)
    password = wrap_by_password(file_key=key, password="p", salt=bytes(16), work_factor_log2=15)
    other = wrap_for_x25519(file_key=key, recipient=get_recipient(SECRET), ephemeral_secret=OTHER_SECRET)
    header = write_header((password, other), key)
    with pytest.raises(AgeHeaderError):
        open_by_password(io.BytesIO(header + bytes(32)), "p")
    with pytest.raises(AgeKeyError):
        open_by_x25519(io.BytesIO(header + bytes(32)), SECRET)


def test_refuses_a_wrong_key():
    with pytest.raises(AgeKeyError):
        unseal(seal(b"x"), OTHER_SECRET)


@pytest.mark.parametrize("size", SIZES)
def test_refuses_every_cut_at_a_chunk_boundary_and_beside_it(size: int):
    data = seal(make_plaintext(size))
    prefix, chunks = split(data)
    boundaries = {len(prefix) + number * SEALED_CHUNK_BYTES for number in range(len(chunks))}
    for length in sorted({place + step for place in boundaries | {len(data)} for step in (-1, 0, 1)} - {len(data)}):
        if length < len(data):
            with pytest.raises(AgeError):
                unseal(data[:length])


def test_names_a_cut_at_a_boundary_as_truncation():
    prefix, chunks = split(seal(make_plaintext(2 * 65536)))
    with pytest.raises(AgeTruncatedError):
        unseal(prefix + chunks[0])


def test_refuses_swapped_chunks():
    prefix, chunks = split(seal(make_plaintext(3 * 65536)))
    with pytest.raises(AgePayloadError):
        unseal(prefix + chunks[1] + chunks[0] + chunks[2])


def test_refuses_a_repeated_chunk():
    prefix, chunks = split(seal(make_plaintext(2 * 65536)))
    with pytest.raises(AgePayloadError):
        unseal(prefix + chunks[0] + chunks[0] + chunks[1])


@pytest.mark.parametrize("size", [1, 65535])
def test_refuses_a_trailing_byte_after_a_short_chunk(size: int):
    with pytest.raises(AgePayloadError):
        unseal(seal(make_plaintext(size)) + b"\0")


def test_names_data_after_a_full_final_chunk():
    with pytest.raises(AgeTrailingDataError):
        unseal(seal(make_plaintext(65536)) + b"\0")


def test_refuses_an_empty_final_chunk_after_others():
    encryption = begin_for_x25519(get_recipient(SECRET))
    cipher = encryption.get_cipher()
    data = encryption.prefix + cipher.encrypt(0, bytes(65536), is_final=False) + cipher.encrypt(1, b"", is_final=True)
    with pytest.raises(AgePayloadError, match="empty"):
        unseal(data)


def test_refuses_a_changed_header_under_the_same_key():
    key = bytes(16)
    stanza = wrap_for_x25519(file_key=key, recipient=get_recipient(SECRET), ephemeral_secret=OTHER_SECRET)
    header = write_header((stanza,), key)
    greased = header.replace(b"\n---", b"\n-> grease\n\n---")
    with pytest.raises(AgeMacError):
        open_by_x25519(io.BytesIO(greased + bytes(32)), SECRET)


def test_ignores_stanzas_that_it_does_not_know():
    key = bytes(16)
    known = wrap_for_x25519(file_key=key, recipient=get_recipient(SECRET), ephemeral_secret=OTHER_SECRET)
    header = write_header((Stanza(("grease", "!"), bytes(48)), known), key)
    encryption = Encryption(header, key, bytes(16))
    assert unseal(encrypt_bytes(encryption, b"known")) == b"known"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"v1\n", b"v2\n"),
        (b"v1\n", b"v1\r\n"),
        (b"-> X25519 ", b"-> X25519  "),
        (b"-> X25519 ", b"->  X25519 "),
        (b"-> X25519 ", b"-> X25519 a "),
        (b"--- ", b"---"),
        (b"\n--- ", b"=\n--- "),
        (b"\n--- ", b"\n\n--- "),
    ],
)
def test_refuses_another_spelling_of_the_header(old: bytes, new: bytes):
    with pytest.raises(AgeError):
        unseal(seal(b"x").replace(old, new, 1))


def test_refuses_an_endless_header():
    with pytest.raises(AgeHeaderError, match="longer than"):
        unseal(b"age-encryption.org/v1\n" + b"-> grease\n\n" * 10000)


def test_refuses_a_share_of_low_order():
    header = write_header((Stanza(("X25519", "A" * 43), bytes(32)),), bytes(16))
    with pytest.raises(AgeHeaderError, match="low order"):
        open_by_x25519(io.BytesIO(header + bytes(32)), SECRET)


@settings(max_examples=150, deadline=None)
@given(place=st.integers(min_value=0), mask=st.integers(min_value=1, max_value=255))
def test_refuses_every_changed_byte_and_raises_nothing_else(place: int, mask: int):
    data = bytearray(FIXED)
    data[place % len(data)] ^= mask
    with pytest.raises(AgeError):
        unseal(bytes(data))


FIXED = encrypt_bytes(
    begin_for_x25519(get_recipient(SECRET), file_key=bytes(16), nonce=bytes(16), ephemeral_secret=OTHER_SECRET),
    b"fixed",
)


def test_a_given_key_and_nonce_fix_every_byte():
    again = begin_for_x25519(get_recipient(SECRET), file_key=bytes(16), nonce=bytes(16), ephemeral_secret=OTHER_SECRET)
    assert encrypt_bytes(again, b"fixed") == FIXED


def test_two_encryptions_share_nothing():
    first, second = begin_for_x25519(get_recipient(SECRET)), begin_for_x25519(get_recipient(SECRET))
    assert first.file_key != second.file_key
    assert first.nonce != second.nonce
    assert first.header != second.header


@given(st.binary(min_size=32, max_size=32))
def test_identities_are_spelled_as_pyrage_spells_them(secret: bytes):
    identity = encode_identity(secret)
    assert str(pyrage.x25519.Identity.from_str(identity)) == identity
