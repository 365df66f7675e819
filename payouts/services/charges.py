"""Charges a transfer before its first byte, and refunds one that could not be served."""

import hashlib
import logging
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q

from database.transactions import require_transaction
from payouts.errors import (
    BalanceFrozenError,
    PaymentRequiredError,
    PriceAboveMaxError,
    RefundError,
    TransferNotFoundError,
)
from payouts.models import Balance, Entitlement, Microtransaction, OpenTransfer, Refund
from payouts.services.windows import stamp_open_window
from registry.selectors.terms import Terms, get_terms
from storage.selectors import check_open
from storage.services.link_changes import count_transfer, lock_limited_link
from users.models import User

logger = logging.getLogger(__name__)
Reason = Microtransaction.Reason
ENTITLED_LENGTHS = 3
"""A paid transfer may be repeated and resumed up to this many times its length."""

PASS_BYTES = 32
NO_NONCE = bytes(32)
REASON_LENGTH_MAX = 200
ABANDONED = "The server did not finish the transfer."
ABANDONED_PER_SWEEP = 500


@dataclass(frozen=True, slots=True)
class Charge:
    """One transfer that may now be served: what it was charged, in millisatoshi, why, and under which terms.

    `entitlement_id` names under which entitlement `reserved_bytes` are counted as served until the transfer is closed;
    it is None, and nothing is counted, for transfers that are free anyway. Under an entitlement, the transfer is broken
    off at `ends_at`. `new_pass` is 32 bytes for an anonymous reader whose transfer was counted against the link's
    maximum: with them they go on with it.
    """

    transfer_id: UUID
    amount_msat: int
    reason: Microtransaction.Reason
    terms: Terms
    entitlement_id: UUID | None
    reserved_bytes: int
    ends_at: datetime
    new_pass: bytes | None = None


def charge_transfer(
    *,
    payer: User | None,
    link_id: UUID,
    territory: str | None,
    price_max_msat: int | None,
    now: datetime,
    affiliate_id: UUID | None = None,
    nonce_sha256: bytes | None = None,
    requested_bytes: int | None = None,
    is_handed_over: bool = False,
    given_pass: bytes | None = None,
) -> Charge:
    """Charge one transfer of a link to a payer, or to nobody where it is free, and commit before the first byte.

    A payer's repeats within CADASTRE_ENTITLEMENT_SECONDS are free while the requested bytes (None: the whole blob) fit
    into what the entitlement allows, so a double click pays once. They count as served until close_transfer gives back
    what was not sent, unless they are handed over to a server that tells nobody how much it sends: then all of them
    count, and there is nothing to close. A link with a maximum counts the transfer and not its repeats, for which an
    anonymous reader shows `given_pass`. `price_max_msat` is the most that was agreed to, None for any; `nonce_sha256`
    is 32 bytes. Raises, before anything is taken, LinkExpiredError, LinkUsedUpError, PaymentRequiredError without a
    payer or funds, PriceAboveMaxError, BalanceFrozenError, and what get_terms raises.
    """
    terms = get_terms(link_id=link_id, territory=territory, at=now)
    reserved_bytes = requested_bytes or terms.length
    with transaction.atomic(durable=True):
        entitlement = _find_entitlement(payer, given_pass, terms=terms, reserved_bytes=reserved_bytes, now=now)
        reason, amount_msat = Reason.ENTITLED, 0
        if entitlement is None:
            reason, amount_msat = _begin(payer, terms=terms, price_max_msat=price_max_msat, now=now)
        microtransaction = _write_microtransaction(
            payer, terms, reason, amount_msat, affiliate_id=affiliate_id, nonce_sha256=nonce_sha256, now=now
        )
        new_pass = _make_pass(microtransaction, terms=terms)
        entitlement = entitlement or _entitle(microtransaction, new_pass, terms=terms)
        if entitlement is not None:
            _count(entitlement, microtransaction, reserved_bytes=reserved_bytes, is_handed_over=is_handed_over)
    return Charge(
        transfer_id=microtransaction.id,
        amount_msat=amount_msat,
        reason=reason,
        terms=terms,
        entitlement_id=entitlement.id if entitlement else None,
        reserved_bytes=reserved_bytes if entitlement else 0,
        ends_at=now + timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS),
        new_pass=new_pass,
    )


def close_transfer(*, charge: Charge, sent_bytes: int, fault: str | None, now: datetime) -> Refund | None:
    """Give back what a transfer reserved and did not send, and the price if the server is why it broke off.

    `fault` says what failed on the server, None if nothing did. The price returns once while fewer bytes than the blob
    has were sent under the entitlement: after that the payer had what was paid for. A transfer is closed once; closing
    it again changes nothing.
    """
    if charge.entitlement_id is None:
        return None
    assert sent_bytes <= charge.reserved_bytes, "a delivery has the length that was reserved"
    with transaction.atomic(durable=True):
        return _close(transfer_id=charge.transfer_id, sent_bytes=sent_bytes, fault=fault, now=now)


def close_abandoned_transfers(*, now: datetime) -> int:
    """Close the transfers that whoever served them never closed, as not sent by a fault of the server; return how many.

    A process that ends, or a database that does not answer, leaves such rows. They are taken once they are twice as old
    as an entitlement lasts: a transfer is broken off after once that time, so nobody is sending any more. Nobody knows
    how much was sent, so the reader is believed: docs/explanation/money.md.
    """
    oldest = now - timedelta(seconds=2 * settings.CADASTRE_ENTITLEMENT_SECONDS)
    due = OpenTransfer.objects.filter(opened_at__lte=oldest).order_by("opened_at", "transfer_id")
    transfer_ids = list(due.values_list("transfer_id", flat=True)[:ABANDONED_PER_SWEEP])
    for transfer_id in transfer_ids:
        with transaction.atomic(durable=True):
            _close(transfer_id=transfer_id, sent_bytes=0, fault=ABANDONED, now=now)
        logger.warning("The transfer %s was never closed; it counts as not sent.", transfer_id)
    return len(transfer_ids)


def refund_transfer(*, transfer_id: UUID, reason: str, now: datetime) -> Refund:
    """Return the whole price of a transfer that could not be served, once, and end what it entitled to.

    Raises TransferNotFoundError if there is no such transfer, RefundError if it was free or is refunded already.
    """
    with transaction.atomic(durable=True):
        paid = Microtransaction.objects.filter(id=transfer_id).first()
        if paid is None:
            raise TransferNotFoundError
        if paid.amount_msat == 0 or paid.payer_id is None:
            raise RefundError(f"The transfer {transfer_id} was free.")
        # The payer's row orders refunds of the same transfer; the unique column is what finally forbids a second one.
        Balance.objects.select_for_update().get(user_id=paid.payer_id)
        if Refund.objects.filter(microtransaction_id=paid.id).exists():
            raise RefundError(f"The transfer {transfer_id} is refunded already.")
        return _refund(paid, reason=reason, now=now)


def _close(*, transfer_id: UUID, sent_bytes: int, fault: str | None, now: datetime) -> Refund | None:
    """Close a transfer unless it is closed already: a step. Whoever removes its row settles what it had reserved."""
    require_transaction()
    opened = OpenTransfer.objects.filter(transfer_id=transfer_id).select_related("entitlement__link__blob").first()
    if opened is None:
        return None
    entitlement, unsent_bytes = opened.entitlement, opened.reserved_bytes - sent_bytes
    if unsent_bytes and entitlement.payer_id is not None:
        # The lock that charges take, too: none of them reserves bytes of an entitlement that is about to end.
        list(Balance.objects.select_for_update().filter(user_id=entitlement.payer_id))
    if not OpenTransfer.objects.filter(transfer_id=transfer_id).delete()[0] or not unsent_bytes:
        return None
    Entitlement.objects.filter(id=entitlement.id).update(bytes_served=F("bytes_served") - unsent_bytes)
    entitlement.refresh_from_db(fields=["bytes_served"])
    if fault is None or entitlement.bytes_served >= entitlement.link.blob.length:
        return None
    paid = Microtransaction.objects.get(id=entitlement.transfer_id)
    if paid.amount_msat == 0 or Refund.objects.filter(microtransaction_id=paid.id).exists():
        return None
    return _refund(paid, reason=fault, now=now)


def _refund(paid: Microtransaction, *, reason: str, now: datetime) -> Refund:
    """Return a transfer's price and end what it entitled to: a step under the lock of the payer's balance."""
    require_transaction()
    assert paid.payer_id is not None, "only a payer pays"
    refund = Refund.objects.create(
        microtransaction_id=paid.id,
        payer_id=paid.payer_id,
        record_id=paid.record_id,
        work_id=paid.work_id,
        policy_id=paid.policy_id,
        uploader_id=paid.uploader_id,
        affiliate_id=paid.affiliate_id,
        window=stamp_open_window(now=now),
        amount_msat=paid.amount_msat,
        reason=reason[:REASON_LENGTH_MAX],
        created_at=now,
    )
    Balance.objects.filter(user_id=paid.payer_id).update(balance_msat=F("balance_msat") + paid.amount_msat)
    # No bytes rather than no time: requests that read the clock earlier must not find it either.
    Entitlement.objects.filter(transfer_id=paid.id).update(bytes_allowed=0)
    return refund


def _find_entitlement(
    payer: User | None, given_pass: bytes | None, *, terms: Terms, reserved_bytes: int, now: datetime
) -> Entitlement | None:
    """Return the entitlement that makes a transfer a repeat, if there is one: a step that locks what charges lock."""
    require_transaction()
    is_limited = terms.transfers_max is not None
    if (payer is not None and payer.id == terms.owner_id) or (terms.price_msat == 0 and not is_limited):
        return None
    if is_limited:
        # One charge of the link at a time: the second click finds the entitlement that the first one made.
        lock_limited_link(link_id=terms.link_id)
    if payer is not None and terms.price_msat:
        # And one charge of a payer at a time, for the same reason.
        list(Balance.objects.select_for_update().filter(user=payer))
    if payer is not None:
        readers = Q(payer=payer)
    elif given_pass is not None:
        readers = Q(pass_sha256=hashlib.sha256(given_pass).digest())
    else:
        return None
    # An entitlement may start after `now`: a request that had read the clock earlier got the lock later.
    fits = Q(bytes_served__lte=F("bytes_allowed") - reserved_bytes)
    entitlements = Entitlement.objects.filter(readers, fits, link_id=terms.link_id, ends_at__gt=now)
    return entitlements.order_by("number").first()


def _begin(
    payer: User | None, *, terms: Terms, price_max_msat: int | None, now: datetime
) -> tuple[Microtransaction.Reason, int]:
    """Return why a transfer that is no repeat costs what it costs, and that in millisatoshi, which is taken: a step.

    It is counted where the link has a maximum. Raises LinkExpiredError, LinkUsedUpError, and what `_take_price` raises.
    """
    check_open(expires_at=terms.expires_at, transfers_left=terms.transfers_left, now=now)
    if payer is not None and payer.id == terms.owner_id:
        return Reason.OWNER, 0
    if terms.price_msat and payer is None:
        raise PaymentRequiredError(terms=terms, balance_msat=None)
    if terms.transfers_max is not None:
        count_transfer(link_id=terms.link_id, now=now)
    if terms.price_msat == 0:
        return Reason.FREE, 0
    return Reason.PRICE, _take_price(payer=payer, terms=terms, price_max_msat=price_max_msat)


def _write_microtransaction(
    payer: User | None,
    terms: Terms,
    reason: Microtransaction.Reason,
    amount_msat: int,
    *,
    affiliate_id: UUID | None,
    nonce_sha256: bytes | None,
    now: datetime,
) -> Microtransaction:
    """Write what a transfer is charged into the open window: a step."""
    require_transaction()
    return Microtransaction.objects.create(
        payer_id=None if payer is None else payer.id,
        link_id=terms.link_id,
        record_id=terms.record_id,
        work_id=terms.work_id,
        policy_id=terms.policy_id,
        uploader_id=terms.uploader_id,
        affiliate_id=affiliate_id,
        window=stamp_open_window(now=now),
        amount_msat=amount_msat,
        reason=reason,
        nonce_sha256=NO_NONCE if nonce_sha256 is None else nonce_sha256,
        created_at=now,
    )


def _take_price(*, payer: User | None, terms: Terms, price_max_msat: int | None) -> int:
    """Take the price from the payer's balance and return it: a step that changes nothing unless it is covered."""
    require_transaction()
    price_msat = terms.price_msat
    if price_max_msat is not None and price_msat > price_max_msat:
        raise PriceAboveMaxError(price_msat=price_msat, price_max_msat=price_max_msat)
    funded = Balance.objects.filter(user=payer, frozen_at=None, balance_msat__gte=price_msat)
    if funded.update(balance_msat=F("balance_msat") - price_msat) == 1:
        return price_msat
    balance = Balance.objects.filter(user=payer).first()
    if balance is not None and balance.frozen_at is not None:
        raise BalanceFrozenError
    raise PaymentRequiredError(terms=terms, balance_msat=0 if balance is None else balance.balance_msat)


def _count(entitlement: Entitlement, transfer: Microtransaction, *, reserved_bytes: int, is_handed_over: bool) -> None:
    """Count bytes as served before they are, and remember them until the transfer is closed: a step.

    It runs under the locks of the charge. Where the bytes are handed over, nobody closes the transfer.
    """
    require_transaction()
    Entitlement.objects.filter(id=entitlement.id).update(bytes_served=F("bytes_served") + reserved_bytes)
    if not is_handed_over:
        OpenTransfer.objects.create(
            transfer_id=transfer.id,
            entitlement=entitlement,
            reserved_bytes=reserved_bytes,
            opened_at=transfer.created_at,
        )


def _make_pass(begun: Microtransaction, *, terms: Terms) -> bytes | None:
    """Return a new pass if an anonymous reader has begun a transfer that was counted, else None."""
    is_counted = begun.reason == Reason.FREE and terms.transfers_max is not None
    return secrets.token_bytes(PASS_BYTES) if is_counted and begun.payer_id is None else None


def _entitle(begun: Microtransaction, new_pass: bytes | None, *, terms: Terms) -> Entitlement | None:
    """Give whoever paid a price, or was counted, the right to repeat the transfer: a step under the charge's locks."""
    is_counted = begun.reason == Reason.FREE and terms.transfers_max is not None
    if begun.reason != Reason.PRICE and not is_counted:
        return None
    earlier = Entitlement.objects.filter(payer_id=begun.payer_id, link_id=begun.link_id)
    return Entitlement.objects.create(
        payer_id=begun.payer_id,
        pass_sha256=None if new_pass is None else hashlib.sha256(new_pass).digest(),
        link_id=begun.link_id,
        number=earlier.count() if new_pass is None else 0,
        transfer_id=begun.id,
        bytes_allowed=ENTITLED_LENGTHS * terms.length,
        starts_at=begun.created_at,
        ends_at=begun.created_at + timedelta(seconds=settings.CADASTRE_ENTITLEMENT_SECONDS),
    )
