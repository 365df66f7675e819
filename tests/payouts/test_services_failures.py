"""An operator's proof that a payout can never be mined: complete, final, recorded; on a real development node."""

import socket
from dataclasses import dataclass
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import Permission
from django.core.management import CommandError, call_command
from pytest_django.fixtures import Settings

from chain.node import NodeClient
from chain.transactions import Coin, Output, parse_block, parse_transaction
from payouts.errors import ConflictProofError, PayoutBatchNotFoundError, PayoutBatchStateError
from payouts.models import LedgerAccount, PayoutBatch, WalletCoin
from payouts.selectors.closing import get_closing_account
from payouts.services.deposits import issue_deposit_address
from payouts.services.failures import TransactionPlace, fail_unknown_batch
from payouts.services.following import follow_chain
from tests.factories.payouts import NOW, make_user
from tests.nodes import DevnodeProcess, MiningWallet
from tests.payouts.test_services_conflicts import held, make_unknown_batch
from users.models import User

State = PayoutBatch.State
FEE_SAT = 1_000


@dataclass
class Reorganised:
    """A deposit, spent by a batch, whose parent's parent was replaced by another transaction in a final block."""

    node: NodeClient
    batch: PayoutBatch
    grandparent: bytes
    parent: bytes
    conflict: TransactionPlace
    late: TransactionPlace
    operator: User

    def fail(self, **changes: Any) -> PayoutBatch:
        """Fail the batch by the whole proof, or by a changed one."""
        values: dict[str, Any] = {
            "batch_id": self.batch.id,
            "lost": [self.grandparent],
            "conflict": self.conflict,
            "operator": self.operator,
            "reason": "The reader's deposit was spent twice.",
            "node": self.node,
            "now": NOW,
        }
        return fail_unknown_batch(**(values | changes))


@pytest.fixture
def reorganised(db: None, devnode: DevnodeProcess, settings: Settings) -> Reorganised:
    settings.CADASTRE_NODE_URL = devnode.url
    settings.CADASTRE_DEPOSIT_CONFIRMATIONS = 2
    settings.CADASTRE_CONFIRMATIONS_FINAL = 3
    node = devnode.client
    miner = MiningWallet(node)
    script = bytes(issue_deposit_address(user=make_user("carol"), now=NOW).script)
    (start,) = miner.fund(1)
    middle_sat = start.value_sat - FEE_SAT
    grandparent = miner.build([start], [Output(middle_sat, miner.key.script_pubkey)])
    middle = Coin(node.send_raw_transaction(grandparent), 0, middle_sat, miner.key.script_pubkey)
    parent = miner.build([middle], [Output(middle_sat - FEE_SAT, script)])
    node.send_raw_transaction(parent)
    left = miner.mine(3)[0]
    follow_chain(node=node, now=NOW)
    batch = make_unknown_batch(WalletCoin.objects.get())
    node.invalidate_block(left)
    devnode.kill()  # The mempool forgets the deposit, so that the competing block does not have it.
    devnode.start()
    thief = miner.build([start], [Output(middle_sat - FEE_SAT, miner.key.script_pubkey)])
    txid = node.send_raw_transaction(thief)
    hashes = miner.mine(4)
    follow_chain(node=node, now=NOW)
    batch.refresh_from_db()
    assert batch.state == State.UNKNOWN
    operator = make_user("alice")
    return Reorganised(
        node=node,
        batch=batch,
        grandparent=grandparent,
        parent=parent,
        conflict=TransactionPlace(txid, hashes[0]),
        late=TransactionPlace(parse_block(node.get_block(hashes[3])).transactions[0].txid, hashes[3]),
        operator=operator,
    )


def test_a_proof_by_a_grandparent_fails_the_batch_and_names_who_gave_it(reorganised: Reorganised):
    batch = reorganised.fail()
    batch.refresh_from_db()
    assert (batch.state, batch.failed_by) == (State.FAILED, reorganised.operator)
    assert batch.failure_reason.startswith("The reader's deposit was spent twice.")
    assert reorganised.conflict.txid in batch.failure_reason
    assert (held(LedgerAccount.Kind.IN_TRANSIT), held(LedgerAccount.Kind.PAYABLE)) == (0, 20_000_000)
    assert not batch.inputs.exists()
    assert get_closing_account().is_balanced
    with pytest.raises(PayoutBatchStateError, match="FAILED, not UNKNOWN"):
        reorganised.fail()


def test_the_parent_is_needed_where_its_inputs_are_not_known(reorganised: Reorganised):
    WalletCoin.objects.update(parent_inputs=b"")
    with pytest.raises(ConflictProofError):
        reorganised.fail()
    assert reorganised.fail(lost=[reorganised.parent, reorganised.grandparent]).state == State.FAILED


@pytest.mark.parametrize("lost", [[], ["parent"], ["grandparent", "parent"]])
def test_a_proof_with_a_gap_is_refused(reorganised: Reorganised, lost: list[str]):
    with pytest.raises(ConflictProofError, match="does not prove"):
        reorganised.fail(lost=[getattr(reorganised, name) for name in lost])
    reorganised.batch.refresh_from_db()
    assert reorganised.batch.state == State.UNKNOWN


def test_a_conflict_that_is_not_final_is_refused(reorganised: Reorganised):
    with pytest.raises(ConflictProofError, match="not final"):
        reorganised.fail(conflict=reorganised.late)


def test_a_conflict_that_was_not_followed_is_refused(reorganised: Reorganised, settings: Settings):
    left = WalletCoin.objects.get().block_hash
    with pytest.raises(ConflictProofError, match="not final"):
        reorganised.fail(conflict=TransactionPlace(parse_transaction(reorganised.parent).txid, left))


def test_a_conflict_that_the_node_does_not_have_is_refused(reorganised: Reorganised):
    with pytest.raises(ConflictProofError, match="no block"):
        reorganised.fail(conflict=TransactionPlace("ab" * 32, reorganised.conflict.block_hash))


def test_a_node_that_answers_another_transaction_is_not_believed(reorganised: Reorganised, devnode: DevnodeProcess):
    class Confused(type(devnode.client)):  # type: ignore[misc]  # the class is known at run time only
        """A node that mixes transactions up."""

        def find_raw_transaction(self, txid: str, *, block_hash: str | None = None) -> bytes:  # noqa: ARG002
            return reorganised.parent

    with pytest.raises(ConflictProofError, match="The node answered"):
        reorganised.fail(node=Confused(devnode.url))


def test_an_input_that_is_in_the_chain_is_not_lost(reorganised: Reorganised):
    WalletCoin.objects.update(state=WalletCoin.State.SEEN)
    with pytest.raises(ConflictProofError):
        reorganised.fail()


def test_bytes_that_are_no_transaction_are_refused(reorganised: Reorganised):
    with pytest.raises(ConflictProofError, match="cannot be read"):
        reorganised.fail(lost=[b"\x00"])


@pytest.mark.parametrize("reason", ["", " ", "x" * 301])
def test_a_reason_is_needed(reorganised: Reorganised, reason: str):
    with pytest.raises(ConflictProofError, match="reason"):
        reorganised.fail(reason=reason)


@pytest.mark.parametrize("state", [State.APPROVED, State.SIGNED, State.BROADCAST, State.MINED, State.PAID])
def test_only_an_unknown_batch_can_be_failed(reorganised: Reorganised, state: PayoutBatch.State):
    PayoutBatch.objects.update(state=state)
    with pytest.raises(PayoutBatchStateError):
        reorganised.fail()


def test_a_batch_that_does_not_exist_cannot_be_failed(reorganised: Reorganised):
    with pytest.raises(PayoutBatchNotFoundError):
        reorganised.fail(batch_id=uuid4())


def run_command(reorganised: Reorganised, *, lost: str) -> str:
    """Run the command as Alice and return what it says."""
    out = StringIO()
    place = f"{reorganised.conflict.txid}:{reorganised.conflict.block_hash}"
    names = ["--operator", reorganised.operator.username, "--reason", "Spent twice."]
    call_command(
        "fail_payout_batch", str(reorganised.batch.id), "--conflict", place, "--lost", lost, *names, stdout=out
    )
    return out.getvalue()


def test_the_command_needs_the_permission_and_a_proof(reorganised: Reorganised):
    with pytest.raises(CommandError, match="may not"):
        run_command(reorganised, lost=reorganised.grandparent.hex())
    reorganised.operator.user_permissions.set(Permission.objects.filter(codename="fail_payoutbatch"))
    with pytest.raises(CommandError, match="does not prove"):
        run_command(reorganised, lost=reorganised.parent.hex())
    assert "has failed: Spent twice." in run_command(reorganised, lost=reorganised.grandparent.hex())


def test_the_command_says_that_the_node_does_not_answer(reorganised: Reorganised, settings: Settings):
    reorganised.operator.user_permissions.set(Permission.objects.filter(codename="fail_payoutbatch"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # taken, but nobody listens
        settings.CADASTRE_NODE_URL = f"http://a:b@127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(CommandError, match=r"does not answer|dropped the connection"):
            run_command(reorganised, lost=reorganised.grandparent.hex())
    reorganised.batch.refresh_from_db()
    assert reorganised.batch.state == State.UNKNOWN


def test_the_command_wants_a_block_with_the_conflict(reorganised: Reorganised):
    with pytest.raises(CommandError, match="TXID:BLOCKHASH"):
        call_command("fail_payout_batch", str(uuid4()), "--conflict", "ab", "--operator", "a", "--reason", "b")
