"""People who sign in, and the API tokens they hold."""

from django.conf import settings
from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models.functions import Lower

from database.keys import make_key


class User(AbstractUser):
    """A person who signs in."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)

    class Meta(AbstractUser.Meta):
        # Names that differ by case alone would be taken for each other.
        constraints = [models.UniqueConstraint(Lower("username"), name="users_username_once_in_any_case")]


class ApiToken(models.Model):
    """A credential for the API. Only the SHA-256 of its secret is kept."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="api_tokens")
    name = models.CharField(max_length=100)
    token_sha256 = models.BinaryField(max_length=32, unique=True, editable=False)
    scopes = models.JSONField(help_text="A list of scope names.")
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return self.name


class IdempotencyKey(models.Model):
    """A POST that was answered, or is being answered, under the caller's Idempotency-Key."""

    id = models.UUIDField(primary_key=True, default=make_key, editable=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=200)
    path = models.CharField(max_length=500)
    body_sha256 = models.BinaryField(max_length=32)
    status_code = models.PositiveSmallIntegerField(null=True, help_text="Empty while the request is in flight.")
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="users_idempotency_key_once")]

    def __str__(self) -> str:
        return self.key
