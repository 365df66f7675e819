"""What single pages may do beside what all may: compile the cipher, and show what they decrypted."""

from collections.abc import Callable
from typing import Any, TypeVar, cast

from csp.constants import SELF
from csp.decorators import csp_update
from django.http import HttpResponseBase

WASM_UNSAFE_EVAL = "'wasm-unsafe-eval'"
"""Lets a script compile WebAssembly, the cipher where the browser has none of its own; `eval` stays forbidden."""

View = TypeVar("View", bound=Callable[..., HttpResponseBase])


def loosen_for_encryption(view: View) -> View:
    """Let a page compile the cipher."""
    return _loosen(view, {"script-src": [WASM_UNSAFE_EVAL]})


def loosen_for_previews(view: View) -> View:
    """Let a page compile the cipher, and show what it decrypts.

    That comes from addresses below the page's own, which a worker in the browser answers.
    """
    return _loosen(view, {"frame-src": [SELF], "media-src": [SELF], "script-src": [WASM_UNSAFE_EVAL]})


def _loosen(view: View, directives: dict[str, list[str]]) -> View:
    # The package's types know only views that take nothing but the request.
    return cast("View", csp_update(directives)(cast("Any", view)))
