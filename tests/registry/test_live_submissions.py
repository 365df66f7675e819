"""Bulk registration through a socket, by the command's own client."""

import hashlib
import os

import pytest
from pytest_django.live_server_helper import LiveServer

from client import submissions
from client.api import Api
from client.connections import Server
from client.progress import Progress
from client.submissions import NamedDigest, submit
from registry.models import Record, Submission
from tests.factories.users import make_secret, make_user

pytestmark = pytest.mark.django_db(transaction=True)


def test_the_commands_client_registers_in_parts_and_repeats_without_doubling(
    live_server: LiveServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(submissions, "PART_MAX", 3_000)
    server = Server(live_server.url, token=make_secret(make_user()), sleep=lambda _: None)
    digests = [NamedDigest(hashlib.sha256(os.urandom(8)).digest(), None) for _ in range(7_000)]
    progress = Progress("", 0, is_silent=True)

    receipts = list(submit(Api(server), digests, progress))
    again = list(submit(Api(server), digests, progress))
    server.close()

    assert receipts == again
    assert [receipt.digest for receipt in receipts] == digests
    assert sorted(Submission.objects.values_list("count", flat=True)) == [1_000, 3_000, 3_000]
    stored = Record.objects.order_by("id").values_list("leaf", flat=True)
    assert [bytes(leaf) for leaf in stored] == [receipt.leaf for receipt in receipts]
