"""The registry in the admin: facts to look at. Claims are decided in web/review/."""

from django.contrib import admin

from database.admin import ReadOnlyAdmin
from registry.models import (
    Anchor,
    AnchorTransaction,
    Batch,
    ClaimEvent,
    Member,
    Record,
    Register,
    RightsHolder,
    SplitLine,
    SplitPolicy,
    Submission,
    Work,
)


@admin.register(Register)
class RegisterAdmin(ReadOnlyAdmin[Register]):
    """Registers by network."""

    list_display = ["network", "first_txid", "first_vout", "first_value_sat", "founded_at"]
    list_filter = ["network"]
    search_fields = ["first_txid"]


@admin.register(Record)
class RecordAdmin(ReadOnlyAdmin[Record]):
    """Records, newest first."""

    list_display = ["id", "kind", "registered_at", "index", "batch", "work"]
    list_filter = ["kind", "registered_at"]
    list_select_related = ["batch", "work"]
    search_fields = ["=id", "=index"]


@admin.register(Submission)
class SubmissionAdmin(ReadOnlyAdmin[Submission]):
    """Bulk registrations, newest first."""

    list_display = ["id", "user", "count", "registered_at", "first_id"]
    list_filter = ["registered_at"]
    list_select_related = ["user"]
    search_fields = ["=id", "=first_id", "user__username", "=key"]


@admin.register(Batch)
class BatchAdmin(ReadOnlyAdmin[Batch]):
    """Batches, newest first; one at most is open."""

    list_display = ["seq", "state", "first_index", "size", "size_final", "sealed_at", "recent_block_hash"]
    list_filter = ["state", "sealed_at"]
    search_fields = ["=seq"]


@admin.register(Anchor)
class AnchorAdmin(ReadOnlyAdmin[Anchor]):
    """Anchors with the state that each is in."""

    list_display = ["batch", "state", "current", "height", "changed_at"]
    list_filter = ["state"]
    list_select_related = ["batch", "current"]
    search_fields = ["transactions__txid", "block_hash"]


@admin.register(AnchorTransaction)
class AnchorTransactionAdmin(ReadOnlyAdmin[AnchorTransaction]):
    """Every version of every anchor's transaction."""

    list_display = ["txid", "anchor", "version", "fee_sat", "continuation_sat", "signed_at"]
    list_filter = ["signed_at"]
    list_select_related = ["anchor"]
    search_fields = ["txid"]


@admin.register(Work)
class WorkAdmin(ReadOnlyAdmin[Work]):
    """Works by title."""

    list_display = ["id", "title", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["title", "=id"]


@admin.register(RightsHolder)
class RightsHolderAdmin(ReadOnlyAdmin[RightsHolder]):
    """Rights holders by name."""

    list_display = ["name", "payout_address", "created_at"]
    list_filter = ["created_at"]
    search_fields = ["name", "payout_address"]


@admin.register(Member)
class MemberAdmin(ReadOnlyAdmin[Member]):
    """Who belongs to which rights holder."""

    list_display = ["holder", "user", "created_at"]
    list_filter = ["created_at"]
    list_select_related = ["holder", "user"]
    search_fields = ["holder__name", "user__username"]


@admin.register(ClaimEvent)
class ClaimEventAdmin(ReadOnlyAdmin[ClaimEvent]):
    """Every move of every claim."""

    list_display = ["claim", "state_before", "state_after", "actor", "at"]
    list_filter = ["state_after", "at"]
    list_select_related = ["claim", "actor"]
    search_fields = ["claim__title", "actor__username"]


@admin.register(SplitLine)
class SplitLineAdmin(ReadOnlyAdmin[SplitLine]):
    """Lines of all split policies."""

    list_display = ["policy", "position", "payee", "holder", "fee_bp", "share_ppm"]
    list_filter = ["payee"]
    list_select_related = ["policy", "holder"]
    search_fields = ["holder__name", "=policy__work__id"]


class SplitLineInline(admin.TabularInline[SplitLine, SplitPolicy]):
    """The lines of a policy, on its page."""

    model = SplitLine
    can_delete = False
    extra = 0
    fields = ("position", "payee", "holder", "fee_bp", "share_ppm")
    readonly_fields = ("position", "payee", "holder", "fee_bp", "share_ppm")
    ordering = ["position"]

    def has_add_permission(self, request: object, obj: object = None) -> bool:
        """Refuse: a policy is frozen."""
        return False


@admin.register(SplitPolicy)
class SplitPolicyAdmin(ReadOnlyAdmin[SplitPolicy]):
    """Split policies and when each was in force."""

    list_display = ["work", "territory", "version", "valid_from", "valid_to"]
    list_filter = ["territory", "valid_from"]
    list_select_related = ["work"]
    search_fields = ["work__title", "=work__id"]
    inlines = [SplitLineInline]
