"""The admin's pages of money."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.db import transaction
from django.test import Client

from payouts.apps import PayoutsConfig
from payouts.models import LedgerAccount, PayoutBatch
from payouts.services.ledger import PostingDraft, post_entry
from tests.factories.payouts import (
    NOW,
    fund_reader,
    make_account,
    make_batch,
    make_microtransaction,
    make_user,
)
from users.models import User

pytestmark = pytest.mark.django_db
State = PayoutBatch.State
PAGES = [model._meta.model_name for model in admin.site._registry if model._meta.app_label == PayoutsConfig.name]
BATCHES = "/admin/payouts/payoutbatch/"


def test_every_model_has_a_page():
    assert len(PAGES) == 17


@pytest.mark.parametrize("page", PAGES)
def test_every_page_can_be_searched(page: str, admin_client: Client):
    assert admin_client.get(f"/admin/payouts/{page}/", {"q": "1"}).status_code == 200


def test_rows_can_be_looked_at_but_not_changed(admin_client: Client):
    coin = fund_reader(make_user("carol"), 1_000)
    batch = make_batch(state=State.PROPOSED, raw=b"raw", txid="ab" * 32)
    for path in (f"walletcoin/{coin.id}", f"payoutbatch/{batch.id}", f"microtransaction/{make_microtransaction().id}"):
        assert admin_client.get(f"/admin/payouts/{path}/change/").status_code == 200
        assert admin_client.post(f"/admin/payouts/{path}/change/", {}).status_code == 403
        assert admin_client.post(f"/admin/payouts/{path}/delete/", {"post": "yes"}).status_code == 403


def approve(client: Client, *batches: PayoutBatch) -> list[str]:
    """Run the action and return what the page says."""
    chosen = [str(batch.id) for batch in batches]
    answer = client.post(BATCHES, {"action": "approve", "_selected_action": chosen})
    return [str(message) for message in get_messages(answer.wsgi_request)]


def test_an_approver_approves_what_waits_and_is_told_what_does_not(admin_client: Client):
    waiting, paid = make_batch(state=State.PROPOSED), make_batch(state=State.PAID)
    said = approve(admin_client, waiting, paid)
    waiting.refresh_from_db()
    assert waiting.state == State.APPROVED
    assert waiting.approver is not None
    assert sorted(line.split(": ")[1] for line in said) == [
        "The payout batch is PAID, not PROPOSED.",
        "approved.",
    ]


@pytest.mark.parametrize("may_approve", [True, False])
def test_approving_needs_the_permission(may_approve: bool):
    clerk = make_user("alice")
    clerk.is_staff = True
    clerk.save()
    names = ["view_payoutbatch", *(["approve_payoutbatch"] if may_approve else [])]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    client, batch = Client(), make_batch(state=State.PROPOSED)
    client.force_login(clerk)
    approve(client, batch)
    batch.refresh_from_db()
    assert batch.state == (State.APPROVED if may_approve else State.PROPOSED)


def test_the_maker_is_refused_with_a_message(admin_client: Client, admin_user: User):
    batch = make_batch(state=State.PROPOSED, maker=admin_user)
    (said,) = approve(admin_client, batch)
    assert "cannot approve" in said
    batch.refresh_from_db()
    assert batch.state == State.PROPOSED


@pytest.mark.parametrize("may_cancel", [True, False])
def test_cancelling_needs_the_permission_and_says_what_became_of_it(may_cancel: bool):
    clerk = make_user("alice")
    clerk.is_staff = True
    clerk.save()
    names = ["view_payoutbatch", *(["cancel_payoutbatch"] if may_cancel else [])]
    clerk.user_permissions.set(Permission.objects.filter(codename__in=names))
    batch = make_batch(state=State.PROPOSED)
    draft = PostingDraft(batch.payouts.get().account, make_account(LedgerAccount.Kind.IN_TRANSIT), 20_000_000)
    with transaction.atomic():
        post_entry(source_key=f"payout:{batch.id}", description="On their way", postings=[draft], now=NOW)
    client = Client()
    client.force_login(clerk)
    chosen = {"action": "cancel", "_selected_action": [str(batch.id), str(make_batch(state=State.PAID).id)]}
    answer = client.post(BATCHES, chosen)
    batch.refresh_from_db()
    assert batch.state == (State.FAILED if may_cancel else State.PROPOSED)
    if may_cancel:
        said = sorted(str(message).split(": ")[1] for message in get_messages(answer.wsgi_request))
        assert said == ["The payout batch is PAID, neither PROPOSED nor APPROVED.", "cancelled."]
