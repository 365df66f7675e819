"""A link's bytes: charged first, then served; and refunded if they cannot be."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from django.http import HttpResponse, StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from payouts.api.serializers import TransferHeaders
from payouts.models import Microtransaction
from payouts.services.charges import Charge, charge_transfer, count_served_bytes, refund_transfer
from storage.delivery import ByteRange, Delivery, get_etag, open_delivery, parse_range
from storage.errors import StorageError
from storage.selectors import get_blob, get_link
from users.api.permissions import HasScope
from users.api.schema import describe_problems
from users.models import ApiToken, User

REPORT_BYTES = 8 * 2**20
"""How many bytes are sent between two counts of what an entitlement has used."""

HEADERS = {
    "price_max": "Cadastre-Price-Max",
    "territory": "Cadastre-Territory",
    "nonce_sha256": "Cadastre-Nonce-SHA256",
}
CanPay = HasScope("payments:write")


class MayTransfer(BasePermission):
    """Whoever has no token, for links without a price, and whoever has one that may pay."""

    message = "The token needs the scope payments:write."
    code = "scope-missing"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Allow a request without a token, or with one that carries the scope."""
        return not isinstance(request.auth, ApiToken) or CanPay().has_permission(request, view)


class CountedChunks:
    """A delivery's bytes, counted against the entitlement that they are served under."""

    def __init__(self, delivery: Delivery, entitlement_id: UUID | None) -> None:
        self._chunks = delivery.chunks
        self._entitlement_id = entitlement_id
        self._uncounted = 0

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in chunks."""
        for chunk in self._chunks:
            self._uncounted += len(chunk)
            yield chunk
            if self._uncounted >= REPORT_BYTES:
                self._count()

    def close(self) -> None:
        """Close the file and count what was served; Django calls this when the answer ends, however it ends."""
        self._chunks.close()
        self._count()

    def _count(self) -> None:
        if self._uncounted and self._entitlement_id is not None:
            count_served_bytes(entitlement_id=self._entitlement_id, served_bytes=self._uncounted)
        self._uncounted = 0


class ContentView(APIView):
    """The bytes of a link's blob."""

    permission_classes = (MayTransfer,)

    @extend_schema(
        operation_id="links_content",
        parameters=[
            OpenApiParameter("Range", OpenApiTypes.STR, OpenApiParameter.HEADER, description="One range of bytes."),
            OpenApiParameter(
                "Cadastre-Price-Max", OpenApiTypes.INT, OpenApiParameter.HEADER, description="The most to pay, in msat."
            ),
            OpenApiParameter(
                "Cadastre-Territory", OpenApiTypes.STR, OpenApiParameter.HEADER, description="ISO 3166-1 alpha-2."
            ),
            OpenApiParameter(
                "Cadastre-Nonce-SHA256",
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="SHA-256, in hex, of 32 bytes that only the payer knows.",
            ),
        ],
        responses={
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "All of it."),
            (206, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "The range."),
            **describe_problems(402, 403, 404, 409, 410, 416, 503),
        },
    )
    def get(self, request: Request, link_id: UUID) -> StreamingHttpResponse:
        """Charge the transfer and serve it.

        A repeat within a day is free. `Cadastre-Transfer` names the transfer, `Cadastre-Charged-Msat` what it cost.
        """
        now = timezone.now()
        given = {name: request.headers[header] for name, header in HEADERS.items() if header in request.headers}
        headers = TransferHeaders(data=given)
        headers.is_valid(raise_exception=True)
        byte_range = _read_range(request, link_id)
        charge = charge_transfer(
            payer=request.user if isinstance(request.user, User) else None,
            link_id=link_id,
            territory=headers.validated_data.get("territory"),
            price_max_msat=headers.validated_data.get("price_max"),
            nonce_sha256=headers.validated_data.get("nonce_sha256"),
            now=now,
        )
        delivery = _open_or_refund(charge, byte_range, now=now)
        response = StreamingHttpResponse(
            CountedChunks(delivery, charge.entitlement_id), status=delivery.status, headers=delivery.headers
        )
        response["Cadastre-Transfer"] = str(charge.transfer_id)
        response["Cadastre-Charged-Msat"] = str(charge.amount_msat)
        return response

    @extend_schema(exclude=True)
    def head(self, request: Request, link_id: UUID) -> HttpResponse:  # noqa: ARG002  Django passes it
        """Say how long the blob is. Nothing is charged."""
        delivery = open_delivery(blob_id=get_link(link_id).blob_id, byte_range=None)
        delivery.chunks.close()
        return HttpResponse(status=200, headers=delivery.headers)


def _read_range(request: Request, link_id: UUID) -> ByteRange | None:
    """Return the range that is asked for, before anything is charged. Raises what the storage's selectors raise."""
    blob = get_blob(get_link(link_id).blob_id)
    return parse_range(
        request.headers.get("Range"),
        blob.length,
        if_range=request.headers.get("If-Range"),
        etag=get_etag(blob),
    )


def _open_or_refund(charge: Charge, byte_range: ByteRange | None, *, now: datetime) -> Delivery:
    """Open the delivery. If the storage fails, return what was just charged and raise its error."""
    try:
        return open_delivery(blob_id=charge.terms.blob_id, byte_range=byte_range)
    except StorageError as error:
        if charge.reason == Microtransaction.Reason.PRICE:
            refund_transfer(transfer_id=charge.transfer_id, reason=str(error)[:200], now=now)
        raise
