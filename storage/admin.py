"""Blobs, uploads and links in the admin: to look at, not to touch."""

import re
from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from database.admin import ReadOnlyAdmin
from storage.models import Blob, Link, StorageQuota, Upload
from storage.services.quotas import set_quota

_SHA256 = re.compile("(?:sha256:)?([0-9a-f]{64})")


@admin.register(Blob)
class BlobAdmin(ReadOnlyAdmin[Blob]):
    """Stored ciphertexts."""

    list_display = ["id", "digest", "length", "created_at", "erased_at", "removed_at"]
    list_filter = ["created_at", "erased_at"]
    search_fields = ["=id"]
    fields = ["id", "digest", "length", "root_hex", "storage_name", "created_at", "erased_at", "removed_at"]
    readonly_fields = ["digest", "root_hex"]
    search_help_text = "A blob's id, or its SHA-256 in hexadecimal."

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Blob], search_term: str
    ) -> tuple[QuerySet[Blob], bool]:
        """Search by digest if the term is one, else by the listed fields."""
        match = _SHA256.fullmatch(search_term.strip().lower())
        if match:
            return queryset.filter(sha256=bytes.fromhex(match[1])), False
        return super().get_search_results(request, queryset, search_term)

    @admin.display(description="SHA-256")
    def digest(self, blob: Blob) -> str:
        """Return the digest as the API writes it."""
        return str(blob)

    @admin.display(description="Root")
    def root_hex(self, blob: Blob) -> str:
        """Return the BitTorrent v2 pieces root in hexadecimal."""
        return bytes(blob.root).hex()


@admin.register(Upload)
class UploadAdmin(ReadOnlyAdmin[Upload]):
    """Uploads under way, completed and given up."""

    list_display = ["id", "owner", "state", "offset", "length", "created_at", "expires_at"]
    list_filter = ["state", "created_at"]
    list_select_related = ["owner"]
    search_fields = ["=id", "owner__username"]
    fields = ["id", "owner", "state", "offset", "length", "blob", "created_at", "expires_at"]


@admin.register(StorageQuota)
class StorageQuotaAdmin(ReadOnlyAdmin[StorageQuota]):
    """How much a person may keep, where that is not what the settings say. The count is not to be written."""

    list_display = ["owner", "bytes_max", "uploads_unfinished_max", "counted_bytes"]
    list_filter = [("bytes_max", admin.EmptyFieldListFilter)]
    list_select_related = ["owner"]
    search_fields = ["=owner__id", "owner__username"]
    fields = ["owner", "bytes_max", "uploads_unfinished_max", "counted_bytes"]
    readonly_fields = ["counted_bytes"]
    autocomplete_fields = ["owner"]

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Whether the person may: a limit is a decision, not a fact."""
        return request.user.has_perm("storage.add_storagequota")

    def has_change_permission(self, request: HttpRequest, obj: StorageQuota | None = None) -> bool:
        """Whether the person may."""
        return request.user.has_perm("storage.change_storagequota")

    def get_readonly_fields(self, request: HttpRequest, obj: StorageQuota | None = None) -> list[str]:
        """Return what cannot be changed: a limit is one person's for ever."""
        return ["counted_bytes"] if obj is None else ["owner", "counted_bytes"]

    def save_model(self, request: HttpRequest, obj: StorageQuota, form: Any, change: Any) -> None:
        """Set the limits. The count goes on beside this page, so the row is not written as it was read."""
        set_quota(owner_id=obj.owner_id, bytes_max=obj.bytes_max, uploads_unfinished_max=obj.uploads_unfinished_max)


@admin.register(Link)
class LinkAdmin(ReadOnlyAdmin[Link]):
    """Links, without their keys, which are not here."""

    list_display = ["id", "owner", "blob", "price_msat", "created_at", "expires_at", "deleted_at", "disabled_at"]
    list_filter = ["created_at", "expires_at", "deleted_at", "disabled_at"]
    list_select_related = ["owner", "blob"]
    search_fields = ["=id", "owner__username"]
    fields = [
        "id",
        "owner",
        "blob",
        "price_msat",
        "seal_hex",
        "created_at",
        "expires_at",
        "transfers_max",
        "transfers_used",
        "deleted_at",
        "disabled_at",
        "release_at",
        "released_at",
    ]
    readonly_fields = ["seal_hex"]

    @admin.display(description="Seal")
    def seal_hex(self, link: Link) -> str:
        """Return the seal in hexadecimal."""
        return bytes(link.seal).hex()
