"""Batches in the API, for everybody: the list, one of them, and all of its proofs as one archive."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_field
from rest_framework import generics, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle
from rest_framework.views import APIView

from registry.api.archive_slots import ArchiveBody
from registry.api.registers import REGISTER_PARAMETER, find_asked_register
from registry.api.serializers import AnchorOutput, BatchOutput, describe_anchor
from registry.models import Batch
from registry.selectors.bundles import ProofForm, get_batch_archive, get_sealed_batch
from registry.selectors.records import list_batches
from users.api.fields import Hex32Field
from users.api.pagination import TimeCursorPagination
from users.api.permissions import Public
from users.api.queries import read_query
from users.api.schema import describe_problem

ARCHIVE_MEDIA_TYPE = "application/zip"


class SealedBatchOutput(BatchOutput):
    """A sealed batch with all that its commitment commits to, and its anchor."""

    previous_commitment = Hex32Field()
    recent_block_hash = serializers.CharField(help_text="As nodes print it. The batch was made after this block.")
    sealed_at = serializers.DateTimeField()
    anchor = serializers.SerializerMethodField()

    @extend_schema_field(AnchorOutput(allow_null=True))
    def get_anchor(self, batch: Batch) -> dict[str, Any] | None:
        """Return the batch's anchor, or null before it is signed."""
        return describe_anchor(getattr(batch, "anchor", None))


class BatchPagination(TimeCursorPagination):
    """Pages batches by their number."""

    ordering = ("-seq", "-id")


class FormQuery(serializers.Serializer[dict[str, str]]):
    """Which proofs an archive is to have."""

    format = serializers.ChoiceField(choices=[form.value for form in ProofForm], default=ProofForm.OTS.value)


class BatchListView(generics.ListAPIView[Batch]):
    """Sealed batches, newest first."""

    permission_classes = [Public]
    serializer_class = SealedBatchOutput
    pagination_class = BatchPagination

    @extend_schema(
        parameters=[REGISTER_PARAMETER],
        responses={
            200: SealedBatchOutput(many=True),
            404: describe_problem("There is no register with this first outpoint."),
        },
    )
    def get(self, request: Request) -> Response:
        """List sealed batches, newest first, with their anchors.

        Without `register` they are the active register's. A register that was succeeded keeps its own.
        """
        page = self.paginate_queryset(list_batches(find_asked_register(request)))
        return self.get_paginated_response(SealedBatchOutput(page or [], many=True).data)


class BatchDetailView(APIView):
    """One sealed batch."""

    permission_classes = [Public]

    @extend_schema(
        operation_id="batches_retrieve",
        parameters=[REGISTER_PARAMETER],
        responses={200: SealedBatchOutput, 404: describe_problem("There is no such sealed batch, or no register.")},
    )
    def get(self, request: Request, seq: int) -> Response:
        """Return a sealed batch of the active register, or of the one that is named, with its anchor, by its number."""
        batch = get_sealed_batch(seq, register=find_asked_register(request))
        return Response(SealedBatchOutput(batch).data)


class BatchProofsView(APIView):
    """All proofs of a batch. To write them takes a server long, so the address has limits of its own."""

    permission_classes = [Public]
    throttle_classes = [ScopedRateThrottle]
    throttle_scope = "archives"

    @extend_schema(
        operation_id="batches_proofs",
        parameters=[
            OpenApiParameter(
                "format",
                OpenApiTypes.STR,
                enum=[form.value for form in ProofForm],
                description="`ots` (the default), `json` or `both`.",
            ),
            REGISTER_PARAMETER,
        ],
        responses={
            (200, ARCHIVE_MEDIA_TYPE): OpenApiTypes.BINARY,
            404: describe_problem("There is no such sealed batch, or no register."),
            409: describe_problem("The batch's anchor is not in a block yet."),
            429: describe_problem("Your address asked for too many archives within an hour."),
            503: describe_problem("An archive is on its way to you already, or as many to others as can be."),
        },
    )
    def get(self, request: Request, seq: int) -> StreamingHttpResponse:
        """Download every proof of a batch as one ZIP archive, `<record id>.ots` and `.proof.json`.

        `cadastre audit` verifies it. Without `register` the batch is the active register's.
        """
        form = ProofForm(read_query(request, FormQuery)["format"])
        archive = get_batch_archive(seq=seq, form=form, register=find_asked_register(request))
        # The web server leaves out what answers HEAD, but would have every proof written first.
        pieces = iter(()) if request.method == "HEAD" else archive
        body = ArchiveBody(pieces, reader=ScopedRateThrottle().get_ident(request))
        response = StreamingHttpResponse(body, content_type=ARCHIVE_MEDIA_TYPE)
        response["Content-Disposition"] = f'attachment; filename="batch-{seq}-proofs.zip"'
        return response
