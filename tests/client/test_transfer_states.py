"""What is kept of a transfer from a link that ends: checked like an answer of the server."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from client.api import Api
from client.documents import Payee, dump_link_info, parse_link_info
from client.errors import ManifestMismatchError
from client.offers import Offer, get_offer
from client.transfer_states import TransferFile, TransferState
from tests.client.doubles import Double
from tests.client.test_downloads import make_link


@pytest.fixture
def offer(double: Double, api: Api) -> Offer:
    link = make_link(double, price_msat=7)
    limits = {"expires_at": "2040-01-01T00:00:00Z", "transfers_max": 2, "transfers_left": 1}
    double.links[link.id] |= limits
    return get_offer(api, link)


@pytest.mark.parametrize("transfer_pass", [None, "A" * 43])
def test_a_state_comes_back_from_a_private_file(offer: Offer, tmp_path: Path, transfer_pass: str | None):
    file = TransferFile(tmp_path, offer.link)
    assert file.read() is None
    file.write(offer, transfer_pass)
    assert file.read() == TransferState(offer, transfer_pass)
    (path,) = tmp_path.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    file.remove()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"manifest": ""}', '{"manifest": "?", "info": {}, "pass": null}'])
def test_a_file_that_is_not_whole_is_none(offer: Offer, tmp_path: Path, text: str):
    file = TransferFile(tmp_path, offer.link)
    file.write(offer, None)
    (path,) = tmp_path.iterdir()
    path.write_text(text)
    assert file.read() is None


def test_another_manifest_in_the_file_is_refused(offer: Offer, tmp_path: Path):
    file = TransferFile(tmp_path, offer.link)
    file.write(offer, None)
    (path,) = tmp_path.iterdir()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"manifest": "AAAA"}))
    with pytest.raises(ManifestMismatchError):
        file.read()


def test_a_symbolic_link_in_the_files_place_is_not_followed(offer: Offer, tmp_path: Path):
    file = TransferFile(tmp_path, offer.link)
    file.write(offer, None)
    (path,) = tmp_path.iterdir()
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert file.read() is None


def test_what_a_server_says_survives_its_spelling(offer: Offer):
    payees = (Payee("platform", "Cadastre", 250, None), Payee("uploader", "bob", None, 1_000_000))
    info = replace(offer.info, payees=payees, record_id=None, expires_at=datetime(2040, 1, 1, 1, 2, 3, 4, tzinfo=UTC))
    assert parse_link_info(dump_link_info(info)) == info
