"""What the site's pages may load: their own files and nothing else (Content Security Policy, level 3)."""

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

# Swagger UI writes style attributes, and its page has a style element. Scripts stay as strict as elsewhere.
loosen_for_swagger = csp_update({"style-src": [UNSAFE_INLINE]})
