"""`python -m tests.faults SCENARIO`: prepares Django with the fault tests' backend and transport, and drives."""

import logging
import os
import sys
import tempfile
from pathlib import Path

import django


def main(name: str) -> int:
    """Drive a scenario on a database and a node of its own, and print how many points it has."""
    with tempfile.TemporaryDirectory(prefix="cadastre-faults-") as folder:
        database_file = Path(folder) / "database" / "cadastre.sqlite3"
        database_file.parent.mkdir()
        os.environ.update(
            CADASTRE_VAR_DIR=folder,
            CADASTRE_DATABASE_URL=f"sqlite:///{database_file}",
            CADASTRE_SQLITE_BACKEND="tests.faults.sqlite3",
            CADASTRE_NODE_TRANSPORT="tests.faults.transport.KillingTransport",
            CADASTRE_SECRET_KEY="only-for-the-fault-tests" * 3,
            CADASTRE_SEAL_AGE_SECONDS="0",
            # So that a batch of five takes its leaves in three transactions.
            CADASTRE_SEAL_CHUNK="2",
            # The fewest that show each state, for every block is tried at each of its points.
            CADASTRE_CONFIRMATIONS_FINAL="2",
            CADASTRE_ANCHOR_DEADLINE_BLOCKS="2",
            CADASTRE_DEPOSIT_CONFIRMATIONS="2",
            CADASTRE_PAYOUT_THRESHOLD_SAT="1000",
            DJANGO_SETTINGS_MODULE="config.settings",
        )
        django.setup()
        logging.disable(logging.INFO)
        from django.conf import settings

        from chain.networks import REGTEST
        from tests.faults import anchor_scenarios, scenarios
        from tests.faults.drive import drive
        from tests.nodes import DevnodeProcess

        settings.CADASTRE_ANCHOR_KEY = scenarios.ANCHOR_KEY.to_wif(REGTEST)
        settings.CADASTRE_PAYOUT_XPUB = scenarios.PAYOUT_WALLET.xpub
        settings.CADASTRE_PAYOUT_XPRV = scenarios.PAYOUT_WALLET.to_xprv()
        node = DevnodeProcess(Path(folder) / "node")
        node.start()
        settings.CADASTRE_NODE_URL = node.url
        node.stop()
        points = drive({**scenarios.SCENARIOS, **anchor_scenarios.SCENARIOS}[name], database_file, node)
    print(f"{name}: killed at each of {points} points, and every restart held")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
