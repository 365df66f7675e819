"""The archive of a batch that is larger than a piece, against the proofs that are written one by one."""

import hashlib
import io
import zipfile

import pytest
from django.contrib.auth import get_user_model
from pytest_django.fixtures import Settings

from registry.errors import BatchNotFoundError, ProofNotReadyError, RegisterMissingError
from registry.models import Anchor, Record
from registry.proof.bundles import audit_bundle
from registry.proof.headers import parse_header
from registry.proof.packed import PIECE_RECORDS, RECORD_BYTES
from registry.proof.sources import GivenHeaders
from registry.rules.digest_lines import Digests
from registry.selectors import pieces
from registry.selectors.bundles import ProofForm, get_batch_archive
from registry.selectors.pieces import iterate_pieces
from registry.selectors.proofs import get_proof_document, get_timestamp
from registry.services.batches import seal_batch
from registry.services.submissions import register_digests
from tests.factories.registry import make_anchor, make_register, make_sealed_batch
from tests.factories.users import NOW

COUNT = 2 * PIECE_RECORDS + 3


@pytest.fixture
def anchor(transactional_db: None, settings: Settings) -> Anchor:
    """The mined anchor of a batch of three pieces, after another batch."""
    settings.CADASTRE_BULK_RECORDS_PER_DAY = 0
    make_register()
    make_anchor()
    bob = get_user_model().objects.create(username="bob")
    joined = b"".join(hashlib.sha256(b"%d" % number).digest() for number in range(COUNT))
    register_digests(user=bob, key="key", digests=Digests(joined=joined, body_sha256=bytes(32)), now=NOW)
    return make_anchor(batch=seal_batch(now=NOW))


def read(form: ProofForm) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(b"".join(get_batch_archive(seq=1, form=form)))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_every_record_has_its_proof(anchor: Anchor):
    archive = read(ProofForm.OTS)

    assert list(archive) == [
        f"{record.id}.ots" for record in Record.objects.filter(batch=anchor.batch).order_by("index")
    ]
    assert anchor.current is not None
    assert anchor.height is not None
    assert anchor.current.block_header is not None
    headers = GivenHeaders({anchor.height: parse_header(bytes(anchor.current.block_header))})
    assert audit_bundle(archive.items(), headers=headers).proofs == COUNT


@pytest.mark.parametrize("place", [0, PIECE_RECORDS - 1, PIECE_RECORDS, COUNT - 1])
def test_a_proof_in_the_archive_is_the_one_that_the_record_has(anchor: Anchor, place: int):
    archive = read(ProofForm.BOTH)
    record = Record.objects.get(batch=anchor.batch, index=anchor.batch.first_index + place)

    assert len(archive) == 2 * COUNT
    assert archive[f"{record.id}.ots"] == get_timestamp(record.id)
    assert archive[f"{record.id}.proof.json"] == get_proof_document(record.id)


def test_pieces_are_the_same_however_many_one_query_reads(anchor: Anchor, monkeypatch: pytest.MonkeyPatch):
    expected = list(iterate_pieces(anchor.batch))
    monkeypatch.setattr(pieces, "PIECES_AT_ONCE", 1)

    assert list(iterate_pieces(anchor.batch)) == expected
    assert [len(rows) for rows in expected] == [PIECE_RECORDS, PIECE_RECORDS, 3]
    assert {len(row.packed) for rows in expected for row in rows} == {RECORD_BYTES}


@pytest.mark.django_db
def test_there_is_no_archive_of_what_has_no_proofs():
    with pytest.raises(RegisterMissingError):
        get_batch_archive(seq=0, form=ProofForm.OTS)
    make_sealed_batch()
    with pytest.raises(BatchNotFoundError):
        get_batch_archive(seq=1, form=ProofForm.OTS)
    with pytest.raises(ProofNotReadyError):
        get_batch_archive(seq=0, form=ProofForm.OTS)
