"""What a proof says, for people and programs. It holds only after the verifier has accepted the proof."""

from dataclasses import dataclass
from datetime import UTC, datetime

from registry.proof.agreements import AgreedHeaders
from registry.proof.anchors import Registry, display_outpoint
from registry.proof.chains import HeaderChain
from registry.proof.documents import ProofDocument
from registry.proof.errors import MalformedTimestampError
from registry.proof.headers import Header, display_hash, parse_header
from registry.proof.leaves import Kind, leaf_hash
from registry.proof.readers import ByteReader
from registry.proof.sources import HeaderSource
from registry.proof.timestamps import BITCOIN, ETHEREUM, LITECOIN, PENDING, URI_BYTES_MAX, Timestamp
from registry.proof.transactions import read_anchor
from registry.proof.verify import Judgement, find_lower_bound, get_attested_block, judge_attestations

KINDS = {BITCOIN: "bitcoin", LITECOIN: "litecoin", ETHEREUM: "ethereum", PENDING: "pending"}
"""What the attestations are called whose tags are known."""


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
class AttestationClaim:
    """What became of one attestation of an .ots: "valid", "invalid" or "undecided", and why.

    `kind` is bitcoin, litecoin, ethereum, pending (with the calendar's `uri`) or unknown; blocks have their `height`.
    Tag and payload are hexadecimal, as they stand in the proof.
    """

    kind: str
    result: str
    height: int | None
    uri: str | None
    tag: str
    payload: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class ChainClaim:
    """A checked headers file: `work` in hashes, as a decimal string, since JSON's readers do not keep it exact."""

    network: str
    first_height: int
    tip_height: int
    tip_hash: str
    work: str


@dataclass(frozen=True, slots=True)
class SourceClaim:
    """One source of headers: whether it has the header, why not if it cannot tell, and a headers file's chain."""

    source: str
    told: bool
    detail: str | None
    chain: ChainClaim | None


@dataclass(frozen=True, slots=True)
class Claims:
    """What is proved: that a digest (by `hash_name`) existed before a block, and what else is known.

    An .ots has `attestations`, a proof document none. `sources` is what each source said of the block.
    `registry` is the first outpoint, as TXID:VOUT, of the registry in which the record is canonical, None if
    that was not asked. Unless `registry_checked`, the anchors file alone says which registry that is.
    """

    hash_name: str
    digest: str
    block: BlockClaim
    record: RecordClaim | None
    registry: str | None = None
    registry_checked: bool = False
    attestations: tuple[AttestationClaim, ...] = ()
    sources: tuple[SourceClaim, ...] = ()

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
        attestations=describe_attestations(timestamp, headers=headers),
    )


def describe_attestations(timestamp: Timestamp, *, headers: HeaderSource) -> tuple[AttestationClaim, ...]:
    """Say what became of every attestation of a timestamp, also of one that proves nothing."""
    return tuple(map(_describe_judgement, judge_attestations(timestamp, headers=headers)))


def describe_sources(headers: AgreedHeaders, *, height: int) -> tuple[SourceClaim, ...]:
    """Say what each source said of a block."""
    return tuple(
        SourceClaim(
            source=answer.source.name,
            told=answer.header is not None,
            detail=None if answer.error is None else str(answer.error),
            chain=_describe_chain(answer.source.headers),
        )
        for answer in headers.list_answers(height)
    )


def _describe_chain(headers: HeaderSource) -> ChainClaim | None:
    if not isinstance(headers, HeaderChain):
        return None
    return ChainClaim(
        network=headers.network.name,
        first_height=headers.first_height,
        tip_height=headers.tip_height,
        tip_hash=display_hash(headers.tip_hash),
        work=str(headers.work),
    )


def _describe_judgement(judgement: Judgement) -> AttestationClaim:
    attestation = judgement.attestation
    # What the payload holds was checked when the timestamp was read.
    fields = ByteReader(attestation.payload, MalformedTimestampError)
    kind = KINDS.get(attestation.tag, "unknown")
    is_pending, is_unknown = attestation.tag == PENDING, attestation.tag not in KINDS
    return AttestationClaim(
        kind=kind,
        result="valid" if judgement.error is None else judgement.error.result,
        height=None if is_pending or is_unknown else fields.take_varuint(),
        uri=fields.take_varbytes(0, URI_BYTES_MAX).decode("ascii") if is_pending else None,
        tag=attestation.tag.hex(),
        payload=attestation.payload.hex(),
        detail=None if judgement.error is None else str(judgement.error),
    )


def _describe_block(height: int, header: Header) -> BlockClaim:
    time = datetime.fromtimestamp(header.time, tz=UTC)
    return BlockClaim(
        height=height, block_hash=display_hash(header.block_hash), time=time.strftime("%Y-%m-%dT%H:%M:%SZ")
    )


def _name_kind(kind: int) -> str:
    return Kind(kind).name.lower().replace("_", " ") if kind in list(Kind) else "unknown kind"
