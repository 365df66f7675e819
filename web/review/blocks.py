"""Blocked digests in the admin: a page that blocks one, and a page where a block is read and repealed."""

from typing import Any
from uuid import UUID

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from database.admin import ReadOnlyAdmin
from storage.errors import StorageError
from storage.models import BlockedDigest
from storage.services.blocks import block_digest, unblock_digest
from users.models import User
from web.review.forms import SHA256, BlockForm, UnblockForm

UNPROCESSABLE = 422


class BlockedDigestAdmin(ReadOnlyAdmin[BlockedDigest]):
    """Blocks and their repeals. Rows are never edited: one makes them, one repeals them."""

    list_display = ("digest", "blocked_at", "blocked_by", "unblocked_at", "unblocked_by")
    list_filter = ("blocked_at", "unblocked_at")
    list_select_related = ("blocked_by", "unblocked_by")
    search_fields = ("=id", "blocked_by__username")
    search_help_text = "A SHA-256 in hexadecimal, or who blocked."
    actions = None

    @admin.display(description="SHA-256")
    def digest(self, block: BlockedDigest) -> str:
        """Return the digest as the API writes it."""
        return str(block)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[BlockedDigest], search_term: str
    ) -> tuple[QuerySet[BlockedDigest], bool]:
        """Search by digest if the term is one, else by the listed fields."""
        match = SHA256.fullmatch(search_term.strip().lower())
        if match:
            return queryset.filter(sha256=bytes.fromhex(match[1])), False
        return super().get_search_results(request, queryset, search_term)

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Allow those who may block."""
        return isinstance(request.user, User) and request.user.has_perm("storage.add_blockeddigest")

    def add_view(
        self,
        request: HttpRequest,
        form_url: str = "",  # noqa: ARG002  the hook's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Block a digest."""
        if not isinstance(request.user, User) or not self.has_add_permission(request):
            raise PermissionDenied
        form = BlockForm(request.POST or None)
        if not form.is_valid():
            return self._show(request, form, block=None)
        given = form.cleaned_data
        try:
            block = block_digest(sha256=given["sha256"], actor=request.user, reason=given["reason"], now=timezone.now())
        except StorageError as error:
            form.add_error(None, str(error))
            return self._show(request, form, block=None)
        messages.success(request, "The digest is blocked: nothing of it is taken or served.")
        return self._go_to(block.id)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",  # noqa: ARG002  the hook's signature
        extra_context: dict[str, Any] | None = None,  # noqa: ARG002
    ) -> HttpResponse:
        """Show a block, and repeal it."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        block = self.get_object(request, object_id)
        if block is None:
            raise Http404
        if request.method != "POST":
            return self._show(request, UnblockForm(), block=block)
        if not isinstance(request.user, User) or not can_unblock(request):
            raise PermissionDenied
        form = UnblockForm(request.POST)
        if not form.is_valid():
            return self._show(request, form, block=block)
        try:
            unblock_digest(
                sha256=bytes(block.sha256), actor=request.user, reason=form.cleaned_data["reason"], now=timezone.now()
            )
        except StorageError as error:
            messages.warning(request, f"Nothing was changed: {error}")
        else:
            messages.success(request, "The digest is not blocked any more.")
        return self._go_to(block.id)

    def _go_to(self, block_id: UUID) -> HttpResponse:
        """Lead to a block's page."""
        return HttpResponseRedirect(reverse(f"{self.admin_site.name}:storage_blockeddigest_change", args=[block_id]))

    def _show(self, request: HttpRequest, form: UnblockForm, *, block: BlockedDigest | None) -> HttpResponse:
        """Return the page of a block, or the one that makes it."""
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Blocked digest",
            "blocked": block,
            "form": form,
            "can_decide": block is None or (block.unblocked_at is None and can_unblock(request)),
        }
        return TemplateResponse(request, "web/review/block.html", context, status=UNPROCESSABLE if form.errors else 200)


def can_unblock(request: HttpRequest) -> bool:
    """Whether a person may repeal a block."""
    return isinstance(request.user, User) and request.user.has_perm("storage.change_blockeddigest")
