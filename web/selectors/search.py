"""Finds what a visitor pasted: a record's id, a digest, or another hash of the register."""

import re
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q

from registry.models import AnchorTransaction, Batch
from registry.selectors.records import list_batches, list_records
from web.selectors.records import RecordRow, make_rows

HASH_DIGITS = 64
RESULTS_MAX = 50


@dataclass(frozen=True, slots=True)
class Findings:
    """Records and batches that were found. `is_understood` tells nothing found from nothing to look for."""

    is_understood: bool
    records: tuple[RecordRow, ...] = ()
    batches: tuple[Batch, ...] = ()


def search(text: str) -> Findings:
    """Return the records of an id, digest or leaf, and the batches of a root, commitment, transaction or block.

    A digest may stand behind `sha256:`. At most RESULTS_MAX of each.
    """
    text = text.strip().lower().removeprefix("sha256:")
    if re.fullmatch("[0-9a-f]{64}", text):
        return _search_hash(text)
    try:
        record_id = UUID(text)
    except ValueError:
        return Findings(is_understood=False)
    return Findings(is_understood=True, records=make_rows(list_records().filter(id=record_id)))


def _search_hash(text: str) -> Findings:
    """Look a hash up wherever the register has one; only a txid and a block hash are in display order."""
    value = bytes.fromhex(text)
    records = list_records().filter(Q(sha256=value) | Q(leaf=value))[:RESULTS_MAX]
    anchored = AnchorTransaction.objects.filter(Q(txid=text) | Q(anchor__block_hash=text))
    batches = list_batches().filter(Q(commitment=value) | Q(root=value) | Q(anchor__in=anchored.values("anchor_id")))[
        :RESULTS_MAX
    ]
    return Findings(is_understood=True, records=make_rows(records), batches=tuple(batches))
