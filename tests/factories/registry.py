"""Valid rows of the registry in their plainest state, made by the real services.

Times default to NOW. What needs a node gets one that takes every transaction; blocks are built here, with real proof of
work at regtest's target, so that proofs made from these rows verify.
"""

import json
import struct
from collections.abc import Sequence
from datetime import datetime

from bitcoin.core import Hash
from django.conf import settings
from django.db import transaction
from django.test import override_settings

from chain.follower import BlockEvent, advance
from chain.keys import Key
from chain.models import FollowedBlock
from chain.networks import REGTEST
from chain.node import NodeClient
from chain.transactions import parse_block, transaction_id
from registry.models import Anchor, Batch, Claim, Record, Register, RightsHolder
from registry.selectors.registers import get_consumer
from registry.services.anchors import sign_anchor
from registry.services.batches import seal_batch
from registry.services.claims import create_holder, submit_claim
from registry.services.following import apply_event
from registry.services.records import register_blob, register_document
from storage.models import Link
from tests.factories.storage import make_blob, make_link
from tests.factories.users import NOW
from users.models import User

ANCHOR_KEY = Key.from_secret(b"the anchor key of the tests.....")
HOLDER_KEY = Key.from_secret(b"the holder key of the tests.....")
FIRST_VALUE_SAT = 1_000_000
REGTEST_BITS = 0x207FFFFF
REGTEST_TARGET = 0x7FFFFF << (8 * 29)


class ObligingTransport:
    """A node that has no estimate of fees and takes every transaction."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:  # noqa: ARG002  the protocol has it
        """Answer one call."""
        call = json.loads(body)
        answers = {"estimatesmartfee": {"blocks": 6}, "sendrawtransaction": "00" * 32, "getblockcount": 0}
        return json.dumps({"id": call["id"], "error": None, "result": answers[call["method"]]}).encode()


def make_node() -> NodeClient:
    """Return a client of the obliging node."""
    return NodeClient("http://cadastre:cadastre@127.0.0.1:1", transport=ObligingTransport())


def make_document_record(*, now: datetime = NOW, kind: Record.Kind = Record.Kind.NOTICE) -> Record:
    """Register a small document: the plainest record, which waits to be sealed."""
    with transaction.atomic():
        return register_document(kind=kind, document={"text": "plain"}, now=now)


def make_record(uploader: User, *, content: bytes = b"ciphertext", price_msat: int = 0, now: datetime = NOW) -> Record:
    """Return the record of a new blob with a link, a work and the default policy."""
    return make_linked_record(uploader, content=content, price_msat=price_msat, now=now)[1]


def make_linked_record(
    uploader: User, *, content: bytes = b"ciphertext", price_msat: int = 0, now: datetime = NOW
) -> tuple[Link, Record]:
    """Return a new link and the record of its blob."""
    link = make_link(uploader, blob=make_blob(content, now=now), price_msat=price_msat, now=now)
    register_blob(blob_id=link.blob_id, now=now)
    return link, Record.objects.select_related("work").get(blob_id=link.blob_id)


def make_register(*, now: datetime = NOW) -> Register:
    """Return the tests' register, founded on an output of the tests' anchor key, with the chain followed so far."""
    register, is_new = Register.objects.get_or_create(
        network=REGTEST.name,
        defaults={
            "first_txid": "11" * 32,
            "first_vout": 0,
            "first_value_sat": FIRST_VALUE_SAT,
            "first_script": ANCHOR_KEY.script_pubkey,
            "founded_at": now,
        },
    )
    if is_new:
        _follow_empty_blocks(settings.CADASTRE_RECENT_BLOCK_DEPTH + 1)
    return register


def make_sealed_batch(*, now: datetime = NOW) -> Batch:
    """Seal the records that wait, or a document's if none does, into a batch."""
    make_register(now=now)
    if not Record.objects.filter(batch=None).exists():
        make_document_record(now=now)
    return seal_batch(now=now)


def make_anchor(*, state: Anchor.State = Anchor.State.MINED, batch: Batch | None = None, now: datetime = NOW) -> Anchor:
    """Anchor a sealed batch as far as `state`: by default the next that has no anchor, or a new one.

    Anchors go in order: earlier ones must be mined.
    """
    waiting = Batch.objects.filter(state=Batch.State.SEALED, anchor=None).select_related("register").order_by("seq")
    batch = batch or waiting.first() or make_sealed_batch(now=now)
    with override_settings(CADASTRE_ANCHOR_KEY=ANCHOR_KEY.to_wif(REGTEST)):
        anchor = sign_anchor(batch=batch, node=make_node(), now=now)
    assert anchor.current is not None
    if state != Anchor.State.SIGNED:
        Anchor.objects.filter(id=anchor.id).update(state=Anchor.State.BROADCAST, changed_at=now)
    if state in {Anchor.State.MINED, Anchor.State.FINAL}:
        mine_block([bytes(anchor.current.raw)], now=now)
    if state == Anchor.State.FINAL:
        for _ in range(settings.CADASTRE_CONFIRMATIONS_FINAL - 1):
            mine_block([], now=now)
    return Anchor.objects.select_related("batch", "current").get(id=anchor.id)


def mine_block(raw_transactions: Sequence[bytes], *, now: datetime = NOW) -> BlockEvent:
    """Let the registry follow one more block, with these transactions after its coinbase."""
    tip = FollowedBlock.objects.filter(consumer=get_consumer()).latest("height")
    raw = build_block(raw_transactions, previous_hash=tip.hash, height=tip.height + 1, now=now)
    block = parse_block(raw)
    event = BlockEvent("connected", block.height, block.hash, block)
    with transaction.atomic():
        advance(consumer=get_consumer(), event=event)
        apply_event(event=event, now=now)
    return event


def build_block(raw_transactions: Sequence[bytes], *, previous_hash: str, height: int, now: datetime = NOW) -> bytes:
    """Return a block (fewer than 253 transactions) whose header has regtest's proof of work."""
    transactions = [_build_coinbase(height), *raw_transactions]
    txids = [bytes.fromhex(transaction_id(raw))[::-1] for raw in transactions]
    head = struct.pack("<i", 0x20000000) + bytes.fromhex(previous_hash)[::-1] + _merkle_root(txids)
    head += struct.pack("<II", int(now.timestamp()), REGTEST_BITS)
    nonce = 0
    while int.from_bytes(Hash(head + struct.pack("<I", nonce)), "little") > REGTEST_TARGET:
        nonce += 1
    return head + struct.pack("<I", nonce) + bytes([len(transactions)]) + b"".join(transactions)


def make_holder(user: User, *, name: str = "Alice's Archive", now: datetime = NOW) -> RightsHolder:
    """Return a rights holder whose member is the user."""
    return create_holder(user=user, name=name, payout_address=HOLDER_KEY.address(REGTEST), now=now)


def make_claim(
    user: User,
    *,
    record: Record,
    holder: RightsHolder | None = None,
    share_ppm: int = 600_000,
    title: str = "A Field Guide",
    now: datetime = NOW,
) -> Claim:
    """Submit a claim of a holder, by default a new one, on the work of a record."""
    return submit_claim(
        user=user,
        holder_id=(holder or make_holder(user, now=now)).id,
        record_id=record.id,
        title=title,
        share_ppm=share_ppm,
        basis=Claim.Basis.CREATOR,
        evidence="The manuscript, and the contract with its printer.",
        now=now,
    )


def _follow_empty_blocks(count: int) -> None:
    """Let the registry have followed a chain of blocks that nobody reads."""
    previous_hash = "00" * 32
    rows = []
    for height in range(count):
        hash_hex = REGTEST.genesis_hash if height == 0 else f"{height:064x}"
        rows.append(FollowedBlock(consumer=get_consumer(), height=height, hash=hash_hex, previous_hash=previous_hash))
        previous_hash = hash_hex
    FollowedBlock.objects.bulk_create(rows)


def _build_coinbase(height: int) -> bytes:
    """Return a coinbase that names its height (BIP 34) and pays the tests' holder."""
    height_bytes = height.to_bytes((height.bit_length() + 8) // 8, "little")
    script_sig = bytes([len(height_bytes)]) + height_bytes + b"\x02cd"
    outpoint = bytes(32) + b"\xff" * 4
    inputs = b"\x01" + outpoint + bytes([len(script_sig)]) + script_sig + b"\xff" * 4
    script = HOLDER_KEY.script_pubkey
    outputs = b"\x01" + struct.pack("<q", 50 * 10**8) + bytes([len(script)]) + script
    return struct.pack("<i", 2) + inputs + outputs + bytes(4)


def _merkle_root(hashes: list[bytes]) -> bytes:
    """Return Bitcoin's Merkle root, in internal byte order."""
    while len(hashes) > 1:
        hashes = hashes + hashes[-1:] if len(hashes) % 2 else hashes
        hashes = [Hash(left + right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]
