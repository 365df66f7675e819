"""The sweeps of links find what is due by indexes, so what they cost does not grow with what is kept."""

import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from payouts.services.ended_links import refund_ended_links
from storage.services.erasure import release_links
from tests.factories.storage import make_blob, make_link
from tests.factories.users import NOW, make_user

pytestmark = pytest.mark.django_db


def explain(sql: str) -> str:
    """Return the engine's plan for a query. PostgreSQL would read small tables whole, so it is told not to."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN " + sql)
        else:
            cursor.execute("EXPLAIN QUERY PLAN " + sql)
        return "\n".join(str(row) for row in cursor.fetchall())


def plan(sweep: Callable[..., int], *, now: datetime) -> list[str]:
    """Return the plans of all that a sweep asks when nothing is due."""
    with CaptureQueriesContext(connection) as queries:
        assert sweep(now=now) == 0
    return [explain(query["sql"]) for query in queries if query["sql"].startswith("SELECT")]


@pytest.fixture(autouse=True)
def kept_links() -> None:
    """Links that are kept, for which nothing is to be done."""
    bob = make_user("bob")
    for number in range(5):
        make_link(bob, blob=make_blob(bytes([number])))


def test_what_is_due_for_erasing_is_found_by_two_partial_indexes():
    marked, due = plan(release_links, now=NOW + timedelta(days=1))

    assert "storage_blob_to_remove" in marked
    assert "storage_link_due" in due
    for found in (marked, due):
        assert not re.search(r"TEMP B-TREE|Sort|Seq Scan|'SCAN (?!storage_\w+ USING INDEX)", found), found


def test_what_is_to_be_refunded_is_found_from_what_ended():
    ended, blocked = plan(refund_ended_links, now=NOW + timedelta(days=1))

    if connection.vendor == "sqlite":
        # PostgreSQL chooses by what the tables hold, which is nothing here; it must only be able to go without a scan.
        assert "storage_link_release" in ended
        assert "payouts_entitlement" in ended
        assert "storage_digest_blocked_once" in blocked
    for found in (ended, blocked):
        assert not re.search(r"Seq Scan on (payouts|storage_(link|blob))\b", found), found
