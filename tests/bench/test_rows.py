"""Every row of the table, at a size that takes no time: a broken row is seen here, not by who measures."""

import importlib
import pkgutil
from pathlib import Path

import pytest
from django.db import connection

import bench
from bench import browser, client, delivery, headers, merkle, proofs, small_files, submissions, uploads
from bench.peers.run import ENVIRONMENT
from bench.rows import Row
from tests.browsers import find_driver
from tests.nginx import find_nginx

MODULES = (browser, client, delivery, headers, merkle, proofs, small_files, submissions, uploads)
MEASURED = {module.__name__ for module in MODULES}
"""The modules whose rows are measured here."""

SCRIPTS = {"bench.__main__", "bench.million", "bench.million_stages"}
"""What measures no rows, and sets up Django or ends the process when it is imported."""


def assert_measured(rows: list[Row], count: int) -> None:
    assert len(rows) == count
    assert all(row.ours_s >= 0 and row.peer_s > 0 and row.name and row.peer for row in rows)


def test_no_module_with_rows_is_left_out():
    names = [module.name for module in pkgutil.iter_modules(bench.__path__, "bench.") if module.name not in SCRIPTS]

    assert {name for name in names if hasattr(importlib.import_module(name), "measure")} == MEASURED


def test_the_rows_of_trees_can_be_measured():
    assert_measured(merkle.measure(count=3_000, few_count=50), 4)


def test_the_rows_of_proofs_can_be_measured():
    assert_measured(proofs.measure(proofs=120, exported=1_500), 3)


def test_the_row_of_headers_can_be_measured(tmp_path):
    assert_measured(headers.measure(count=2_100, folder=tmp_path), 1)

    [kept] = tmp_path.iterdir()
    assert kept.stat().st_size == 2_100 * 80


@pytest.mark.own_engine
@pytest.mark.skipif(not ENVIRONMENT.exists(), reason="the peers are not installed: make bench does that")
def test_the_row_of_another_library_can_be_measured():
    assert_measured(merkle.measure_peers(count=50), 1)


@pytest.mark.django_db(transaction=True)
def test_the_row_of_bulk_registration_can_be_measured():
    if connection.vendor != "postgresql":
        pytest.skip("COPY is PostgreSQL's")

    assert_measured(submissions.measure(count=30), 1)


@pytest.mark.django_db(transaction=True)
def test_the_row_of_delivery_can_be_measured():
    if connection.vendor != "postgresql":
        pytest.skip("the server is started on the database that CADASTRE_DATABASE_URL names")
    find_nginx()

    assert_measured(delivery.measure(blob_bytes=2**20), 1)


@pytest.mark.own_engine
def test_the_rows_of_uploads_can_be_measured():
    assert_measured(uploads.measure(upload_bytes=2**20), 3)


@pytest.mark.own_engine
def test_the_rows_of_the_command_can_be_measured():
    assert_measured(client.measure(file_bytes=5 * 2**20), 2)


@pytest.mark.own_engine
def test_the_rows_of_small_files_can_be_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("CADASTRE_HOME", str(tmp_path))

    assert_measured(small_files.measure(20), 2)


@pytest.mark.own_engine
def test_the_rows_of_the_browser_can_be_measured():
    find_driver()

    assert_measured(browser.measure(file_mb=2, measured_bytes=2**20), 5)
