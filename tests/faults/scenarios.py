"""What is killed at every point: sealing, anchoring, deposits, settlement and payouts, each from the real services."""

import json
from collections import Counter
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from django.conf import settings
from django.core.management import call_command

from chain.keys import Account, Key
from chain.networks import REGTEST
from chain.node import NodeClient, get_node
from chain.transactions import Output, parse_block
from chain.transports import HttpTransport
from payouts.models import (
    Balance,
    JournalEntry,
    Microtransaction,
    PayoutBatch,
    Posting,
    SettlementLine,
    SettlementWindow,
    Statement,
    WalletCoin,
)
from payouts.selectors.closing import get_closing_account
from payouts.services import following as payouts_following
from payouts.services.charges import charge_transfer
from payouts.services.deposits import issue_deposit_address
from payouts.services.payout_transactions import advance_payouts
from payouts.services.payouts import make_payout_batch, set_payout_address
from payouts.services.settlement import settle_windows
from payouts.services.statements import make_statements
from payouts.services.windows import close_window
from registry.models import Anchor, AnchorTransaction, Batch, Record, Submission, Work
from registry.proof.merkle import merkle_root
from registry.rules.digest_lines import DigestLines
from registry.selectors.submissions import iterate_receipts
from registry.services import anchors, batches, records
from registry.services import following as registry_following
from registry.services.founding import find_first_outpoint, found_register
from registry.services.submissions import submit_digests
from tests.factories.registry import make_document_record
from tests.factories.storage import make_blob, make_link
from tests.factories.users import make_user
from tests.faults.drive import Scenario
from tests.nodes import MiningWallet
from users.errors import IdempotencyKeyInFlightError
from users.models import User

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
WALLET_KEY = Key.from_secret(b"the mining wallet of the faults.")
ANCHOR_KEY = Key.from_secret(b"the anchor key of the faults....")
PAYEE_KEY = Key.from_secret(b"the payee's key of the faults...")
PAYOUT_WALLET = Account.from_seed(b"the payout wallet of the faults.", REGTEST)
DEPOSIT_SAT = 50_000
PRICE_MSAT = 1_234_567
TRANSFERS = 3
DIGESTS = 5


def plain_node() -> NodeClient:
    """Return a client whose calls are the world's, not the system's: they are no points."""
    return NodeClient(settings.CADASTRE_NODE_URL, timeout_s=30, transport=HttpTransport(settings.CADASTRE_NODE_URL))


class World(Scenario):
    """A clock that goes on by a day a turn, and a miner."""

    def __init__(self) -> None:
        self.now = START
        self._wallet: MiningWallet | None = None

    @property
    def wallet(self) -> MiningWallet:
        """The miner's wallet, always with the same key."""
        if self._wallet is None:
            self._wallet = MiningWallet(plain_node(), WALLET_KEY)
        return self._wallet

    def prepare(self) -> None:
        """Make the tables."""
        call_command("migrate", verbosity=0)

    def turn(self) -> None:
        """Mine a block and let a day pass."""
        self.wallet.mine(1)
        self.now += timedelta(days=1)

    def found(self) -> None:
        """Found a register, and follow the chain to its tip."""
        node = plain_node()
        node.generate_to_address(1, ANCHOR_KEY.address(REGTEST))
        self.wallet.mine(100)
        outpoint = find_first_outpoint(node=node)
        assert outpoint is not None
        found_register(txid=outpoint[0], vout=outpoint[1], node=node, now=START)
        registry_following.follow_chain(node=node, now=START)


class Sealing(World):
    """Blobs become records, and records a batch."""

    points_min = 16

    def prepare(self) -> None:
        """Store five blobs, and found a register."""
        super().prepare()
        self.found()
        bob = make_user("bob")
        for content in (b"one", b"two", b"three", b"four", b"five"):
            make_link(bob, blob=make_blob(content, now=START), now=START)

    def sweep(self) -> None:
        """Register, then seal."""
        records.register_blobs(now=self.now)
        batches.seal_due_batches(now=self.now)

    def is_done(self) -> bool:
        """Every record is sealed."""
        return Record.objects.filter(batch__state=Batch.State.SEALED).count() >= 5

    def check(self) -> None:
        """Each blob has one record with one work, each record one index, and each batch the root of its leaves."""
        check_register(expected_records=5)
        assert Record.objects.values("work").distinct().count() == 5
        assert [work.policies.count() for work in Work.objects.all()] == [1] * 5


class Submitting(World):
    """Digests are registered in bulk by a client that repeats its request until it is answered, and sealed."""

    points_min = 12

    def prepare(self) -> None:
        """Make the client's user, and found a register."""
        super().prepare()
        self.found()
        make_user("bob")

    def sweep(self) -> None:
        """Send the request, unless it was answered, and seal."""
        body = b"".join(b'{"sha256": "%s"}\n' % sha256(bytes([n])).hexdigest().encode() for n in range(DIGESTS))
        lines = DigestLines()
        lines.feed(body)
        bob, path = User.objects.get(username="bob"), "/api/v1/records/bulk"
        with suppress(IdempotencyKeyInFlightError):
            submit_digests(user=bob, key="the client's", path=path, digests=lines.finish(), now=self.now)
            batches.seal_due_batches(now=self.now)

    def is_done(self) -> bool:
        """The request was answered, and its records are sealed."""
        return Record.objects.filter(batch__state=Batch.State.SEALED).exists()

    def check(self) -> None:
        """Each digest has one record, in the order of the lines, and there is one submission of them."""
        check_register(expected_records=DIGESTS)
        receipts = b"".join(iterate_receipts(Submission.objects.get())).splitlines()
        digests = [f"sha256:{sha256(bytes([n])).hexdigest()}" for n in range(DIGESTS)]
        assert [json.loads(receipt)["sha256"] for receipt in receipts] == digests
        ids = Record.objects.order_by("index").values_list("id", flat=True)
        assert [json.loads(receipt)["record"] for receipt in receipts] == [str(record_id) for record_id in ids]


class Anchoring(World):
    """Two batches become final, one after the other."""

    points_min = 94

    def prepare(self) -> None:
        """Seal two batches."""
        super().prepare()
        self.found()
        for _ in range(2):
            make_document_record(now=START)
            batches.seal_batch(now=START)

    def sweep(self) -> None:
        """Send what is due, then follow."""
        node = get_node()
        anchors.send_anchors(node=node, now=self.now)
        registry_following.follow_chain(node=node, now=self.now)

    def is_done(self) -> bool:
        """Both anchors are final."""
        return Anchor.objects.filter(state=Anchor.State.FINAL).count() == 2

    def check(self) -> None:
        """Each batch has one anchor of one version, and the chain has each commitment once."""
        check_register(expected_records=2)
        assert Anchor.objects.count() == AnchorTransaction.objects.count() == 2
        published = count_published()
        assert published == Counter(bytes(batch.commitment) for batch in Batch.objects.all())


class Deposits(World):
    """Two readers' deposits are credited, and the operator's capital."""

    points_min = 32

    def prepare(self) -> None:
        """Pay three addresses."""
        super().prepare()
        fund_addresses(self.wallet, [make_user("bob"), make_user("carol"), None])
        # The miner's own blocks are followed already; the payments wait in the mempool.
        payouts_following.follow_chain(node=plain_node(), now=START)

    def sweep(self) -> None:
        """Follow the chain."""
        payouts_following.follow_chain(node=get_node(), now=self.now)

    def is_done(self) -> bool:
        """All coins are credited."""
        return WalletCoin.objects.filter(state=WalletCoin.State.CREDITED).count() == 3

    def check(self) -> None:
        """Each deposit counts once."""
        assert [balance.balance_msat for balance in Balance.objects.all()] == [DEPOSIT_SAT * 1_000] * 2
        assert JournalEntry.objects.count() == 3
        check_closing_account(deposits_sat=3 * DEPOSIT_SAT)


class Settlement(World):
    """A window of paid transfers is closed, settled and stated."""

    points_min = 8

    def prepare(self) -> None:
        """Let a reader pay for a few transfers."""
        super().prepare()
        prepare_transfers(self)

    def sweep(self) -> None:
        """Close, settle and state."""
        close_window(now=self.now)
        settle_windows(now=self.now)
        make_statements(now=self.now)

    def turn(self) -> None:
        """Let a day pass."""
        self.now += timedelta(days=1)

    def is_done(self) -> bool:
        """The payee has a statement."""
        return Statement.objects.exists()

    def check(self) -> None:
        """Every microtransaction is settled once, and stated once."""
        check_settled()
        check_closing_account(deposits_sat=2 * DEPOSIT_SAT)


class Payouts(World):
    """What was settled is paid on chain, and final."""

    points_min = 50

    def prepare(self) -> None:
        """Settle a window, and name the payee's address."""
        super().prepare()
        prepare_transfers(self)
        self.now += timedelta(days=1)
        close_window(now=self.now)
        settle_windows(now=self.now)
        set_payout_address(user=User.objects.get(username="bob"), address=PAYEE_KEY.address(REGTEST), now=START)

    def sweep(self) -> None:
        """Make, sign, send and follow."""
        node = get_node()
        make_payout_batch(now=self.now)
        advance_payouts(node=node, now=self.now)
        payouts_following.follow_chain(node=node, now=self.now)

    def is_done(self) -> bool:
        """The batch is final."""
        return PayoutBatch.objects.filter(state=PayoutBatch.State.PAID).exists()

    def check(self) -> None:
        """The chain has paid the payee once, and the books say the same."""
        batch = PayoutBatch.objects.get()
        assert count_payments(PAYEE_KEY.script_pubkey) == [batch.total_sat]
        check_settled()
        check_closing_account(deposits_sat=2 * DEPOSIT_SAT)


SCENARIOS = {kind.__name__.lower(): kind for kind in (Sealing, Submitting, Anchoring, Deposits, Settlement, Payouts)}


def fund_addresses(wallet: MiningWallet, users: list[User | None]) -> None:
    """Issue an address to each user, and pay to each from a mined coin."""
    for user in users:
        address = issue_deposit_address(user=user, now=START)
        wallet.pay(bytes(address.script), DEPOSIT_SAT)


def prepare_transfers(world: World) -> None:
    """Let Bob publish links, and Carol deposit and pay for a transfer of each."""
    bob, carol = make_user("bob"), make_user("carol")
    fund_addresses(world.wallet, [carol, None])
    world.wallet.mine(settings.CADASTRE_DEPOSIT_CONFIRMATIONS)
    payouts_following.follow_chain(node=plain_node(), now=START)
    for number in range(TRANSFERS):
        link = make_link(bob, blob=make_blob(bytes([number]), now=START), price_msat=PRICE_MSAT, now=START)
        records.register_blob(blob_id=link.blob_id, now=START)
        charge_transfer(payer=carol, link_id=link.id, territory=None, price_max_msat=None, now=START)


def check_register(*, expected_records: int) -> None:
    """Check that indexes and batches have no gap and no overlap, and that each root is of its leaves."""
    assert Record.objects.count() == expected_records
    indexes = Record.objects.exclude(index=None).order_by("index").values_list("index", flat=True)
    assert list(indexes) == list(range(expected_records))
    next_index = 0
    for seq, batch in enumerate(Batch.objects.order_by("seq")):
        assert (batch.seq, batch.first_index, batch.state) == (seq, next_index, Batch.State.SEALED)
        leaves = Record.objects.filter(batch=batch).order_by("index").values_list("leaf", flat=True)
        assert bytes(batch.root) == merkle_root([bytes(leaf) for leaf in leaves])
        next_index += batch.size


def check_settled() -> None:
    """Check that all transfers are in one settled window, posted and stated once."""
    window = SettlementWindow.objects.get(state=SettlementWindow.State.SETTLED)
    total_msat = TRANSFERS * PRICE_MSAT
    assert (window.count, window.sum_msat) == (TRANSFERS, total_msat)
    assert Microtransaction.objects.count() == TRANSFERS
    assert JournalEntry.objects.filter(source_key__startswith="settlement:").count() == 1
    settled = JournalEntry.objects.get(source_key=f"settlement:{window.number}")
    [posted] = Posting.objects.filter(entry=settled, debit__kind="READERS").values_list("amount_msat", flat=True)
    assert posted == total_msat
    for statement in Statement.objects.all():
        stated = SettlementLine.objects.filter(account=statement.account).values_list("amount_msat", flat=True)
        assert statement.total_msat == sum(stated)


def check_closing_account(*, deposits_sat: int) -> None:
    """Check that both sides agree to the millisatoshi."""
    account = get_closing_account()
    assert account.is_balanced, account
    assert account.chain.deposits_msat == deposits_sat * 1_000


def count_published() -> Counter[bytes]:
    """Count the commitments in the chain."""
    tag = b"\x6a\x24CDS1"
    return Counter(output.script[len(tag) :] for output in read_outputs() if output.script.startswith(tag))


def count_payments(script: bytes) -> list[int]:
    """Return the values that the chain has paid to a script."""
    return [output.value_sat for output in read_outputs() if output.script == script]


def read_outputs() -> list[Output]:
    """Return every output in the chain."""
    node = plain_node()
    blocks = [parse_block(node.get_block(node.get_block_hash(height))) for height in range(node.get_block_count() + 1)]
    return [output for block in blocks for paid in block.transactions for output in paid.outputs]
