import shutil
import subprocess
import sys
from pathlib import Path

import registry.proof
from tests.registry.proof.vectors import load


def test_a_copy_of_the_verifier_runs_on_the_standard_library_alone(tmp_path: Path):
    source = Path(next(iter(registry.proof.__path__)))
    shutil.copytree(source, tmp_path / "registry" / "proof", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "registry" / "__init__.py").touch()
    vector = load("proof", "valid-opened-details")
    (tmp_path / "proof.json").write_text(vector["proof"], encoding="utf-8")
    header = f"117:{vector['headers']['117']}"

    # -S leaves site-packages out, -E the environment: nothing that is installed can be imported.
    finished = subprocess.run(
        [
            sys.executable,
            "-S",
            "-E",
            "-m",
            "registry.proof",
            "verify",
            "--digest",
            vector["sha256"],
            "proof.json",
            "--header",
            header,
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("valid: existed before block 117")
