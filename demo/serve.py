"""`make run`: serves the site with worker, beat and node, on data that stays, until Ctrl-C."""

import os
import signal
import sys
import time

from demo.__main__ import interrupt
from demo.processes import CHECKOUT, ProcessFailedError
from demo.system import System

DATA = CHECKOUT / "var" / "development"
WEB_PORT = 8000
NODE_PORT = 18443
BLOCK_SECONDS = 10
SETTINGS = {"CADASTRE_SEAL_AGE_SECONDS": "15", "CADASTRE_WINDOW_SECONDS": "60"}
ADMIN = "admin"


def main() -> int:
    """Start everything, mine a block every few seconds, and stop everything at Ctrl-C or SIGTERM."""
    signal.signal(signal.SIGTERM, interrupt)
    system = System(data=DATA, web_port=WEB_PORT, node_port=NODE_PORT, settings=SETTINGS)
    try:
        start(system)
        while True:
            time.sleep(BLOCK_SECONDS)
            system.processes.check()
            system.wallet.mine(1)
    except KeyboardInterrupt:
        print("Stopping ...", flush=True)
        return 0
    except (ProcessFailedError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    finally:
        system.processes.stop()


def start(system: System) -> None:
    """Start the system, found its register at the first run, and say where everything is."""
    system.prepare()
    system.start_node()
    system.start_server()
    # Asked of the register itself: a first run that was interrupted may have left blocks and no register.
    if not system.get_status()["is_founded"]:
        print("register:", system.found_register(), flush=True)
    password = os.environ.get("CADASTRE_ADMIN_PASSWORD")
    if password:
        system.create_admin(ADMIN, password)
    print(f"site:  {system.url}\nadmin: {system.url}/admin/")
    if not password:
        print(f"       (set CADASTRE_ADMIN_PASSWORD to make the user {ADMIN!r}, or run `manage.py createsuperuser`)")
    print(f"API:   {system.url}/api/docs\nnode:  {system.node_url} (a block every {BLOCK_SECONDS} s)", flush=True)


if __name__ == "__main__":
    sys.exit(main())
