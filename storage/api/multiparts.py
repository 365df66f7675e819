"""Uploads in parts: the bytes go from the client to the store, and only what is said about them comes here."""

import uuid
from datetime import timedelta

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from storage.api.multipart_serializers import (
    ClosingSerializer,
    MultipartSerializer,
    NewMultipartSerializer,
    PartUrlsSerializer,
    StoredPartsSerializer,
    WantedPartsSerializer,
)
from storage.digest import Digest
from storage.multipart import find_multipart_store, get_multipart_store
from storage.selectors import get_multipart
from storage.services.multiparts import (
    close_multipart,
    create_multipart,
    list_parts,
    sign_parts,
    terminate_multipart,
)
from users.api.authentication import get_user
from users.api.idempotency import idempotent
from users.api.permissions import HasScope
from users.api.schema import IDEMPOTENCY_KEY, describe_problems
from users.scopes import Scope

DOORS_HEADER = "Cadastre-Upload-Doors"


def describe_doors() -> dict[str, str]:
    """Return the header that tells by which doors bytes may come in."""
    return {DOORS_HEADER: "tus" if find_multipart_store() is None else "tus, multipart"}


class MultipartListView(APIView):
    """Where uploads in parts begin."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    @extend_schema(
        operation_id="create_multipart",
        summary="Begin an upload in parts",
        parameters=[IDEMPOTENCY_KEY],
        request=NewMultipartSerializer,
        responses={201: MultipartSerializer, **describe_problems(400, 401, 403, 409, 413, 422, 503)},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Begin an upload whose parts the client sends to the store itself, where the server has one."""
        given = NewMultipartSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        multipart = create_multipart(owner=get_user(request), length=given.validated_data["length"], now=timezone.now())
        return Response(MultipartSerializer(multipart).data, status=status.HTTP_201_CREATED)


class MultipartView(APIView):
    """One upload in parts."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    @extend_schema(
        operation_id="get_multipart",
        summary="Ask how an upload in parts stands",
        responses={200: MultipartSerializer, **describe_problems(401, 403, 404)},
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Return the upload: a link can be made of it once its state is VERIFIED."""
        multipart = get_multipart(upload_id=upload_id, owner_id=get_user(request).id)
        return Response(MultipartSerializer(multipart).data)

    @extend_schema(
        operation_id="terminate_multipart",
        summary="Give an upload in parts up",
        request=None,
        responses={204: None, **describe_problems(401, 403, 404, 409, 410, 423)},
    )
    def delete(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Give the upload up; the store's parts are removed soon after."""
        terminate_multipart(upload_id=upload_id, owner_id=get_user(request).id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class MultipartPartsView(APIView):
    """The parts of an upload."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    @extend_schema(
        operation_id="list_multipart_parts",
        summary="List the parts that the store has",
        responses={200: StoredPartsSerializer, **describe_problems(401, 403, 404, 409, 410, 503)},
    )
    def get(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Return the parts that need not be sent again."""
        parts = list_parts(upload_id=upload_id, owner_id=get_user(request).id, now=timezone.now())
        return Response(StoredPartsSerializer({"parts": parts}).data)

    @extend_schema(
        operation_id="sign_multipart_parts",
        summary="Get the addresses of parts",
        request=WantedPartsSerializer,
        responses={200: PartUrlsSerializer, **describe_problems(400, 401, 403, 404, 409, 410)},
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Return an address for each part, which takes the bytes of this SHA-256 and no others.

        Asking again is harmless; the upload's time begins anew.
        """
        given = WantedPartsSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        now = timezone.now()
        wanted = [(part["number"], part["sha256"]) for part in given.validated_data["parts"]]
        parts = sign_parts(upload_id=upload_id, owner_id=get_user(request).id, parts=wanted, now=now)
        expires_at = now + timedelta(seconds=get_multipart_store().url_seconds)
        return Response(PartUrlsSerializer({"parts": parts, "expires_at": expires_at}).data)


class MultipartCloseView(APIView):
    """The end of an upload in parts."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    @extend_schema(
        operation_id="close_multipart",
        summary="Close an upload in parts",
        request=ClosingSerializer,
        responses={202: MultipartSerializer, **describe_problems(400, 401, 403, 404, 409, 410, 422, 503)},
    )
    def post(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Take the digest of what was sent, once all parts are there. A worker reads it and compares.

        Repeating the request is harmless.
        """
        given = ClosingSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        multipart = close_multipart(
            upload_id=upload_id,
            owner_id=get_user(request).id,
            declared=Digest(sha256=data["sha256"], length=data["length"], root=data["root"]),
            now=timezone.now(),
        )
        return Response(MultipartSerializer(multipart).data, status=status.HTTP_202_ACCEPTED)
