"""A link's bytes over HTTP: charged first, then served, refunded if that fails."""

import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings as django_settings
from django.core.files.storage import storages
from django.db import connection, transaction
from django.test import Client
from django.utils import timezone
from pytest_django.fixtures import Settings

from payouts.api.content import CLOSE_ATTEMPTS_MAX, ChargedChunks
from payouts.errors import TransferOverdueError
from payouts.models import Balance, Entitlement, Microtransaction, OpenTransfer, Refund
from payouts.services.charges import charge_transfer
from payouts.tasks import close_transfers_task
from registry.services.records import register_blob
from storage import delivery
from storage.errors import BlobUnavailableError
from storage.models import Link
from tests.factories.payouts import NOW, fund_reader, get_balance_msat
from tests.factories.storage import make_blob
from tests.factories.users import make_client, make_secret, make_user
from tests.threads import run_together
from users.models import ApiToken, User
from users.scopes import Scope
from users.services.tokens import revoke_token_as_staff

pytestmark = pytest.mark.django_db
CONTENT = b"ciphertext" * 1_000


@pytest.fixture(autouse=True)
def static_root() -> None:
    """Make the directory of static files: WhiteNoise warns when it is missing."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    user = make_user("carol")
    fund_reader(user, 10)
    return user


def share(owner: User, *, price_msat: int) -> Link:
    """Return a registered link to CONTENT."""
    blob = make_blob(CONTENT)
    link = Link.objects.create(
        blob=blob, owner=owner, price_msat=price_msat, manifest=b"age", seal=bytes(32), created_at=NOW
    )
    register_blob(blob_id=blob.id, now=NOW)
    return link


def cut(link: Link, length: int) -> None:
    """Cut a link's file off."""
    os.truncate(storages["blobs"].path(link.blob.storage_name), length)


def address(link: Link) -> str:
    """Return where a link's bytes are."""
    return f"/api/v1/links/{link.id}/content"


def assert_nothing_was_charged(reader: User) -> None:
    """Check that no charge left anything behind."""
    assert not Microtransaction.objects.exists()
    assert not Entitlement.objects.exists()
    assert get_balance_msat(reader) == 10_000


def test_a_transfer_is_charged_and_served(bob: User, carol: User):
    answer = make_client(carol).get(address(share(bob, price_msat=1_500)))
    assert answer.status_code == 200
    assert answer.getvalue() == CONTENT
    paid = Microtransaction.objects.get()
    assert answer["Cadastre-Transfer"] == str(paid.id)
    assert answer["Cadastre-Charged-Msat"] == "1500"
    assert answer["Content-Length"] == str(len(CONTENT))
    assert get_balance_msat(carol) == 8_500
    assert Entitlement.objects.get().bytes_served == len(CONTENT)


def test_a_range_resumes_for_nothing(bob: User, carol: User):
    link, client = share(bob, price_msat=1_500), make_client(carol)
    assert client.get(address(link)).getvalue() == CONTENT
    answer = client.get(address(link), headers={"Range": "bytes=9990-"})
    assert (answer.status_code, answer.getvalue()) == (206, b"ciphertext")
    assert answer["Content-Range"] == "bytes 9990-9999/10000"
    assert answer["Cadastre-Charged-Msat"] == "0"
    assert Entitlement.objects.get().bytes_served == len(CONTENT) + 10


def test_a_free_link_is_served_to_anybody(bob: User):
    answer = Client().get(address(share(bob, price_msat=0)))
    assert answer.getvalue() == CONTENT
    assert answer["Cadastre-Charged-Msat"] == "0"


def test_a_price_without_a_credential_is_answered_with_the_ways_to_pay(bob: User):
    answer = Client().get(address(share(bob, price_msat=1_500)))
    problem = answer.json()
    assert answer.status_code == 402
    assert answer["Content-Type"] == "application/problem+json"
    assert (problem["code"], problem["price"]) == ("payment-required", {"amount_msat": 1_500})
    assert [line["payee"] for line in problem["payees"]] == ["PLATFORM", "UPLOADER"]
    assert problem["doors"] == [{"door": "prepaid", "deposit": "/api/v1/deposit-addresses"}]
    assert not Microtransaction.objects.exists()


def test_a_reader_without_funds_gets_402_and_nothing_is_written(bob: User, carol: User):
    answer = make_client(carol).get(address(share(bob, price_msat=10_001)))
    assert (answer.status_code, answer.json()["code"]) == (402, "payment-required")
    assert_nothing_was_charged(carol)


@pytest.mark.parametrize("price_msat", [0, 1_500])
@pytest.mark.parametrize("stale", ["expired", "revoked", "unknown"])
def test_a_stale_token_is_refused_and_nothing_is_written(bob: User, carol: User, stale: str, price_msat: int):
    """Also where the link is free to everybody: a client whose token has ended must hear of it."""
    link = share(bob, price_msat=price_msat)
    secret = make_secret(carol)
    if stale == "expired":
        ApiToken.objects.update(expires_at=datetime.now(UTC) - timedelta(seconds=1))
    elif stale == "revoked":
        revoke_token_as_staff(token_id=ApiToken.objects.get().id, now=datetime.now(UTC))
    else:
        secret = "cad_" + "A" * 43
    answer = Client(headers={"Authorization": f"Bearer {secret}"}).get(address(link))
    assert (answer.status_code, answer.json()["code"]) == (401, f"token-{stale}")
    assert answer["Content-Type"] == "application/problem+json"
    assert_nothing_was_charged(carol)


def test_a_price_above_the_agreed_one_is_a_conflict(bob: User, carol: User):
    answer = make_client(carol).get(address(share(bob, price_msat=1_500)), headers={"Cadastre-Price-Max": "1499"})
    assert (answer.status_code, answer.json()["code"]) == (409, "price-above-max")
    assert get_balance_msat(carol) == 10_000


@pytest.mark.parametrize(
    ("header", "value"),
    [("Cadastre-Price-Max", "-1"), ("Cadastre-Territory", "world"), ("Cadastre-Nonce-SHA256", "00")],
)
def test_a_malformed_header_is_refused_before_anything_is_charged(bob: User, carol: User, header: str, value: str):
    answer = make_client(carol).get(address(share(bob, price_msat=1)), headers={header: value})
    assert answer.status_code == 400
    assert not Microtransaction.objects.exists()


def test_the_nonces_hash_is_kept(bob: User, carol: User):
    headers = {"Cadastre-Nonce-SHA256": "ab" * 32, "Cadastre-Territory": "FR"}
    assert make_client(carol).get(address(share(bob, price_msat=1)), headers=headers).getvalue() == CONTENT
    assert bytes(Microtransaction.objects.get().nonce_sha256) == b"\xab" * 32


def test_a_token_that_may_not_pay_is_refused(bob: User, carol: User):
    client = make_client(carol, scopes=[Scope.ACCOUNT_READ])
    answer = client.get(address(share(bob, price_msat=0)))
    assert (answer.status_code, answer.json()["code"]) == (403, "scope-missing")


def test_head_never_charges(bob: User, carol: User):
    answer = make_client(carol).head(address(share(bob, price_msat=1_500)))
    assert (answer.status_code, answer["Content-Length"]) == (200, str(len(CONTENT)))
    assert not Microtransaction.objects.exists()


def test_a_range_behind_the_end_is_refused_before_anything_is_charged(bob: User, carol: User):
    answer = make_client(carol).get(address(share(bob, price_msat=1_500)), headers={"Range": "bytes=10000-"})
    assert answer.status_code == 416
    assert not Microtransaction.objects.exists()


def test_a_blob_that_cannot_be_opened_is_not_charged(bob: User, carol: User):
    link = share(bob, price_msat=1_500)
    storages["blobs"].delete(link.blob.storage_name)
    answer = make_client(carol).get(address(link))
    assert (answer.status_code, answer.json()["code"]) == (503, "blob-unavailable")
    assert get_balance_msat(carol) == 10_000
    assert not Microtransaction.objects.exists()


def test_a_blob_that_is_shorter_than_it_should_be_is_not_charged(bob: User, carol: User):
    link = share(bob, price_msat=1_500)
    cut(link, 9_999)
    assert make_client(carol).get(address(link)).status_code == 503
    assert not Microtransaction.objects.exists()


def test_a_transfer_that_the_storage_breaks_off_is_refunded(bob: User, carol: User):
    link = share(bob, price_msat=1_500)
    answer = make_client(carol).get(address(link))
    cut(link, 5_000)
    with pytest.raises(BlobUnavailableError):
        answer.getvalue()
    assert Refund.objects.get().amount_msat == 1_500
    assert get_balance_msat(carol) == 10_000


def test_a_reader_who_leaves_gets_back_what_was_not_sent_but_not_the_price(
    bob: User, carol: User, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3_000)
    answer: Any = make_client(carol).get(address(share(bob, price_msat=1_500)))
    assert next(answer._iterator) == CONTENT[:3_000]
    assert Entitlement.objects.get().bytes_served == len(CONTENT)
    answer._iterator.close()
    assert Entitlement.objects.get().bytes_served == 3_000
    assert get_balance_msat(carol) == 8_500


def test_bytes_that_are_closed_twice_give_back_once(bob: User, carol: User, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3_000)
    link = share(bob, price_msat=1_500)
    charge = charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=timezone.now())
    chunks = ChargedChunks(delivery.open_delivery(blob_id=link.blob_id, byte_range=None), charge)
    assert next(iter(chunks)) == CONTENT[:3_000]
    for _ in range(2):
        chunks.close()
        assert Entitlement.objects.get().bytes_served == 3_000


def test_a_reader_who_takes_longer_than_an_entitlement_lasts_is_cut_off_without_a_refund(
    bob: User, carol: User, monkeypatch: pytest.MonkeyPatch, settings: Settings
):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3_000)
    settings.CADASTRE_ENTITLEMENT_SECONDS = 1
    answer: Any = make_client(carol).get(address(share(bob, price_msat=1_500)))
    assert next(answer._iterator) == CONTENT[:3_000]
    time.sleep(1.1)
    with pytest.raises(TransferOverdueError):
        next(answer._iterator)
    assert (Entitlement.objects.get().bytes_served, get_balance_msat(carol)) == (3_000, 8_500)
    assert not OpenTransfer.objects.exists()


def test_a_free_transfer_may_take_as_long_as_it_likes(bob: User, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3_000)
    settings.CADASTRE_ENTITLEMENT_SECONDS = 1
    answer: Any = Client().get(address(share(bob, price_msat=0)))
    first = next(answer._iterator)
    time.sleep(1.1)
    assert first + b"".join(answer._iterator) == CONTENT


@pytest.mark.django_db(transaction=True)
def test_a_transfer_that_the_database_does_not_let_close_is_logged_and_refunded_by_the_sweep(
    bob: User, carol: User, settings: Settings, caplog: pytest.LogCaptureFixture
):
    """The storage breaks off, and meanwhile somebody else has the reader's balance locked."""
    link = share(bob, price_msat=1_500)
    answer = make_client(carol).get(address(link))
    cut(link, 5_000)
    is_locked, is_over = threading.Event(), threading.Event()

    def hold_balance() -> None:
        with transaction.atomic():
            Balance.objects.filter(user=carol).update(frozen_at=None)
            is_locked.set()
            assert is_over.wait(timeout=60)

    def break_off() -> None:
        assert is_locked.wait(timeout=60)
        try:
            with connection.cursor() as cursor:
                # Nobody waits for a lock here.
                is_sqlite = connection.vendor == "sqlite"
                cursor.execute("PRAGMA busy_timeout = 0" if is_sqlite else "SET lock_timeout = '50ms'")
            with pytest.raises(BlobUnavailableError):
                answer.getvalue()
        finally:
            is_over.set()

    assert run_together([hold_balance, break_off]) == []
    said = [record.getMessage() for record in caplog.records if record.name == "payouts.api.content"]
    assert len(said) == CLOSE_ATTEMPTS_MAX
    for fact in (answer["Cadastre-Transfer"], "0 of 10000 bytes", "lacks 5000 bytes"):
        assert fact in said[-1]
    assert get_balance_msat(carol) == 8_500

    OpenTransfer.objects.update(opened_at=NOW)
    close_transfers_task()
    close_transfers_task()

    assert Refund.objects.get().amount_msat == 1_500
    assert get_balance_msat(carol) == 10_000


@pytest.mark.django_db(transaction=True)
@pytest.mark.skipif(connection.vendor != "postgresql", reason="only a server can end a connection")
def test_a_transfer_is_closed_on_a_new_connection_where_the_server_ended_the_old_one(
    bob: User, carol: User, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(delivery, "CHUNK_BYTES", 3_000)
    link = share(bob, price_msat=1_500)
    charge = charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=timezone.now())
    chunks = ChargedChunks(delivery.open_delivery(blob_id=link.blob_id, byte_range=None), charge)
    assert next(iter(chunks)) == CONTENT[:3_000]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        [process_id] = cursor.fetchone()

    def end_connection() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_terminate_backend(%s, 10000)", [process_id])

    assert run_together([end_connection]) == []
    chunks.close()
    assert len([record for record in caplog.records if record.name == "payouts.api.content"]) == 1
    assert not OpenTransfer.objects.exists()
    assert Entitlement.objects.get().bytes_served == 3_000


def test_a_refused_charge_closes_the_file(bob: User, carol: User):
    link, client = share(bob, price_msat=10_001), make_client(carol)
    opened = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        assert client.get(address(link)).status_code == 402
    assert len(list(Path("/proc/self/fd").iterdir())) <= opened


def test_a_free_transfer_that_cannot_be_read_needs_no_refund(bob: User):
    link = share(bob, price_msat=0)
    storages["blobs"].delete(link.blob.storage_name)
    assert Client().get(address(link)).status_code == 503
    assert not Refund.objects.exists()


def test_a_link_that_does_not_exist_is_not_found():
    assert Client().get(f"/api/v1/links/{uuid4()}/content").status_code == 404
