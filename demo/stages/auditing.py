"""Stage D: an auditor checks all that was registered: uploads, rights events, settlement and statements alike."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from demo.report import Report
from demo.stages.registering import FINAL_CONFIRMATIONS, Registering, run_ots
from demo.system import System

AT_ONCE = 2
FINAL_SECONDS_MAX = 120


class Auditing:
    """Runs stage D."""

    def __init__(self, *, system: System, report: Report, registering: Registering) -> None:
        self._system = system
        self._report = report
        self._folder = system.data / "audit"
        self._folder.mkdir(exist_ok=True)
        self._uploads = len(registering.uploads)

    def run(self) -> None:
        """Go through the stage's steps."""
        self._report.stage("D", "every record's proof, by the stock client")
        with self._report.step("The later records are sealed and anchored too"):
            records = self._await_final()
            kinds = sorted({record["kind"] for record in records})
            self._report.value("records", f"{len(records)} in state FINAL, of the kinds {', '.join(map(str, kinds))}")
        with self._report.step("`ots verify` accepts the .ots of every record"):
            self._verify_all(records)

    def _await_final(self) -> list[Any]:
        """Mine until every record is final. Raises RuntimeError if only uploads were registered."""
        self._system.processes.wait("all anchors", self._advance, seconds_max=FINAL_SECONDS_MAX)
        records = self._system.list_all("/api/v1/records")
        if len(records) <= self._uploads:
            raise RuntimeError(f"only {len(records)} records were registered")
        return records

    def _advance(self) -> bool:
        states = {record["state"] for record in self._system.list_all("/api/v1/records")}
        if "BROADCAST" in states:
            self._system.wallet.mine(1)
        elif states <= {"MINED", "FINAL"}:
            self._system.wallet.mine(FINAL_CONFIRMATIONS)
        return states == {"FINAL"}

    def _verify_all(self, records: list[Any]) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            for done, _ in enumerate(pool.map(self._verify, records), start=1):
                if done % 10 == 0:
                    self._report.progress(done, len(records), "records")
        self._report.value("ots verify", f"{len(records)} of {len(records)} accepted")

    def _verify(self, record: Any) -> None:
        """Give a record's digest and .ots to the stock client. Raises RuntimeError if it does not accept them."""
        path = self._fetch(record["id"])
        digest = record["sha256"].removeprefix("sha256:")
        said = run_ots(self._system.node_url, "-d", digest, str(path))
        if said.returncode or "Success" not in said.stdout + said.stderr:
            raise RuntimeError(f"ots refused {path}:\n{said.stdout}{said.stderr}")

    def _fetch(self, record_id: str) -> Path:
        path = self._folder / f"{record_id}.ots"
        with urlopen(f"{self._system.url}/api/v1/records/{record_id}/proof.ots", timeout=60) as answer:
            path.write_bytes(answer.read())
        return path
