"""Checking one period of headers by Bitcoin's rules: links, targets, proof of work, times.

Each rule is checked over a whole column at once, which takes a fraction of the hashing's own time; only headers that
a column's quick test leaves open are looked at one by one. Every rule is checked exactly, whatever the way.

What needs more than headers is not checked: a block's transactions, its version, signet's signatures, and that no
time is more than two hours ahead of the clock. Sources: Bitcoin Core, pow.cpp, chain.h and validation.cpp
(ContextualCheckBlockHeader); BIP 94.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, compress, islice
from operator import itemgetter, le

from registry.proof.errors import HeadersBitsError, HeadersLinkError, HeadersTimeError, HeadersWorkError
from registry.proof.headers import find_target
from registry.proof.networks import SPACING_S, Network

MEDIAN_HEADERS = 11
"""A block's time is later than the median time of so many blocks before it."""

_RAW = struct.Struct("80s")
_reverse = itemgetter(slice(None, None, -1))


@dataclass(frozen=True, slots=True)
class Period:
    """The columns of consecutive headers, of which the first has height `first_height`, and the bits that occur."""

    first_height: int
    previous: tuple[bytes, ...]
    times: tuple[int, ...]
    bits: tuple[int, ...]
    hashes: list[bytes]
    distinct_bits: frozenset[int]

    @property
    def work(self) -> int:
        """The hashes that headers with these bits take on average. Source: Bitcoin Core, GetBlockProof."""
        if len(self.distinct_bits) == 1:
            return len(self.bits) * count_hashes(self.bits[0])
        return sum(map(count_hashes, self.bits))


@dataclass(frozen=True, slots=True)
class Before:
    """What a period is checked against: its bits by the rules, the hash before it, and up to eleven times before it.

    `is_complete` says that all headers before it are known; otherwise the file begins at a checkpoint.
    """

    bits: int
    block_hash: bytes
    times: tuple[int, ...]
    is_complete: bool


def read_period(chunk: bytes, *, first_height: int) -> Period:
    """Hash the headers of a chunk, at least one and each of 80 bytes, and split them into columns."""
    sha256 = hashlib.sha256
    hashes = [sha256(sha256(raw).digest()).digest() for (raw,) in _RAW.iter_unpack(chunk)]
    links, numbers = _get_columns(len(hashes))
    previous, pairs = links.unpack(chunk), numbers.unpack(chunk)
    bits = pairs[1::2]
    return Period(first_height, previous, pairs[::2], bits, hashes, frozenset(bits))


def begin_period(period: Period) -> tuple[Before, Period]:
    """Split a file's first period into its first header, which the rest is checked against, and that rest."""
    before = Before(
        bits=period.bits[0],
        block_hash=period.hashes[0],
        times=period.times[:1],
        is_complete=period.first_height == 0,
    )
    rest = Period(
        first_height=period.first_height + 1,
        previous=period.previous[1:],
        times=period.times[1:],
        bits=period.bits[1:],
        hashes=period.hashes[1:],
        distinct_bits=frozenset(period.bits[1:]),
    )
    return before, rest


def continue_period(period: Period, before: Before, *, network: Network) -> Before:
    """Return what the next period is checked against, after this whole one."""
    return Before(
        bits=network.next_bits(times=period.times, bits=period.bits),
        block_hash=period.hashes[-1],
        times=(before.times + period.times)[-MEDIAN_HEADERS:],
        is_complete=before.is_complete,
    )


def check_period(period: Period, before: Before, *, network: Network) -> None:
    """Check a period that continues what is before it.

    Raises HeadersLinkError, HeadersBitsError, HeadersWorkError or HeadersTimeError with the header's height.
    """
    if period.hashes:
        check_links(period, before)
        check_bits(period, before, network)
        check_work(period)
        check_times(period, before, network)


def check_links(period: Period, before: Before) -> None:
    """Check that each header names the hash of the one before it."""
    expected = (before.block_hash, *period.hashes[:-1])
    if period.previous != expected:
        place = _find_difference(period.previous, expected)
        raise HeadersLinkError(f"header {period.first_height + place} does not name the one before it")


def check_bits(period: Period, before: Before, network: Network) -> None:
    """Check that each header has the period's bits, or the easiest where testnet4 allows them."""
    if period.distinct_bits == {before.bits} and not network.has_bip94:
        return
    last_time = before.times[-1]
    for place, (bits, time) in enumerate(zip(period.bits, period.times, strict=True)):
        height = period.first_height + place
        is_first = height % network.period_headers == 0
        is_late = network.has_bip94 and not is_first and time > last_time + 2 * SPACING_S
        expected = network.bits_max if is_late else before.bits
        if bits != expected:
            raise HeadersBitsError(f"header {height} has the bits {bits:08x} where {expected:08x} belong")
        last_time = time


def check_work(period: Period) -> None:
    """Check that each hash, read as a number, is at most the target that its header's bits name."""
    hardest = min(find_target(bits) or 0 for bits in period.distinct_bits)
    # Reversed, the bytes of a hash compare as the number does.
    if max(map(_reverse, period.hashes)) <= hardest.to_bytes(32):
        return
    for place, (bits, block_hash) in enumerate(zip(period.bits, period.hashes, strict=True)):
        if int.from_bytes(block_hash, "little") > (find_target(bits) or 0):
            raise HeadersWorkError(f"the hash of header {period.first_height + place} does not meet its target")


def check_times(period: Period, before: Before, network: Network) -> None:
    """Check that each time is later than the median of the eleven before it.

    The first headers after a checkpoint, whose eleven are not all known, are passed over.
    """
    is_first = period.first_height % network.period_headers == 0
    if network.has_bip94 and is_first and period.times[0] < before.times[-1] - SPACING_S:
        raise HeadersTimeError(f"header {period.first_height} is too much earlier than the one before it")
    times = before.times + period.times
    known = len(before.times)
    for place in _list_doubtful(times, known):
        window = times[max(place - MEDIAN_HEADERS, 0) : place]
        is_known = before.is_complete or len(window) == MEDIAN_HEADERS
        if is_known and times[place] <= sorted(window)[len(window) // 2]:
            height = period.first_height + place - known
            raise HeadersTimeError(f"the time of header {height} is not after the median of those before it")


@lru_cache(maxsize=4)
def _get_columns(count: int) -> tuple[struct.Struct, struct.Struct]:
    """Return what takes the previous hashes, and the times and bits by turns, from so many headers in one call."""
    return struct.Struct("<" + "4x32s44x" * count), struct.Struct("<" + "68xII4x" * count)


def count_hashes(bits: int) -> int:
    """Return how many hashes bits stand for; none if they name no target, as only a checkpoint's own may."""
    target = find_target(bits)
    return 0 if target is None else (1 << 256) // (target + 1)


def _list_doubtful(times: Sequence[int], known: int) -> list[int]:
    """Return the places from `known` on whose time the quick test does not prove late enough.

    Of eleven times before a header, the median is at most the latest of the first six: so a time later than all that
    are six or more places back is late enough. It needs eleven times before the first.
    """
    if known < MEDIAN_HEADERS:
        return list(range(known, len(times)))
    half = MEDIAN_HEADERS // 2 + 1
    latest = islice(accumulate(times, max), known - half, None)
    return list(compress(range(known, len(times)), map(le, islice(times, known, None), latest)))


def _find_difference(left: Sequence[bytes], right: Sequence[bytes]) -> int:
    return next(place for place, pair in enumerate(zip(left, right, strict=True)) if pair[0] != pair[1])
