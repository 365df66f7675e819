"""Stage D: an auditor checks all that was registered: uploads, rights events, settlement and statements alike."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from demo.people import Person
from demo.processes import CHECKOUT
from demo.report import Report
from demo.stages.registering import FINAL_CONFIRMATIONS, Registering, run_ots
from demo.system import System

AT_ONCE = 2
ON_REGTEST = ("--network", "regtest")
FINAL_SECONDS_MAX = 120


class Auditing:
    """Runs stage D."""

    def __init__(self, *, system: System, report: Report, registering: Registering) -> None:
        self._system = system
        self._report = report
        self._folder = system.data / "audit"
        self._folder.mkdir(exist_ok=True)
        self._uploads = len(registering.uploads)
        self._auditor = Person("carol", folder=system.data / "auditors", server_url=system.url)

    def run(self) -> None:
        """Go through the stage's steps."""
        self._report.stage("D", "every record's proof by the stock client, and the whole register offline")
        with self._report.step("The later records are sealed and anchored too"):
            records = self._await_final()
            kinds = sorted({record["kind"] for record in records})
            self._report.value("records", f"{len(records)} in state FINAL, of the kinds {', '.join(map(str, kinds))}")
        with self._report.step("`ots verify` accepts the .ots of every record"):
            self._verify_all(records)
        with self._report.step("The register is exported, and `cadastre audit` verifies all of it offline"):
            self._audit(len(records))
        with self._report.step("One byte that is changed in the export is found, also by the verifier as one file"):
            self._find_flipped()

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

    def _audit(self, records: int) -> None:
        """Export the register, and audit the folder without a server. Raises RuntimeError if anything is missing."""
        self._report.value("manage.py", self._system.manage("export_register", str(self._export)))
        said = self._auditor.cadastre(
            "audit", str(self._export), "--registry", self._system.first_outpoint, *ON_REGTEST
        )
        if (said["result"], said["records"]) != ("valid", records):
            raise RuntimeError(f"the audit says {said}")
        self._report.value(
            "cadastre audit", f"valid: {said['records']} records, complete to anchor {said['batches'] - 1}"
        )

    def _find_flipped(self) -> None:
        """Change the last byte of a batch's leaves. Raises RuntimeError if an auditor takes the folder for valid."""
        changed = self._folder / "changed"
        shutil.copytree(self._export, changed)
        leaves = min((changed / "batches").iterdir())
        data = leaves.read_bytes()
        leaves.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        said = self._auditor.cadastre("audit", str(changed), *ON_REGTEST, expected=1)
        self._report.value("cadastre audit", f"{said['result']} at step {said['step']}: {said['detail']}")
        subprocess.run([sys.executable, "scripts/build_verifier.py"], cwd=CHECKOUT, capture_output=True, check=True)
        command = [sys.executable, "-I", "dist/cadastre-verify.pyz", "audit", str(changed), *ON_REGTEST]
        alone = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if alone.returncode != 1:
            raise RuntimeError(f"the verifier as one file says:\n{alone.stdout}{alone.stderr}")
        self._report.value("cadastre-verify.pyz", alone.stdout.strip().splitlines()[0])

    @property
    def _export(self) -> Path:
        return self._folder / "register"
