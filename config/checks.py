"""System checks: settings that would lose money, records or secrets are refused at start, with an id and a hint."""

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from chain.errors import ChainError
from chain.keys import Account, Key
from chain.networks import get_network


def check_secrets(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Refuse to serve without a secret key."""
    if settings.SECRET_KEY == "not-initialised":  # noqa: S105  this is the absence of one
        return [Error("There is no secret key.", hint="Set CADASTRE_SECRET_KEY.", id="config.E001")]
    return []


def check_bitcoin(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Refuse an unknown network, and keys of another network."""
    try:
        network = get_network(settings.CADASTRE_NETWORK)
    except ChainError as error:
        return [Error(str(error), hint="Set CADASTRE_NETWORK.", id="config.E002")]
    found: list[CheckMessage] = []
    readers = (
        ("CADASTRE_ANCHOR_KEY", lambda text: Key.from_wif(text, network), "config.E003"),
        ("CADASTRE_PAYOUT_XPUB", Account.from_xpub, "config.E004"),
        ("CADASTRE_PAYOUT_XPRV", Account.from_xprv, "config.E005"),
    )
    for name, read, identifier in readers:
        value = getattr(settings, name)
        try:
            if value:
                read(value)
        except ChainError as error:
            # The value is a secret: the message must not show it.
            found.append(Error(f"{name} cannot be used: {error}", hint=f"Check {name}.", id=identifier))
    return found


def check_amounts(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Refuse limits that contradict each other."""
    found: list[CheckMessage] = []
    if settings.CADASTRE_FEE_RATE_MIN_SAT_PER_KVB > settings.CADASTRE_FEE_RATE_MAX_SAT_PER_KVB:
        found.append(
            Error(
                "The lowest fee rate is above the highest.",
                hint="Set CADASTRE_FEE_RATE_MIN_SAT_PER_KVB below CADASTRE_FEE_RATE_MAX_SAT_PER_KVB.",
                id="config.E006",
            )
        )
    if settings.CADASTRE_DEPOSIT_CONFIRMATIONS < settings.CADASTRE_CONFIRMATIONS_FINAL and settings.IS_PRODUCTION:
        found.append(
            Error(
                "Deposits would be credited before they are final.",
                hint="Set CADASTRE_DEPOSIT_CONFIRMATIONS to at least CADASTRE_CONFIRMATIONS_FINAL.",
                id="config.E007",
            )
        )
    return found


def register_checks() -> None:
    """Make Django run these checks."""
    register(check_secrets, Tags.security, deploy=True)
    register(check_bitcoin)
    register(check_amounts)
