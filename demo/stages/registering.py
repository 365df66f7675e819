"""Stage A: files are encrypted, uploaded, registered and anchored in Bitcoin, and two verifiers accept their proofs."""

import hashlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

from demo.people import Person
from demo.processes import CHECKOUT
from demo.report import Report
from demo.system import System

LARGE_BYTES_MIN = 64 * 2**20
SMALL_FILES = (
    "README.md",
    "CHANGELOG.md",
    "Makefile",
    "pyproject.toml",
    "requirements.lock",
    "docs/reference/verifier.md",
    "docs/reference/format-anchor.md",
    "docs/reference/format-digest.md",
    "docs/reference/format-encryption.md",
    "docs/reference/format-proof.md",
)
PRICE_MSAT = 1_234_567
"""An odd price, whose shares leave remainders."""

OTS = Path(sys.executable).with_name("ots")
FINAL_CONFIRMATIONS = 6
ANCHOR_SECONDS_MAX = 90


@dataclass
class Upload:
    """A file, the link that shares it, and the record that registers it."""

    path: Path
    link: str
    link_id: str
    price_msat: int
    record_id: str = ""

    @property
    def sha256(self) -> str:
        """SHA-256 of the plaintext, in hex."""
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def run_ots(node_url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the stock OpenTimestamps client's `verify` with the development node."""
    command = [str(OTS), "--no-cache", "--btc-regtest", "--bitcoin-node", node_url, "verify", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


class Registering:
    """Runs stage A, and keeps what later stages use."""

    def __init__(self, *, system: System, report: Report) -> None:
        self._system = system
        self._report = report
        self._work = system.data / "files"
        self._work.mkdir(exist_ok=True)
        self.bob = Person("bob", folder=system.data / "people", server_url=system.url)
        self.uploads: list[Upload] = []

    def run(self) -> None:
        """Go through the stage's steps."""
        self._report.stage("A", "put, record, batch, anchor, final, proof, both verifiers")
        with self._report.step("Bob signs up, and uploads files with `cadastre put`"):
            # Naming where he is paid takes a scope that the command does not ask for by itself.
            self.bob.sign_up("storage:write", "payments:write", "account:read", "payouts:write")
            for name in SMALL_FILES:
                # A copy, so that nobody edits it while the demo compares.
                copied = shutil.copy(CHECKOUT / name, self._work)
                self.put(Path(copied), price_msat=PRICE_MSAT)
            self.put(self._make_large_file(), price_msat=0)
        with self._report.step("The records are sealed into a batch and anchored in Bitcoin"):
            self.anchor()
        with self._report.step("Bob fetches the encrypted blobs and their proofs; both verifiers accept them"):
            for upload in self.uploads:
                self._verify(upload)
        with self._report.step("A file with one flipped byte is refused by both"):
            self._refuse_flipped()

    def put(self, path: Path, *, price_msat: int) -> Upload:
        """Upload a file as Bob, and print its link."""
        answer = self.bob.cadastre("put", str(path), "--price-msat", str(price_msat))["results"][0]
        upload = Upload(path, answer["link"], answer["id"], price_msat)
        self.uploads.append(upload)
        self._report.value(f"{path.name} ({path.stat().st_size:,} B)", upload.link)
        return upload

    def anchor(self) -> None:
        """Wait until every upload is in an anchored batch, mine the anchor, and bury it until it is final."""
        wait = self._system.processes.wait
        wait("all records", self._are_all_registered, seconds_max=ANCHOR_SECONDS_MAX)
        wait("the anchor", lambda: self._advance("BROADCAST", "MINED", "FINAL"), seconds_max=ANCHOR_SECONDS_MAX)
        self._system.wallet.mine(FINAL_CONFIRMATIONS)
        wait("six blocks", lambda: self._advance("FINAL"), seconds_max=ANCHOR_SECONDS_MAX)
        record = self._system.get(f"/api/v1/records/{self.uploads[-1].record_id}")
        self._report.value("batch", f"{record['batch']['seq']} with {record['batch']['size']} leaves")
        self._report.value("Merkle root", record["batch"]["root"])
        self._report.value("commitment", record["batch"]["commitment"])
        self._report.value("anchor", record["anchor"]["txid"])
        self._report.value("block", f"{record['anchor']['height']} {record['anchor']['block_hash']}")
        self._report.value("state", record["state"])

    def _are_all_registered(self) -> bool:
        for upload in self.uploads:
            upload.record_id = self._system.get(f"/api/v1/links/{upload.link_id}")["record"] or ""
        return all(upload.record_id for upload in self.uploads)

    def _advance(self, *states: str) -> bool:
        """Return whether every record is in one of the states; mine a block for what waits in the mempool."""
        found = {self._system.get(f"/api/v1/records/{upload.record_id}")["state"] for upload in self.uploads}
        if "BROADCAST" in found and found - set(states):
            # Records in an earlier batch hold the next anchor back until theirs is mined.
            self._system.wallet.mine(1)
        return found <= set(states)

    def _make_large_file(self) -> Path:
        """Return an archive of the installed packages, of at least 64 MiB."""
        large = self._work / "packages.tar"
        with tarfile.open(large, "w") as archive:
            for path in sorted((CHECKOUT / ".venv" / "lib").rglob("*")):
                if path.is_file():
                    archive.add(path, arcname=str(path.relative_to(CHECKOUT)), recursive=False)
                if archive.offset > LARGE_BYTES_MIN:
                    break
        if large.stat().st_size < LARGE_BYTES_MIN:
            raise RuntimeError(f"the installed packages make only {large.stat().st_size:,} bytes")
        return large

    def _verify(self, upload: Upload) -> None:
        """Verify one record by `cadastre verify`, the standalone verifier, and the stock OpenTimestamps client."""
        blob = self._work / f"{upload.path.name}.age"
        copy = self._work / f"{upload.path.name}.fetched"
        proofs = self._work / "proofs"
        # He is the owner, so nothing is charged; agreeing to the price is what the command asks of everybody.
        agreed = ["--price-max-msat", str(upload.price_msat)]
        self.bob.cadastre("get", upload.link, "-o", str(copy), "--keep-ciphertext", str(blob), *agreed)
        if hashlib.sha256(copy.read_bytes()).hexdigest() != upload.sha256:
            raise RuntimeError(f"{copy} differs from {upload.path}")
        copy.unlink()
        fetched = self.bob.cadastre("proof", upload.link, "-o", str(proofs))
        self.bob.cadastre("verify", str(upload.path), fetched["proof"], "--link", upload.link, "--node", self._node)
        said = self._run_verifier(blob, Path(fetched["proof"]))
        self._report.value(upload.path.name, said.stdout.strip().splitlines()[0])
        said = self._run_ots(blob, Path(fetched["ots"]))
        if said.returncode or "Success" not in said.stdout + said.stderr:
            raise RuntimeError(f"ots refused {fetched['ots']}:\n{said.stdout}{said.stderr}")
        self._report.value("  ots verify", (said.stdout + said.stderr).strip().splitlines()[-1])

    @property
    def _node(self) -> str:
        return self._system.node_url

    def _run_verifier(self, blob: Path, proof: Path, expected: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the standalone verifier, which shares nothing with the server but its format."""
        command = [sys.executable, "-m", "registry.proof", "verify", str(blob), str(proof), "--node", self._node]
        said = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)
        if said.returncode != expected:
            raise RuntimeError(f"the verifier ended with {said.returncode}:\n{said.stdout}{said.stderr}")
        return said

    def _run_ots(self, blob: Path, timestamp: Path) -> subprocess.CompletedProcess[str]:
        return run_ots(self._node, "-f", str(blob), str(timestamp))

    def _refuse_flipped(self) -> None:
        upload = self.uploads[0]
        flipped = self._work / "flipped.age"
        shutil.copyfile(self._work / f"{upload.path.name}.age", flipped)
        with flipped.open("r+b") as file:
            file.seek(-1, 2)
            last = file.read(1)[0]
            file.seek(-1, 2)
            file.write(bytes([last ^ 1]))
        proofs = self._work / "proofs"
        said = self._run_verifier(flipped, proofs / f"{upload.record_id}.proof.json", expected=1)
        self._report.value("standalone verifier", (said.stderr or said.stdout).strip().splitlines()[0])
        said = self._run_ots(flipped, proofs / f"{upload.record_id}.ots")
        if said.returncode == 0:
            raise RuntimeError("ots accepted a flipped byte")
        self._report.value("ots verify", (said.stdout + said.stderr).strip().splitlines()[-1])
