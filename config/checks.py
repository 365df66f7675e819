"""System checks: settings that would lose money, records or secrets are refused at start, with an id and a hint."""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.files.storage import storages
from embit import base58, bech32

from chain.errors import ChainError, KeyFormatError
from chain.keys import Account, Key
from chain.networks import Network, get_network


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
        ("CADASTRE_ANCHOR_NEXT_KEY", lambda text: Key.from_wif(text, network), "config.E009"),
        ("CADASTRE_PAYOUT_XPUB", lambda text: check_version(Account.from_xpub(text), network), "config.E004"),
        ("CADASTRE_PAYOUT_XPRV", lambda text: check_version(Account.from_xprv(text), network), "config.E005"),
    )
    for name, read, identifier in readers:
        value = getattr(settings, name)
        try:
            if value:
                read(value)
        except ChainError as error:
            # The value is a secret: the message must not show it.
            found.append(Error(f"{name} cannot be used: {error}", hint=f"Check {name}.", id=identifier))
    return found or [*check_wallet(), *check_anchor_keys()]


def check_version(account: Account, network: Network) -> None:
    """Check that an account is one of a network, which the first bytes of its extended key say.

    Raises KeyFormatError if it is not.
    """
    if base58.decode_check(account.xpub)[: len(network.xpub)] != network.xpub:
        raise KeyFormatError(f"the extended key is not one of {network.name}")


def check_wallet() -> list[CheckMessage]:
    """Refuse two halves of different wallets: deposits would go to keys that payouts cannot spend."""
    xpub, xprv = settings.CADASTRE_PAYOUT_XPUB, settings.CADASTRE_PAYOUT_XPRV
    if xpub and xprv and Account.from_xprv(xprv).xpub != Account.from_xpub(xpub).xpub:
        hint = "Set CADASTRE_PAYOUT_XPUB to the public half of CADASTRE_PAYOUT_XPRV."
        return [Error("The payout wallet's two keys are not of one wallet.", hint=hint, id="config.E008")]
    return []


def check_anchor_keys() -> list[CheckMessage]:
    """Refuse a next anchor key that no present key leads to, or that is the present key already."""
    present, following = settings.CADASTRE_ANCHOR_KEY, settings.CADASTRE_ANCHOR_NEXT_KEY
    if following and not present:
        hint = "Set CADASTRE_ANCHOR_KEY to the key that the last anchor pays, or move the next key there."
        return [Error("There is a next anchor key, but no present one to sign.", hint=hint, id="config.E010")]
    if following and following == present:
        hint = "Once the anchors pay the next key and CADASTRE_ANCHOR_KEY is that key, empty CADASTRE_ANCHOR_NEXT_KEY."
        return [Error("The next anchor key is the present one.", hint=hint, id="config.E011")]
    return []


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


def check_store(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Refuse a store of blobs to which browsers may not connect, for they send parts there and follow redirects."""
    sign_for_delivery = getattr(storages["blobs"], "find_hand_over", None)
    if not settings.CADASTRE_S3_BUCKET or sign_for_delivery is None:
        return []
    actual = get_origin(sign_for_delivery("origin", None)[1]["Location"])
    if actual == settings.CADASTRE_S3_ORIGIN:
        return []
    hint = f"Set CADASTRE_S3_ORIGIN to {actual}."
    return [Error("CADASTRE_S3_ORIGIN is not where the store's signed addresses lead.", hint=hint, id="config.E013")]


def get_origin(url: str) -> str:
    """Return the scheme, host and port of an address."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


def check_reviewers(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[CheckMessage]:
    """Refuse a reviewers' recipient that is none: nobody could read what readers seal to it."""
    recipient = settings.CADASTRE_REVIEWERS_RECIPIENT
    if not recipient or is_age_recipient(recipient):
        return []
    hint = "Set CADASTRE_REVIEWERS_RECIPIENT to the public key that age-keygen prints (age1...), or to nothing."
    return [Error("CADASTRE_REVIEWERS_RECIPIENT is not an age recipient.", hint=hint, id="config.E012")]


def is_age_recipient(text: str) -> bool:
    """Return whether a text is an X25519 recipient as age writes it: 32 bytes in lower-case Bech32 (BIP 173)."""
    if text != text.lower():
        return False
    encoding, prefix, words = bech32.bech32_decode(text)
    if encoding != bech32.Encoding.BECH32 or prefix != "age":
        return False
    return len(bech32.convertbits(words, 5, 8, pad=False) or []) == 32  # noqa: PLR2004 - the length of such a key


def register_checks() -> None:
    """Make Django run these checks."""
    register(check_store)
    register(check_secrets, Tags.security, deploy=True)
    register(check_bitcoin)
    register(check_amounts)
    register(check_reviewers)
