"""People, their tokens and their repeated requests in the admin."""

from django.contrib import admin, messages
from django.contrib.auth.admin import UserAdmin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from database.admin import ReadOnlyAdmin
from users.errors import UsersError
from users.models import ApiToken, IdempotencyKey, User
from users.services.tokens import revoke_token_as_staff


@admin.register(User)
class CadastreUserAdmin(UserAdmin[User]):
    """Django's own page for users."""

    list_display = ["username", "email", "is_active", "is_staff", "date_joined"]
    list_per_page = 50
    ordering = ["-date_joined"]


@admin.register(ApiToken)
class ApiTokenAdmin(ReadOnlyAdmin[ApiToken]):
    """Tokens can be looked at and revoked; their secrets are nowhere."""

    list_display = ["id", "user", "name", "created_at", "expires_at", "revoked_at"]
    list_filter = ["created_at", "revoked_at"]
    list_select_related = ["user"]
    search_fields = ["name", "user__username"]
    fields = ["id", "user", "name", "scopes", "created_at", "expires_at", "revoked_at"]
    actions = ["revoke"]

    @admin.action(description="Revoke the selected tokens", permissions=["revoke"])
    def revoke(self, request: HttpRequest, queryset: QuerySet[ApiToken]) -> None:
        """Revoke each selected token and say what became of it."""
        for token in queryset:
            try:
                revoke_token_as_staff(token_id=token.id, now=timezone.now())
            except UsersError as error:
                self.message_user(request, f"The token {token}: {error}", messages.ERROR)
            else:
                self.message_user(request, f"The token {token} was revoked.", messages.SUCCESS)

    def has_revoke_permission(self, request: HttpRequest) -> bool:
        """Whether the person may revoke: the rows are read-only, so Django's change permission is asked directly."""
        return request.user.has_perm("users.change_apitoken")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(ReadOnlyAdmin[IdempotencyKey]):
    """Answered and unanswered keys, for questions from users."""

    list_display = ["key", "user", "path", "status_code", "created_at"]
    list_filter = ["status_code", "created_at"]
    list_select_related = ["user"]
    search_fields = ["key", "user__username", "path"]
    fields = ["id", "user", "key", "path", "status_code", "answer", "created_at"]
