"""`cadastre balance`: the own prepaid balance."""

import argparse

from client import exits
from client.runs import Run

HELP = "Show your prepaid balance."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add nothing: the shared arguments suffice."""


def run(run: Run) -> int:
    """Show the balance."""
    with run.connect(is_signed_in=True) as api:
        balance = api.get_balance()
    state = " (frozen)" if balance.is_frozen else ""
    run.console.print_result(
        {"balance": {"amount_msat": balance.balance_msat}, "is_frozen": balance.is_frozen},
        [f"{balance.balance_msat} msat{state}"],
    )
    return exits.DONE
