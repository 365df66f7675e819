"""What the admin's first page tells a reviewer."""

import re

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from tests.factories.registry import make_anchor, make_claim, make_document_record, make_record, make_sealed_batch
from tests.factories.users import make_user
from tests.web.readers import read_text
from users.models import User

pytestmark = pytest.mark.django_db


def test_the_first_page_counts_what_waits(desk: Client, alice: User, bob: User):
    make_anchor()
    make_claim(alice, record=make_record(bob))
    make_sealed_batch()
    make_document_record()

    page = desk.get("/admin/")

    text = read_text(page)
    assert "Claims waiting 1" in text
    assert re.search(r"Oldest unanchored [\d,]+ s", text)
    assert "Batches sealed 2 Waiting for an anchor 1 In a block 1" in text
    assert 'href="/admin/registry/claim/?state__exact=SUBMITTED"' in page.content.decode()


def test_the_first_page_of_an_empty_register(desk: Client):
    text = read_text(desk.get("/admin/"))

    assert "Claims waiting 0" in text
    assert "Oldest unanchored none" in text


def test_the_first_page_stays_cheap(desk: Client, bob: User, django_assert_max_num_queries: DjangoAssertNumQueries):
    for number in range(4):
        make_record(bob, content=bytes([number]) * 7)
    make_anchor()

    with django_assert_max_num_queries(10):
        desk.get("/admin/")


def test_staff_without_the_permission_sees_no_way_to_the_claims():
    client = Client()
    client.force_login(make_user("sam", is_staff=True))

    assert "state__exact=SUBMITTED" not in client.get("/admin/").content.decode()
