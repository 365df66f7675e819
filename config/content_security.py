"""What the site's pages may load: their own files and nothing else (Content Security Policy, level 3)."""

from typing import Any

from csp.constants import NONE, SELF, UNSAFE_INLINE
from csp.decorators import csp_update

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
