"""Entries, reversals, and a ledger that stays balanced whatever happens to it."""

import pytest
from django.db import transaction
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from database.transactions import TransactionRequiredError
from payouts.errors import EmptyEntryError, EntryExistsError, PostingError
from payouts.models import JournalEntry, LedgerAccount
from payouts.rules.replay import replay_ledger
from payouts.selectors.ledger import (
    Payable,
    get_balance,
    get_balances_by_kind,
    iterate_export_lines,
    list_positive_payables,
)
from payouts.services.ledger import PostingDraft, draft_signed, get_or_create_account, post_entry, reverse_entry
from tests.factories.payouts import NOW, make_account, make_holder, make_payable, make_user

Kind = LedgerAccount.Kind


def post(key: str, *postings: PostingDraft) -> JournalEntry:
    """Post an entry in a transaction of its own."""
    with transaction.atomic():
        return post_entry(source_key=key, description="Test", postings=postings, now=NOW)


@pytest.mark.django_db
def test_an_entry_moves_its_amounts_from_debit_to_credit():
    deposits, readers = make_account(Kind.DEPOSITS), make_account(Kind.READERS)
    post("first", PostingDraft(deposits, readers, 700), PostingDraft(deposits, readers, 300))
    assert get_balance(deposits).debit_balance_msat == 1_000
    assert get_balance(readers).credit_balance_msat == 1_000
    assert get_balances_by_kind()[Kind.PAID].credit_balance_msat == 0


@pytest.mark.django_db
def test_refuses_an_empty_entry():
    with pytest.raises(EmptyEntryError):
        post("empty")
    assert not JournalEntry.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("amount", [0, -1, 2**63])
def test_refuses_an_amount_out_of_range(amount: int):
    with pytest.raises(PostingError, match=str(amount)):
        post("bad", PostingDraft(make_account(Kind.DEPOSITS), make_account(Kind.READERS), amount))


@pytest.mark.django_db
def test_refuses_a_posting_that_stays_on_its_account():
    account = make_account(Kind.DEPOSITS)
    with pytest.raises(PostingError):
        post("bad", PostingDraft(account, account, 1))


@pytest.mark.django_db
def test_the_same_event_counts_once():
    draft = PostingDraft(make_account(Kind.DEPOSITS), make_account(Kind.READERS), 5)
    post("once", draft)
    with pytest.raises(EntryExistsError, match="once"):
        post("once", draft)
    assert get_balance(draft.credit).credit_balance_msat == 5


@pytest.mark.django_db
def test_an_entry_is_reversed_once():
    draft = PostingDraft(make_account(Kind.DEPOSITS), make_account(Kind.READERS), 5)
    entry = post("event", draft)
    with transaction.atomic():
        reversal = reverse_entry(source_key="event", description="Undone", now=NOW)
    assert reversal.reverses == entry
    assert get_balance(draft.credit).credit_balance_msat == 0
    with pytest.raises(EntryExistsError), transaction.atomic():
        reverse_entry(source_key="event", description="Undone", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_a_step_needs_its_use_case_transaction():
    with pytest.raises(TransactionRequiredError):
        post_entry(source_key="x", description="", postings=[], now=NOW)
    with pytest.raises(TransactionRequiredError):
        get_or_create_account(kind=Kind.READERS, now=NOW)


@pytest.mark.django_db
def test_accounts_are_one_for_each_kind_and_owner():
    user, holder = make_user("bob"), make_holder("Alice")
    codes = {
        make_account(Kind.PLATFORM).code,
        make_account(Kind.PAYABLE, user_id=user.id).code,
        make_account(Kind.RECEIVABLE, user_id=user.id).code,
        make_account(Kind.PAYABLE, holder_id=holder.id).code,
        make_account(Kind.PAYABLE, holder_id=holder.id).code,
    }
    assert codes == {
        "PLATFORM",
        f"PAYABLE:user:{user.id}",
        f"RECEIVABLE:user:{user.id}",
        f"PAYABLE:holder:{holder.id}",
    }
    assert LedgerAccount.objects.count() == 4


@pytest.mark.django_db
def test_signed_amounts_turn_into_postings_above_zero():
    left, right = make_account(Kind.READERS), make_account(Kind.SUSPENSE)
    assert draft_signed(left, right, 3) == [PostingDraft(left, right, 3)]
    assert draft_signed(left, right, -3) == [PostingDraft(right, left, 3)]
    assert draft_signed(left, right, 0) == []


@pytest.mark.django_db
def test_only_payables_that_hold_enough_are_listed():
    rich, poor = (make_account(Kind.PAYABLE, user_id=make_user("bob").id) for _ in range(2))
    make_payable(rich, 1_000)
    make_payable(poor, 999)
    assert list_positive_payables(at_least_msat=1_000) == [Payable(rich, 1_000, "")]


@pytest.mark.django_db
def test_the_export_replays_to_the_same_balances():
    draft = PostingDraft(make_account(Kind.DEPOSITS), make_account(Kind.READERS), 2**62)
    post("event", draft)
    with transaction.atomic():
        reverse_entry(source_key="event", description="Undone", now=NOW)
    make_payable(make_account(Kind.PAYABLE), 9)
    totals = replay_ledger(iterate_export_lines())
    for account in LedgerAccount.objects.all():
        assert totals[account.code].balance_msat == get_balance(account).credit_balance_msat


class LedgerMachine(RuleBasedStateMachine):
    """Posts and reverses at random; a plain Python ledger says what must come out."""

    def __init__(self) -> None:
        super().__init__()
        self.atomic = transaction.atomic()
        self.atomic.__enter__()
        self.accounts = [make_account(kind) for kind in (Kind.DEPOSITS, Kind.READERS, Kind.SUSPENSE)]
        self.expected = dict.fromkeys((account.code for account in self.accounts), 0)
        self.posted: dict[str, PostingDraft] = {}
        self.reversed: set[str] = set()

    @rule(key=st.integers(0, 9), debit=st.integers(0, 2), credit=st.integers(0, 2), amount=st.integers(-1, 2**40))
    def post(self, key: int, debit: int, credit: int, amount: int) -> None:
        """Post, or be refused for the reason that the model expects."""
        draft = PostingDraft(self.accounts[debit], self.accounts[credit], amount)
        name = f"event:{key}"
        if amount <= 0 or debit == credit:
            with pytest.raises(PostingError):
                post(name, draft)
        elif name in self.posted:
            with pytest.raises(EntryExistsError):
                post(name, draft)
        else:
            post(name, draft)
            self.posted[name] = draft
            self._move(draft, 1)

    @rule(key=st.integers(0, 9))
    def reverse(self, key: int) -> None:
        """Reverse, or be refused."""
        name = f"event:{key}"
        if name not in self.posted or name in self.reversed:
            with pytest.raises((JournalEntry.DoesNotExist, EntryExistsError)), transaction.atomic():
                reverse_entry(source_key=name, description="Undone", now=NOW)
            return
        with transaction.atomic():
            reverse_entry(source_key=name, description="Undone", now=NOW)
        self.reversed.add(name)
        self._move(self.posted[name], -1)

    @invariant()
    def balances_agree(self) -> None:
        """Compare every balance, and the sum of all."""
        found = {account.code: get_balance(account).credit_balance_msat for account in self.accounts}
        assert found == self.expected
        assert sum(found.values()) == 0

    def _move(self, draft: PostingDraft, sign: int) -> None:
        self.expected[draft.debit.code] -= sign * draft.amount_msat
        self.expected[draft.credit.code] += sign * draft.amount_msat

    def teardown(self) -> None:
        """Forget everything that was posted."""
        transaction.set_rollback(True)
        self.atomic.__exit__(None, None, None)


@pytest.mark.django_db
def test_a_ledger_stays_balanced_whatever_happens():
    short = hypothesis_settings(max_examples=15, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(LedgerMachine, settings=short)
