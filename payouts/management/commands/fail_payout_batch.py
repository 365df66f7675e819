"""Fails a payout batch whose outcome is UNKNOWN, for an operator who can prove that it can never be mined."""

from argparse import ArgumentParser, ArgumentTypeError
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from chain.errors import ChainError
from chain.node import get_node
from payouts.errors import PayoutsError
from payouts.services.failures import TransactionPlace, fail_unknown_batch
from users.models import User


def read_place(text: str) -> TransactionPlace:
    """Return where a transaction is from "txid:block hash"."""
    txid, separator, block_hash = text.lower().partition(":")
    if not separator:
        raise ArgumentTypeError("a transaction is given as TXID:BLOCKHASH")
    return TransactionPlace(txid, block_hash)


class Command(BaseCommand):
    """Fail the batch; its amounts go back to the payable accounts."""

    help = "Fail an UNKNOWN payout batch one of whose inputs a final transaction excludes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take the batch, the proof, and who answers for it."""
        parser.add_argument("batch", type=UUID)
        parser.add_argument("--conflict", type=read_place, required=True, metavar="TXID:BLOCKHASH")
        parser.add_argument("--lost", type=bytes.fromhex, action="append", default=[], metavar="HEX")
        parser.add_argument("--operator", required=True, help="user name; needs the permission to fail a payout batch")
        parser.add_argument("--reason", required=True, help="kept with the batch")

    def handle(self, *args: Any, **options: Any) -> None:
        """Check the operator's permission, fail the batch, and say why it can never be mined."""
        operator = User.objects.filter(username=options["operator"]).first()
        if operator is None or not operator.has_perm("payouts.fail_payoutbatch"):
            raise CommandError(f"{options['operator']} may not fail payout batches.")
        try:
            batch = fail_unknown_batch(
                batch_id=options["batch"],
                lost=options["lost"],
                conflict=options["conflict"],
                operator=operator,
                reason=options["reason"],
                node=get_node(),
                now=timezone.now(),
            )
        except (PayoutsError, ChainError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{batch} has failed: {batch.failure_reason}")
