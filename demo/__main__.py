"""`make demo`: runs the main job end to end on this machine, and fails at the first thing that does not hold."""

import fcntl
import shutil
import signal
import sys
from pathlib import Path
from types import FrameType

from demo.processes import CHECKOUT, ProcessFailedError
from demo.report import Report
from demo.stages.auditing import Auditing
from demo.stages.claiming import Claiming
from demo.stages.paying import Paying
from demo.stages.registering import Registering
from demo.system import System

DATA = CHECKOUT / "var" / "demo"
SETTINGS = {
    # Short times, so that a demo of a minute shows what takes hours elsewhere.
    "CADASTRE_SWEEP_SECONDS": "1",
    "CADASTRE_SEAL_AGE_SECONDS": "15",
    "CADASTRE_WINDOW_SECONDS": "3600",
    "CADASTRE_PAYOUT_INTERVAL_SECONDS": "1",
}


def main() -> int:
    """Run the demo and return its exit status."""
    signal.signal(signal.SIGTERM, interrupt)
    DATA.parent.mkdir(exist_ok=True)
    with (DATA.parent / "demo.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Another demo is running in this checkout.", file=sys.stderr)
            return 1
        return run(DATA)


def run(data: Path) -> int:
    """Run every stage on a fresh data directory, and stop every process whatever happens."""
    shutil.rmtree(data, ignore_errors=True)
    report = Report()
    system = System(data=data, settings=SETTINGS)
    try:
        with report.step("Starting the node, the web server, a worker and beat"):
            start(system, report)
        registering = Registering(system=system, report=report)
        registering.run()
        priced = [upload for upload in registering.uploads if upload.price_msat]
        claiming = Claiming(system=system, report=report, uploads=priced)
        claiming.run()
        payees = {"Alice, a rights holder": claiming.alice, "Bob, the uploader": registering.bob}
        Paying(
            system=system, report=report, uploads=priced, payees=payees, holders_address=claiming.payee.address
        ).run()
        Auditing(system=system, report=report, registering=registering).run()
    except (RuntimeError, OSError) as error:
        print(f"\nFailed: {error}\nLogs are in {data / 'logs'}.", file=sys.stderr)
        system.processes.stop()
        return 1
    except BaseException:
        system.processes.stop()
        raise
    with report.step("Stopping"):
        killed = system.processes.stop()
    if killed:
        print(f"Failed: {', '.join(killed)} did not stop when asked.", file=sys.stderr)
        return 1
    report.finish()
    return 0


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """End as Ctrl-C does: every process is stopped on the way out."""
    raise KeyboardInterrupt


def start(system: System, report: Report) -> None:
    """Start the system and found its register."""
    system.prepare()
    system.start_node()
    report.value("node", f"regtest at 127.0.0.1:{system.node_port}")
    report.value("register", system.found_register())
    system.start_server()
    report.value("site", system.url)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ProcessFailedError as error:
        sys.exit(str(error))
