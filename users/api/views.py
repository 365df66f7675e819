"""Sign-up, and the tokens of the person who asks."""

import uuid

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.authentication import BaseAuthentication
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle, ScopedRateThrottle
from rest_framework.views import APIView

from users.api.authentication import get_request_token, get_user
from users.api.permissions import HasScope, HasToken, Public
from users.api.schema import describe_problems
from users.api.serializers import (
    NewTokenSerializer,
    NewUserSerializer,
    SignInSerializer,
    TokenSerializer,
    UserSerializer,
)
from users.models import ApiToken
from users.scopes import ALL_SCOPES, Scope
from users.selectors import list_tokens
from users.services.accounts import create_user
from users.services.tokens import revoke_token, sign_in


class UserListView(APIView):
    """The people who can sign in."""

    authentication_classes = ()
    permission_classes = (Public,)
    throttle_classes = (ScopedRateThrottle,)
    throttle_scope = "sign_up"

    @extend_schema(
        operation_id="create_user",
        summary="Sign up",
        request=NewUserSerializer,
        responses={201: UserSerializer, **describe_problems(400, 409, 429)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Create a user."""
        given = NewUserSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        user = create_user(
            username=data["username"], password=data["password"], email=data["email"], now=timezone.now()
        )
        return Response(UserSerializer(user).data, status=status.HTTP_201_CREATED)


class TokenListView(ListAPIView[ApiToken]):
    """Tokens: making one takes the password, listing them takes a token."""

    serializer_class = TokenSerializer
    throttle_scope = "sign_in"

    def get_authenticators(self) -> list[BaseAuthentication]:
        """Return none for signing in: an old token in the request must not get in the way of a new one."""
        if self.request is not None and self.request.method == "POST":
            return []
        return super().get_authenticators()

    def get_permissions(self) -> list[BasePermission]:
        """Let everybody sign in, and whoever may read the account list its tokens."""
        return [Public() if self.request.method == "POST" else HasScope(Scope.ACCOUNT_READ)()]

    def get_throttles(self) -> list[BaseThrottle]:
        """Slow down those who guess passwords."""
        return [ScopedRateThrottle()] if self.request.method == "POST" else []

    @extend_schema(
        operation_id="list_tokens",
        summary="List your tokens",
        responses={200: TokenSerializer(many=True), **describe_problems(401, 403)},
    )
    def get(self, request: Request) -> Response:
        """Return the asking user's tokens, without their secrets."""
        page = self.paginate_queryset(list_tokens(user_id=get_user(request).id))
        return self.get_paginated_response(TokenSerializer(page, many=True).data)

    @extend_schema(
        operation_id="create_token",
        summary="Sign in: make a token",
        request=SignInSerializer,
        responses={201: NewTokenSerializer, **describe_problems(400, 401, 429)},
        auth=[],
    )
    def post(self, request: Request) -> Response:
        """Make a token for whoever knows the password."""
        given = SignInSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        data = given.validated_data
        new = sign_in(
            username=data["username"],
            password=data["password"],
            name=data["name"],
            scopes=[Scope(name) for name in data.get("scopes", ALL_SCOPES)],
            now=timezone.now(),
        )
        shown = TokenSerializer(new.token).data | {"token": new.secret}
        shown.pop("revoked_at")
        return Response(shown, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class TokenView(APIView):
    """One token."""

    permission_classes = (HasToken,)

    @extend_schema(
        operation_id="revoke_token",
        summary="Revoke a token",
        request=None,
        responses={204: None, **describe_problems(401, 403, 404)},
    )
    def delete(self, request: Request, token_id: uuid.UUID) -> Response:
        """Revoke one of the asking user's tokens."""
        revoke_token(token_id=token_id, acting=get_request_token(request), now=timezone.now())
        return Response(status=status.HTTP_204_NO_CONTENT)
