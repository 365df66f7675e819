"""Stories that leave a row in every table of some packages, for tests of what lists cost."""

from datetime import datetime, timedelta
from uuid import UUID, uuid4

from django.db import transaction

from chain.models import AllowedReorganisation, FollowerState
from chain.networks import REGTEST
from payouts.models import LedgerAccount, PayoutBatch
from payouts.services.charges import charge_transfer, refund_transfer
from payouts.services.ledger import PostingDraft, post_entry, reverse_entry
from payouts.services.payouts import set_payout_address
from payouts.services.settlement import settle_windows
from payouts.services.statements import make_statements
from payouts.services.windows import close_window
from registry.models import AnchorCoin, AnchorScript
from registry.rules.digest_lines import Digests
from registry.services.submissions import register_digests
from storage.models import Link, Report
from storage.services.blocks import block_digest
from storage.services.quotas import set_quota
from storage.services.reports import report_link
from tests.factories import payouts, registry
from tests.factories.storage import make_upload
from tests.factories.users import NOW, make_secret
from users.models import IdempotencyKey, User

Kind = LedgerAccount.Kind


def tell_of_money(number: int) -> None:
    """Leave at least one more row in every table of payouts. CADASTRE_PAYOUT_XPUB must be set; `number` counts up."""
    now = payouts.NOW + timedelta(days=number)
    carol, bob, alice = (payouts.make_user(name) for name in ("carol", "bob", "alice"))
    payouts.fund_reader(carol, 10)
    set_payout_address(user=bob, address=payouts.WALLET.derive_key(1, number).address(REGTEST), now=now)
    link = payouts.make_link(owner=bob, price_msat=1_000)
    holder = payouts.make_holder("Alice", payout_address=registry.HOLDER_KEY.address(REGTEST))
    payouts.start_shares(link, [(holder, 600_000)], now=now)
    _buy(carol, link, now)
    refunded = _buy(carol, payouts.make_link(owner=bob, price_msat=500), now)
    refund_transfer(transfer_id=refunded, reason="The disk failed.", now=now)
    close_window(now=now, is_early=True)
    settle_windows(now=now)
    make_statements(now=now)
    with transaction.atomic():
        draft = PostingDraft(payouts.make_account(Kind.CAPITAL), payouts.make_account(Kind.PLATFORM), 1)
        post_entry(source_key=f"mistake:{number}", description="A mistake", postings=[draft], now=now)
        reverse_entry(source_key=f"mistake:{number}", description="Mended", now=now)
    payouts.make_batch(
        state=PayoutBatch.State.FAILED, maker=bob, approver=alice, failed_by=carol, txid=f"{number:064x}"
    )


def tell_of_a_record(number: int) -> None:
    """Leave at least one more row in every table of the packages below payouts; of the register there is only one."""
    bob, alice = payouts.make_user("bob"), payouts.make_user("alice")
    make_secret(bob)
    IdempotencyKey.objects.create(user=bob, key="k", path="/p", body_sha256=bytes(32), created_at=NOW)
    make_upload(bob, received=4)
    with transaction.atomic():
        set_quota(owner_id=bob.id, bytes_max=10**9, uploads_unfinished_max=None)
    record = registry.make_record(bob, content=uuid4().bytes)
    registry.make_claim(alice, record=record, holder=registry.make_holder(alice, name=f"Archive {number}"))
    report_link(link_id=Link.objects.latest("id").id, category=Report.Category.OTHER, sealed=b"", text="", now=NOW)
    block_digest(sha256=uuid4().bytes * 2, actor=alice, reason="A court's order.", now=NOW)
    digests = Digests(joined=bytes(32), body_sha256=bytes(32))
    register_digests(user=bob, key=f"submission {number}", digests=digests, now=NOW)
    anchor = registry.make_anchor()
    register = anchor.batch.register
    AnchorScript.objects.create(register=register, script=number.to_bytes(22), added_at=NOW)
    AnchorCoin.objects.create(
        network=register.network,
        txid=f"{number:064x}",
        vout=0,
        value_sat=1_000,
        script=register.first_script,
        is_coinbase=False,
        height=number,
        block_hash=f"{number:064x}",
    )
    consumer = f"consumer {number}"
    FollowerState.objects.create(consumer=consumer, followed_at=NOW)
    AllowedReorganisation.objects.create(consumer=consumer, fork_height=1, fork_hash="00" * 32, allowed_at=NOW)


def _buy(payer: User, link: Link, now: datetime) -> UUID:
    """Charge a transfer that is never closed, and return its id."""
    return charge_transfer(payer=payer, link_id=link.id, territory=None, price_max_msat=None, now=now).transfer_id
