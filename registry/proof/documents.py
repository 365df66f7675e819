"""The proof document (.proof.json): every field between a file and a block header, in one strict JSON object.

docs/reference/format-proof.md lists the fields. Hashes are lower-case hexadecimal in internal byte order.
"""

import json
from dataclasses import dataclass

from registry.proof.commitments import Batch, commitment_hash
from registry.proof.errors import MalformedDocumentError
from registry.proof.fields import Fields
from registry.proof.headers import HEADER_BYTES
from registry.proof.jcs import parse_strict
from registry.proof.leaves import Record
from registry.proof.merkle import BLOCK_DEPTH_MAX
from registry.proof.transactions import parse_transaction

FORMAT = "cadastre-proof-v1"
PROOF_BYTES_MAX = 1024 * 1024
"""Proofs, of either form, are refused beyond this. Real ones have a few kilobytes."""

BATCH_DEPTH_MAX = 64


@dataclass(frozen=True, slots=True)
class OpenedDetails:
    """Details shown in clear: a JSON object, and the 32-byte salt of the commitment to it."""

    details: dict[str, object]
    salt: bytes


@dataclass(frozen=True, slots=True)
class BlockPlace:
    """Where a transaction stands in the chain; `header` is the block's 80 bytes."""

    height: int
    header: bytes
    tx_index: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class AnchoredBatch:
    """A batch, the commitment stated for it, the raw transaction that carries it, and the block of that."""

    batch: Batch
    commitment: bytes
    raw_tx: bytes
    block: BlockPlace


@dataclass(frozen=True, slots=True)
class ProofDocument:
    """One record's proof. `index` counts the registry's leaves from 0; `path` is the leaf's."""

    record: Record
    opened: OpenedDetails | None
    index: int
    path: tuple[bytes, ...]
    anchored: AnchoredBatch


def read_document(data: bytes) -> ProofDocument:
    """Read a proof document.

    Raises MalformedDocumentError if a field is missing, unknown or badly written, InvalidRecordError or
    CommitmentMismatchError if the numbers of a record or batch are out of range.
    """
    fields = Fields(parse_strict(data), "the proof")
    fields.take_constant("format", FORMAT)
    record_fields = fields.take_fields("record")
    record = _take_record(record_fields)
    opened = _take_opened(record_fields)
    record_fields.finish()
    index = fields.take_integer("index")
    path = fields.take_hashes("path", BATCH_DEPTH_MAX)
    anchored = take_anchored_batch(fields)
    fields.finish()
    return ProofDocument(record=record, opened=opened, index=index, path=path, anchored=anchored)


def write_proof_document(document: ProofDocument) -> bytes:
    """Return a proof document as UTF-8 JSON, one field a line."""
    record = document.record
    record_fields: dict[str, object] = {
        "kind": record.kind,
        "sha256": record.sha256.hex(),
        "length": record.length,
        "root": record.root.hex(),
        "seal": record.seal.hex(),
        "details_hash": record.details_hash.hex(),
    }
    if document.opened is not None:
        record_fields["details"] = document.opened.details
        record_fields["details_salt"] = document.opened.salt.hex()
    fields = {
        "format": FORMAT,
        "record": record_fields,
        "index": document.index,
        "path": [node.hex() for node in document.path],
        **list_anchored_batch(document.anchored),
    }
    return (json.dumps(fields, ensure_ascii=False, indent=1) + "\n").encode()


def list_anchored_batch(anchored: AnchoredBatch) -> dict[str, object]:
    """Return the fields `batch`, `anchor` and `block`, which proof documents and anchors files share.

    The transaction is written without its witness: then its txid covers every byte of it.
    Raises MalformedTransactionError if the raw transaction is none.
    """
    batch, block = anchored.batch, anchored.block
    return {
        "batch": {
            "seq": batch.seq,
            "first_index": batch.first_index,
            "size": batch.size,
            "previous_commitment": batch.previous_commitment.hex(),
            "recent_block_hash": batch.recent_block_hash.hex(),
            "root": batch.root.hex(),
            "commitment": anchored.commitment.hex(),
        },
        "anchor": {"raw_tx": parse_transaction(anchored.raw_tx).stripped.hex()},
        "block": {
            "height": block.height,
            "header": block.header.hex(),
            "tx_index": block.tx_index,
            "path": [node.hex() for node in block.path],
        },
    }


def anchor_batch(*, batch: Batch, raw_tx: bytes, block: BlockPlace) -> AnchoredBatch:
    """Put together what a proof says of a batch, computing its commitment."""
    return AnchoredBatch(batch=batch, commitment=commitment_hash(batch), raw_tx=raw_tx, block=block)


def take_anchored_batch(fields: Fields) -> AnchoredBatch:
    """Take the fields `batch`, `anchor` and `block`, which proof documents and anchors files share."""
    batch_fields = fields.take_fields("batch")
    batch = Batch(
        seq=batch_fields.take_integer("seq"),
        first_index=batch_fields.take_integer("first_index"),
        size=batch_fields.take_integer("size"),
        previous_commitment=batch_fields.take_hex("previous_commitment", 32),
        recent_block_hash=batch_fields.take_hex("recent_block_hash", 32),
        root=batch_fields.take_hex("root", 32),
    )
    commitment = batch_fields.take_hex("commitment", 32)
    batch_fields.finish()
    anchor_fields = fields.take_fields("anchor")
    raw_tx = anchor_fields.take_hex("raw_tx")
    anchor_fields.finish()
    return AnchoredBatch(batch=batch, commitment=commitment, raw_tx=raw_tx, block=_take_block(fields))


def _take_record(fields: Fields) -> Record:
    return Record(
        kind=fields.take_integer("kind"),
        sha256=fields.take_hex("sha256", 32),
        length=fields.take_integer("length"),
        root=fields.take_hex("root", 32),
        seal=fields.take_hex("seal", 32),
        details_hash=fields.take_hex("details_hash", 32),
    )


def _take_opened(fields: Fields) -> OpenedDetails | None:
    if fields.has("details") != fields.has("details_salt"):
        raise MalformedDocumentError("details and details_salt come together or not at all")
    if not fields.has("details"):
        return None
    return OpenedDetails(details=fields.take_object("details"), salt=fields.take_hex("details_salt", 32))


def _take_block(fields: Fields) -> BlockPlace:
    block_fields = fields.take_fields("block")
    block = BlockPlace(
        height=block_fields.take_integer("height"),
        header=block_fields.take_hex("header", HEADER_BYTES),
        tx_index=block_fields.take_integer("tx_index"),
        path=block_fields.take_hashes("path", BLOCK_DEPTH_MAX),
    )
    block_fields.finish()
    return block
