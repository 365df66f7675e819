"""What the API takes and gives about users and their tokens."""

from typing import Any

from rest_framework import serializers

from users.models import ApiToken, User
from users.scopes import ALL_SCOPES

_PASSWORD_CHARACTERS_MAX = 1024


class NewUserSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes the details of a new user."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=_PASSWORD_CHARACTERS_MAX, trim_whitespace=False, write_only=True)
    email = serializers.EmailField(max_length=254, required=False, allow_blank=True, default="")


class UserSerializer(serializers.ModelSerializer[User]):
    """Gives a user."""

    class Meta:
        model = User
        fields = ("id", "username")


class SignInSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes a password and what the token is for."""

    username = serializers.CharField(max_length=150)
    password = serializers.CharField(max_length=_PASSWORD_CHARACTERS_MAX, trim_whitespace=False, write_only=True)
    name = serializers.CharField(max_length=100, help_text="How you will recognise the token in the list.")
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=[str(scope) for scope in ALL_SCOPES]),
        allow_empty=False,
        max_length=len(ALL_SCOPES),
        required=False,
        help_text="All scopes unless given.",
    )


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    """Gives a token without its secret."""

    scopes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ApiToken
        fields = ("id", "name", "scopes", "created_at", "expires_at", "revoked_at")


class NewTokenSerializer(serializers.ModelSerializer[ApiToken]):
    """Gives a token with its secret, once."""

    token = serializers.CharField(help_text="The secret; it is never shown again.")
    scopes = serializers.ListField(child=serializers.CharField())

    class Meta:
        model = ApiToken
        fields = ("id", "token", "name", "scopes", "created_at", "expires_at")
