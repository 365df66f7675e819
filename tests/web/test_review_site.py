"""What the admin's first page tells a reviewer."""

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django import DjangoAssertNumQueries

from chain.models import FollowerState
from registry.models import Anchor
from registry.rules.fees import CONTINUATION_SAT_MIN
from registry.selectors.registers import get_consumer
from tests.factories.registry import (
    FIRST_VALUE_SAT,
    make_anchor,
    make_claim,
    make_document_record,
    make_record,
    make_register,
    make_sealed_batch,
)
from tests.factories.users import NOW, make_user
from tests.web.readers import read_text
from users.models import User
from web.selectors.queues import list_waiting

pytestmark = pytest.mark.django_db


def test_the_first_page_counts_what_waits(desk: Client, alice: User, bob: User):
    anchor = make_anchor(state=Anchor.State.FINAL)
    make_claim(alice, record=make_record(bob))
    make_sealed_batch()
    make_document_record()

    page = desk.get("/admin/")

    text = read_text(page)
    assert anchor.current is not None
    assert "Claims waiting 1" in text
    assert re.search(r"Oldest unanchored \d+ days", text)
    assert "Last anchor 6 confirmations" in text
    assert "Batches for an anchor registry.send_anchors 1" in text
    assert f'href="/anchors/{anchor.current.txid}/"' in page.content.decode()
    assert 'href="/admin/registry/claim/?state__exact=SUBMITTED"' in page.content.decode()


def test_the_first_page_shows_the_anchors_money(desk: Client):
    anchor = make_anchor()

    text = read_text(desk.get("/admin/"))

    assert anchor.current is not None
    fee_sat = anchor.current.fee_sat
    assert f"Funds left {FIRST_VALUE_SAT - fee_sat:,} sat" in text
    assert f"Anchors they pay for {(FIRST_VALUE_SAT - fee_sat - CONTINUATION_SAT_MIN) // fee_sat:,}" in text
    assert "Stranded 0 sat" in text
    assert f"Fees spent {fee_sat} sat" in text
    assert "of 200,000 sat" in text


def test_the_first_page_says_what_is_wrong_and_to_staff_also_the_nodes_words(desk: Client):
    make_register()
    FollowerState.objects.create(
        consumer=get_consumer(), failing_since=NOW, problem="NodeUnavailableError", detail="http://10.0.0.7 is silent"
    )

    text = read_text(desk.get("/admin/"))

    assert "The registry has not followed the chain for" in text
    assert "http://10.0.0.7 is silent" in text


def test_the_first_page_of_an_empty_register(desk: Client):
    text = read_text(desk.get("/admin/"))

    assert "Claims waiting 0" in text
    assert "Oldest unanchored none" in text
    assert "Funds left" not in text


def test_the_first_page_takes_the_same_number_of_queries_whatever_waits(
    desk: Client, bob: User, django_assert_num_queries: DjangoAssertNumQueries
):
    make_anchor()
    with CaptureQueriesContext(connection) as few:
        desk.get("/admin/")
    for number in range(4):
        make_record(bob, content=bytes([number]) * 7)
    for _ in range(3):
        make_anchor()

    with django_assert_num_queries(len(few)):
        desk.get("/admin/")
    # One for each queue that it shows, and some for the session, the followers, the funds and the last anchor.
    assert len(few) <= len(list_waiting(now=NOW)) + 24


def test_staff_without_the_permission_sees_no_way_to_the_claims():
    client = Client()
    client.force_login(make_user("sam", is_staff=True))

    assert "state__exact=SUBMITTED" not in client.get("/admin/").content.decode()
