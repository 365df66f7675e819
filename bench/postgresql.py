"""Rows that need Django and PostgreSQL: `python -m bench.postgresql MODULE` measures in a process of its own.

The database is on the server that TEST_DATABASE_URL names, or on a cluster that is started for the run.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import django
from django.db import connection
from django.test.utils import setup_test_environment

from bench.rows import Row
from database.clusters import find_programs, install_programs, started_cluster

CHECKOUT = Path(__file__).resolve().parent.parent


def measure_on_postgresql(module: str) -> list[Row]:
    """Return the rows of a module of bench, by its name; none, with a word, where there is no PostgreSQL."""
    with find_server() as url:
        if url is None:
            print(f"No PostgreSQL is installed: {module} is not measured.\n")
            return []
        return _run(module, url)


@contextmanager
def find_server() -> Iterator[str | None]:
    """Give the URL of a PostgreSQL server for the time of the context, or None where there is none."""
    named = os.environ.get("TEST_DATABASE_URL")
    programs = None if named else find_programs() or install_programs()
    if programs is None:
        yield named
        return
    with started_cluster(programs) as url:
        yield url


def _run(module: str, database_url: str) -> list[Row]:
    with tempfile.TemporaryDirectory(prefix="cadastre-bench-") as folder:
        # WhiteNoise warns where the folder of static files is missing.
        (Path(folder) / "static").mkdir()
        environment = {
            **os.environ,
            "CADASTRE_DATABASE_URL": database_url,
            "CADASTRE_VAR_DIR": folder,
            "CADASTRE_BULK_RECORDS_PER_DAY": "0",
            "DJANGO_SETTINGS_MODULE": "config.settings",
        }
        command = [sys.executable, "-m", "bench.postgresql", module]
        said = subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, stdout=subprocess.PIPE).stdout
    return [Row(**fields) for fields in json.loads(said)]


def main(arguments: Sequence[str]) -> int:
    """Make a database, measure, remove it, and print the rows as JSON."""
    django.setup()
    setup_test_environment()
    connection.settings_dict["TEST"]["NAME"] = "cadastre_bench"
    connection.creation.create_test_db(verbosity=0, autoclobber=True)
    try:
        # Its models can be imported only now.
        rows = importlib.import_module(f"bench.{arguments[0]}").measure()
    finally:
        connection.creation.destroy_test_db(str(connection.settings_dict["NAME"]), verbosity=0)
    print(json.dumps([asdict(row) for row in rows]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
