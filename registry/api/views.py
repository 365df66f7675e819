"""The registry's part of the API: records and proofs for everybody, claims for publishers."""

from collections.abc import Iterator
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from registry.api.registers import REGISTER_PARAMETER, find_asked_register
from registry.api.serializers import (
    ClaimInput,
    ClaimOutput,
    HolderInput,
    HolderOutput,
    RecordOutput,
    WorkOutput,
)
from registry.errors import ClaimNotFoundError, WorkNotFoundError
from registry.models import Claim, Record, RightsHolder, Work
from registry.selectors.proofs import get_proof_document, get_timestamp, iterate_anchors_file
from registry.selectors.records import get_record, list_records
from registry.services.claims import create_holder, submit_claim
from users.api.authentication import get_user
from users.api.idempotency import idempotent
from users.api.pagination import TimeCursorPagination
from users.api.permissions import HasScope, Public
from users.api.queries import read_query
from users.api.schema import IDEMPOTENCY_KEY, describe_problem

OTS_MEDIA_TYPE = "application/vnd.opentimestamps.v1"
ANCHORS_MEDIA_TYPE = "application/x-ndjson"
TERRITORY_HEADER = "Cadastre-Territory"


class RecordPagination(TimeCursorPagination):
    """Pages records by their keys, which sort by when they were registered."""

    ordering = ("-id",)


class ClaimPagination(TimeCursorPagination):
    """Pages claims by when they were submitted."""

    ordering = ("-submitted_at", "-id")


class DigestQuery(serializers.Serializer[dict[str, str]]):
    """The filter of a list of records."""

    sha256 = serializers.RegexField("^[0-9a-f]{64}$", required=False)


class RecordListView(generics.ListAPIView[Record]):
    """Records, newest first."""

    permission_classes = [Public]
    serializer_class = RecordOutput
    pagination_class = RecordPagination

    @extend_schema(parameters=[OpenApiParameter("sha256", OpenApiTypes.STR, description="A digest, 64 hex digits.")])
    def get(self, request: Request) -> Response:
        """List records, newest first, or those of one digest."""
        digest = read_query(request, DigestQuery).get("sha256")
        page = self.paginate_queryset(list_records(sha256=bytes.fromhex(digest) if digest else None))
        return self.get_paginated_response(RecordOutput(page or [], many=True).data)


class RecordDetailView(APIView):
    """One record."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="records_retrieve",
        responses={200: RecordOutput, 404: describe_problem("There is no such record.")},
    )
    def get(self, request: Request, record_id: UUID) -> Response:  # noqa: ARG002
        """Return a record and how far it is on its way into Bitcoin."""
        return Response(RecordOutput(get_record(record_id)).data)


class ProofView(APIView):
    """A record's .proof.json."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="records_proof",
        responses={
            200: OpenApiResponse(OpenApiTypes.OBJECT, description="The proof document."),
            409: describe_problem("The record's anchor is not in a block yet."),
        },
    )
    def get(self, request: Request, record_id: UUID) -> HttpResponse:  # noqa: ARG002
        """Download a record's proof document, for `cadastre verify`."""
        return _download(get_proof_document(record_id), "application/json", f"{record_id}.proof.json")


class TimestampView(APIView):
    """A record's .ots."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="records_timestamp",
        responses={
            (200, OTS_MEDIA_TYPE): OpenApiTypes.BINARY,
            409: describe_problem("The record's anchor is not in a block yet."),
        },
    )
    def get(self, request: Request, record_id: UUID) -> HttpResponse:  # noqa: ARG002
        """Download a record's OpenTimestamps proof, for the stock `ots` client."""
        return _download(get_timestamp(record_id), OTS_MEDIA_TYPE, f"{record_id}.ots")


class AnchorsFileView(APIView):
    """The register's anchors file: a line for each anchor, so it grows for ever, and its address has a limit."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "anchors"

    @extend_schema(
        operation_id="anchors_file",
        parameters=[REGISTER_PARAMETER],
        responses={
            (200, ANCHORS_MEDIA_TYPE): OpenApiTypes.BINARY,
            404: describe_problem("The register has not been founded, or there is none with this first outpoint."),
            429: describe_problem("Your address asked for the file too often within an hour."),
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Download every mined anchor in order, for the verifier's `--anchors`.

        Without `register` it is the active register's file. A register that was succeeded keeps its own.
        """
        lines: Iterator[bytes] = iterate_anchors_file(find_asked_register(request))
        first = next(lines)
        response = StreamingHttpResponse(_chain(first, lines), content_type=ANCHORS_MEDIA_TYPE)
        response["Content-Disposition"] = 'attachment; filename="anchors.ndjson"'
        return response


class WorkDetailView(APIView):
    """One work."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="works_retrieve",
        responses={200: WorkOutput, 404: describe_problem("There is no such work.")},
    )
    def get(self, request: Request, work_id: UUID) -> Response:  # noqa: ARG002
        """Return a work with every version of its split policy."""
        work = Work.objects.prefetch_related("policies__lines__holder").filter(id=work_id).first()
        if work is None:
            raise WorkNotFoundError
        return Response(WorkOutput(work).data)


class HolderListView(generics.ListAPIView[RightsHolder]):
    """The caller's rights holders."""

    permission_classes = [HasScope("rights:write")]
    serializer_class = HolderOutput

    def get(self, request: Request) -> Response:
        """List the rights holders that you are a member of."""
        holders = RightsHolder.objects.filter(members__user=get_user(request))
        page = self.paginate_queryset(holders)
        return self.get_paginated_response(HolderOutput(page or [], many=True).data)

    @extend_schema(
        request=HolderInput,
        parameters=[IDEMPOTENCY_KEY],
        responses={201: HolderOutput, 400: describe_problem("The payout address is not one of this network.")},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Make a rights holder with you as its first member."""
        body = HolderInput(data=request.data)
        body.is_valid(raise_exception=True)
        fields = body.validated_data
        holder = create_holder(
            user=get_user(request),
            name=fields["name"],
            payout_address=fields["payout_address"],
            now=timezone.now(),
        )
        return Response(HolderOutput(holder).data, status=201)


class ClaimListView(generics.ListAPIView[Claim]):
    """The caller's claims."""

    permission_classes = [HasScope("rights:write")]
    serializer_class = ClaimOutput
    pagination_class = ClaimPagination

    def get(self, request: Request) -> Response:
        """List the claims of the rights holders that you are a member of."""
        page = self.paginate_queryset(Claim.objects.filter(holder__members__user=get_user(request)))
        return self.get_paginated_response(ClaimOutput(page or [], many=True).data)

    @extend_schema(
        request=ClaimInput,
        parameters=[IDEMPOTENCY_KEY],
        responses={
            201: ClaimOutput,
            404: describe_problem("There is no such record, or you are not a member of the rights holder."),
            409: describe_problem("The rights holder already has an active claim on this work."),
        },
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Claim a share of the work that a record embodies. It moves no money until it is approved."""
        body = ClaimInput(data=request.data)
        body.is_valid(raise_exception=True)
        fields = body.validated_data
        claim = submit_claim(
            user=get_user(request),
            holder_id=fields["holder"],
            record_id=fields["record"],
            title=fields["title"],
            share_ppm=fields["share_ppm"],
            basis=fields["basis"],
            evidence=fields["evidence"],
            now=timezone.now(),
        )
        return Response(ClaimOutput(claim).data, status=201)


class ClaimDetailView(APIView):
    """One of the caller's claims."""

    permission_classes = [HasScope("rights:write")]

    @extend_schema(
        operation_id="claims_retrieve",
        responses={200: ClaimOutput, 404: describe_problem("There is no such claim, or it is not yours.")},
    )
    def get(self, request: Request, claim_id: UUID) -> Response:
        """Return a claim of a rights holder that you are a member of."""
        claim = Claim.objects.filter(id=claim_id, holder__members__user=get_user(request)).first()
        if claim is None:
            raise ClaimNotFoundError
        return Response(ClaimOutput(claim).data)


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    """Yield a line that was read ahead, so that an error came before the answer began, and then the others."""
    yield first
    yield from rest


def _download(body: bytes, media_type: str, name: str) -> HttpResponse:
    response = HttpResponse(body, content_type=media_type)
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
