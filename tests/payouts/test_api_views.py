"""Money over HTTP: a person's own, seen by nobody else, and the accounts that are public."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.test import Client
from pytest_django.fixtures import Settings

from chain.networks import REGTEST
from payouts.models import LedgerAccount, Payout, PayoutBatch, Statement, WalletCoin
from payouts.services.charges import charge_transfer
from payouts.services.settlement import settle_windows
from payouts.services.statements import make_statements
from payouts.services.windows import close_window
from registry.models import Member
from tests.factories.payouts import (
    NOW,
    WALLET,
    fund_reader,
    make_account,
    make_batch,
    make_coin,
    make_holder,
    make_link,
    start_shares,
)
from tests.factories.users import make_client, make_user
from users.models import User
from users.scopes import Scope

pytestmark = pytest.mark.django_db
ADDRESS = WALLET.derive_key(1, 7_000).address(REGTEST)
READ_ADDRESSES = ("balance", "deposits", "transfers", "statements", "payouts")


@pytest.fixture(autouse=True)
def static_root() -> None:
    """Make the directory of static files: WhiteNoise warns when it is missing."""
    Path(django_settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def carol() -> User:
    """A reader with 10,000 msat."""
    user = make_user("carol")
    fund_reader(user, 10)
    return user


@pytest.fixture
def sold(alice: User, bob: User, carol: User) -> Statement:
    """Carol bought Bob's link, in which Alice's holder has half; returns Bob's statement."""
    holder = make_holder("Alice's label", payout_address=ADDRESS)
    Member.objects.create(holder=holder, user=alice, created_at=NOW)
    link = make_link(owner=bob, price_msat=1_000)
    start_shares(link, [(holder, 500_000)], now=NOW + timedelta(seconds=1))
    charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=NOW + timedelta(seconds=2))
    close_window(now=NOW + timedelta(days=1))
    settle_windows(now=NOW + timedelta(days=1))
    make_statements(now=NOW + timedelta(days=1))
    return Statement.objects.get(account__user=bob)


def get(user: User | None, path: str):
    """Return the answer of a GET."""
    return make_client(user).get(f"/api/v1/{path}")


@pytest.mark.parametrize("path", READ_ADDRESSES)
def test_a_persons_money_needs_their_token_with_the_scope(path: str, carol: User):
    assert get(None, path).status_code == 401
    client = make_client(carol, scopes=[Scope.STORAGE_WRITE])
    assert client.get(f"/api/v1/{path}").json()["code"] == "scope-missing"
    assert get(carol, path).status_code == 200


def test_the_balance_is_0_before_the_first_deposit(bob: User, carol: User):
    assert get(bob, "balance").json() == {"balance": {"amount_msat": 0}, "is_frozen": False}
    assert get(carol, "balance").json() == {"balance": {"amount_msat": 10_000}, "is_frozen": False}


def test_a_deposit_address_is_given_once_for_each_key(carol: User, settings: Settings):
    client = make_client(carol)
    first, again, other = (
        client.post("/api/v1/deposit-addresses", headers={"Idempotency-Key": key}) for key in ("a", "a", "b")
    )
    assert first.status_code == 201
    assert first.json() == again.json() != other.json()
    assert first.json()["confirmations"] == settings.CADASTRE_DEPOSIT_CONFIRMATIONS
    assert first.json()["minimum"] == {"amount_msat": settings.CADASTRE_DEPOSIT_MIN_SAT * 1_000}
    assert client.post("/api/v1/deposit-addresses").json()["code"] == "idempotency-key-missing"


def test_without_a_wallet_deposits_are_not_open(carol: User, settings: Settings):
    settings.CADASTRE_PAYOUT_XPUB = ""
    answer = make_client(carol).post("/api/v1/deposit-addresses", headers={"Idempotency-Key": "a"})
    assert (answer.status_code, answer.json()["code"]) == (503, "deposits-closed")


def test_everybody_sees_their_own_deposits_alone(bob: User, carol: User):
    (deposit,) = get(carol, "deposits").json()["results"]
    assert (deposit["amount"], deposit["kind"]) == ({"amount_msat": 10_000}, "DEPOSIT")
    assert deposit["state"] == "CREDITED"
    assert get(bob, "deposits").json()["results"] == []


def test_everybody_sees_their_own_transfers_alone(sold: Statement, bob: User, carol: User):
    (transfer,) = get(carol, "transfers").json()["results"]
    assert (transfer["amount"], transfer["reason"], transfer["window"]) == ({"amount_msat": 1_000}, "PRICE", 0)
    assert get(bob, "transfers").json()["results"] == []


def test_statements_are_for_the_uploader_and_the_holders_members(sold: Statement, alice: User, bob: User, carol: User):
    (bobs,) = get(bob, "statements").json()["results"]
    (alices,) = get(alice, "statements").json()["results"]
    assert (bobs["id"], bobs["total"]) == (str(sold.id), {"amount_msat": 450})
    assert alices["account"].startswith("PAYABLE:holder:")
    assert get(carol, "statements").json()["results"] == []


def test_a_statement_has_its_document_and_is_nobody_elses(sold: Statement, bob: User, carol: User):
    statement = get(bob, f"statements/{sold.id}").json()
    assert statement["document"]["total_msat"] == "450"
    assert [line["gross_msat"] for line in statement["document"]["lines"]] == ["1000"]
    answer = get(carol, f"statements/{sold.id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "statement-not-found")


def test_payouts_are_for_the_payee_alone(bob: User, carol: User):
    batch = make_batch(state=PayoutBatch.State.BROADCAST, txid="ab" * 32)
    account = make_account(LedgerAccount.Kind.PAYABLE, user_id=bob.id)
    Payout.objects.create(batch=batch, account=account, address=ADDRESS, amount_sat=7, created_at=NOW)
    (payout,) = get(bob, "payouts").json()["results"]
    assert (payout["amount"], payout["state"], payout["txid"]) == ({"amount_msat": 7_000}, "BROADCAST", "ab" * 32)
    assert get(carol, "payouts").json()["results"] == []


def test_a_payout_address_is_kept_if_it_is_one_of_the_network(bob: User):
    client = make_client(bob)
    path = "/api/v1/payout-address"
    answer = client.put(path, {"address": ADDRESS}, content_type="application/json")
    assert (answer.status_code, answer.json()) == (200, {"address": ADDRESS})
    assert bob.payout_addresses.get().address == ADDRESS
    refused = client.put(path, {"address": "bc1qnot"}, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (400, "payout-address")
    assert Client().put(path, {"address": ADDRESS}, content_type="application/json").status_code == 401


def test_a_payout_address_is_read_by_its_user_alone(bob: User, carol: User):
    assert get(bob, "payout-address").json() == {"address": None}
    make_client(bob).put("/api/v1/payout-address", {"address": ADDRESS}, content_type="application/json")
    assert get(bob, "payout-address").json() == {"address": ADDRESS}
    assert get(carol, "payout-address").json() == {"address": None}
    assert get(None, "payout-address").status_code == 401


def test_only_the_scope_for_it_redirects_payouts(bob: User):
    others = [scope for scope in Scope if scope != Scope.PAYOUTS_WRITE]
    path, body = "/api/v1/payout-address", {"address": ADDRESS}
    refused = make_client(bob, scopes=others).put(path, body, content_type="application/json")
    assert (refused.status_code, refused.json()["code"]) == (403, "scope-missing")
    client = make_client(bob, scopes=[Scope.PAYOUTS_WRITE])
    assert client.put(path, body, content_type="application/json").status_code == 200
    assert client.get(path).status_code == 403


def test_settled_windows_are_public(sold: Statement):
    (window,) = get(None, "settlements").json()["results"]
    assert window["number"] == 0
    assert window["transfers"]["sum"] == {"amount_msat": 1_000}
    assert window["refunds"] == {"count": 0, "sum": {"amount_msat": 0}, "root": "0" * 64}
    assert window["record"] is not None


def test_the_closing_account_shows_what_is_never_credited(db: None):
    make_coin(value_sat=7, kind=WalletCoin.Kind.UNKNOWN)
    make_coin(value_sat=3, kind=WalletCoin.Kind.DUST)
    account = get(None, "closing-account").json()
    assert account["unattributed"] == {"count": 1, "sum": {"amount_msat": 7_000}}
    assert account["dust"] == {"count": 1, "sum": {"amount_msat": 3_000}}


def test_the_closing_account_is_public_and_balanced(sold: Statement):
    account = get(None, "closing-account").json()
    assert account["is_balanced"] is True
    assert account["chain"]["deposits"] == account["ledger"]["deposits"] == {"amount_msat": 10_000}
    lines = {line["name"]: line["amount_msat"] for line in account["ledger"]["lines"]}
    assert (lines["READERS"], lines["PAYABLE"], lines["PLATFORM"]) == (9_000, 900, 100)
