"""One link: its terms for everybody, and what its owner or a deletion token changes of it."""

from typing import Any
from uuid import UUID

from django.utils import timezone
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from registry.api.serializers import LinkTermsOutput
from registry.errors import RecordNotReadyError
from registry.selectors.terms import Terms, get_terms
from storage.api.serializers import LinkChangesSerializer, LinkSerializer
from storage.errors import DeletionTokenRefusedError
from storage.models import Link
from storage.selectors import get_link, get_link_url, get_own_link
from storage.services.link_changes import (
    LinkLimits,
    change_link,
    delete_link,
    delete_link_by_token,
)
from users.api.authentication import get_user
from users.api.fields import Base64Url32Field
from users.api.permissions import HasScope, Public
from users.api.schema import describe_problems
from users.scopes import Scope

DELETION_TOKEN_HEADER = "Cadastre-Deletion-Token"  # noqa: S105 - a name, not a secret


class LinkDetailView(APIView):
    """One link."""

    def get_permissions(self) -> list[BasePermission]:
        """Let everybody read, whoever has a deletion token delete, and the owner do the rest."""
        method = self.request.method
        has_token = method == "DELETE" and DELETION_TOKEN_HEADER in self.request.headers
        is_public = method in {"GET", "HEAD", "OPTIONS"} or has_token
        return [Public() if is_public else HasScope(Scope.STORAGE_WRITE)()]

    @extend_schema(operation_id="links_retrieve", responses={200: LinkTermsOutput, **describe_problems(404, 410, 451)})
    def get(self, request: Request, link_id: UUID) -> Response:  # noqa: ARG002  Django passes it
        """Return what a link carries, what a transfer costs now, and who is paid.

        The payees are the world's until the transfer names a territory. `record` is null for the few seconds before
        the blob is registered.
        """
        now = timezone.now()
        link = get_link(link_id, now=now)
        try:
            terms = get_terms(link_id=link_id, territory=None, at=now)
        except RecordNotReadyError:
            terms = None
        return Response(LinkTermsOutput(describe_link(link, terms)).data)

    @extend_schema(
        operation_id="change_link",
        summary="Change a link's price, expiry or maximum of transfers",
        request=LinkChangesSerializer,
        responses={200: LinkSerializer, **describe_problems(400, 401, 403, 404, 410)},
    )
    def patch(self, request: Request, link_id: UUID) -> Response:
        """Change what the request names of a link of yours."""
        given = LinkChangesSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        owner_id = get_user(request).id
        link = get_own_link(link_id=link_id, owner_id=owner_id)
        limits = merge_limits(link, given.validated_data)
        changed = change_link(link_id=link_id, owner_id=owner_id, limits=limits, now=timezone.now())
        return Response(LinkSerializer(changed).data)

    @extend_schema(
        operation_id="delete_link",
        summary="Delete a link",
        request=None,
        parameters=[
            OpenApiParameter(
                DELETION_TOKEN_HEADER,
                str,
                OpenApiParameter.HEADER,
                description="In place of a token of the owner: 32 bytes in base64url whose SHA-256 the link has.",
            )
        ],
        responses={204: None, **describe_problems(401, 403, 404)},
    )
    def delete(self, request: Request, link_id: UUID) -> Response:
        """End a link for ever. The blob's bytes are removed with the last link that keeps them."""
        now = timezone.now()
        if DELETION_TOKEN_HEADER in request.headers:
            token = read_deletion_token(request.headers[DELETION_TOKEN_HEADER])
            delete_link_by_token(link_id=link_id, token=token, now=now)
        else:
            delete_link(link_id=link_id, owner_id=get_user(request).id, now=now)
        return Response(status=status.HTTP_204_NO_CONTENT)


def describe_link(link: Link, terms: Terms | None) -> dict[str, object]:
    """Return the fields of LinkTermsOutput."""
    return {
        "id": link.id,
        "url": get_link_url(link.id),
        "length": link.blob.length,
        "sha256": link.blob.sha256,
        "root": link.blob.root,
        "seal": link.seal,
        "price": {"amount_msat": link.price_msat},
        "record": terms.record_id if terms else None,
        "payees": terms.lines if terms else (),
        "created_at": link.created_at,
        "expires_at": link.expires_at,
        "transfers_max": link.transfers_max,
        "transfers_left": link.transfers_left,
    }


def merge_limits(link: Link, changes: dict[str, Any]) -> LinkLimits:
    """Return a link's limits with some of them changed."""
    price = changes.get("price")
    return LinkLimits(
        price_msat=link.price_msat if price is None else price["amount_msat"],
        expires_at=changes.get("expires_at", link.expires_at),
        transfers_max=changes.get("transfers_max", link.transfers_max),
    )


def read_deletion_token(text: str) -> bytes:
    """Return the 32 bytes of a deletion token. Raises DeletionTokenRefusedError if it has another form."""
    try:
        return Base64Url32Field().to_internal_value(text)
    except ValidationError as error:
        raise DeletionTokenRefusedError from error
