"""The payout wallet's keys: scripts from the extended public key, and signing keys where the private half is at hand.

Branch 0 is for deposits and branch 1 for our own change (BIP 44). Anchor keys are another wallet's, never seen here.
"""

from functools import lru_cache

from django.conf import settings

from chain.keys import Account, Key
from payouts.errors import WalletKeyMissingError

DEPOSIT_BRANCH = 0
CHANGE_BRANCH = 1


def derive_script(*, branch: int, index: int) -> bytes:
    """Return the output script of a key of the wallet.

    Raises WalletKeyMissingError if CADASTRE_PAYOUT_XPUB is not set.
    """
    return _derive_script(_require("CADASTRE_PAYOUT_XPUB"), branch, index)


def derive_key(*, branch: int, index: int) -> Key:
    """Return a private key of the wallet.

    Raises WalletKeyMissingError if CADASTRE_PAYOUT_XPRV is not set: payouts wait until it is.
    """
    return Account.from_xprv(_require("CADASTRE_PAYOUT_XPRV")).derive_key(branch, index)


@lru_cache(maxsize=4096)
def _derive_script(xpub: str, branch: int, index: int) -> bytes:
    return Account.from_xpub(xpub).derive_script(branch, index)


def _require(name: str) -> str:
    value = str(getattr(settings, name))
    if not value:
        raise WalletKeyMissingError(f"{name} is not set.")
    return value
