"""Valid rows of the payouts package in their plainest state, and the people, links and records that they need."""

import hashlib
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID, uuid4

from django.db import transaction

from chain.keys import Account
from chain.networks import REGTEST
from payouts.models import Balance, DepositAddress, LedgerAccount, Microtransaction, Payout, PayoutBatch, WalletCoin
from payouts.services.deposits import credit_coin, issue_deposit_address
from payouts.services.ledger import PostingDraft, get_or_create_account, post_entry
from registry.models import Record, RightsHolder
from registry.rules.policies import ApprovedShare
from registry.services.policies import start_policy
from registry.services.records import register_blob
from storage.models import Blob, Link
from users.models import User

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
WALLET = Account.from_seed(b"the payout wallet of the tests..", REGTEST)
"""Tests set CADASTRE_PAYOUT_XPUB and CADASTRE_PAYOUT_XPRV to this account's."""


def make_user(name: str) -> User:
    """Return a new user; Alice holds rights, Bob publishes, Carol is a stranger."""
    return User.objects.create(username=f"{name}-{secrets.token_hex(4)}")


def make_link(*, owner: User, price_msat: int, length: int = 1_000, is_registered: bool = True) -> Link:
    """Return a link to a blob of its own, registered with a work and the default policy."""
    sha256 = secrets.token_bytes(32)
    blob = Blob.objects.create(
        sha256=sha256, length=length, root=hashlib.sha256(sha256).digest(), storage_name=sha256.hex(), created_at=NOW
    )
    link = Link.objects.create(
        blob=blob, owner=owner, price_msat=price_msat, manifest=b"age", seal=bytes(32), created_at=NOW
    )
    if is_registered:
        register_blob(blob_id=blob.id, now=NOW)
    return link


def get_record(link: Link) -> Record:
    """Return the record of a link's blob."""
    return Record.objects.select_related("work").get(blob_id=link.blob_id)


def make_holder(name: str, *, payout_address: str = "") -> RightsHolder:
    """Return a rights holder."""
    return RightsHolder.objects.create(name=name, payout_address=payout_address, created_at=NOW)


def start_shares(link: Link, shares: Sequence[tuple[RightsHolder, int]], *, now: datetime = NOW) -> None:
    """Start the split policy that follows from these shares (ppm) of the link's work."""
    work = get_record(link).work
    assert work is not None
    with transaction.atomic():
        start_policy(work=work, shares=[ApprovedShare(holder.id, ppm) for holder, ppm in shares], now=now)


def make_coin(
    *, address: DepositAddress | None = None, value_sat: int, height: int = 1, index: int = 0, **fields: object
) -> WalletCoin:
    """Return a coin that was seen in a block: a reader's deposit, or the operator's capital."""
    kind = WalletCoin.Kind.CAPITAL
    if address is not None and address.user_id is not None:
        kind = WalletCoin.Kind.DEPOSIT
    values: dict[str, object] = {
        "txid": secrets.token_hex(32),
        "vout": 0,
        "value_sat": value_sat,
        "script": WALLET.derive_script(0, index if address is None else address.index),
        "kind": kind,
        "is_internal": False,
        "index": index if address is None else address.index,
        "deposit_address": address,
        "height": height,
        "block_hash": f"{height:064x}",
        "seen_at": NOW,
    }
    return WalletCoin.objects.create(**(values | fields))


def fund_reader(user: User, value_sat: int) -> WalletCoin:
    """Credit a deposit to a reader and return its coin. CADASTRE_PAYOUT_XPUB must be set."""
    coin = make_coin(address=issue_deposit_address(user=user, now=NOW), value_sat=value_sat)
    with transaction.atomic():
        credit_coin(coin=coin, now=NOW)
    return coin


def get_balance_msat(user: User) -> int:
    """Return a reader's balance, 0 before the first deposit."""
    balance = Balance.objects.filter(user=user).first()
    return 0 if balance is None else balance.balance_msat


def make_account(kind: LedgerAccount.Kind, **owner: UUID) -> LedgerAccount:
    """Return a ledger account."""
    with transaction.atomic():
        return get_or_create_account(kind=kind, now=NOW, **owner)


def make_payable(account: LedgerAccount, amount_msat: int) -> None:
    """Owe a payee an amount, out of nothing but the operator's capital."""
    with transaction.atomic():
        capital = get_or_create_account(kind=LedgerAccount.Kind.CAPITAL, now=NOW)
        post_entry(
            source_key=f"test:{uuid4()}",
            description="Owed in a test",
            postings=[PostingDraft(capital, account, amount_msat)],
            now=NOW,
        )


def make_microtransaction(**fields: object) -> Microtransaction:
    """Return a free microtransaction in window 0, under ids that nothing else has."""
    values: dict[str, object] = {
        "payer_id": None,
        "link_id": uuid4(),
        "record_id": uuid4(),
        "work_id": uuid4(),
        "policy_id": uuid4(),
        "uploader_id": uuid4(),
        "window": 0,
        "amount_msat": 0,
        "reason": Microtransaction.Reason.FREE,
        "nonce_sha256": bytes(32),
        "created_at": NOW,
    }
    return Microtransaction.objects.create(**(values | fields))


def make_batch(*, state: PayoutBatch.State, total_sat: int = 20_000, **fields: object) -> PayoutBatch:
    """Return a payout batch with one payout of everything, without any posting."""
    values: dict[str, object] = {"state": state, "total_sat": total_sat, "created_at": NOW, "changed_at": NOW}
    batch = PayoutBatch.objects.create(**(values | fields))
    Payout.objects.create(
        batch=batch,
        account=make_account(LedgerAccount.Kind.PAYABLE, user_id=make_user("bob").id),
        address=WALLET.derive_key(1, 1_000).address(REGTEST),
        amount_sat=total_sat,
        created_at=NOW,
    )
    return batch
