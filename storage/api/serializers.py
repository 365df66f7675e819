"""What the API takes and gives about links."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from storage.models import Link
from storage.selectors import StorageUse, get_link_url
from users.api.fields import Base64Field, DigestField, Hex32Field, LengthField, MoneySerializer


class StorageUseSerializer(serializers.Serializer[StorageUse]):
    """Gives how much a person keeps and may keep."""

    used_bytes = serializers.IntegerField(
        help_text="The lengths of unfinished uploads, and of each blob that a link leads to."
    )
    quota_bytes = serializers.IntegerField(allow_null=True, help_text="Null is without a limit.")
    uploads_unfinished = serializers.IntegerField()
    uploads_unfinished_max = serializers.IntegerField()


class NewLinkSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes what a link is made from."""

    upload = serializers.UUIDField(help_text="The id of a finished upload: the last part of its address.")
    sha256 = DigestField(help_text="The SHA-256 of all bytes that were uploaded.")
    length = LengthField(help_text="Their number.")
    root = DigestField(  # type: ignore[assignment]  # it shadows a property of the library that is not used here
        help_text="Their BitTorrent v2 pieces root."
    )
    manifest = Base64Field(help_text="The encrypted manifest, an age file.")
    seal = Hex32Field(help_text="Binds the record to the link; zeros if there is none.")
    price = MoneySerializer(help_text="Per transfer.")


class LinkSerializer(serializers.ModelSerializer[Link]):
    """Gives a link to its owner.

    `record` and `payees` belong to the register, which comes to know a new blob only after its link was made: here they
    are empty, and the link's own address has them.
    """

    url = serializers.SerializerMethodField(help_text="Where the link leads; the key is not part of it here.")
    length = serializers.IntegerField(source="blob.length", read_only=True)
    sha256 = DigestField(source="blob.sha256", read_only=True)
    root = DigestField(  # type: ignore[assignment]  # as above
        source="blob.root", read_only=True
    )
    seal = Hex32Field(read_only=True)
    price = serializers.SerializerMethodField()
    record = serializers.SerializerMethodField(help_text="Null here; the link's own address knows it.")
    payees = serializers.SerializerMethodField(help_text="Empty here; the link's own address knows them.")

    class Meta:
        model = Link
        fields = ("id", "url", "length", "sha256", "root", "seal", "price", "record", "payees", "created_at")

    def get_url(self, link: Link) -> str:
        """Return the address of the share page."""
        return get_link_url(link.id)

    @extend_schema_field(MoneySerializer)
    def get_price(self, link: Link) -> dict[str, int]:
        """Return the price of a transfer."""
        return {"amount_msat": link.price_msat}

    @extend_schema_field({"type": ["string", "null"], "format": "uuid"})
    def get_record(self, link: Link) -> None:  # noqa: ARG002 - the hook's signature is fixed
        """Return null."""
        return

    @extend_schema_field({"type": "array", "items": {"type": "object"}})
    def get_payees(self, link: Link) -> list[dict[str, Any]]:  # noqa: ARG002 - the hook's signature is fixed
        """Return no payees."""
        return []
