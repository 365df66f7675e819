"""Resumable uploads over tus 1.0, and the links that are made from them. Bodies of uploads are never held in memory."""

import uuid
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from storage.api import tus
from storage.api.serializers import (
    LinkSerializer,
    NewLinkSerializer,
    NewReportSerializer,
    ReportSerializer,
    StorageUseSerializer,
)
from storage.digest import Digest
from storage.models import Link, Report
from storage.selectors import get_held_link, get_storage_use, get_upload, list_links
from storage.services.links import LinkDraft, complete_upload, create_link
from storage.services.reports import report_link
from storage.services.uploads import append_upload, create_upload, create_upload_with_body, terminate_upload
from users.api.authentication import get_user
from users.api.idempotency import idempotent
from users.api.permissions import HasScope, Public
from users.api.schema import IDEMPOTENCY_KEY, describe_problems
from users.models import User
from users.scopes import Scope


def _header(name: str, description: str, *, is_required: bool = True) -> OpenApiParameter:
    return OpenApiParameter(
        name=name, type=str, location=OpenApiParameter.HEADER, required=is_required, description=description
    )


TUS_RESUMABLE = _header("Tus-Resumable", "`1.0.0`")


class TusView(APIView):
    """What the addresses of tus have in common: the protocol's version in every request and every answer."""

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        """Check the version before anything else but who is asking."""
        super().initial(request, *args, **kwargs)
        if request.method != "OPTIONS":
            tus.check_version(request)

    def finalize_response(self, request: Request, response: Response, *args: object, **kwargs: object) -> Response:
        """Add the version, and the phrase of a status that the library does not know."""
        answer = super().finalize_response(request, response, *args, **kwargs)
        answer["Tus-Resumable"] = tus.TUS_VERSION
        if answer.status_code in tus.STATUS_PHRASES:
            answer.reason_phrase = tus.STATUS_PHRASES[answer.status_code]
        return answer


class UploadListView(TusView):
    """Where uploads begin."""

    def get_permissions(self) -> list[BasePermission]:
        """Let everybody ask what the server supports, and those who may write begin an upload."""
        return [Public() if self.request.method == "OPTIONS" else HasScope(Scope.STORAGE_WRITE)()]

    @extend_schema(exclude=True)
    def options(self, request: HttpRequest, *args: object, **kwargs: object) -> Response:  # noqa: ARG002 - the hook's signature
        """Tell which parts of tus the server supports."""
        return Response(status=status.HTTP_204_NO_CONTENT, headers=tus.describe_server())

    @extend_schema(
        operation_id="create_upload",
        summary="Begin an upload (tus 1.0, creation and creation-with-upload)",
        request={tus.MEDIA_TYPE: OpenApiTypes.BINARY},
        parameters=[
            TUS_RESUMABLE,
            _header("Upload-Length", "The number of bytes of the whole upload."),
            _header("Upload-Checksum", "`sha256` and the SHA-256 of this body in base64.", is_required=False),
        ],
        responses={
            201: OpenApiResponse(
                description="Location has the upload's address, Upload-Offset how many of the body's bytes count, "
                "Upload-Expires the end of its time."
            ),
            **describe_problems(400, 401, 403, 409, 411, 412, 413, 415, 460, 507),
        },
    )
    def post(self, request: Request) -> Response:
        """Begin an upload, perhaps with its first bytes or all of them."""
        owner, length, now = get_user(request), tus.read_new_length(request), timezone.now()
        if tus.has_body(request):
            body = tus.read_body(request)
            with tus.answering_early(body):
                upload = create_upload_with_body(owner=owner, length=length, body=body, now=now)
        else:
            upload = create_upload(owner=owner, length=length, now=now)
        headers = {"Location": reverse("api-upload", args=[upload.id]), **tus.describe_upload(upload)}
        return Response(status=status.HTTP_201_CREATED, headers=headers)


class UploadView(TusView):
    """One upload."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    def initialize_request(self, request: HttpRequest, *args: object, **kwargs: object) -> Request:
        """Take the method from X-HTTP-Method-Override of a POST, as tus wants for clients that cannot send PATCH."""
        override = request.headers.get("X-HTTP-Method-Override", "")
        if request.method == "POST" and override in {"PATCH", "DELETE"}:
            request.method = override
        return super().initialize_request(request, *args, **kwargs)

    @extend_schema(
        operation_id="inspect_upload",
        summary="Ask how far an upload has come",
        parameters=[TUS_RESUMABLE],
        responses={
            200: OpenApiResponse(description="Upload-Offset, Upload-Length and Upload-Expires tell it."),
            **describe_problems(401, 403, 404, 410, 412),
        },
    )
    def head(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Tell how many bytes of an upload count."""
        upload = get_upload(upload_id=upload_id, owner_id=get_user(request).id, now=timezone.now())
        headers = {"Upload-Length": str(upload.length), "Cache-Control": "no-store", **tus.describe_upload(upload)}
        return Response(headers=headers)

    @extend_schema(
        operation_id="append_to_upload",
        summary="Send the next bytes of an upload",
        request={tus.MEDIA_TYPE: OpenApiTypes.BINARY},
        parameters=[
            TUS_RESUMABLE,
            _header("Upload-Offset", "Where the bytes start: how many the server has."),
            _header("Upload-Checksum", "`sha256` and the SHA-256 of this body in base64.", is_required=False),
        ],
        responses={
            204: OpenApiResponse(description="Upload-Offset tells how many bytes count now."),
            **describe_problems(400, 401, 403, 404, 409, 410, 411, 412, 413, 415, 423, 460, 507),
        },
    )
    def patch(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Append bytes at exactly the offset where the upload continues."""
        body, offset, now = tus.read_body(request), tus.read_offset(request), timezone.now()
        with tus.answering_early(body):
            upload = append_upload(
                upload_id=upload_id, owner_id=get_user(request).id, offset=offset, body=body, now=now
            )
        return Response(status=status.HTTP_204_NO_CONTENT, headers=tus.describe_upload(upload))

    @extend_schema(
        operation_id="terminate_upload",
        summary="Give an upload up",
        request=None,
        parameters=[TUS_RESUMABLE],
        responses={204: None, **describe_problems(401, 403, 404, 409, 410, 412, 423)},
    )
    def delete(self, request: Request, upload_id: uuid.UUID) -> Response:
        """Remove an unfinished upload and its bytes."""
        terminate_upload(upload_id=upload_id, owner_id=get_user(request).id, now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)


class StorageUseView(APIView):
    """What the asking user keeps."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)

    @extend_schema(
        operation_id="get_storage_use",
        summary="Ask how much you keep and may keep",
        responses={200: StorageUseSerializer, **describe_problems(401, 403)},
    )
    def get(self, request: Request) -> Response:
        """Return how much the asking user keeps."""
        use = get_storage_use(owner_id=get_user(request).id, now=timezone.now())
        return Response(StorageUseSerializer(use).data)


class LinkListView(ListAPIView[Link]):
    """The asking user's links."""

    permission_classes = (HasScope(Scope.STORAGE_WRITE),)
    serializer_class = LinkSerializer

    @extend_schema(
        operation_id="list_links",
        summary="List your links",
        responses={200: LinkSerializer(many=True), **describe_problems(401, 403)},
    )
    def get(self, request: Request) -> Response:
        """Return the asking user's links, the newest first."""
        page = self.paginate_queryset(list_links(owner_id=get_user(request).id))
        return self.get_paginated_response(LinkSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_link",
        summary="Make a finished upload into a link, or share a link's blob once more",
        parameters=[IDEMPOTENCY_KEY],
        request=NewLinkSerializer,
        responses={201: LinkSerializer, **describe_problems(400, 401, 403, 404, 409, 410, 413, 422, 451, 507)},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a link from an upload whose bytes have all arrived and have the digest that the request names.

        With `link` in place of `upload`, it is another link to the blob of a link of yours.
        """
        given = NewLinkSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        link = _make_link(get_user(request), given.validated_data)
        return Response(LinkSerializer(link).data, status=status.HTTP_201_CREATED)


def _make_link(owner: User, data: dict[str, Any]) -> Link:
    """Carry out a valid request for a link. Raises what complete_upload or create_link raises."""
    draft = LinkDraft(
        price_msat=data["price"]["amount_msat"],
        manifest=data["manifest"],
        seal=data["seal"],
        expires_at=data.get("expires_at"),
        transfers_max=data.get("transfers_max"),
        deletion_token_sha256=data.get("deletion_token_sha256"),
    )
    if "link" in data:
        return create_link(
            link_id=data["link"], owner=owner, draft=draft, sha256=data.get("sha256"), now=timezone.now()
        )
    expected = Digest(sha256=data["sha256"], length=data["length"], root=data["root"])
    return complete_upload(upload_id=data["upload"], owner=owner, draft=draft, expected=expected, now=timezone.now())


class ManifestView(APIView):
    """A link's encrypted manifest."""

    permission_classes = (Public,)

    @extend_schema(
        operation_id="get_manifest",
        summary="Get a link's encrypted manifest",
        responses={(200, "application/octet-stream"): OpenApiTypes.BINARY, **describe_problems(404, 410, 451)},
        auth=[],
    )
    def get(self, request: Request, link_id: uuid.UUID) -> HttpResponse:  # noqa: ARG002 - the hook's signature is fixed
        """Return the manifest's bytes; only who has the link's key can read it.

        It stays while the link keeps its blob, for readers who repeat a transfer of a link that ended since.
        """
        return HttpResponse(bytes(get_held_link(link_id).manifest), content_type="application/octet-stream")


class ReportListView(APIView):
    """Reports against a link."""

    authentication_classes = ()
    permission_classes = (Public,)
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "report"

    @extend_schema(
        operation_id="report_link",
        summary="Report a link to the reviewers",
        request=NewReportSerializer,
        responses={201: ReportSerializer, **describe_problems(400, 404, 410, 413, 422, 429)},
        auth=[],
    )
    def post(self, request: Request, link_id: uuid.UUID) -> Response:
        """Take a report. Whoever makes it stays unknown; `sealed` can be opened by the reviewers alone."""
        given = NewReportSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        report = report_link(
            link_id=link_id,
            category=Report.Category(data["category"]),
            sealed=data["sealed"],
            text=data["text"],
            now=timezone.now(),
        )
        return Response(ReportSerializer(report).data, status=status.HTTP_201_CREATED)
