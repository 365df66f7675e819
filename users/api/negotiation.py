"""Each address of the API answers in one format, and every error is a problem document, whatever Accept says.

RFC 9110, section 12.4.1, lets a server disregard Accept; a 406 would only hide the real answer.
"""

from collections.abc import Iterable

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

PROBLEM_MEDIA_TYPE = "application/problem+json"


class OneFormat(DefaultContentNegotiation):
    """Chooses the parser by Content-Type, and always the view's first renderer."""

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - the hook's signature is fixed
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002
    ) -> tuple[BaseRenderer, str]:
        """Return the first renderer and its media type."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)
