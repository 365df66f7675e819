"""`cadastre deposit`: an address to pay to."""

import argparse

from client import exits
from client.api import make_idempotency_key
from client.runs import Run

HELP = "Print a Bitcoin address; what is paid to it is credited to your balance."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the shared arguments suffice."""


def run(run: Run) -> int:
    """Ask for an address."""
    with run.connect(is_signed_in=True) as api:
        deposit = api.create_deposit_address(idempotency_key=make_idempotency_key())
    run.console.note(f"Credited after {deposit.confirmations} confirmations.")
    run.console.print_result({"address": deposit.address, "confirmations": deposit.confirmations}, [deposit.address])
    return exits.DONE
