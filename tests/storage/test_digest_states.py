"""Digests that are put away and taken up again, against a digest of the whole in one pass."""

import hashlib
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.digest import BLOCK_BYTES, BlobDigest, digest_stream
from storage.digest_states import STATE_BYTES_MAX, ResumableDigest
from storage.errors import DigestStateError
from storage.sha256 import find_functions

pytestmark = pytest.mark.skipif(find_functions() is None, reason="this Python has no OpenSSL that ctypes reaches")

LENGTH = 9 * BLOCK_BYTES + 77
CONTENT = hashlib.shake_256(b"digest states").digest(LENGTH)


class CountingStream(BytesIO):
    """A file that counts what is read from it."""

    taken = 0

    def read(self, size: int | None = -1, /) -> bytes:
        """Read and count."""
        data = super().read(size)
        self.taken += len(data)
        return data


def save(length: int) -> bytes:
    """Return the state of the first bytes of CONTENT."""
    digest = ResumableDigest()
    digest.update(CONTENT[:length])
    return digest.save_state()


@given(st.lists(st.integers(0, LENGTH), max_size=8))
def test_a_digest_that_is_resumed_at_any_cuts_is_the_digest_of_one_pass(cuts: list[int]):
    digest, start = ResumableDigest(), 0
    for cut in sorted(cuts):
        digest.update(CONTENT[start:cut])
        stream = CountingStream(CONTENT)
        digest = ResumableDigest.resume(digest.save_state(), stream=stream, length=cut)
        assert digest.length == cut
        assert stream.taken == cut % BLOCK_BYTES
        start = cut
    digest.update(CONTENT[start:])

    assert digest.finish() == digest_stream(BytesIO(CONTENT))


@given(st.integers(0, LENGTH), st.data())
def test_a_state_with_a_changed_byte_is_refused(length: int, data: st.DataObject):
    state = bytearray(save(length))
    state[data.draw(st.integers(0, len(state) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(DigestStateError):
        ResumableDigest.resume(bytes(state), stream=BytesIO(CONTENT), length=length)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_state_are_refused_even_with_their_checksum(junk: bytes):
    """Whoever could write a sound state of other bytes still meets the digest that the client names."""
    for state in (junk, junk + hashlib.sha256(junk).digest()):
        with pytest.raises(DigestStateError):
            ResumableDigest.resume(state, stream=BytesIO(CONTENT), length=LENGTH)


@pytest.mark.parametrize(
    ("position", "change"),
    [(0, b"\x02"), (1 + 7, b"\x01"), (1 + 6, b"\x40"), (1, b"\x80")],
    ids=["another version", "a length within a block", "a length of one block more", "a length beyond all hashes"],
)
def test_a_state_that_contradicts_itself_is_refused_even_with_its_checksum(position: int, change: bytes):
    state = bytearray(save(2 * BLOCK_BYTES)[:-32])
    state[position : position + 1] = change
    sound = bytes(state) + hashlib.sha256(state).digest()

    with pytest.raises(DigestStateError):
        ResumableDigest.resume(sound, stream=BytesIO(CONTENT), length=2 * BLOCK_BYTES)


@pytest.mark.parametrize(
    ("saved", "asked"),
    [(BLOCK_BYTES, BLOCK_BYTES - 1), (BLOCK_BYTES, 2 * BLOCK_BYTES), (0, BLOCK_BYTES), (LENGTH, 5)],
)
def test_a_state_of_another_length_is_refused(saved: int, asked: int):
    with pytest.raises(DigestStateError, match="is not one of"):
        ResumableDigest.resume(save(saved), stream=BytesIO(CONTENT), length=asked)


def test_a_file_that_is_too_short_is_refused():
    with pytest.raises(DigestStateError, match="not there"):
        ResumableDigest.resume(save(LENGTH), stream=BytesIO(CONTENT[:-1]), length=LENGTH)


def test_a_state_is_a_few_hundred_bytes_whatever_the_length():
    assert len(save(7 * BLOCK_BYTES)) == 1 + 8 + 32 + 3 * 32 + 32
    assert len(save(8 * BLOCK_BYTES)) == 1 + 8 + 32 + 1 * 32 + 32
    assert STATE_BYTES_MAX < 2_500


def test_a_resumable_digest_is_an_ordinary_one_too():
    resumable, ordinary = ResumableDigest(), BlobDigest()
    for digest in (resumable, ordinary):
        digest.update(CONTENT)

    assert resumable.finish() == ordinary.finish()
    assert resumable.length == ordinary.length == LENGTH
