"""Money over HTTP: a person's own, and the accounts that are public."""

from uuid import UUID

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import generics
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from payouts.api.serializers import (
    BalanceOutput,
    ClosingAccountOutput,
    DepositAddressOutput,
    DepositOutput,
    PayoutAddressOutput,
    PayoutAddressSerializer,
    PayoutOutput,
    SettlementOutput,
    StatementDetailOutput,
    StatementOutput,
    TransferOutput,
    describe_closing_account,
)
from payouts.models import Microtransaction, Payout, SettlementWindow, Statement, WalletCoin
from payouts.selectors.closing import get_closing_account
from payouts.selectors.people import (
    find_payout_address,
    get_reader_balance,
    get_statement,
    list_deposits,
    list_payouts,
    list_settlements,
    list_statements,
    list_transfers,
)
from payouts.services.deposits import MSAT_PER_SAT, issue_deposit_address
from payouts.services.payouts import set_payout_address
from users.api.authentication import get_user
from users.api.idempotency import idempotent
from users.api.pagination import StrictCursorPagination, TimeCursorPagination
from users.api.permissions import HasScope, Public
from users.api.schema import IDEMPOTENCY_KEY, describe_problems

CanRead = HasScope("account:read")
CanPay = HasScope("payments:write")
CanRedirect = HasScope("payouts:write")


class DepositPagination(TimeCursorPagination):
    """Pages deposits by when they were seen."""

    ordering = ("-seen_at", "-id")


class StatementPagination(TimeCursorPagination):
    """Pages statements by when they were made."""

    ordering = ("-made_at", "-id")


class WindowPagination(StrictCursorPagination):
    """Pages windows by number."""

    ordering = ("-number",)
    page_size = 50


class BalanceView(APIView):
    """The caller's prepaid balance."""

    permission_classes = (CanRead,)

    @extend_schema(operation_id="balance_retrieve", responses={200: BalanceOutput, **describe_problems(401, 403)})
    def get(self, request: Request) -> Response:
        """Return your prepaid balance."""
        balance = get_reader_balance(user_id=get_user(request).id)
        return Response({"balance": {"amount_msat": balance.amount_msat}, "is_frozen": balance.is_frozen})


class DepositAddressListView(APIView):
    """Addresses to deposit to."""

    permission_classes = (CanPay,)

    @extend_schema(
        operation_id="deposit_addresses_create",
        request=None,
        parameters=[IDEMPOTENCY_KEY],
        responses={201: DepositAddressOutput, **describe_problems(400, 401, 403, 409, 422, 503)},
    )
    @idempotent
    def post(self, request: Request) -> Response:
        """Get an address that nobody else deposits to."""
        address = issue_deposit_address(user=get_user(request), now=timezone.now())
        body = {
            "address": address.address,
            "confirmations": settings.CADASTRE_DEPOSIT_CONFIRMATIONS,
            "minimum": {"amount_msat": settings.CADASTRE_DEPOSIT_MIN_SAT * MSAT_PER_SAT},
        }
        return Response(body, status=201)


class DepositListView(generics.GenericAPIView[WalletCoin]):
    """The caller's deposits."""

    permission_classes = (CanRead,)
    serializer_class = DepositOutput
    pagination_class = DepositPagination

    @extend_schema(operation_id="deposits_list", responses={200: DepositOutput(many=True)})
    def get(self, request: Request) -> Response:
        """List the coins that arrived at your addresses."""
        page = self.paginate_queryset(list_deposits(user_id=get_user(request).id))
        return self.get_paginated_response(DepositOutput(page or [], many=True).data)


class TransferListView(generics.GenericAPIView[Microtransaction]):
    """The caller's transfers."""

    permission_classes = (CanRead,)
    serializer_class = TransferOutput

    @extend_schema(operation_id="transfers_list", responses={200: TransferOutput(many=True)})
    def get(self, request: Request) -> Response:
        """List your transfers and what they were charged."""
        page = self.paginate_queryset(list_transfers(user_id=get_user(request).id))
        return self.get_paginated_response(TransferOutput(page or [], many=True).data)


class PayoutAddressView(APIView):
    """Where the caller is paid as an uploader."""

    def get_permissions(self) -> list[BasePermission]:
        """Let a token read with one scope, and change with another, for the address decides who gets the money."""
        return [CanRead() if self.request.method == "GET" else CanRedirect()]

    @extend_schema(
        operation_id="payout_address_retrieve",
        responses={200: PayoutAddressOutput, **describe_problems(401, 403)},
    )
    def get(self, request: Request) -> Response:
        """Return where you are paid as an uploader; null if you have not said it."""
        return Response({"address": find_payout_address(user_id=get_user(request).id)})

    @extend_schema(
        operation_id="payout_address_update",
        request=PayoutAddressSerializer,
        responses={200: PayoutAddressSerializer, **describe_problems(400, 401, 403)},
    )
    def put(self, request: Request) -> Response:
        """Say where you want to be paid as an uploader."""
        body = PayoutAddressSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        address = set_payout_address(user=get_user(request), address=body.validated_data["address"], now=timezone.now())
        return Response({"address": address.address})


class SettlementListView(generics.GenericAPIView[SettlementWindow]):
    """Settled windows."""

    permission_classes = (Public,)
    serializer_class = SettlementOutput
    pagination_class = WindowPagination

    @extend_schema(operation_id="settlements_list", responses={200: SettlementOutput(many=True)})
    def get(self, request: Request) -> Response:  # noqa: ARG002  Django passes it
        """List the settled windows with the roots of their trees."""
        page = self.paginate_queryset(list_settlements())
        return self.get_paginated_response(SettlementOutput(page or [], many=True).data)


class StatementListView(generics.GenericAPIView[Statement]):
    """The caller's statements."""

    permission_classes = (CanRead,)
    serializer_class = StatementOutput
    pagination_class = StatementPagination

    @extend_schema(operation_id="statements_list", responses={200: StatementOutput(many=True)})
    def get(self, request: Request) -> Response:
        """List your statements, and those of your rights holders."""
        page = self.paginate_queryset(list_statements(user_id=get_user(request).id))
        return self.get_paginated_response(StatementOutput(page or [], many=True).data)


class StatementDetailView(APIView):
    """One of the caller's statements."""

    permission_classes = (CanRead,)

    @extend_schema(
        operation_id="statements_retrieve",
        responses={200: StatementDetailOutput, **describe_problems(401, 403, 404)},
    )
    def get(self, request: Request, statement_id: UUID) -> Response:
        """Return a statement with its lines."""
        statement = get_statement(statement_id=statement_id, user_id=get_user(request).id)
        return Response(StatementDetailOutput(statement).data)


class PayoutListView(generics.GenericAPIView[Payout]):
    """The caller's payouts."""

    permission_classes = (CanRead,)
    serializer_class = PayoutOutput

    @extend_schema(operation_id="payouts_list", responses={200: PayoutOutput(many=True)})
    def get(self, request: Request) -> Response:
        """List the payouts to you, and to your rights holders."""
        page = self.paginate_queryset(list_payouts(user_id=get_user(request).id))
        return self.get_paginated_response(PayoutOutput(page or [], many=True).data)


class ClosingAccountView(APIView):
    """The closing account, for everybody."""

    permission_classes = (Public,)

    @extend_schema(operation_id="closing_account_retrieve", responses={200: ClosingAccountOutput})
    def get(self, request: Request) -> Response:  # noqa: ARG002  Django passes it
        """Return where every deposit is now, from the chain and from the ledger."""
        return Response(describe_closing_account(get_closing_account()))
