"""`make million`: a million synthetic records registered, sealed, anchored, exported, audited, with times and memory.

Everything is real: requests to the API's bulk address, the services that the sweeps call, a regtest chain on the
development node, the commands that operators and auditors run. Each stage is a process of its own, so that its peak
memory is known; the database's is not part of it. The database is PostgreSQL where there is one, else SQLite. All
that is made lies in a temporary folder and database, and is removed at the end. The first thing that does not hold
ends it with exit code 1.
"""

import importlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

import django
import psycopg

from bench.postgresql import find_server
from demo.processes import ProcessFailedError
from demo.system import System

CHECKOUT = Path(__file__).resolve().parent.parent
RECORDS = 1_000_000
DATABASE = "cadastre_million"
STAGE_SECONDS_MAX = 1_800
BLOCKS = 6


class StageFailedError(RuntimeError):
    """A stage did not do what it should."""


@dataclass(frozen=True)
class Stage:
    """What a stage took: seconds, and the most memory that its process held, in MB."""

    name: str
    seconds: float
    peak_mb: float


class Million:
    """Runs the stages one after the other and prints what each took."""

    def __init__(self, system: System, *, records: int, data: Path) -> None:
        self._system, self._records, self._data = system, records, data

    def run(self) -> None:
        """Run all stages. Raises StageFailedError at the first that fails."""
        outpoint = self._prepare()
        export, archive = str(self._data / "export"), str(self._data / "proofs.zip")
        audit = ["-m", "client.cli", "audit"]
        self._stage("register by bulk requests", ["-m", "bench.million", "--stage", "register", str(self._records)])
        self._stage("seal", ["-m", "bench.million", "--stage", "seal", str(self._records)])
        self._stage("anchor, and follow the chain to FINAL", ["-m", "bench.million", "--stage", "anchor", str(BLOCKS)])
        self._stage("export", ["manage.py", "export_register", export], says=f"{self._records:,} records")
        audited = [*audit, export, "--registry", outpoint, "--network", "regtest"]
        self._stage("audit the export, offline", audited, says=f"{self._records:,} in 1 batches; nothing missing")
        self._stage("export again: nothing is new", ["manage.py", "export_register", export], says="(0 new)")
        self._stage("archive of all .ots", ["-m", "bench.million", "--stage", "archive", archive])
        headers = ["--headers", f"{export}/headers.bin", "--network", "regtest"]
        self._stage("audit the archive", [*audit, archive, *headers], says=f"valid: {self._records:,} proofs")
        self._change_a_byte()
        self._stage("audit after one byte was changed", audited, says="invalid at step 4, batch 0", status=1)

    def _prepare(self) -> str:
        """Start the node, make the tables and found the register; return its first outpoint."""
        self._system.start_node()
        self._system.prepare()
        return self._system.found_register().split()[0].partition(":")[2]

    def _stage(self, name: str, arguments: Sequence[str], *, says: str = "", status: int = 0) -> None:
        self._system.processes.check()
        stage, found, printed = run_measured(name, arguments, self._system.processes.environment)
        if found != status or says not in printed:
            raise StageFailedError(f"{name} ended with status {found}:\n{printed[-3000:]}")
        rate = self._records / stage.seconds
        print(f"{stage.name:<40} {stage.seconds:>8.2f}s {rate:>12,.0f}/s {stage.peak_mb:>8.0f} MB", flush=True)

    def _change_a_byte(self) -> None:
        path = self._data / "export" / "batches" / "0000000000.leaves"
        with path.open("r+b") as stream:
            # The last byte of the middle record's details hash: no rule of records is broken.
            stream.seek(self._records // 2 * 137 + 136)
            (byte,) = stream.read(1)
            stream.seek(-1, os.SEEK_CUR)
            stream.write(bytes([byte ^ 1]))


def run_measured(name: str, arguments: Sequence[str], environment: Mapping[str, str]) -> tuple[Stage, int, str]:
    """Run a process of this Python to its end; return what it took, its status, and what it printed."""
    with tempfile.TemporaryFile() as output:
        began_s = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=CHECKOUT, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            _, waited, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            process.wait()
            raise
        seconds = time.perf_counter() - began_s
        process.returncode = os.waitstatus_to_exitcode(waited)
        output.seek(0)
        printed = output.read().decode(errors="replace")
    unit = 1 if sys.platform == "darwin" else 1_024
    return Stage(name, seconds, usage.ru_maxrss * unit / 1e6), process.returncode, printed


@contextmanager
def made_database() -> Iterator[str | None]:
    """Give the URL of an empty database on PostgreSQL, which is removed afterwards.

    None means SQLite: there is no server, or TEST_POSTGRES=skip asks for none.
    """
    if os.environ.get("TEST_POSTGRES") == "skip":
        yield None
        return
    with find_server() as url:
        if url is None:
            yield None
            return
        with psycopg.connect(urlsplit(url)._replace(path="/postgres").geturl(), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")
            connection.execute(f"CREATE DATABASE {DATABASE}")
            try:
                yield urlsplit(url)._replace(path=f"/{DATABASE}").geturl()
            finally:
                with suppress(psycopg.OperationalError):
                    connection.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE)")


def _stop(number: int, _frame: object) -> NoReturn:
    """End as an exception does, so that everything is stopped and removed."""
    raise SystemExit(128 + number)


def main(arguments: Sequence[str]) -> int:
    """Run everything, with another number of records if one is given, and print a line for each stage.

    Each stage that needs Django calls this module again, with --stage, its name and an argument.
    """
    if arguments[:1] == ["--stage"]:
        django.setup()
        # Its models can be imported only now.
        importlib.import_module("bench.million_stages").run_stage(*arguments[1:])
        return 0
    records = int(arguments[0]) if arguments else RECORDS
    with tempfile.TemporaryDirectory(prefix="cadastre-million-") as folder, made_database() as url:
        (Path(folder) / "static").mkdir()
        settings = {
            "CADASTRE_BULK_RECORDS_PER_DAY": "0",
            "CADASTRE_CHAIN_START_HEIGHT": "0",
            "DJANGO_SETTINGS_MODULE": "config.settings",
            "CADASTRE_HOME": f"{folder}/home",
        } | ({} if url is None else {"CADASTRE_DATABASE_URL": url})
        system = System(data=Path(folder), settings=settings)
        print(f"{records:,} records on {'SQLite' if url is None else 'PostgreSQL'}, {os.cpu_count()} processors\n")
        began_s = time.perf_counter()
        try:
            Million(system, records=records, data=Path(folder)).run()
        except (StageFailedError, ProcessFailedError) as error:
            print(f"\nFAILED: {error}", file=sys.stderr)
            return 1
        finally:
            system.processes.stop()
        print(f"\nEverything holds; {time.perf_counter() - began_s:.0f} s in all.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
