"""Bulk registration over HTTP: digests come in as NDJSON, read in pieces, and receipts go out as NDJSON."""

from typing import IO, Any

from django.http import StreamingHttpResponse, UnreadablePostError
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.request import Request
from rest_framework.views import APIView

from registry.errors import BodyLengthMissingError, DigestsMissingError, DigestsTooManyError
from registry.rules.digest_lines import BODY_BYTES_MAX, DigestLines, Digests
from registry.selectors.submissions import iterate_receipts
from registry.services.submissions import submit_digests
from users.api.authentication import get_user
from users.api.idempotency import read_key
from users.api.negotiation import PROBLEM_MEDIA_TYPE
from users.api.permissions import HasScope
from users.api.schema import IDEMPOTENCY_KEY, describe_problem

MEDIA_TYPE = "application/x-ndjson"
PIECE_BYTES = 65_536


class DigestLinesParser(BaseParser):
    """Reads digests from a request's stream; the body is never in memory as a whole."""

    media_type = MEDIA_TYPE

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,  # noqa: ARG002  the hook's signature is fixed
        parser_context: Any = None,
    ) -> dict[str, Digests]:
        """Return `digests`.

        Raises DigestLineError, DigestsMissingError or DigestsTooManyError for what is not acceptable,
        UnreadablePostError if the body ends before the announced length.
        """
        announced = int(parser_context["request"].META["CONTENT_LENGTH"])
        lines = DigestLines()
        read = 0
        while piece := stream.read(min(PIECE_BYTES, announced - read)):
            read += len(piece)
            lines.feed(piece)
        if read != announced:
            raise UnreadablePostError
        return {"digests": lines.finish()}


class RecordBulkView(APIView):
    """Many records at once."""

    permission_classes = [HasScope("records:write")]
    parser_classes = [DigestLinesParser]

    @extend_schema(
        operation_id="records_bulk_create",
        summary="Register up to 100,000 bare digests",
        request={MEDIA_TYPE: OpenApiTypes.BINARY},
        parameters=[IDEMPOTENCY_KEY],
        responses={
            (201, MEDIA_TYPE): OpenApiResponse(OpenApiTypes.BINARY, description="A receipt per line, in their order."),
            (400, PROBLEM_MEDIA_TYPE): describe_problem(
                "A line is not acceptable; `line` and `cause` say which and why. Nothing is written."
            ),
            (409, PROBLEM_MEDIA_TYPE): describe_problem("The same request is being carried out."),
            (411, PROBLEM_MEDIA_TYPE): describe_problem("The body's length is not announced."),
            (413, PROBLEM_MEDIA_TYPE): describe_problem("There are too many lines or bytes."),
            (415, PROBLEM_MEDIA_TYPE): describe_problem("The body is of another type."),
            (422, PROBLEM_MEDIA_TYPE): describe_problem("The Idempotency-Key belongs to another request."),
            (429, PROBLEM_MEDIA_TYPE): describe_problem("The day's limit would be passed."),
        },
    )
    def post(self, request: Request) -> StreamingHttpResponse:
        """Register every line's digest as a record of kind 0, or none of them; a repetition gets the same receipts."""
        key = read_key(request)
        _check_length(request)
        submission = submit_digests(
            user=get_user(request),
            key=key,
            path=request.path,
            digests=dict(request.data)["digests"],
            now=timezone.now(),
        )
        return StreamingHttpResponse(iterate_receipts(submission), status=201, content_type=MEDIA_TYPE)


def _check_length(request: Request) -> None:
    """Refuse before reading what cannot be taken: a body without a length, an empty one, and one that is too long."""
    if "Transfer-Encoding" in request.headers:
        raise BodyLengthMissingError
    # The web server has checked that it is a number; a request without it has no body.
    announced = int(request.META.get("CONTENT_LENGTH") or 0)
    if announced > BODY_BYTES_MAX:
        raise DigestsTooManyError(f"A submission has at most {BODY_BYTES_MAX} bytes.")
    if not announced:
        raise DigestsMissingError
