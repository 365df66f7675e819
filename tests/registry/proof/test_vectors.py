import importlib

import pytest

from tests.registry.proof.vectors import FOLDER


def test_the_vectors_are_what_their_generator_writes(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    generator = importlib.import_module("generate")

    expected = {name: generator.format_vector(vector) for name, vector in generator.list_vectors().items()}

    folders = {name.partition("/")[0] for name in expected}
    stored = {
        f"{folder}/{path.stem}": path.read_text(encoding="utf-8")
        for folder in folders
        for path in (FOLDER / folder).iterdir()
    }
    assert stored == expected
