"""`python -m tests.faults SCENARIO`: prepares Django with the fault tests' backend and transport, and drives.

The database is one of its own: on the PostgreSQL server that CADASTRE_DATABASE_URL names, else in a file of SQLite's.
"""

import argparse
import logging
import os
import sys
import tempfile
from pathlib import Path

import django

from tests.faults.engines import Engine, make_engine


def main(name: str, *, has_points: bool) -> int:
    """Drive a scenario on a database and a node of its own, and print how many points it has."""
    with tempfile.TemporaryDirectory(prefix="cadastre-faults-") as folder:
        engine = make_engine(server_url=os.environ.get("CADASTRE_DATABASE_URL", ""), folder=Path(folder))
        os.environ.update(
            engine.environment,
            CADASTRE_VAR_DIR=folder,
            CADASTRE_NODE_TRANSPORT="tests.faults.transport.KillingTransport",
            CADASTRE_SECRET_KEY="only-for-the-fault-tests" * 3,
            CADASTRE_SEAL_AGE_SECONDS="0",
            # So that a batch of five takes its leaves in three transactions.
            CADASTRE_SEAL_CHUNK="2",
            # The fewest that show each state, for every block is tried at each of its points.
            CADASTRE_CONFIRMATIONS_FINAL="2",
            CADASTRE_DEPOSIT_CONFIRMATIONS="2",
            CADASTRE_PAYOUT_THRESHOLD_SAT="1000",
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        if not has_points:
            for hook in ("CADASTRE_SQLITE_BACKEND", "CADASTRE_POSTGRESQL_BACKEND", "CADASTRE_NODE_TRANSPORT"):
                os.environ.pop(hook, None)
        try:
            points = drive_on(engine, name, Path(folder))
        finally:
            engine.remove()
    print(f"{name}: killed at each of {points} points, and every restart held")
    return 0


def drive_on(engine: Engine, name: str, folder: Path) -> int:
    """Set Django up for the environment as it now is, and drive a scenario. Returns how many points it has."""
    django.setup()
    logging.disable(logging.INFO)
    from django.conf import settings

    from chain.networks import REGTEST
    from tests.faults import scenarios
    from tests.faults.drive import drive
    from tests.nodes import DevnodeProcess

    settings.CADASTRE_ANCHOR_KEY = scenarios.ANCHOR_KEY.to_wif(REGTEST)
    settings.CADASTRE_PAYOUT_XPUB = scenarios.PAYOUT_WALLET.xpub
    settings.CADASTRE_PAYOUT_XPRV = scenarios.PAYOUT_WALLET.to_xprv()
    engine.create()
    node = DevnodeProcess(folder / "node")
    try:
        return drive(scenarios.SCENARIOS[name], engine, node)
    finally:
        if node.process is not None and node.process.poll() is None:
            node.kill()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("scenario")
    parser.add_argument("--without-points", action="store_true", help="as if the hooks did not apply: it must fail")
    arguments = parser.parse_args()
    sys.exit(main(arguments.scenario, has_points=not arguments.without_points))
