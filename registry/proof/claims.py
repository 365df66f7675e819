"""What a proof says, for people and programs. It holds only after the verifier has accepted the proof."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry.proof.anchors import Registry, display_outpoint
from registry.proof.documents import ProofDocument
from registry.proof.headers import Header, display_hash, parse_header
from registry.proof.leaves import Kind, leaf_hash
from registry.proof.sources import HeaderSource
from registry.proof.timestamps import Timestamp
from registry.proof.transactions import read_anchor
from registry.proof.verify import find_lower_bound, get_attested_block


@dataclass(frozen=True, slots=True)
class BlockClaim:
    """The block before which the digest existed. Its time is what its miner wrote, within about two hours."""

    height: int
    block_hash: str
    time: str


@dataclass(frozen=True, slots=True)
class RecordClaim:
    """What only a proof document says: the record, its place in the registry, and its anchor.

    `made_after_block` bounds the batch, not the file, from below; None if that is undecided. Hashes are
    hexadecimal, `anchor_txid` byte-reversed as nodes print it.
    """

    kind: int
    kind_name: str
    index: int
    leaf: str
    seq: int
    commitment: str
    anchor_txid: str
    made_after_block: int | None
    details: dict[str, object] | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What is proved: that a digest (by `hash_name`) existed before a block, and what else is known.

    `registry` is the first outpoint, as TXID:VOUT, of the registry in which the record is canonical, None if
    that was not asked. Unless `registry_checked`, the anchors file alone says which registry that is.
    """

    hash_name: str
    digest: str
    block: BlockClaim
    record: RecordClaim | None
    registry: str | None = None
    registry_checked: bool = False

    @property
    def level(self) -> str:
        """Name the level of the proof."""
        return "existed" if self.registry is None else "canonical"


def describe_document(
    document: ProofDocument,
    *,
    headers: HeaderSource,
    registry: Registry | None = None,
    is_registry_checked: bool = False,
) -> Claims:
    """Say what a verified document proves.

    `registry` is given if the record is canonical there, `is_registry_checked` if the caller knew its outpoint.
    """
    anchored, record = document.anchored, document.record
    return Claims(
        hash_name="sha256",
        digest=record.sha256.hex(),
        block=_describe_block(anchored.block.height, parse_header(anchored.block.header)),
        record=RecordClaim(
            kind=record.kind,
            kind_name=_name_kind(record.kind),
            index=document.index,
            leaf=leaf_hash(record).hex(),
            seq=anchored.batch.seq,
            commitment=anchored.commitment.hex(),
            anchor_txid=display_hash(read_anchor(anchored.raw_tx).txid),
            made_after_block=find_lower_bound(document, headers=headers),
            details=None if document.opened is None else document.opened.details,
        ),
        registry=None if registry is None else display_outpoint(registry.first_outpoint),
        registry_checked=is_registry_checked,
    )


def describe_timestamp(timestamp: Timestamp, *, headers: HeaderSource) -> Claims:
    """Say what a verified .ots proves. Raises as verify_timestamp does."""
    height, header = get_attested_block(timestamp, headers=headers)
    return Claims(
        hash_name=timestamp.hash_name,
        digest=timestamp.digest.hex(),
        block=_describe_block(height, header),
        record=None,
    )


def _describe_block(height: int, header: Header) -> BlockClaim:
    time = datetime.fromtimestamp(header.time, tz=UTC)
    return BlockClaim(
        height=height, block_hash=display_hash(header.block_hash), time=time.strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _name_kind(kind: int) -> str:
    return Kind(kind).name.lower().replace("_", " ") if kind in list(Kind) else "unknown kind"
