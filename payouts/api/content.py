"""A link's bytes: opened, charged, then served; and refunded if they cannot be served to the end."""

import logging
from collections.abc import Iterator
from uuid import UUID

from django.db import DatabaseError, InterfaceError
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from payouts.api.serializers import TransferHeaders
from payouts.errors import PayoutsError, TransferOverdueError
from payouts.services.charges import Charge, charge_transfer, close_transfer
from storage.delivery import ByteRange, Delivery, HandOver, find_hand_over, get_etag, open_delivery, parse_range
from storage.errors import StorageError
from storage.models import Blob
from storage.selectors import get_blob, get_held_link, get_link
from users.api.authentication import Credential, SiteSession
from users.api.fields import Base64Url32Field
from users.api.permissions import HasScope
from users.api.schema import describe_problems
from users.models import User

PASS_HEADER = "Cadastre-Pass"  # noqa: S105 - a name, not a secret
REDIRECT_HEADER = "Cadastre-Redirect"
HEADERS = {
    "price_max": "Cadastre-Price-Max",
    "territory": "Cadastre-Territory",
    "nonce_sha256": "Cadastre-Nonce-SHA256",
    "given_pass": PASS_HEADER,
}
CLOSE_ATTEMPTS_MAX = 3
"""How often a transfer is closed before it is left to the sweep; the engine itself waits for locks each time."""

logger = logging.getLogger(__name__)
CanPay = HasScope("payments:write")


class MayTransfer(BasePermission):
    """Whoever has no token, for links without a price, and whoever has one that may pay."""

    message = "The token needs the scope payments:write."
    code = "scope-missing"

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Allow a request without a token, or with one that carries the scope."""
        return not isinstance(request.auth, Credential) or CanPay().has_permission(request, view)


class ChargedChunks:
    """A delivery's bytes; closing it settles what the charge had reserved for them."""

    def __init__(self, delivery: Delivery, charge: Charge) -> None:
        self._chunks = delivery.chunks
        self._charge = charge
        self._sent_bytes = 0
        self._fault: str | None = None
        self._is_closed = False

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bytes in chunks. A chunk counts once it is handed over, whether or not it arrives.

        Raises StorageError if the bytes cannot be read on, TransferOverdueError if the reader takes too long.
        """
        try:
            for chunk in self._chunks:
                self._check_time()
                self._sent_bytes += len(chunk)
                yield chunk
        except StorageError as error:
            self._fault = str(error)
            raise

    def close(self) -> None:
        """Close the file and the transfer; Django calls this when the answer ends, however it ends."""
        if self._is_closed:
            return
        self._is_closed = True
        try:
            self._chunks.close()
        finally:
            self._close_transfer()

    def _check_time(self) -> None:
        """Break off a transfer under an entitlement in time: a sweep takes what is open much longer for abandoned."""
        if self._charge.entitlement_id is not None and timezone.now() >= self._charge.ends_at:
            raise TransferOverdueError

    def _close_transfer(self) -> None:
        """Close the transfer; where the database fails, log what is known. The sweep closes it later.

        Where the server ended the connection, Django has a new one as soon as the failed transaction is left.
        """
        for attempt in range(1, CLOSE_ATTEMPTS_MAX + 1):
            try:
                close_transfer(charge=self._charge, sent_bytes=self._sent_bytes, fault=self._fault, now=timezone.now())
            except (DatabaseError, InterfaceError, PayoutsError):
                logger.exception(
                    "Closing the transfer %s failed (attempt %s of %s); %s of %s bytes were sent, fault: %s.",
                    self._charge.transfer_id,
                    attempt,
                    CLOSE_ATTEMPTS_MAX,
                    self._sent_bytes,
                    self._charge.reserved_bytes,
                    self._fault,
                )
            else:
                return


class ContentView(APIView):
    """The bytes of a link's blob."""

    permission_classes = (MayTransfer,)

    @extend_schema(
        operation_id="links_content",
        parameters=[
            OpenApiParameter(
                REDIRECT_HEADER,
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="`tell`: answer 204 in the place of 307, so that a script can read the answer's headers.",
            ),
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
            OpenApiParameter(
                PASS_HEADER,
                OpenApiTypes.STR,
                OpenApiParameter.HEADER,
                description="From an earlier answer of the same transfer: a link with a maximum counts it once.",
            ),
        ],
        responses={
            204: OpenApiResponse(description="`Location` has the bytes, where `Cadastre-Redirect: tell` was sent."),
            307: OpenApiResponse(description="`Location` has the bytes, for who sends the same Range there soon."),
            (200, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "All of it."),
            (206, "application/octet-stream"): OpenApiResponse(OpenApiTypes.BINARY, "The range."),
            **describe_problems(402, 403, 404, 409, 410, 416, 451, 503),
        },
    )
    def get(self, request: Request, link_id: UUID) -> HttpResponseBase:
        """Charge the transfer and serve it.

        A repeat within a day is free. `Cadastre-Transfer` names the transfer, `Cadastre-Charged-Msat` what it cost;
        `Cadastre-Pass` is for an anonymous reader of a link with a maximum, to go on without being counted again.
        """
        given = {name: request.headers[header] for name, header in HEADERS.items() if header in request.headers}
        headers = TransferHeaders(data=given)
        headers.is_valid(raise_exception=True)
        blob = get_blob(get_held_link(link_id).blob_id)
        byte_range = _read_range(request, blob)

        def charge(requested_bytes: int, *, is_handed_over: bool) -> Charge:
            return charge_transfer(
                payer=request.user if isinstance(request.user, User) else None,
                link_id=link_id,
                territory=headers.validated_data.get("territory"),
                price_max_msat=_read_price_max(request, headers.validated_data.get("price_max")),
                nonce_sha256=headers.validated_data.get("nonce_sha256"),
                given_pass=headers.validated_data.get("given_pass"),
                requested_bytes=requested_bytes,
                is_handed_over=is_handed_over,
                now=timezone.now(),
            )

        handed = find_hand_over(blob=blob, byte_range=byte_range, request_headers=request.headers)
        if handed is not None:
            charged = charge(handed.length, is_handed_over=True)
            return _tell_charge(_hand_over(handed, request), charged)
        # Opened first: what cannot be opened is not charged.
        delivery = open_delivery(blob_id=blob.id, byte_range=byte_range)
        try:
            charged = charge(delivery.length, is_handed_over=False)
        except BaseException:
            delivery.chunks.close()
            raise
        response = StreamingHttpResponse(
            ChargedChunks(delivery, charged), status=delivery.status, headers=delivery.headers
        )
        return _tell_charge(response, charged)

    @extend_schema(exclude=True)
    def head(self, request: Request, link_id: UUID) -> HttpResponse:  # noqa: ARG002  Django passes it
        """Say how long the blob is. Nothing is charged."""
        delivery = open_delivery(blob_id=get_link(link_id, now=timezone.now()).blob_id, byte_range=None)
        delivery.chunks.close()
        return HttpResponse(status=200, headers=delivery.headers)


def _read_price_max(request: Request, price_max_msat: int | None) -> int | None:
    """Return the most to pay, in msat, None for any price.

    A session agrees to nothing that its request does not name: other sites can make a browser ask with its cookie, but
    not with a header of ours.
    """
    return 0 if price_max_msat is None and isinstance(request.auth, SiteSession) else price_max_msat


def _hand_over(handed: HandOver, request: Request) -> HttpResponse:
    """Return the answer of another server's delivery.

    A browser follows a redirect before a script sees its headers, and shows them to none; who wants to read them is
    told the address in another way.
    """
    is_told = handed.status == status.HTTP_307_TEMPORARY_REDIRECT and request.headers.get(REDIRECT_HEADER) == "tell"
    return HttpResponse(status=status.HTTP_204_NO_CONTENT if is_told else handed.status, headers=handed.headers)


def _tell_charge(response: HttpResponseBase, charge: Charge) -> HttpResponseBase:
    response["Cadastre-Transfer"] = str(charge.transfer_id)
    response["Cadastre-Charged-Msat"] = str(charge.amount_msat)
    if charge.new_pass is not None:
        response[PASS_HEADER] = Base64Url32Field().to_representation(charge.new_pass)
    return response


def _read_range(request: Request, blob: Blob) -> ByteRange | None:
    """Return the range that is asked for, before anything is charged. Raises RangeNotSatisfiableError."""
    return parse_range(
        request.headers.get("Range"),
        blob.length,
        if_range=request.headers.get("If-Range"),
        etag=get_etag(blob),
    )
