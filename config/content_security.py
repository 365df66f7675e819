"""What the site's pages may load: their own files and nothing else (Content Security Policy, level 3)."""

from collections.abc import MutableMapping
from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_update

from web.content_policies import WASM_UNSAFE_EVAL

POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "base-uri": [NONE],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "img-src": [SELF, "data:"],
        "script-src": [SELF],
        "style-src": [SELF],
        "worker-src": [SELF],
    },
}


def allow_store(origin: str) -> dict[str, Any]:
    """Return the policy with the store of blobs as a second place to connect to.

    Parts are sent there, and redirects of deliveries lead there; nothing else may be loaded from it. `origin` is empty
    where blobs are not in a store.
    """
    if not origin:
        return POLICY
    directives = POLICY["DIRECTIVES"]
    return {"DIRECTIVES": {**directives, "connect-src": [*directives["connect-src"], origin]}}


# Swagger UI writes style attributes, and its page has a style element. Scripts stay as strict as elsewhere.
loosen_for_swagger = csp_update({"style-src": [UNSAFE_INLINE]})

WORKER_POLICY = f"default-src 'none'; connect-src 'self'; script-src 'self' {WASM_UNSAFE_EVAL}"
"""A worker has its own policy: that which its script comes with."""


def add_worker_policy(headers: MutableMapping[str, str], path: str, url: str) -> None:  # noqa: ARG001  WhiteNoise's hook
    """Give the built scripts, some of which are workers, their policy."""
    if "/web/built/" in url:
        headers["Content-Security-Policy"] = WORKER_POLICY
