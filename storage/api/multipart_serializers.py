"""What the API takes and gives about uploads in parts."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from storage.models import Multipart
from storage.multipart import PartUrl, StoredPart
from storage.services.multiparts import get_plan
from users.api.fields import DigestField, LengthField, StrictIntegerField

PARTS_PER_REQUEST_MAX = 100


class NewMultipartSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes what an upload in parts begins with."""

    length = LengthField(help_text="The number of bytes of the whole upload.")


class MultipartSerializer(serializers.ModelSerializer[Multipart]):
    """Gives an upload in parts to its owner."""

    id = serializers.UUIDField(source="upload_id", read_only=True, help_text="Also the upload's, for making a link.")
    length = serializers.IntegerField(source="upload.length", read_only=True)
    part_bytes = serializers.IntegerField(read_only=True, help_text="Bytes of every part but the last.")
    parts_count = serializers.SerializerMethodField()
    parts_per_request_max = serializers.SerializerMethodField(help_text="For how many parts one request may ask.")
    fault = serializers.ChoiceField(
        Multipart.Fault.choices, allow_null=True, read_only=True, help_text="Why the upload was refused, else null."
    )
    expires_at = serializers.DateTimeField(source="upload.expires_at", read_only=True)

    class Meta:
        model = Multipart
        fields = (
            "id",
            "state",
            "length",
            "part_bytes",
            "parts_count",
            "parts_per_request_max",
            "fault",
            "expires_at",
        )

    @extend_schema_field({"type": "integer"})
    def get_parts_count(self, multipart: Multipart) -> int:
        """Return how many parts the upload has."""
        return get_plan(multipart).count

    @extend_schema_field({"type": "integer"})
    def get_parts_per_request_max(self, multipart: Multipart) -> int:  # noqa: ARG002 - the hook's signature is fixed
        """Return the limit of one request."""
        return PARTS_PER_REQUEST_MAX

    def to_representation(self, instance: Multipart) -> dict[str, Any]:
        """Write an absent fault as null."""
        document: dict[str, Any] = super().to_representation(instance)
        return {**document, "fault": document["fault"] or None}


class WantedPartSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes which part is to be sent."""

    number = StrictIntegerField(min_value=1, max_value=10_000)
    sha256 = DigestField(help_text="Of the part's bytes: the store takes no others.")


class WantedPartsSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes which parts are to be sent."""

    parts = serializers.ListField(child=WantedPartSerializer(), min_length=1, max_length=PARTS_PER_REQUEST_MAX)


class PartUrlSerializer(serializers.Serializer[PartUrl]):
    """Gives where a part is sent."""

    number = serializers.IntegerField()
    url = serializers.CharField(help_text="For one PUT of these very bytes.")
    headers = serializers.DictField(child=serializers.CharField(), help_text="Headers that the PUT must have.")


class PartUrlsSerializer(serializers.Serializer[dict[str, Any]]):
    """Gives where parts are sent."""

    parts = PartUrlSerializer(many=True)
    expires_at = serializers.DateTimeField(help_text="Until when a PUT may begin.")


class StoredPartSerializer(serializers.Serializer[StoredPart]):
    """Gives a part that the store has."""

    number = serializers.IntegerField()
    length = serializers.IntegerField()
    sha256 = DigestField(allow_null=True, help_text="Null where the store does not tell it.")


class StoredPartsSerializer(serializers.Serializer[dict[str, Any]]):
    """Gives the parts that the store has."""

    parts = StoredPartSerializer(many=True)


class ClosingSerializer(serializers.Serializer[dict[str, Any]]):
    """Takes the digest of everything that was sent."""

    sha256 = DigestField(help_text="The SHA-256 of all bytes that were uploaded.")
    length = LengthField(help_text="Their number.")
    root = DigestField(  # type: ignore[assignment]  # it shadows a property of the library that is not used here
        help_text="Their BitTorrent v2 pieces root."
    )
