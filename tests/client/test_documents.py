"""Answers that depart from the documented form reach nobody."""

import pytest

from client.documents import parse_link_info
from client.errors import ProtocolError
from tests.client.doubles import RECORD

LINK_INFO = {
    "id": RECORD,
    "length": 1,
    "sha256": f"sha256:{'00' * 32}",
    "root": f"sha256:{'00' * 32}",
    "seal": "00" * 32,
    "price": {"amount_msat": 0},
    "record": None,
    "payees": [],
}


@pytest.mark.parametrize("name", ["id", "record"])
@pytest.mark.parametrize("value", ["", "\x1b[2K", RECORD.upper(), f"{RECORD}\n"])
def test_an_id_that_is_printed_in_a_link_is_a_uuid(name: str, value: str):
    assert parse_link_info(LINK_INFO).id == RECORD
    with pytest.raises(ProtocolError):
        parse_link_info(LINK_INFO | {name: value})
