"""SHA-256 whose state can be put away and taken up again, by the OpenSSL that Python itself has loaded.

hashlib cannot show the state of a hash. OpenSSL's SHA256_CTX is a documented structure, and its functions are in the
library that hashlib calls, so they are reached through ctypes and run at hashlib's own speed. Whether they are there,
and do what is expected, is found out once, against hashlib. Source: OpenSSL, `include/openssl/sha.h`; FIPS 180-4.
"""

import ctypes
import hashlib
import importlib.util
from dataclasses import dataclass
from functools import cache
from typing import Any, Self

from storage.errors import DigestStateError

CHUNK_BYTES = 64
"""SHA-256 works through its input in pieces of so many bytes; between two of them the state is eight words."""
WORDS_BYTES = 32
_LENGTH_MAX = 2**61
"""SHA-256 counts its input in bits, in 64 of them."""


class _Context(ctypes.Structure):
    """SHA256_CTX: the words, the length in bits, what waits for the rest of its chunk, and how much that is.

    Nothing of ours lies behind it for a library whose structure were longer.
    """

    _fields_ = (
        ("words", ctypes.c_uint32 * 8),
        ("bits_low", ctypes.c_uint32),
        ("bits_high", ctypes.c_uint32),
        ("data", ctypes.c_uint32 * 16),
        ("waiting", ctypes.c_uint),
        ("digest_bytes", ctypes.c_uint),
        ("spare", ctypes.c_ubyte * 144),
    )


@dataclass(frozen=True, slots=True)
class _Functions:
    """The library's three functions; each returns 1."""

    init: Any
    update: Any
    final: Any


class ResumableSha256:
    """A hash like hashlib's that can be put away after any number of whole chunks.

    Raises DigestStateError if the library is not usable.
    """

    def __init__(self) -> None:
        functions = find_functions()
        if functions is None:
            raise DigestStateError("OpenSSL's SHA-256 is not usable here.")
        self._start(functions)

    def _start(self, functions: _Functions) -> None:
        self._functions = functions
        self._context = _Context()
        self._functions.init(ctypes.byref(self._context))

    def update(self, data: bytes | memoryview) -> None:
        """Take the next bytes. A memoryview of bytes that cannot be written is copied."""
        if not isinstance(data, memoryview):
            self._functions.update(ctypes.byref(self._context), data, len(data))
        elif data.readonly:
            self.update(bytes(data))
        elif data:
            # The library takes the bytes where they are.
            first = ctypes.c_char.from_buffer(data)
            self._functions.update(ctypes.byref(self._context), ctypes.addressof(first), len(data))

    def copy(self) -> Self:
        """Return a hash that goes on from the same state."""
        other = type(self).__new__(type(self))
        other._start(self._functions)  # noqa: SLF001 - of the same class
        ctypes.pointer(other._context)[0] = self._context  # noqa: SLF001
        return other

    def digest(self) -> bytes:
        """Return the 32 bytes of everything taken so far; more may follow."""
        result = ctypes.create_string_buffer(32)
        self._functions.final(result, ctypes.byref(self.copy()._context))  # noqa: SLF001
        return result.raw

    def get_words(self) -> bytes:
        """Return the state, 32 bytes: the eight words, big-endian.

        Raises DigestStateError if the last chunk is not whole.
        """
        if self._context.waiting:
            raise DigestStateError("The state of a hash is kept between two chunks only.")
        return b"".join(word.to_bytes(4, "big") for word in self._context.words)

    def set_words(self, words: bytes, *, length: int) -> None:
        """Go on from a state: its words, and how many bytes had been taken.

        Raises DigestStateError if there is no such state.
        """
        if len(words) != WORDS_BYTES or length % CHUNK_BYTES or not 0 <= length < _LENGTH_MAX:
            raise DigestStateError
        self._start(self._functions)
        for index in range(8):
            self._context.words[index] = int.from_bytes(words[4 * index : 4 * index + 4], "big")
        self._context.bits_high, self._context.bits_low = divmod(8 * length, 2**32)


@cache
def find_functions() -> _Functions | None:
    """Return the library's functions, or None if they are not there or do not do what hashlib does."""
    module = importlib.util.find_spec("_hashlib")
    # The library is found through the module that needs it; where Python has the module inside, through Python.
    functions = load_functions(module.origin if module is not None and module.has_location else None)
    return functions if functions is not None and do_agree(functions) else None


def load_functions(path: str | None) -> _Functions | None:
    """Return the functions that a library or one that it needs has, or None. No path means this very program."""
    try:
        library = ctypes.CDLL(path)
        functions = _Functions(library.SHA256_Init, library.SHA256_Update, library.SHA256_Final)
    except (OSError, AttributeError):
        # Python was built with another library, or with one whose names are hidden.
        return None
    functions.init.argtypes = (ctypes.c_void_p,)
    functions.update.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t)
    functions.final.argtypes = (ctypes.c_char_p, ctypes.c_void_p)
    return functions


def do_agree(functions: _Functions) -> bool:
    """Return whether hashes that are put away and taken up end as hashlib's do, before and beyond 2^32 bits."""
    first, rest = bytes(range(256)) * 5, b"the rest"
    hasher = ResumableSha256.__new__(ResumableSha256)
    hasher._start(functions)  # noqa: SLF001 - the class asks for functions that were checked
    hasher.update(first)
    words = hasher.get_words()
    hasher.set_words(words, length=len(first))
    hasher.update(rest)
    far = hasher.copy()
    far.set_words(words, length=2**29 + 2**40)
    bits = (far._context.bits_high << 32) + far._context.bits_low  # noqa: SLF001
    return hasher.digest() == hashlib.sha256(first + rest).digest() and bits == 8 * (2**29 + 2**40)
