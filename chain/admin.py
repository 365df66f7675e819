"""The followed blocks in the admin: to look at, not to touch."""

from django.contrib import admin

from chain.models import FollowedBlock
from database.admin import ReadOnlyAdmin


@admin.register(FollowedBlock)
class FollowedBlockAdmin(ReadOnlyAdmin[FollowedBlock]):
    """Show each consumer's cursor; rows change only together with the effects of their blocks."""

    list_display = ["consumer", "height", "hash"]
    list_filter = ["consumer"]
    search_fields = ["hash", "=height"]
    ordering = ["consumer", "-height"]
