"""Production settings: they refuse to start without what they need, and pass Django's deployment checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chain.keys import Account, Key
from chain.networks import MAIN, REGTEST

ROOT = Path(__file__).resolve().parent.parent.parent
PAYOUT = Account.from_seed(b"a seed that only this test knows", MAIN)
COMPLETE = {
    "CADASTRE_ENVIRONMENT": "production",
    "CADASTRE_SECRET_KEY": "7c4a8d09ca3762af61e59520943dc26494f8941b-and-some-more-of-it",
    "CADASTRE_PUBLIC_URL": "https://cadastre.example",
    "CADASTRE_ALLOWED_HOSTS": "cadastre.example",
    "CADASTRE_NETWORK": "main",
    "CADASTRE_NODE_URL": "http://user:password@127.0.0.1:8332",
    "CADASTRE_REGISTRAR": "cadastre.example",
    "CADASTRE_BROKER_URL": "redis://127.0.0.1:6379/0",
    "CADASTRE_DATABASE_URL": "postgresql://cadastre@127.0.0.1/cadastre",
    "CADASTRE_ANCHOR_KEY": Key.from_secret(b"an anchor key of this test alone").to_wif(MAIN),
    "CADASTRE_PAYOUT_XPUB": PAYOUT.xpub,
    "CADASTRE_REVIEWERS_RECIPIENT": "age1q9w0g4xekhrnwl5uh3nwjtwk5aekyvxnz9r98c58jh9ksexceg3sfdcjws",
}
REQUIRED = [
    "CADASTRE_SECRET_KEY",
    "CADASTRE_PUBLIC_URL",
    "CADASTRE_NETWORK",
    "CADASTRE_NODE_URL",
    "CADASTRE_REGISTRAR",
    "CADASTRE_BROKER_URL",
    "CADASTRE_DATABASE_URL",
]


def check(environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run Django's deployment checks under an environment."""
    command = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CADASTRE_")}
    return subprocess.run(
        command, cwd=ROOT, env={**inherited, **environment}, capture_output=True, text=True, check=False
    )


def test_complete_production_settings_pass_the_deployment_checks(tmp_path: Path):
    done = check({**COMPLETE, "CADASTRE_VAR_DIR": str(tmp_path)})

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", REQUIRED)
def test_production_does_not_start_without(name: str, tmp_path: Path):
    environment = {**COMPLETE, "CADASTRE_VAR_DIR": str(tmp_path)}
    del environment[name]

    done = check(environment)

    assert done.returncode != 0
    assert name in done.stderr


@pytest.mark.parametrize(
    ("name", "value", "identifier"),
    [
        ("CADASTRE_NETWORK", "dogecoin", "config.E002"),
        ("CADASTRE_ANCHOR_KEY", "cNotAKey", "config.E003"),
        ("CADASTRE_ANCHOR_NEXT_KEY", "cNotAKey", "config.E009"),
        ("CADASTRE_ANCHOR_NEXT_KEY", COMPLETE["CADASTRE_ANCHOR_KEY"], "config.E011"),
        ("CADASTRE_PAYOUT_XPUB", PAYOUT.to_xprv(), "config.E004"),
        ("CADASTRE_PAYOUT_XPRV", PAYOUT.xpub, "config.E005"),
        ("CADASTRE_PAYOUT_XPUB", Account.from_seed(bytes(32), REGTEST).xpub, "config.E004"),
        ("CADASTRE_PAYOUT_XPRV", Account.from_seed(bytes(32), MAIN).to_xprv(), "config.E008"),
        ("CADASTRE_FEE_RATE_MIN_SAT_PER_KVB", "300000", "config.E006"),
        ("CADASTRE_DEPOSIT_CONFIRMATIONS", "1", "config.E007"),
        ("CADASTRE_REVIEWERS_RECIPIENT", "reviewers@cadastre.example", "config.E012"),
    ],
)
def test_settings_that_would_lose_something_are_refused(name: str, value: str, identifier: str, tmp_path: Path):
    done = check({**COMPLETE, "CADASTRE_VAR_DIR": str(tmp_path), name: value})

    assert identifier in done.stderr
    assert name == "CADASTRE_NETWORK" or "KEY" not in name or value not in done.stderr, "a secret was shown"


def test_a_next_anchor_key_needs_a_present_one(tmp_path: Path):
    following = Key.from_secret(b"the key that follows it in turn.").to_wif(MAIN)
    environment = {**COMPLETE, "CADASTRE_VAR_DIR": str(tmp_path), "CADASTRE_ANCHOR_NEXT_KEY": following}

    assert check(environment).returncode == 0
    del environment["CADASTRE_ANCHOR_KEY"]
    assert "config.E010" in check(environment).stderr
