"""What the API takes and gives about links."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from storage.models import Link, Report
from storage.selectors import StorageUse, describe_state, get_link_url
from storage.services.links import TRANSFERS_MAX_MAX
from storage.services.reports import TEXT_CHARACTERS_MAX
from users.api.fields import (
    Base64Field,
    DigestField,
    Hex32Field,
    LengthField,
    MoneySerializer,
    StrictIntegerField,
)

LINK_STATES = ("open", "expired", "used-up", "disabled")


class TransfersMaxField(StrictIntegerField):
    """A maximum of transfers, or null for any number."""

    def __init__(self) -> None:
        super().__init__(
            min_value=1,
            max_value=TRANSFERS_MAX_MAX,
            required=False,
            allow_null=True,
            help_text="How many transfers may begin; null for any number.",
        )


class StorageUseSerializer(serializers.Serializer[StorageUse]):
    """Gives how much a person keeps and may keep."""

    used_bytes = serializers.IntegerField(
        help_text="The lengths of unfinished uploads, and of each blob that a link leads to."
    )
    quota_bytes = serializers.IntegerField(allow_null=True, help_text="Null is without a limit.")
    uploads_unfinished = serializers.IntegerField()
    uploads_unfinished_max = serializers.IntegerField()


class NewLinkSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes what a link is made from: a finished upload, or another link of the same owner."""

    upload = serializers.UUIDField(
        required=False, help_text="The id of a finished upload: the last part of its address."
    )
    link = serializers.UUIDField(
        required=False, help_text="In place of `upload`: the id of a link of yours, to share its blob once more."
    )
    sha256 = DigestField(required=False, help_text="The SHA-256 of all bytes that were uploaded.")
    length = LengthField(required=False, help_text="Their number.")
    root = DigestField(  # type: ignore[assignment]  # it shadows a property of the library that is not used here
        required=False, help_text="Their BitTorrent v2 pieces root."
    )
    manifest = Base64Field(help_text="The encrypted manifest, an age file.")
    seal = Hex32Field(help_text="Binds the record to the link; zeros if there is none.")
    price = MoneySerializer(help_text="Per transfer.")
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="From then on no transfer begins; null for never."
    )
    transfers_max = TransfersMaxField()
    deletion_token_sha256 = Hex32Field(
        required=False, help_text="SHA-256 of 32 random bytes with which anybody may delete the link."
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Check that there is one source, and with an upload what it is to be compared with."""
        if ("upload" in attrs) == ("link" in attrs):
            raise serializers.ValidationError("Name either an upload or a link.")
        missing = [name for name in ("sha256", "length", "root") if name not in attrs]
        if "upload" in attrs and missing:
            raise serializers.ValidationError(dict.fromkeys(missing, "With an upload, this is required."))
        return attrs


class LinkChangesSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes what an owner changes of a link; what is left out stays."""

    price = MoneySerializer(required=False, help_text="Per transfer.")
    expires_at = serializers.DateTimeField(required=False, allow_null=True, help_text="Null for never.")
    transfers_max = TransfersMaxField()


class NewReportSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes what a reader says against a link."""

    category = serializers.ChoiceField(choices=Report.Category.choices)
    sealed = Base64Field(
        required=False, default=b"", help_text="The link with its key, as an age file to the reviewers; may be empty."
    )
    text = serializers.CharField(required=False, default="", allow_blank=True, max_length=TEXT_CHARACTERS_MAX)


class ReportSerializer(serializers.ModelSerializer[Report]):
    """Gives whoever made a report its number."""

    class Meta:
        model = Report
        fields = ("id", "category", "created_at")


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
    transfers_left = serializers.IntegerField(read_only=True, allow_null=True)
    state = serializers.SerializerMethodField(help_text="`open`, or why no transfer begins.")

    class Meta:
        model = Link
        fields = (
            "id",
            "url",
            "length",
            "sha256",
            "root",
            "seal",
            "price",
            "record",
            "payees",
            "created_at",
            "expires_at",
            "transfers_max",
            "transfers_left",
            "state",
        )

    def get_url(self, link: Link) -> str:
        """Return the address of the share page."""
        return get_link_url(link.id)

    @extend_schema_field({"type": "string", "enum": list(LINK_STATES)})
    def get_state(self, link: Link) -> str:
        """Return the link's state now."""
        return describe_state(link, now=timezone.now())

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
