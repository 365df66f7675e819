"""`Idempotency-Key` on POST: missing 400, in flight 409, another request 422, the same request the stored answer.

An answer of 5xx is never stored, so that the request can be repeated under its key.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import wraps

from django.utils import timezone
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users.api.authentication import get_user
from users.api.negotiation import PROBLEM_MEDIA_TYPE
from users.errors import IdempotencyKeyMalformedError, IdempotencyKeyMissingError
from users.services.idempotency import Claim, StoredAnswer, claim_key, release_key, store_answer

_KEY = re.compile("[!-~]{1,200}")

Handler = Callable[..., Response]


def idempotent(handler: Handler) -> Handler:
    """Make a view's method idempotent. It must answer JSON, and its view must require a token."""

    @wraps(handler)
    def answer_once(view: APIView, request: Request, *args: object, **kwargs: object) -> Response:
        claim = claim_key(
            user_id=get_user(request).id,
            key=read_key(request),
            path=request.path,
            body_sha256=hashlib.sha256(request.body).digest(),
            now=timezone.now(),
        )
        if isinstance(claim, StoredAnswer):
            return _repeat(claim)
        return _answer(claim, view, lambda: handler(view, request, *args, **kwargs))

    return answer_once


def _answer(claim: Claim, view: APIView, handle: Callable[[], Response]) -> Response:
    """Carry the request out and store its answer, or release the key if there is none worth keeping."""
    try:
        response = _handle(view, handle)
    except BaseException:
        release_key(claim=claim)
        raise
    if response.status_code >= 500:  # noqa: PLR2004 - the class of server errors in RFC 9110
        release_key(claim=claim)
    else:
        body = None if response.data is None else json.loads(JSONRenderer().render(response.data))
        store_answer(claim=claim, answer=StoredAnswer(response.status_code, body))
    return response


def _handle(view: APIView, handle: Callable[[], Response]) -> Response:
    try:
        return handle()
    except Exception as error:  # noqa: BLE001 - the view's own handler answers what it knows and raises the rest again
        return view.handle_exception(error)


def read_key(request: Request) -> str:
    """Return the request's key. Raises IdempotencyKeyMissingError or IdempotencyKeyMalformedError."""
    key = request.headers.get("Idempotency-Key")
    if key is None:
        raise IdempotencyKeyMissingError
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyMalformedError
    return key


def _repeat(answer: StoredAnswer) -> Response:
    is_problem = answer.status_code >= 400  # noqa: PLR2004 - where errors begin in RFC 9110
    return Response(answer.body, status=answer.status_code, content_type=PROBLEM_MEDIA_TYPE if is_problem else None)
