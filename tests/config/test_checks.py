"""The reviewers' recipient is one that age takes."""

import pyrage
import pytest
from embit import bech32
from pytest_django import Settings

from config.checks import check_reviewers, is_age_recipient

RECIPIENT = "age1q9w0g4xekhrnwl5uh3nwjtwk5aekyvxnz9r98c58jh9ksexceg3sfdcjws"
KEY = bytes(range(32))


def write(prefix: str, key: bytes, encoding: int = bech32.Encoding.BECH32) -> str:
    """Return bytes in Bech32, in whatever form."""
    return str(bech32.bech32_encode(encoding, prefix, bech32.convertbits(key, 8, 5)))


def test_takes_what_age_makes():
    assert is_age_recipient(RECIPIENT)
    assert is_age_recipient(str(pyrage.x25519.Identity.generate().to_public()))


@pytest.mark.parametrize(
    "text",
    [
        RECIPIENT.upper(),
        RECIPIENT[:-1] + "q",
        RECIPIENT[:-1],
        f" {RECIPIENT}",
        write("bc", KEY),
        write("age", KEY[:31]),
        write("age", KEY, bech32.Encoding.BECH32M),
        "age",
        "https://host/f/1#1.key",
    ],
    ids=["upper case", "checksum", "short", "space", "prefix", "31 bytes", "bech32m", "nothing", "a link"],
)
def test_takes_nothing_else(text: str):
    assert not is_age_recipient(text)


def test_an_identity_is_refused_without_being_shown(settings: Settings):
    settings.CADASTRE_REVIEWERS_RECIPIENT = str(pyrage.x25519.Identity.generate())

    [error] = check_reviewers(None)

    assert error.id == "config.E012"
    assert settings.CADASTRE_REVIEWERS_RECIPIENT not in f"{error.msg} {error.hint}"


def test_none_is_needed(settings: Settings):
    settings.CADASTRE_REVIEWERS_RECIPIENT = ""
    assert check_reviewers(None) == []
    settings.CADASTRE_REVIEWERS_RECIPIENT = RECIPIENT
    assert check_reviewers(None) == []
