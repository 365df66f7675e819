"""A headers file: the headers of one chain from its genesis block or a checkpoint on, 80 bytes each, nothing else.

Reading it checks every header. What passed is a chain with the work that it holds; that it is *the* chain follows
from its work, or from a checkpoint that the caller knows.
"""

import struct
from array import array
from bisect import bisect_left
from dataclasses import dataclass
from typing import BinaryIO

from registry.proof.errors import (
    ChainWorkError,
    CheckpointMismatchError,
    HeadersNetworkError,
    HeadersStartError,
    HeadersTooLargeError,
    HeadersTruncatedError,
    HeaderUnavailableError,
    MalformedHeaderError,
    UsageError,
)
from registry.proof.hashes import sha256d
from registry.proof.headers import HEADER_BYTES, Header, display_hash, parse_display_hash, parse_header
from registry.proof.networks import MAIN, Network, find_network
from registry.proof.periods import begin_period, check_period, continue_period, count_hashes, read_period
from registry.proof.readers import read_full
from registry.proof.sources import check_depth, parse_height

HEADERS_MAX = 5_000_000
"""Headers in one file, 400 MB: 95 years of one block every ten minutes."""

_KEY_BYTES, _PLACE_BITS = 5, 24
"""An index entry has the first bytes of a hash, which look random, and the header's place: 64 bits in all."""

_PREVIOUS_KEY = struct.Struct(f"4x{_KEY_BYTES}s{HEADER_BYTES - 4 - _KEY_BYTES}x")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A block that the caller knows: its height, and its hash in internal byte order."""

    height: int
    block_hash: bytes


def parse_checkpoint(text: str) -> Checkpoint:
    """Parse HEIGHT:HASH, the hash as nodes print it. Raises UsageError if the text is not that."""
    number, _, digits = text.partition(":")
    height = parse_height(number)
    if height is None:
        raise UsageError("a checkpoint is given as HEIGHT:HASH")
    try:
        return Checkpoint(height=height, block_hash=parse_display_hash(digits.lower()))
    except MalformedHeaderError as error:
        raise UsageError("a checkpoint's hash has 64 hexadecimal digits") from error


class HeaderChain:
    """A checked chain, which is a source of its headers: `first_height` to `tip_height`, `work` in hashes.

    It keeps the file's own bytes, and the index by hash, built when it is first needed, has 8 bytes a header.
    """

    def __init__(
        self, network: Network, *, first_height: int, tip_height: int, work: int, periods: list[bytes]
    ) -> None:
        self.network = network
        self.first_height = first_height
        self.tip_height = tip_height
        self.work = work
        self._periods = periods
        self._index: array[int] | None = None

    @property
    def tip_hash(self) -> bytes:
        """The last header's hash, in internal byte order."""
        return self.get_hash(self.tip_height)

    def get_hash(self, height: int) -> bytes:
        """Return the hash, in internal byte order, of a header that the file has, however deep it is."""
        return sha256d(self._cut(height))

    def get_header(self, height: int) -> Header:
        """Return the header at a height.

        Raises HeaderUnavailableError if the file does not have it, or it has too few confirmations there.
        """
        if not self.first_height <= height <= self.tip_height:
            raise HeaderUnavailableError(
                f"the headers file has blocks {self.first_height} to {self.tip_height}, not {height}"
            )
        check_depth(height, self.tip_height)
        return parse_header(self._cut(height))

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height of the header with this hash, or None if the file does not have it."""
        if self._index is None:
            self._index = self._build_index()
        begin = _start_entry(block_hash)
        # Several hashes may begin with the same five bytes.
        first, last = bisect_left(self._index, begin), bisect_left(self._index, begin + (1 << _PLACE_BITS))
        for entry in self._index[first:last]:
            height = self.first_height + entry - begin
            if self.get_hash(height) == block_hash:
                return height
        return None

    def _build_index(self) -> "array[int]":
        """Return the sorted entries: five bytes of each hash, then its place.

        A header's hash stands in the header after it.
        """
        keys = [key for period in self._periods for (key,) in _PREVIOUS_KEY.iter_unpack(period)][1:]
        keys.append(self.tip_hash[:_KEY_BYTES])
        return array("Q", sorted(_start_entry(key) | place for place, key in enumerate(keys)))

    def _cut(self, height: int) -> bytes:
        number, place = divmod(height - self.first_height, self.network.period_headers)
        return self._periods[number][place * HEADER_BYTES : (place + 1) * HEADER_BYTES]


def read_chain(
    stream: BinaryIO, *, network: Network | None = None, checkpoint: Checkpoint | None = None
) -> HeaderChain:
    """Read a headers file, a binary stream, to its end and check it.

    The file begins with a genesis block, which tells the network, or with the checkpoint, whose height must be the
    first of a period; without `network`, such a file is the main network's. In a file from the genesis block the
    checkpoint may have any height that the file reaches. It adds to what is required, and takes nothing away.
    Raises a HeadersFileError for what is wrong with the file, UsageError if the checkpoint cannot be used.
    """
    first = read_full(stream, HEADER_BYTES)
    if len(first) != HEADER_BYTES:
        raise HeadersTruncatedError("the headers file has no whole header")
    network, first_height = _find_start(sha256d(first), network, checkpoint)
    if first_height > 0 and count_hashes(parse_header(first).bits) < network.block_work_min:
        raise ChainWorkError(
            f"a file of {network.name} may begin with a block of 2^{network.block_work_min.bit_length() - 1} hashes or "
            f"more, and the checkpoint has fewer: name a later one"
        )
    chain = _read_periods(first, stream, network, first_height)
    if checkpoint is not None:
        _check_checkpoint(chain, checkpoint)
    if first_height == 0 and chain.work < network.work_min:
        raise ChainWorkError(
            f"the headers hold 2^{chain.work.bit_length() - 1} hashes of work where {network.name} holds more than "
            f"2^{network.work_min.bit_length() - 1}"
        )
    return chain


def _find_start(first_hash: bytes, network: Network | None, checkpoint: Checkpoint | None) -> tuple[Network, int]:
    """Return the network and the height of a file's first header."""
    if network is not None and network.genesis_hash == first_hash:
        return network, 0
    found = find_network(first_hash)
    if found is not None and network is not None:
        raise HeadersNetworkError(
            f"the headers file is of {found.name}, not of {network.name}: "
            f"say --network {found.name} if that is what you want"
        )
    if found is not None:
        return found, 0
    if checkpoint is None or checkpoint.block_hash != first_hash:
        raise HeadersStartError
    network = network or MAIN
    if checkpoint.height == 0:
        raise UsageError(f"the checkpoint is not the genesis block of {network.name}")
    if checkpoint.height % network.period_headers:
        raise UsageError(f"a file may begin at a multiple of {network.period_headers}, not at {checkpoint.height}")
    return network, checkpoint.height


def _read_periods(first: bytes, stream: BinaryIO, network: Network, first_height: int) -> HeaderChain:
    """Read and check what follows the first header, which its hash vouches for."""
    periods: list[bytes] = []
    count, work, before = 0, 0, None
    chunk = first + read_full(stream, (network.period_headers - 1) * HEADER_BYTES)
    while chunk:
        if len(chunk) % HEADER_BYTES:
            raise HeadersTruncatedError(f"the headers file ends with {len(chunk) % HEADER_BYTES} bytes of a header")
        period = read_period(chunk, first_height=first_height + count)
        count += len(period.hashes)
        if count > HEADERS_MAX:
            raise HeadersTooLargeError(f"more than {HEADERS_MAX} headers")
        if before is None:
            before, checked = begin_period(period)
        else:
            checked = period
        check_period(checked, before, network=network)
        before = continue_period(period, before, network=network)
        work += period.work
        periods.append(chunk)
        chunk = read_full(stream, network.period_headers * HEADER_BYTES)
    tip_height = first_height + count - 1
    return HeaderChain(network, first_height=first_height, tip_height=tip_height, work=work, periods=periods)


def _check_checkpoint(chain: HeaderChain, checkpoint: Checkpoint) -> None:
    """Check that a chain has the block that the caller knows."""
    if not chain.first_height <= checkpoint.height <= chain.tip_height:
        raise CheckpointMismatchError(f"the headers file does not reach block {checkpoint.height}, the checkpoint")
    if chain.get_hash(checkpoint.height) != checkpoint.block_hash:
        raise CheckpointMismatchError(
            f"block {checkpoint.height} of the headers file is {display_hash(chain.get_hash(checkpoint.height))}, "
            "not the checkpoint"
        )


def _start_entry(block_hash: bytes) -> int:
    """Return an index entry without its place."""
    return int.from_bytes(block_hash[:_KEY_BYTES]) << _PLACE_BITS
