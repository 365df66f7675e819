"""The settings of a store of blobs: which storage they choose, and what browsers may connect to."""

import subprocess
import sys
from pathlib import Path

import pytest
from pytest_django import Settings

from config.checks import check_store
from config.content_security import POLICY, allow_store

ROOT = Path(__file__).resolve().parents[2]
STORE = {
    "bucket": "blobs",
    "endpoint_url": "http://10.0.0.1:8080",
    "public_url": "https://store.example.org",
    "access_key": "key",
    "secret_key": "secret",
    "addressing": "virtual",
}


def use_store(settings: Settings, *, origin: str) -> None:
    settings.STORAGES = {**settings.STORAGES, "blobs": {"BACKEND": "storage.s3.S3Storage", "OPTIONS": STORE}}
    settings.CADASTRE_S3_BUCKET, settings.CADASTRE_S3_ORIGIN = "blobs", origin


def test_pages_may_connect_to_the_store_and_load_nothing_from_it():
    directives = allow_store("https://blobs.example.org")["DIRECTIVES"]

    assert directives.pop("connect-src") == ["'self'", "https://blobs.example.org"]
    assert directives == {name: value for name, value in POLICY["DIRECTIVES"].items() if name != "connect-src"}
    assert POLICY["DIRECTIVES"]["connect-src"] == ["'self'"]


def test_without_a_store_pages_connect_to_their_own_site_alone():
    assert allow_store("") is POLICY


@pytest.mark.parametrize("origin", ["", "https://store.example.org", "http://10.0.0.1:8080"])
def test_an_origin_that_is_not_that_of_the_signed_addresses_is_refused_with_the_right_one(
    settings: Settings, origin: str
):
    use_store(settings, origin=origin)

    [error] = check_store(None)

    assert error.id == "config.E013"
    assert error.hint == "Set CADASTRE_S3_ORIGIN to https://blobs.store.example.org."


def test_the_origin_of_the_signed_addresses_is_accepted(settings: Settings):
    use_store(settings, origin="https://blobs.store.example.org")

    assert check_store(None) == []


def test_without_a_bucket_nothing_is_checked():
    assert check_store(None) == []


def test_a_bucket_in_the_environment_chooses_the_store(tmp_path: Path):
    script = (
        "import django; django.setup()\n"
        "from django.conf import settings\n"
        "from django.core.files.storage import storages\n"
        "print(type(storages['blobs']).__name__, storages['blobs'].multiparts.parts_max)\n"
        "print(settings.CONTENT_SECURITY_POLICY['DIRECTIVES']['connect-src'])\n"
    )
    environment = {
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "CADASTRE_VAR_DIR": str(tmp_path),
        "CADASTRE_SECRET_KEY": "only-for-tests" * 4,
        "CADASTRE_S3_BUCKET": "blobs",
        "CADASTRE_S3_ORIGIN": "https://blobs.example.org",
        "CADASTRE_S3_ACCESS_KEY": "key",
        "CADASTRE_S3_SECRET_KEY": "secret",
        "CADASTRE_S3_PARTS_MAX": "1000",
    }

    printed = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert printed.splitlines() == ["S3Storage 1000", "[\"'self'\", 'https://blobs.example.org']"]
