"""What waits for each sweep, and since when it is due."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from config.celery import SWEEPS
from payouts.models import LedgerAccount, PayoutBatch, SettlementLine, SettlementWindow, Statement
from payouts.services.settlement import settle_windows
from payouts.services.statements import make_statements
from payouts.services.windows import close_window, open_first_window
from registry.models import Anchor, Batch, Record
from storage.models import Blob, Link, Multipart, Report, Upload
from storage.services.reports import report_link
from tests.factories import payouts
from tests.factories.registry import make_anchor, make_claim, make_document_record, make_record, make_sealed_batch
from tests.factories.storage import make_blob, make_link, make_upload
from tests.factories.users import NOW
from users.models import User
from web.selectors.health import get_health
from web.selectors.queues import REVIEW, list_waiting

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(days=30)


def measure(name: str, *, seconds: int = 60) -> tuple[int, int]:
    """Return a queue's rows and the seconds that its oldest has been due, some time after NOW."""
    found = {queue.name: queue for queue in list_waiting(now=NOW + timedelta(seconds=seconds))}
    return found[name].count, found[name].oldest_seconds


def test_every_queue_belongs_to_a_sweep_or_to_people_and_has_a_name_of_its_own():
    queues = list_waiting(now=NOW)

    assert {queue.sweep for queue in queues} <= {*SWEEPS, REVIEW}
    assert len({queue.name for queue in queues}) == len(queues)
    assert all((queue.count, queue.oldest_seconds) == (0, 0) for queue in queues)


def test_a_clock_that_runs_behind_counts_as_no_wait():
    make_document_record(now=NOW)

    assert measure("records", seconds=-5) == (1, 0)


def test_uploads_are_due_once_their_time_is_over(bob: User):
    make_upload(bob, now=NOW - timedelta(days=7, seconds=10))
    make_upload(bob, content=b"other", now=NOW)

    assert measure("uploads_expired", seconds=0) == (1, 10)


def test_uploads_in_parts_wait_to_be_verified_then_to_be_cleared(bob: User):
    upload = make_upload(bob, now=NOW - timedelta(days=7))
    Upload.objects.update(state=Upload.State.IN_PARTS)
    multipart = Multipart.objects.create(upload=upload, part_bytes=1)
    names = ("multiparts_expired", "multiparts_closed", "multiparts_over")
    assert [measure(name)[0] for name in names] == [1, 0, 0]

    digests = {"sha256": bytes(32), "root": bytes(32)}
    Multipart.objects.update(state=Multipart.State.CLOSED, closed_at=NOW, **digests)
    assert [measure(name)[0] for name in names] == [0, 1, 0]
    assert measure("multiparts_closed") == (1, 60)

    Multipart.objects.update(state=Multipart.State.VERIFIED)
    Upload.objects.update(state=Upload.State.RECEIVED)
    assert [measure(name)[0] for name in names] == [0, 0, 1]

    Multipart.objects.update(cleared_at=NOW)
    assert [measure(name)[0] for name in names] == [0, 0, 0]
    assert str(multipart) == str(upload.id)


def test_an_erased_blob_that_an_upload_in_parts_waits_for_is_not_due(bob: User):
    blob = make_link(bob).blob
    Blob.objects.update(erased_at=NOW)
    upload = make_upload(bob, received=10)
    assert (bytes(upload.sha256 or b""), measure("blobs_erased")) == (bytes(blob.sha256), (1, 60))

    Multipart.objects.create(upload=upload, part_bytes=1)
    assert measure("blobs_erased") == (0, 0)


def test_a_link_waits_for_its_release_and_an_erased_blob_for_its_removal(bob: User):
    make_link(bob)
    Link.objects.update(release_at=NOW)
    assert (measure("links_ended"), measure("blobs_erased")) == ((1, 60), (0, 0))

    Link.objects.update(released_at=NOW)
    Blob.objects.update(erased_at=NOW)
    assert (measure("links_ended"), measure("blobs_erased")) == ((0, 0), (1, 60))

    Blob.objects.update(removed_at=NOW)
    assert measure("blobs_erased") == (0, 0)


def test_a_report_waits_for_a_reviewer(bob: User):
    report_link(link_id=make_link(bob).id, category=Report.Category.OTHER, sealed=b"", text="", now=NOW)

    assert measure("reports") == (1, 60)


def test_a_blob_waits_for_its_record(bob: User):
    make_record(bob)
    make_blob(b"new", now=NOW)

    assert measure("blobs") == (1, 60)


def test_records_wait_for_a_batch_from_their_registration_on():
    make_document_record(now=NOW - timedelta(seconds=5))
    make_document_record(now=NOW)

    assert measure("records") == (2, 65)


def test_a_sealed_batch_waits_for_its_anchor_and_the_anchor_for_its_sending_and_its_block():
    make_sealed_batch(now=NOW)
    assert measure("batches") == (1, 60)

    anchor = make_anchor(state=Anchor.State.SIGNED)
    assert (measure("batches"), measure("anchors_signed"), measure("anchors")) == ((0, 0), (1, 60), (0, 0))

    Anchor.objects.filter(id=anchor.id).update(state=Anchor.State.BROADCAST)
    assert (measure("anchors_signed"), measure("anchors")) == ((0, 0), (1, 60))


def test_an_open_batch_waits_for_its_seal():
    sealed = make_sealed_batch(now=NOW)
    Batch.objects.create(
        register=sealed.register,
        seq=1,
        first_index=sealed.size,
        size=1,
        size_final=2,
        previous_commitment=bytes(sealed.commitment),
        opened_at=NOW,
    )

    assert measure("batches_open") == (1, 60)


def test_another_networks_batches_and_anchors_wait_for_its_own_workers(settings: Settings):
    """Passes if rows of every state wait while the settings name their network, and keep another one from nothing."""
    for state in (Anchor.State.BROADCAST, Anchor.State.SIGNED):
        Anchor.objects.create(batch=make_sealed_batch(), state=state, changed_at=NOW)
    sealed = make_sealed_batch()
    Batch.objects.create(
        register=sealed.register,
        seq=sealed.seq + 1,
        first_index=sealed.first_index + 1,
        size=1,
        size_final=2,
        previous_commitment=bytes(sealed.commitment),
        opened_at=NOW,
    )
    names = ("batches_open", "batches", "anchors_signed", "anchors")
    assert [measure(name) for name in names] == [(1, 60)] * 4
    assert "waiting" in [reason.code for reason in get_health(now=LATER).reasons]

    settings.CADASTRE_NETWORK = "signet"

    assert [measure(name) for name in names] == [(0, 0)] * 4
    assert get_health(now=LATER).is_healthy


def test_a_window_is_due_once_its_time_is_over_and_it_has_something_to_settle(settings: Settings):
    settings.CADASTRE_WINDOW_SECONDS = 3_600
    with transaction.atomic():
        open_first_window(now=NOW)
    assert measure("windows_open", seconds=3_700) == (0, 0)

    payouts.make_microtransaction()
    assert measure("windows_open", seconds=3_590) == (0, 0)
    assert measure("windows_open", seconds=3_700) == (1, 100)


def test_a_closed_window_waits_for_settlement():
    SettlementWindow.objects.create(
        number=0, state=SettlementWindow.State.CLOSED, opened_at=NOW - timedelta(hours=1), closed_at=NOW
    )

    assert measure("windows") == (1, 60)


def test_a_settled_window_waits_for_statements_until_one_reaches_it(bob: User):
    window = SettlementWindow.objects.create(
        number=0, state=SettlementWindow.State.SETTLED, opened_at=NOW, closed_at=NOW, settled_at=NOW
    )
    assert measure("windows_settled") == (0, 0)
    record = make_record(bob)
    assert record.work is not None
    SettlementLine.objects.create(
        window=window,
        account=payouts.make_account(LedgerAccount.Kind.PAYABLE, user_id=bob.id),
        work=record.work,
        policy=record.work.policies.get(),
        record=record,
        position=0,
        transfer_count=1,
        gross_msat=10,
        amount_msat=9,
    )
    assert measure("windows_settled") == (1, 60)


@pytest.mark.django_db(transaction=True)
def test_statements_empty_their_queue():
    bob = payouts.make_user("bob")
    link = payouts.make_link(owner=bob, price_msat=0)
    record = payouts.get_record(link)
    assert record.work is not None
    with transaction.atomic():
        open_first_window(now=NOW)
    payouts.make_microtransaction(
        link_id=link.id, record_id=record.id, work_id=record.work_id, policy_id=record.work.policies.get().id,
        uploader_id=bob.id, amount_msat=1_000,
    )  # fmt: skip
    close_window(now=LATER, is_early=True)
    settle_windows(now=LATER)
    found = {queue.name: queue.count for queue in list_waiting(now=LATER)}
    assert found["windows_settled"] == 1

    make_statements(now=LATER)

    assert Statement.objects.count() == 1
    assert {queue.name: queue.count for queue in list_waiting(now=LATER)}["windows_settled"] == 0


@pytest.mark.parametrize(
    ("state", "name"),
    [
        (PayoutBatch.State.PROPOSED, "payout_batches_proposed"),
        (PayoutBatch.State.APPROVED, "payout_batches_signed"),
        (PayoutBatch.State.SIGNED, "payout_batches_signed"),
        (PayoutBatch.State.BROADCAST, "payout_batches"),
        (PayoutBatch.State.UNKNOWN, "payout_batches"),
    ],
)
def test_payout_batches_wait_by_their_state(state: PayoutBatch.State, name: str):
    payouts.make_batch(state=state, changed_at=NOW)

    assert measure(name) == (1, 60)


def test_a_claim_waits_for_a_reviewer(alice: User, bob: User):
    make_claim(alice, record=make_record(bob))

    waiting = {queue.name: queue for queue in list_waiting(now=timezone.now())}

    assert waiting["claims"].is_for_people
    assert waiting["claims"].count == 1
    assert Record.objects.count() == 2
