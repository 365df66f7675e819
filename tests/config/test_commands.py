"""`manage.py init_keys`: it makes what is missing, keeps what is there, and stays out of production."""

import stat
from pathlib import Path

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from pytest_django.fixtures import Settings

from chain.keys import Account, Key
from chain.networks import REGTEST

NAMES = {"anchor_key", "payout_xprv", "payout_xpub", "secret_key"}


@pytest.fixture
def folder(settings: Settings, tmp_path: Path) -> Path:
    """Where the keys of a fresh server go."""
    settings.CADASTRE_VAR_DIR = tmp_path / "var"
    return tmp_path / "var" / "keys"


def read_keys(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="ascii").strip() for path in folder.iterdir()}


def test_every_key_is_made_and_readable_by_its_owner_alone(folder: Path, capsys: pytest.CaptureFixture[str]):
    call_command("init_keys")

    keys = read_keys(folder)
    assert keys.keys() == NAMES
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}
    assert Key.from_wif(keys["anchor_key"], REGTEST).to_wif(REGTEST) == keys["anchor_key"]
    assert Account.from_xprv(keys["payout_xprv"]).xpub == keys["payout_xpub"]
    assert len(keys["secret_key"]) >= 50
    said = capsys.readouterr().out
    assert said == f"keys in {folder}\n"
    assert not any(key in said for key in keys.values())


def test_keys_that_are_there_are_kept(folder: Path):
    call_command("init_keys")
    first = read_keys(folder)
    (folder / "secret_key").unlink()

    call_command("init_keys")

    second = read_keys(folder)
    assert {**second, "secret_key": ""} == {**first, "secret_key": ""}
    assert second["secret_key"] not in {"", first["secret_key"]}


def test_what_a_crash_left_is_made_anew_and_whole(folder: Path):
    folder.mkdir(parents=True)
    (folder / "payout_xpub").write_text("of a wallet whose other half was never written", encoding="ascii")
    (folder / "payout_xprv.partial").write_text("half of it", encoding="ascii")

    call_command("init_keys")

    keys = read_keys(folder)
    assert keys.keys() == NAMES
    assert Account.from_xprv(keys["payout_xprv"]).xpub == keys["payout_xpub"]


def test_production_is_refused(folder: Path, settings: Settings):
    settings.IS_PRODUCTION = True

    with pytest.raises(CommandError, match="for development"):
        call_command("init_keys")
    assert not folder.exists()


def test_the_main_network_is_refused(folder: Path, settings: Settings):
    settings.CADASTRE_NETWORK = "main"

    with pytest.raises(CommandError, match="not for the main network"):
        call_command("init_keys")
    assert not folder.exists()
