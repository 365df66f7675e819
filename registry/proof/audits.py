"""The audit of a whole register from its static export, without asking anybody but a source of headers.

For each batch, in the order of the anchors file:

(0) The files follow their formats and limits.
(3) Every record follows the rules of its kind; its leaf is computed from it.
(4) The leaves, in order, have the batch's root.
(5) The batch's fields hash to the commitment.
(6) The transaction is an anchor and carries the commitment.
(7) The transaction leads to the Merkle root of the header.
(8) The header meets its own target.
(9) The chain has that header at that height, deep enough.
(10) The anchor spends the one before it, the first one the registry's first outpoint; seq, first index, previous
     commitment and heights continue. The registry is the one that the caller knows, of the network that it names.
(11) The leaves of every batch are there, whole, and there is no file that no anchor names.

And for the register:

(12) No leaf stands twice.

The numbers are the verifier's (registry/proof/verify.py), which has no record of the whole and so no steps 11 and 12.
What is proved is complete up to the last anchor of the file. Whether its continuation was spent since, only a node
can tell.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import BufferedReader
from pathlib import Path
from tempfile import TemporaryDirectory

from registry.proof.anchors import Registry, display_outpoint, read_anchored_batches, read_registry, walk_chain
from registry.proof.documents import AnchoredBatch
from registry.proof.errors import (
    BatchPathError,
    ExportIncompleteError,
    HeaderMismatchError,
    ProofError,
    RegistryMismatchError,
    RepeatedLeafError,
    UndecidedError,
    UnexpectedFileError,
    UsageError,
)
from registry.proof.exports import (
    ANCHORS_NAME,
    BATCHES_NAME,
    REGISTER_BYTES_MAX,
    REGISTER_NAME,
    ExportHead,
    find_seq,
    name_leaves_file,
    read_export_head,
)
from registry.proof.headers import display_hash, parse_header
from registry.proof.merkle import merkle_root
from registry.proof.networks import Network, find_network
from registry.proof.packed import PIECE_BYTES, RECORD_BYTES, RootBuilder, hash_packed
from registry.proof.readers import read_limited
from registry.proof.repeats import LeafPile
from registry.proof.sources import HeaderSource
from registry.proof.transactions import Anchor
from registry.proof.verify import check_registry

ProgressNote = Callable[[int, int], None]
"""Called with how many bytes of leaves were read, and how many there are."""


@dataclass(frozen=True, slots=True)
class RegisterClaims:
    """What an audit proved of a register: it is complete up to its last anchor, and nothing in it stands twice.

    `registry` is its first outpoint as TXID:VOUT; unless `registry_checked`, the export alone says that it is this
    one. Later spends of the last anchor are unchecked. `bounded_batches` counts the batches whose cited block is known
    to be in the chain, so that they were made after it.
    """

    registry: str
    registry_checked: bool
    network: str
    batches: int
    records: int
    bounded_batches: int
    last_anchor_txid: str
    last_height: int
    last_block_hash: str
    last_time: str


@dataclass(slots=True)
class _Place:
    """Where the audit is: the batch at hand, and what was counted so far."""

    seq: int = 0
    records: int = 0
    bounded_batches: int = 0
    read_bytes: int = 0


def audit_export(
    directory: Path,
    *,
    headers: HeaderSource,
    known_outpoint: bytes | None = None,
    network: Network | None = None,
    note_progress: ProgressNote = lambda _done, _total: None,
) -> RegisterClaims:
    """Verify an export completely and say what that proves: steps 0 and 3 to 12.

    `known_outpoint` is the first outpoint of the registry that the caller knows (36 bytes); without it, the caller
    compares. `network` is the one that the registry must be of, None if only the headers tell. Memory is bounded;
    temporary files take 32 bytes for each leaf beyond a million.
    Raises an InvalidProofError that names the step and, as `batch`, the batch; UndecidedError if the headers do not
    reach, the registry is of another network, or the export has leaves that are not anchored yet; UsageError if the
    folder cannot be read.
    """
    with _open(directory / REGISTER_NAME) as stream:
        head = read_export_head(read_limited(stream, REGISTER_BYTES_MAX))
    total_bytes, last_seq = _list_batches(directory / BATCHES_NAME)
    with _open(directory / ANCHORS_NAME) as stream, TemporaryDirectory(prefix="cadastre-audit-") as temporary:
        registry = read_registry(stream)
        if registry != head.registry:
            raise RegistryMismatchError(f"{REGISTER_NAME} and {ANCHORS_NAME} are of two registries")
        network_name = _name_network(head)
        check_registry(registry, headers=headers, known_outpoint=known_outpoint, network=network)
        pile, place, last = LeafPile(Path(temporary)), _Place(), None
        with _naming_batch(place):
            for anchored, anchor in walk_chain(registry=registry, anchors=read_anchored_batches(stream)):
                _check_header(anchored, headers, place)
                for leaves in _read_leaves(directory, anchored, place):
                    pile.add(leaves)
                    note_progress(place.read_bytes, total_bytes)
                place.seq, place.records, last = place.seq + 1, place.records + anchored.batch.size, (anchored, anchor)
        if last is None:
            raise UndecidedError("the export has no anchor: there is nothing to audit yet")
        if last_seq >= place.seq:
            raise UndecidedError(
                f"leaves of batch {last_seq} are there, and the last anchor is {place.seq - 1}: "
                "the export is unfinished, or was copied while it was written"
            )
        if repeated := pile.find_repeated():
            _report_repeated(directory, repeated, place.seq)
    return _describe(network_name, registry, place, *last, is_checked=known_outpoint is not None)


def _name_network(head: ExportHead) -> str:
    """Return the name of the network that a registry's genesis block is of. What the export calls it must be that.

    Raises RegistryMismatchError if it is not.
    """
    found = find_network(head.registry.genesis_block_hash)
    if found is None or found.name != head.network:
        raise RegistryMismatchError(f"the network that {REGISTER_NAME} names does not begin with its genesis block")
    return found.name


def _list_batches(folder: Path) -> tuple[int, int]:
    """Return how many bytes the files of leaves have together, and the highest number of one, -1 if there is none.

    Raises UnexpectedFileError if there is anything else in the folder.
    """
    total_bytes, last_seq = 0, -1
    try:
        for path in folder.iterdir():
            seq = find_seq(path.name)
            if seq is None or not path.is_file():
                raise UnexpectedFileError(f"{BATCHES_NAME} has {path.name[:100]!r}, which is no batch")
            total_bytes, last_seq = total_bytes + path.stat().st_size, max(last_seq, seq)
    except FileNotFoundError as error:
        raise ExportIncompleteError(f"there is no {BATCHES_NAME}") from error
    except OSError as error:
        raise UsageError(f"cannot read {folder}: {error.strerror}") from error
    return total_bytes, last_seq


def _check_header(anchored: AnchoredBatch, headers: HeaderSource, place: _Place) -> None:
    """Check that the chain has the anchor's header (step 9), and look for the block that the batch cites."""
    height = anchored.block.height
    if headers.get_header(height).raw != anchored.block.header:
        raise HeaderMismatchError(f"the chain has another header at height {height}")
    cited_height = headers.find_height(anchored.batch.recent_block_hash)
    place.bounded_batches += cited_height is not None and cited_height < height


def _read_leaves(directory: Path, anchored: AnchoredBatch, place: _Place) -> Iterator[list[bytes]]:
    """Yield a batch's leaves in pieces, and check at the end that they have the batch's root."""
    batch, name = anchored.batch, name_leaves_file(anchored.batch.seq)
    builder = RootBuilder()
    with _open(directory / BATCHES_NAME / name) as stream:
        size_bytes = os.fstat(stream.fileno()).st_size
        if size_bytes != batch.size * RECORD_BYTES:
            raise ExportIncompleteError(f"{name} has {size_bytes} bytes, not those of {batch.size} records")
        while packed := stream.read(PIECE_BYTES):
            leaves = hash_packed(packed)
            builder.add(merkle_root(leaves))
            place.read_bytes += len(packed)
            yield leaves
    if builder.get_root() != batch.root:
        raise BatchPathError(f"the leaves of batch {batch.seq} have another root")


def _report_repeated(directory: Path, repeated: bytes, batches: int) -> None:
    """Find where a leaf stands twice, and raise RepeatedLeafError. This reads all leaves again."""
    found: list[tuple[int, int]] = []
    for seq in range(batches):
        with _open(directory / BATCHES_NAME / name_leaves_file(seq)) as stream:
            position = 0
            while packed := stream.read(PIECE_BYTES):
                leaves = hash_packed(packed)
                found += [(seq, position + at) for at, leaf in enumerate(leaves) if leaf == repeated]
                position += len(leaves)
    error = RepeatedLeafError(
        f"leaf {repeated.hex()} stands in "
        + " and in ".join(f"batch {seq} at position {position}" for seq, position in found[:2])
    )
    error.batch = found[-1][0]
    raise error


def _describe(
    network: str, registry: Registry, place: _Place, anchored: AnchoredBatch, anchor: Anchor, *, is_checked: bool
) -> RegisterClaims:
    header = parse_header(anchored.block.header)
    return RegisterClaims(
        registry=display_outpoint(registry.first_outpoint),
        registry_checked=is_checked,
        network=network,
        batches=place.seq,
        records=place.records,
        bounded_batches=place.bounded_batches,
        last_anchor_txid=display_hash(anchor.txid),
        last_height=anchored.block.height,
        last_block_hash=display_hash(header.block_hash),
        last_time=datetime.fromtimestamp(header.time, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    )


@contextmanager
def _naming_batch(place: _Place) -> Iterator[None]:
    """Name the batch at hand in every error."""
    try:
        yield
    except ProofError as error:
        error.batch = place.seq
        raise


@contextmanager
def _open(path: Path) -> Iterator[BufferedReader]:
    """Open a file of the export."""
    try:
        stream = path.open("rb")
    except FileNotFoundError as error:
        raise ExportIncompleteError(f"there is no {path.name}") from error
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from error
    with stream:
        yield stream
