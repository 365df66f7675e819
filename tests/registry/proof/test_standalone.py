import ast
import importlib.util
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import pytest

import registry.proof
from registry.proof.versions import VERSION
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


ROOT = Path(__file__).parents[3]


@pytest.fixture
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_verifier", ROOT / "scripts" / "build_verifier.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run_file(verifier: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the one file in a folder, with no environment, no site-packages and nothing of the user's."""
    return subprocess.run(
        [sys.executable, "-I", "-S", str(verifier), *arguments],
        cwd=folder,
        env={},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_the_one_file_verifies_where_there_is_nothing_but_python(builder: ModuleType, tmp_path: Path):
    verifier, folder = tmp_path / "dist" / "verify.pyz", tmp_path / "empty"
    folder.mkdir()
    builder.build_verifier(verifier)
    vector = load("proof", "valid-opened-details")
    (folder / "proof.json").write_text(vector["proof"], encoding="utf-8")
    arguments = ["verify", "--digest", vector["sha256"], "proof.json", "--header"]

    finished = run_file(verifier, folder, *arguments, f"117:{vector['headers']['117']}")
    refused = run_file(verifier, folder, *arguments, f"117:{vector['headers']['17']}")
    wrong = run_file(verifier, folder)

    assert (finished.returncode, finished.stderr) == (0, "")
    assert finished.stdout.startswith("valid: existed before block 117")
    assert (refused.returncode, refused.stderr) == (1, "")
    assert (wrong.returncode, wrong.stderr) == (3, "")
    assert [path.name for path in folder.iterdir()] == ["proof.json"]


def test_the_one_file_has_the_same_bytes_whenever_and_wherever_it_is_built(builder: ModuleType, tmp_path: Path):
    first = builder.build_verifier(tmp_path / "one.pyz")
    second = builder.build_verifier(tmp_path / "elsewhere" / "another.pyz")

    assert first == second
    assert (tmp_path / "one.pyz").read_bytes() == (tmp_path / "elsewhere" / "another.pyz").read_bytes()
    with zipfile.ZipFile(tmp_path / "one.pyz") as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        source = next(iter(registry.proof.__path__))
        modules = {f"registry/proof/{path.name}" for path in Path(source).glob("*.py")}
        assert set(archive.namelist()) == modules | {"__main__.py", "registry/__init__.py"}


def test_building_prints_the_sum_as_sha256sum_does(
    builder: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    target = tmp_path / "verify.pyz"

    assert builder.main([str(target)]) == 0

    assert capsys.readouterr().out == f"{builder.build_verifier(target)}  {target}\n"


def test_an_old_python_is_told_what_it_lacks(builder: ModuleType):
    # It must be able to read the lines that tell it.
    assert ast.parse(builder.MAIN, feature_version=(3, 4))
    assert builder.MAIN.index(b"sys.exit(3)") < builder.MAIN.index(b"registry.proof")


def test_the_verifiers_version_is_the_projects(builder: ModuleType, tmp_path: Path):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    builder.build_verifier(tmp_path / "verify.pyz")

    assert project["version"] == VERSION
    assert run_file(tmp_path / "verify.pyz", tmp_path, "--version").stdout == f"cadastre-verify {VERSION}\n"
