"""The registry's part of the API: what goes in and what comes out."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry.models import Anchor, Claim, Record, RightsHolder, SplitPolicy, Work
from registry.selectors.records import find_anchor, find_place, get_state
from registry.selectors.terms import TermsLine, list_lines
from users.api.fields import DigestField, Hex32Field, MoneySerializer, StrictIntegerField

PPM_WHOLE = 1_000_000


class LineOutput(serializers.Serializer[Any]):
    """Who is paid what part of a transfer's price."""

    payee = serializers.CharField()
    holder = serializers.UUIDField(source="holder_id", allow_null=True)
    name = serializers.CharField()
    fee_bp = serializers.IntegerField(required=False, help_text="Basis points off the top: a fee.")
    share_ppm = serializers.IntegerField(required=False, help_text="Millionths of the rest: a share.")

    def to_representation(self, instance: TermsLine) -> dict[str, Any]:
        """Return the line with its fee or its share, whichever it is."""
        fields: dict[str, Any] = super().to_representation(instance)
        del fields["share_ppm" if instance.fee_bp else "fee_bp"]
        return fields


class BatchOutput(serializers.Serializer[Any]):
    """The batch that a record's leaf is in."""

    seq = serializers.IntegerField()
    first_index = serializers.IntegerField()
    size = serializers.IntegerField()
    root = Hex32Field()  # type: ignore[assignment]  # a field may be named like the serializer's parent property
    commitment = Hex32Field()


class AnchorOutput(serializers.Serializer[Any]):
    """The Bitcoin transaction that publishes the batch's commitment."""

    state = serializers.CharField()
    txid = serializers.CharField(allow_null=True)
    height = serializers.IntegerField(allow_null=True)
    block_hash = serializers.CharField(allow_null=True)


class RecordOutput(serializers.Serializer[Any]):
    """A record and how far it is on its way into Bitcoin."""

    id = serializers.UUIDField()
    kind = serializers.IntegerField()
    sha256 = DigestField(help_text="What `sha256sum` prints of the registered bytes.")
    length = serializers.IntegerField()
    root = DigestField(help_text="BitTorrent v2 pieces root of the registered bytes.")  # type: ignore[assignment]  # a field may be named like the serializer's parent property
    seal = Hex32Field()
    leaf = Hex32Field()
    registered_at = serializers.DateTimeField()
    state = serializers.SerializerMethodField()
    work = serializers.UUIDField(source="work_id", allow_null=True)
    index = serializers.SerializerMethodField()
    batch = serializers.SerializerMethodField()
    anchor = serializers.SerializerMethodField()

    def get_state(self, record: Record) -> str:
        """Return REGISTERED, SEALED, SIGNED, BROADCAST, MINED or FINAL."""
        return get_state(record)

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_index(self, record: Record) -> int | None:
        """Return the leaf's place in the register, or null before the record is sealed."""
        place = find_place(record)
        return None if place is None else place.index

    @extend_schema_field(BatchOutput(allow_null=True))
    def get_batch(self, record: Record) -> dict[str, Any] | None:
        """Return the record's batch, or null before it is sealed."""
        place = find_place(record)
        if place is None:
            return None
        batch = place.batch
        return {
            "seq": batch.seq,
            "first_index": batch.first_index,
            "size": batch.size,
            "root": bytes(batch.root).hex(),
            "commitment": bytes(batch.commitment).hex(),
        }

    @extend_schema_field(AnchorOutput(allow_null=True))
    def get_anchor(self, record: Record) -> dict[str, Any] | None:
        """Return the anchor of the record's batch, or null before it is signed."""
        return describe_anchor(find_anchor(record))


def describe_anchor(anchor: Anchor | None) -> dict[str, Any] | None:
    """Return the fields of AnchorOutput, or None if there is no anchor."""
    if anchor is None:
        return None
    return {
        "state": anchor.state,
        "txid": anchor.current.txid if anchor.current else None,
        "height": anchor.height,
        "block_hash": anchor.block_hash or None,
    }


class LinkTermsOutput(serializers.Serializer[Any]):
    """A link as anybody sees it: what it carries, what a transfer costs, and who is paid."""

    id = serializers.UUIDField()
    url = serializers.CharField()
    length = serializers.IntegerField()
    sha256 = DigestField()
    root = DigestField()  # type: ignore[assignment]  # a field may be named like the serializer's parent property
    seal = Hex32Field()
    price = MoneySerializer()
    record = serializers.UUIDField(allow_null=True)
    payees = LineOutput(many=True)
    created_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True, help_text="From then on no transfer begins.")
    transfers_max = serializers.IntegerField(allow_null=True, help_text="How many transfers may begin; null for any.")
    transfers_left = serializers.IntegerField(allow_null=True)


class HolderInput(serializers.Serializer[Any]):
    """A new rights holder."""

    name = serializers.CharField(max_length=200)
    payout_address = serializers.CharField(max_length=100)


class HolderOutput(serializers.ModelSerializer[RightsHolder]):
    """A rights holder that the caller is a member of."""

    class Meta:
        model = RightsHolder
        fields = ["id", "name", "payout_address", "created_at"]


class ClaimInput(serializers.Serializer[Any]):
    """A claim of a share in the work that a record embodies."""

    record = serializers.UUIDField()
    holder = serializers.UUIDField()
    title = serializers.CharField(max_length=300)
    share_ppm = StrictIntegerField(min_value=1, max_value=PPM_WHOLE)
    basis = serializers.ChoiceField(choices=Claim.Basis.choices)
    evidence = serializers.CharField(max_length=10_000)


class ClaimOutput(serializers.ModelSerializer[Claim]):
    """A claim and its state."""

    class Meta:
        model = Claim
        fields = ["id", "work", "record", "holder", "title", "share_ppm", "basis", "evidence", "state", "submitted_at"]


class PolicyOutput(serializers.ModelSerializer[SplitPolicy]):
    """One version of a work's split policy."""

    lines = serializers.SerializerMethodField()

    class Meta:
        model = SplitPolicy
        fields = ["id", "territory", "version", "valid_from", "valid_to", "lines"]

    @extend_schema_field(LineOutput(many=True))
    def get_lines(self, policy: SplitPolicy) -> Any:
        """Return the policy's lines in order."""
        return LineOutput(list_lines(policy), many=True).data


class WorkOutput(serializers.ModelSerializer[Work]):
    """A work with every version of its split policy, newest first."""

    policies = PolicyOutput(many=True)

    class Meta:
        model = Work
        fields = ["id", "title", "created_at", "policies"]
