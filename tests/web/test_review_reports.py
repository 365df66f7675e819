"""The review of reports and of blocked digests, driven as a browser drives it: by forms with their tokens."""

from datetime import timedelta
from uuid import UUID, uuid4

import pyrage
import pytest
from django.contrib.auth.models import Permission
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from registry.proof.jcs import canonicalise
from storage.models import BlockedDigest, Link, Report
from storage.services.reports import report_link
from tests.factories.storage import make_blob, make_link
from tests.factories.users import NOW, make_user
from tests.web.readers import find_csrf_token, read_text
from users.models import User

pytestmark = pytest.mark.django_db
QUEUE = "/admin/storage/report/"
BLOCKS = "/admin/storage/blockeddigest/"
QUERIES_MAX = 8


def make_report(owner: User, *, number: int = 0, sealed: bytes = b"", text: str = "It steals.") -> Report:
    """Return an open report against a link of its own, the older the higher the number."""
    link = make_link(owner, blob=make_blob(b"content %d" % number))
    now = NOW - timedelta(hours=number)
    return report_link(link_id=link.id, category=Report.Category.MALWARE, sealed=sealed, text=text, now=now)


def page_of(report_id: UUID) -> str:
    return f"{QUEUE}{report_id}/change/"


def decide(client: Client, report: Report, decision: str, reason: str = "It is one."):
    """Load a report's page, send its form, and return the page that follows."""
    token = find_csrf_token(client.get(page_of(report.id)))
    fields = {"decision": decision, "reason": reason, "csrfmiddlewaretoken": token}
    return client.post(f"{QUEUE}{report.id}/decide/", fields, follow=True)


def test_a_reviewer_decrypts_offline_what_a_reader_sealed(desk: Client, bob: User):
    """The server never has the identity; what it gives is what the reader sent."""
    reviewers = pyrage.x25519.Identity.generate()
    link = f"http://127.0.0.1:8000/f/{uuid4()}#1.key"
    plaintext = canonicalise({"link": link, "text": "", "version": 1})
    report = make_report(bob, sealed=pyrage.encrypt(plaintext, [reviewers.to_public()]))

    page = desk.get(page_of(report.id))
    given = desk.get(f"{QUEUE}{report.id}/sealed/")

    assert f"report-{report.id}.age" in page.content.decode()
    assert given.headers["Content-Disposition"] == f'attachment; filename="report-{report.id}.age"'
    assert pyrage.decrypt(given.content, [reviewers]) == plaintext


def test_upholding_disables_the_link(desk: Client, bob: User, reviewer: User):
    report = make_report(bob)

    text = read_text(decide(desk, report, "uphold"))

    report.refresh_from_db()
    assert "The report is upheld. The link is disabled." in text
    assert (report.state, report.decided_by, report.reason) == ("UPHELD", reviewer, "It is one.")
    assert Link.objects.get().disabled_at is not None
    assert not BlockedDigest.objects.exists()


def test_upholding_may_block_the_digest(desk: Client, bob: User):
    report = make_report(bob)

    text = read_text(decide(desk, report, "block"))

    assert "and the digest is blocked" in text
    assert bytes(BlockedDigest.objects.get().sha256) == bytes(report.link.blob.sha256)


def test_dismissing_leaves_the_link(desk: Client, bob: User):
    report = make_report(bob)

    text = read_text(decide(desk, report, "dismiss"))

    report.refresh_from_db()
    assert "The report is dismissed. The link stays." in text
    assert (report.state, Link.objects.get().disabled_at) == ("DISMISSED", None)
    assert "/decide/" not in desk.get(page_of(report.id)).content.decode()


def test_a_second_decision_changes_nothing(desk: Client, bob: User):
    report = make_report(bob)
    token = find_csrf_token(desk.get(page_of(report.id)))
    fields = {"decision": "dismiss", "reason": "No.", "csrfmiddlewaretoken": token}
    decide(desk, report, "uphold")

    page = desk.post(f"{QUEUE}{report.id}/decide/", fields, follow=True)

    report.refresh_from_db()
    assert "Nothing was changed: The report was decided before." in read_text(page)
    assert report.state == "UPHELD"


@pytest.mark.parametrize(("decision", "reason"), [("uphold", " "), ("dismiss", "x" * 2_001), ("promote", "Yes.")])
def test_a_decision_needs_a_reason_and_must_be_one(desk: Client, bob: User, decision: str, reason: str):
    report = make_report(bob)

    page = decide(desk, report, decision, reason)

    report.refresh_from_db()
    assert page.status_code == 422
    assert report.state == "OPEN"


def test_the_oldest_open_report_stands_first_and_decided_ones_are_asked_for(desk: Client, bob: User):
    newer, older, decided = [make_report(bob, number=number) for number in (1, 2, 3)]
    decide(desk, decided, "dismiss")

    shown, done, everything = [
        desk.get(QUEUE, {"show": show} if show else {}).content.decode() for show in ("", "decided", "all")
    ]

    assert shown.index(str(older.id)) < shown.index(str(newer.id))
    assert str(decided.id) not in shown
    assert (str(decided.id) in done, str(older.id) in done) == (True, False)
    assert all(str(report.id) in everything for report in (newer, older, decided))
    assert "Reports waiting 2" in read_text(desk.get("/admin/"))


def test_more_reports_take_no_more_queries(
    desk: Client, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries
):
    reports = [make_report(bob, number=number) for number in range(8)]

    for address in (QUEUE, page_of(reports[0].id)):
        with django_assert_max_num_queries(QUERIES_MAX):
            desk.get(address)


@pytest.mark.parametrize("report_id", ["01234567-89ab-7def-8123-456789abcdef", "1"])
def test_an_unknown_report_is_not_found(desk: Client, report_id: str):
    assert desk.get(f"{QUEUE}{report_id}/change/").status_code == 404


def test_deciding_or_opening_what_is_not_there_is_not_found(desk: Client, bob: User):
    token = find_csrf_token(desk.get("/admin/"))
    fields = {"decision": "uphold", "reason": "Yes.", "csrfmiddlewaretoken": token}

    assert desk.post(f"{QUEUE}{uuid4()}/decide/", fields).status_code == 404
    assert desk.get(f"{QUEUE}{uuid4()}/sealed/").status_code == 404
    assert desk.get(f"{QUEUE}{make_report(bob).id}/sealed/").status_code == 404


def test_a_report_is_not_edited(desk: Client, bob: User):
    report = make_report(bob)
    token = find_csrf_token(desk.get(page_of(report.id)))

    assert desk.post(page_of(report.id), {"csrfmiddlewaretoken": token}).status_code == 405
    assert desk.get(f"{QUEUE}{report.id}/decide/").status_code == 405


def test_who_may_only_look_neither_decides_nor_gets_what_is_sealed(bob: User):
    report = make_report(bob, sealed=b"age-encryption.org/v1\nsealed")
    viewer = make_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_report"))
    client = Client()
    client.force_login(viewer)

    page = read_text(client.get(page_of(report.id)))
    fields = {"decision": "uphold", "reason": "Yes."}

    assert "You may read reports, not decide them." in page
    assert "28 bytes, for those who decide" in page
    assert client.post(f"{QUEUE}{report.id}/decide/", fields).status_code == 403
    assert client.get(f"{QUEUE}{report.id}/sealed/").status_code == 403


def test_carol_and_strangers_are_sent_to_sign_in(bob: User, carol: User):
    report = make_report(bob)
    hers = Client()
    hers.force_login(carol)
    addresses = [QUEUE, page_of(report.id), f"{QUEUE}{report.id}/decide/", f"{QUEUE}{report.id}/sealed/"]
    addresses += [BLOCKS, f"{BLOCKS}add/"]

    for client in (hers, Client()):
        assert {client.get(address).status_code for address in addresses} == {302}


def test_staff_without_a_permission_see_no_report_and_no_block(bob: User, reviewer: User):
    report = make_report(bob)
    block = BlockedDigest.objects.create(sha256=bytes(32), reason="Why.", blocked_by=reviewer, blocked_at=NOW)
    client = Client()
    client.force_login(make_user("stan", is_staff=True))

    for address in (page_of(report.id), f"{BLOCKS}add/", f"{BLOCKS}{block.id}/change/"):
        assert client.get(address).status_code == 403


# --- Blocked digests ---


def send(client: Client, address: str, **fields: str):
    """Load a page, send its form, and return the page that follows."""
    token = find_csrf_token(client.get(address))
    return client.post(address, {**fields, "csrfmiddlewaretoken": token}, follow=True)


def test_a_digest_is_blocked_and_unblocked(desk: Client, reviewer: User):
    blocked = send(desk, f"{BLOCKS}add/", sha256=f"sha256:{'AB' * 32}", reason="An order.")
    block = BlockedDigest.objects.get()
    repealed = send(desk, f"{BLOCKS}{block.id}/change/", reason="It was lifted.")

    block.refresh_from_db()
    assert "The digest is blocked" in read_text(blocked)
    assert "is not blocked any more" in read_text(repealed)
    assert (bytes(block.sha256), block.blocked_by, block.reason) == (b"\xab" * 32, reviewer, "An order.")
    assert (block.unblocked_by, block.unblocked_reason) == (reviewer, "It was lifted.")
    assert "<form method" not in desk.get(f"{BLOCKS}{block.id}/change/").content.decode().partition('id="content"')[2]


def test_a_block_needs_a_digest_a_reason_and_no_other_block(desk: Client):
    address = f"{BLOCKS}add/"
    send(desk, address, sha256="00" * 32, reason="An order.")

    twice = send(desk, address, sha256="00" * 32, reason="An order.")
    malformed = send(desk, address, sha256="00", reason="An order.")
    without = send(desk, address, sha256="11" * 32, reason=" ")

    assert [page.status_code for page in (twice, malformed, without)] == [422] * 3
    assert "The digest is blocked already." in read_text(twice)
    assert "This is not a SHA-256." in read_text(malformed)
    assert BlockedDigest.objects.count() == 1


def test_a_repeal_needs_a_reason_and_a_block(desk: Client, reviewer: User):
    block = BlockedDigest.objects.create(sha256=bytes(32), reason="Why.", blocked_by=reviewer, blocked_at=NOW)
    address = f"{BLOCKS}{block.id}/change/"
    token = find_csrf_token(desk.get(address))

    without = send(desk, address, reason=" ")
    send(desk, address, reason="Lifted.")
    again = desk.post(address, {"reason": "Again.", "csrfmiddlewaretoken": token}, follow=True)

    block.refresh_from_db()
    assert without.status_code == 422
    assert "Nothing was changed: The digest is not blocked." in read_text(again)
    assert block.unblocked_reason == "Lifted."
    assert desk.get(f"{BLOCKS}{uuid4()}/change/").status_code == 404


def test_who_may_only_look_repeals_nothing(reviewer: User):
    block = BlockedDigest.objects.create(sha256=bytes(32), reason="Why.", blocked_by=reviewer, blocked_at=NOW)
    viewer = make_user("vera", is_staff=True)
    viewer.user_permissions.add(Permission.objects.get(codename="view_blockeddigest"))
    client = Client()
    client.force_login(viewer)

    assert client.get(f"{BLOCKS}{block.id}/change/").status_code == 200
    assert client.post(f"{BLOCKS}{block.id}/change/", {"reason": "Lifted."}).status_code == 403


def test_blocks_are_found_by_their_digest(desk: Client, reviewer: User):
    blocks = [
        BlockedDigest.objects.create(sha256=bytes([n]) * 32, reason="Why.", blocked_by=reviewer, blocked_at=NOW)
        for n in (1, 2)
    ]

    found = desk.get(BLOCKS, {"q": "01" * 32}).content.decode()
    by_name = desk.get(BLOCKS, {"q": "rita"}).content.decode()

    assert (str(blocks[0]) in found, str(blocks[1]) in found) == (True, False)
    assert str(blocks[1]) in by_name
