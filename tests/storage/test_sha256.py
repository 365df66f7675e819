"""SHA-256 that can be put away, against hashlib."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage import sha256
from storage.errors import DigestStateError
from storage.sha256 import CHUNK_BYTES, ResumableSha256, do_agree, find_functions, load_functions

needs_library = pytest.mark.skipif(find_functions() is None, reason="this Python has no OpenSSL that ctypes reaches")


@needs_library
@given(st.integers(0, 40), st.binary(max_size=300), st.binary(max_size=300))
def test_a_hash_that_was_put_away_goes_on_like_hashlibs(chunks: int, rest: bytes, more: bytes):
    first = bytes(n % 251 for n in range(chunks * CHUNK_BYTES))
    before, after = ResumableSha256(), ResumableSha256()
    before.update(first)

    after.set_words(before.get_words(), length=len(first))
    after.update(rest)
    after.update(memoryview(more))

    assert after.digest() == hashlib.sha256(first + rest + more).digest()


@needs_library
def test_the_length_of_a_very_long_input_is_part_of_the_digest():
    """2^61 bytes less a chunk are as many bits as SHA-256 counts; the lengths 2^32 bits apart end differently."""
    words, ends = ResumableSha256().get_words(), set()
    for length in (0, 2**29, 2**32, 2**61 - CHUNK_BYTES):
        hasher = ResumableSha256()
        hasher.set_words(words, length=length)
        ends.add(hasher.digest())

    assert len(ends) == 4


@needs_library
def test_a_copy_and_a_digest_leave_the_hash_as_it_is():
    hasher = ResumableSha256()
    hasher.update(b"one")
    other = hasher.copy()
    other.update(b" and another")

    assert hasher.digest() == hasher.digest() == hashlib.sha256(b"one").digest()
    assert other.digest() == hashlib.sha256(b"one and another").digest()


@needs_library
def test_a_hash_is_put_away_between_two_chunks_only():
    hasher = ResumableSha256()
    hasher.update(b"a" * (CHUNK_BYTES + 1))

    with pytest.raises(DigestStateError, match="between two chunks"):
        hasher.get_words()


@needs_library
@pytest.mark.parametrize(("words", "length"), [(31, 0), (33, 0), (32, 1), (32, -64), (32, 2**61)])
def test_refuses_a_state_that_no_hash_can_have(words: int, length: int):
    with pytest.raises(DigestStateError):
        ResumableSha256().set_words(bytes(words), length=length)


def test_a_library_without_the_functions_is_none():
    assert load_functions("/nowhere/libcrypto.so") is None
    assert load_functions(_find_c_library()) is None


def _find_c_library() -> str:
    """Return the path of a library that is loaded and has no SHA-256: the one that ctypes itself stands on."""
    import _ctypes

    return _ctypes.__file__


@needs_library
def test_functions_that_do_something_else_do_not_agree():
    functions = find_functions()
    assert functions is not None

    assert do_agree(functions)
    assert not do_agree(type(functions)(functions.init, lambda *_: 1, functions.final))


def test_without_the_library_there_is_no_such_hash(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sha256, "find_functions", lambda: None)

    with pytest.raises(DigestStateError, match="not usable"):
        ResumableSha256()
