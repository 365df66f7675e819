"""The built scripts: which file each one is in, and the hash that a browser must find in it.

`make assets` writes them, with a manifest that names both, into a folder that is not in the repository.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

FOLDER = Path(__file__).parent / "static" / "web" / "built"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Bundle:
    """One script: its path below static files, its file, and `sha384-<base64>` of its bytes."""

    static_path: str
    path: Path
    integrity: str


def get_bundle(name: str) -> Bundle:
    """Return a script by its name in the manifest, such as `upload` or `service_worker`.

    Raises ImproperlyConfigured if the scripts were not built, or none has that name.
    """
    manifest = FOLDER / "manifest.json"
    try:
        changed_ns = manifest.stat().st_mtime_ns
    except FileNotFoundError as error:
        raise ImproperlyConfigured("The browser's scripts were not built: run `make assets`.") from error
    try:
        return _read_bundles(manifest, changed_ns)[name]
    except KeyError as error:
        raise ImproperlyConfigured(f"No built script has the name {name!r}: run `make assets`.") from error


@lru_cache(maxsize=1)
def _read_bundles(manifest: Path, _changed_ns: int) -> dict[str, Bundle]:
    """Read the manifest once for each time that it is written."""
    document = json.loads(manifest.read_text("utf-8"))
    if document["version"] != VERSION:
        raise ImproperlyConfigured("The browser's scripts were built by another version: run `make assets`.")
    return {
        name: Bundle(f"web/built/{script['file']}", manifest.parent / script["file"], script["integrity"])
        for name, script in document["scripts"].items()
    }
