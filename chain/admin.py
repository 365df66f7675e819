"""What is followed, and what is in the way, in the admin: to look at, not to touch."""

from django.contrib import admin

from chain.models import AllowedReorganisation, FollowedBlock, FollowerState
from database.admin import ReadOnlyAdmin


@admin.register(FollowedBlock)
class FollowedBlockAdmin(ReadOnlyAdmin[FollowedBlock]):
    """Show each consumer's cursor; rows change only together with the effects of their blocks."""

    list_display = ["consumer", "height", "hash"]
    list_filter = ["consumer"]
    search_fields = ["hash", "=height"]
    ordering = ["consumer", "-height"]


@admin.register(FollowerState)
class FollowerStateAdmin(ReadOnlyAdmin[FollowerState]):
    """Show what keeps a consumer from following the chain."""

    list_display = ["consumer", "followed_at", "failing_since", "problem", "detail"]
    list_filter = ["needs_operator"]
    search_fields = ["consumer", "detail"]
    ordering = ["consumer"]


@admin.register(AllowedReorganisation)
class AllowedReorganisationAdmin(ReadOnlyAdmin[AllowedReorganisation]):
    """Show which deep reorganisation an operator has allowed; the command allows, where the node can be asked."""

    list_display = ["consumer", "fork_height", "fork_hash", "allowed_at"]
    list_filter = ["consumer"]
    search_fields = ["fork_hash"]
    ordering = ["consumer"]
