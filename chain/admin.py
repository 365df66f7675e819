"""The followed blocks in the admin: to look at, not to touch."""

from django.contrib import admin
from django.http import HttpRequest

from chain.models import FollowedBlock


@admin.register(FollowedBlock)
class FollowedBlockAdmin(admin.ModelAdmin[FollowedBlock]):
    """Show each consumer's cursor; rows change only together with the effects of their blocks."""

    list_display = ["consumer", "height", "hash"]
    list_filter = ["consumer"]
    search_fields = ["hash", "=height"]
    ordering = ["consumer", "-height"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: only the follower adds rows."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: FollowedBlock | None = None) -> bool:
        """Refuse: a changed cursor would skip or repeat effects."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: FollowedBlock | None = None) -> bool:
        """Refuse: a removed cursor would repeat effects."""
        return False
