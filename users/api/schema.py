"""What the OpenAPI document says in common: the token, the problem document, the headers that many addresses take."""

from http import HTTPStatus

from django.conf import settings
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from users.api.authentication import SiteSessionAuthentication, TokenAuthentication
from users.api.negotiation import PROBLEM_MEDIA_TYPE

# The one status that is not in the IANA registry; it comes from tus.
_PHRASES = {460: "Checksum Mismatch"}


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular's registry
    """Describes bearer tokens to drf-spectacular, which finds this class by its target."""

    target_class = TokenAuthentication
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the hook's signature
        """Return the security scheme."""
        return {
            "type": "http",
            "scheme": "bearer",
            "bearerFormat": "cad_<token>",
            "description": "A token from `POST /api/v1/tokens`, with the scope that the address asks for.",
        }


class SessionScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # drf-spectacular's registry
    """Describes the pages' sessions to drf-spectacular."""

    target_class = SiteSessionAuthentication
    name = "session"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002 - the hook's signature
        """Return the security scheme."""
        return {
            "type": "apiKey",
            "in": "cookie",
            "name": settings.SESSION_COOKIE_NAME,
            "description": "The cookie of somebody who signed in on the pages; what changes something also needs"
            " X-CSRFToken, and what may charge Cadastre-Price-Max.",
        }


class ProblemDetailSerializer(serializers.Serializer[dict[str, str]]):
    """What is wrong with one part of the input."""

    pointer = serializers.CharField(help_text="A JSON Pointer (RFC 6901) into the request's body.")
    detail = serializers.CharField()


class ProblemSerializer(serializers.Serializer[dict[str, object]]):
    """Why a request was not carried out (RFC 9457)."""

    type = serializers.URLField(help_text="The page that explains this type of problem.")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField(help_text="The last part of `type`: what programs should compare.")
    errors = ProblemDetailSerializer(many=True, required=False)  # type: ignore[assignment]  # it shadows a property


def describe_problem(description: str) -> OpenApiResponse:
    """Return the documentation of an answer that is a problem document; key it by status and PROBLEM_MEDIA_TYPE."""
    return OpenApiResponse(response=ProblemSerializer, description=description)


def describe_problems(*statuses: int) -> dict[tuple[int, str], OpenApiResponse]:
    """Return the documentation of the answers with these statuses, which are problem documents."""
    return {
        (status, PROBLEM_MEDIA_TYPE): describe_problem(_PHRASES.get(status) or HTTPStatus(status).phrase)
        for status in statuses
    }


IDEMPOTENCY_KEY = OpenApiParameter(
    name="Idempotency-Key",
    type=OpenApiTypes.STR,
    location=OpenApiParameter.HEADER,
    required=True,
    description="1 to 200 visible ASCII characters, new for each request; a repetition gets the stored answer.",
)
