"""What every test gets: a data directory of its own, and databases that can be flushed despite their triggers."""

import os
import tempfile
from pathlib import Path

import pytest

# Before Django reads its settings: no test may touch the data of a development server.
_VAR_DIR = tempfile.TemporaryDirectory(prefix="cadastre-tests-")
os.environ["CADASTRE_VAR_DIR"] = _VAR_DIR.name
# WhiteNoise warns where the folder of static files is missing.
(Path(_VAR_DIR.name) / "static").mkdir()
os.environ["CADASTRE_SECRET_KEY"] = "only-for-tests-" + "0123456789" * 4
os.environ["CADASTRE_NETWORK"] = "regtest"
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

pytest_plugins = ["tests.nodes", "tests.databases"]


@pytest.fixture(scope="session")
def bitcoin_vectors() -> Path:
    """The folder of real Bitcoin data that BITCOIN_VECTORS names."""
    folder = os.environ.get("BITCOIN_VECTORS")
    if not folder:
        pytest.skip("BITCOIN_VECTORS is not set: real Bitcoin data is not tested")
    return Path(folder)
