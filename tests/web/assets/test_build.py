"""The build of the browser's scripts: the same bytes everywhere, their hashes, and a recipient that is pinned."""

import base64
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template

from scripts.build_assets import ASSETS, Node, digest_inputs, list_sources
from tests.web.assets.conftest import RunNode
from web import bundles

pytestmark = pytest.mark.own_engine

RECIPIENT = "age1" + "q" * 58


def read_folder(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_two_builds_in_two_places_give_the_same_bytes(run_node: RunNode, node: Node, tmp_path: Path):
    copy, one, two = tmp_path / "elsewhere" / "assets", tmp_path / "one", tmp_path / "two"
    for path in list_sources():
        target = copy / path.relative_to(ASSETS)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    (copy / "node_modules").symlink_to(ASSETS / "node_modules")

    first = run_node("build.mjs", ASSETS_OUTPUT=str(one), CADASTRE_REVIEWERS_RECIPIENT="")
    second = subprocess.run(
        [node.program, "build.mjs"], cwd=copy, env={"ASSETS_OUTPUT": str(two)}, capture_output=True, check=False
    )

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert read_folder(one) == read_folder(two)
    assert set(json.loads((one / "manifest.json").read_text())["scripts"]) >= {
        "password_worker",
        "service_worker",
        "share",
        "upload",
        "upload_worker",
    }


def test_the_manifest_names_the_hash_of_each_script(run_node: RunNode, tmp_path: Path):
    assert run_node("build.mjs", ASSETS_OUTPUT=str(tmp_path)).returncode == 0

    for script in json.loads((tmp_path / "manifest.json").read_text())["scripts"].values():
        digest = hashlib.sha384((tmp_path / script["file"]).read_bytes()).digest()
        assert script["integrity"] == f"sha384-{base64.b64encode(digest).decode()}"


def test_a_recipient_that_is_none_is_not_built_in(run_node: RunNode, tmp_path: Path):
    finished = run_node("build.mjs", ASSETS_OUTPUT=str(tmp_path), CADASTRE_REVIEWERS_RECIPIENT=RECIPIENT.upper())

    assert finished.returncode != 0
    assert b"CADASTRE_REVIEWERS_RECIPIENT" in finished.stderr


def test_the_recipient_is_in_the_manifest_and_changes_the_stamp(
    run_node: RunNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("CADASTRE_REVIEWERS_RECIPIENT", raising=False)
    without = digest_inputs()
    monkeypatch.setenv("CADASTRE_REVIEWERS_RECIPIENT", RECIPIENT)

    assert run_node("build.mjs", ASSETS_OUTPUT=str(tmp_path)).returncode == 0

    assert json.loads((tmp_path / "manifest.json").read_text())["reviewers_recipient"] == RECIPIENT
    assert digest_inputs() != without


def test_a_template_loads_a_script_with_its_hash():
    bundle = bundles.get_bundle("upload")

    element = Template('{% load bundles %}{% bundle_script "upload" %}').render(Context())

    assert f'integrity="{bundle.integrity}"' in element
    assert bundle.path.exists()
    assert bundle.static_path in element


def test_a_script_that_was_not_built_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    with pytest.raises(ImproperlyConfigured, match="'nothing'"):
        bundles.get_bundle("nothing")
    monkeypatch.setattr(bundles, "FOLDER", tmp_path)
    with pytest.raises(ImproperlyConfigured, match="make assets"):
        bundles.get_bundle("upload")
    (tmp_path / "manifest.json").write_text('{"version": 2, "scripts": {}}')
    with pytest.raises(ImproperlyConfigured, match="another version"):
        bundles.get_bundle("upload")
