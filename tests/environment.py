"""The environment of every test process, set before Django reads its settings: `-p tests.environment` loads it first.

No test may touch the data of a development server, so each process has a data directory of its own.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

_VAR_DIR = Path(tempfile.mkdtemp(prefix="cadastre-tests-"))
atexit.register(shutil.rmtree, _VAR_DIR, ignore_errors=True)
# WhiteNoise warns where the folder of static files is missing.
(_VAR_DIR / "static").mkdir()
for _name in [name for name in os.environ if name.startswith("CADASTRE_") and name != "CADASTRE_DATABASE_URL"]:
    del os.environ[_name]
os.environ["CADASTRE_VAR_DIR"] = str(_VAR_DIR)
os.environ["CADASTRE_SECRET_KEY"] = "only-for-tests-" + "0123456789" * 4
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
