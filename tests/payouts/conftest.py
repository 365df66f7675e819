"""What the tests of money share: the payout wallet's keys in the settings."""

import pytest
from pytest_django.fixtures import Settings

from tests.factories.payouts import WALLET


@pytest.fixture(autouse=True)
def wallet_keys(settings: Settings) -> None:
    """Give the settings the tests' own payout wallet."""
    settings.CADASTRE_PAYOUT_XPUB = WALLET.xpub
    settings.CADASTRE_PAYOUT_XPRV = WALLET.to_xprv()
