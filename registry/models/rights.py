"""Works, the parties that hold rights in them, their claims, and the split policies that follow."""

from django.db import models

from database.keys import make_key

WORLD = "WW"


class Work(models.Model):
    """What rights are held in. Every record of an upload has exactly one, made with it."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    title = models.CharField(max_length=300, blank=True, help_text="Given by a claim; empty until one is approved.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.title or str(self.id)


class RightsHolder(models.Model):
    """A party that can hold rights and be paid."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    name = models.CharField(max_length=200)
    payout_address = models.CharField(max_length=100)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class Member(models.Model):
    """A user's place in a rights holder."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    holder = models.ForeignKey(RightsHolder, on_delete=models.PROTECT, related_name="members")
    user = models.ForeignKey("users.User", on_delete=models.PROTECT, related_name="memberships")
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["holder", "user"], name="registry_member_once")]

    def __str__(self) -> str:
        return str(self.id)


class Claim(models.Model):
    """A rights holder's asserted interest in a work."""

    class State(models.TextChoices):
        SUBMITTED = "SUBMITTED"
        APPROVED = "APPROVED"
        REJECTED = "REJECTED"
        WITHDRAWN = "WITHDRAWN"

    class Basis(models.TextChoices):
        CREATOR = "CREATOR", "original creator"
        CONTRACT = "CONTRACT", "contract"
        LICENCE = "LICENCE", "exclusive licence"
        MANDATE = "MANDATE", "collective mandate"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    work = models.ForeignKey(Work, on_delete=models.PROTECT, related_name="claims")
    record = models.ForeignKey("registry.Record", on_delete=models.PROTECT, related_name="claims")
    holder = models.ForeignKey(RightsHolder, on_delete=models.PROTECT, related_name="claims")
    title = models.CharField(max_length=300)
    share_ppm = models.PositiveIntegerField(help_text="Millionths of what is left after fees.")
    basis = models.CharField(max_length=10, choices=Basis.choices)
    evidence = models.TextField(max_length=10_000)
    state = models.CharField(max_length=9, choices=State.choices, default=State.SUBMITTED)
    submitted_by = models.ForeignKey("users.User", on_delete=models.PROTECT, related_name="claims")
    submitted_at = models.DateTimeField()

    class Meta:
        ordering = ["-submitted_at", "-id"]
        constraints = [
            models.CheckConstraint(
                name="registry_claim_share_in_range",
                condition=models.Q(share_ppm__gte=1, share_ppm__lte=1_000_000),
            ),
            models.UniqueConstraint(
                fields=["work", "holder"],
                name="registry_claim_one_active",
                condition=models.Q(state__in=["SUBMITTED", "APPROVED"]),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.title} ({self.state.lower()})"


class ClaimEvent(models.Model):
    """One move of a claim: who, from what, to what, when and why. Append-only; each is registered as a record."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    claim = models.ForeignKey(Claim, on_delete=models.PROTECT, related_name="events")
    actor = models.ForeignKey("users.User", on_delete=models.PROTECT, related_name="+")
    state_before = models.CharField(max_length=9, blank=True)
    state_after = models.CharField(max_length=9, choices=Claim.State.choices)
    reason = models.TextField(max_length=2_000)
    record = models.OneToOneField("registry.Record", on_delete=models.PROTECT, related_name="claim_event")
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]

    def __str__(self) -> str:
        return f"{self.state_before} > {self.state_after}"


class SplitPolicy(models.Model):
    """A frozen, dated table of shares of a work in a territory. Only the end of its validity is set later, once."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    work = models.ForeignKey(Work, on_delete=models.PROTECT, related_name="policies")
    territory = models.CharField(max_length=2, default=WORLD, help_text="ISO 3166-1 alpha-2, or WW for the world.")
    version = models.PositiveIntegerField()
    valid_from = models.DateTimeField()
    valid_to = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField()

    class Meta:
        ordering = ["work", "territory", "-version"]
        verbose_name_plural = "split policies"
        constraints = [
            models.UniqueConstraint(fields=["work", "territory", "version"], name="registry_policy_version_once"),
            models.UniqueConstraint(
                fields=["work", "territory"],
                name="registry_policy_one_open",
                condition=models.Q(valid_to=None),
            ),
            models.CheckConstraint(
                name="registry_policy_validity_in_order",
                condition=models.Q(valid_to=None) | models.Q(valid_to__gt=models.F("valid_from")),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.work_id} {self.territory} v{self.version}"


class SplitLine(models.Model):
    """One line of a split policy: a fee off the top in basis points, or a share of the rest in ppm."""

    class Payee(models.TextChoices):
        HOLDER = "HOLDER", "a rights holder"
        UPLOADER = "UPLOADER", "the uploader"
        AFFILIATE = "AFFILIATE", "the affiliate"
        PLATFORM = "PLATFORM", "the platform"
        UNCLAIMED = "UNCLAIMED", "unclaimed"
        ESCROW = "ESCROW", "escrow"

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    policy = models.ForeignKey(SplitPolicy, on_delete=models.PROTECT, related_name="lines")
    position = models.PositiveSmallIntegerField()
    payee = models.CharField(max_length=9, choices=Payee.choices)
    holder = models.ForeignKey(RightsHolder, on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    fee_bp = models.PositiveIntegerField(default=0)
    share_ppm = models.PositiveIntegerField(default=0)

    class Meta:
        ordering = ["policy", "position"]
        constraints = [
            models.UniqueConstraint(fields=["policy", "position"], name="registry_line_position_once"),
            models.CheckConstraint(
                name="registry_line_fee_or_share",
                condition=models.Q(fee_bp=0, share_ppm__gte=1, share_ppm__lte=1_000_000)
                | models.Q(share_ppm=0, fee_bp__gte=1, fee_bp__lte=10_000),
            ),
            models.CheckConstraint(
                name="registry_line_holder_named",
                condition=models.Q(payee="HOLDER", holder__isnull=False)
                | (~models.Q(payee="HOLDER") & models.Q(holder=None)),
            ),
        ]

    def __str__(self) -> str:
        return f"{self.payee} {self.fee_bp} bp {self.share_ppm} ppm"
