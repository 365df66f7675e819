"""Slows down whoever guesses passwords or makes accounts in bulk on the pages, counted together with the API's."""

from math import ceil
from typing import cast

from django.http import HttpRequest
from rest_framework.request import Request
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from users.errors import TooManyAttemptsError


class _SignUpDoor(APIView):
    throttle_scope = "sign_up"


class _SignInDoor(APIView):
    throttle_scope = "sign_in"


_DOORS: dict[str, APIView] = {"sign_up": _SignUpDoor(), "sign_in": _SignInDoor()}


def count_attempt(request: HttpRequest, scope: str) -> None:
    """Count an attempt of the caller's address, and refuse it if there were too many: `sign_up` or `sign_in`.

    Raises TooManyAttemptsError.
    """
    throttle = ScopedRateThrottle()
    # The throttle reads only what a request of Django has too: its user and its headers.
    if not throttle.allow_request(cast("Request", request), _DOORS[scope]):
        raise TooManyAttemptsError(wait_s=ceil(throttle.wait() or 1))
