"""The server's health, for machines: how long rows have waited for the sweeps that should take them."""

from typing import Any

from django.conf import settings
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users.api.permissions import Public
from web.selectors.facts import StatusFacts, get_status

HEALTHY, UNHEALTHY = 200, 503


class WaitingOutput(serializers.Serializer[Any]):
    """A state that rows wait in."""

    what = serializers.CharField()
    count = serializers.IntegerField()
    oldest_seconds = serializers.IntegerField(help_text="How long the oldest has waited; 0 if none waits.")


class StatusOutput(serializers.Serializer[Any]):
    """How far the sweeps have come."""

    is_healthy = serializers.BooleanField(help_text="False once anything has waited longer than the operator allows.")
    is_founded = serializers.BooleanField()
    oldest_unanchored_seconds = serializers.IntegerField()
    waiting = WaitingOutput(many=True)
    registry_height = serializers.IntegerField(allow_null=True)
    payouts_height = serializers.IntegerField(allow_null=True)


class StatusView(APIView):
    """The health check."""

    permission_classes = [Public]

    @extend_schema(operation_id="status", responses={HEALTHY: StatusOutput, UNHEALTHY: StatusOutput})
    def get(self, request: Request) -> Response:  # noqa: ARG002  Django passes it
        """Return what waits for how long, with 503 once it is longer than CADASTRE_HEALTH_WAIT_SECONDS."""
        facts = get_status(now=timezone.now())
        is_healthy = is_in_time(facts)
        body = StatusOutput({"is_healthy": is_healthy, **{name: getattr(facts, name) for name in facts.__slots__}})
        return Response(body.data, status=HEALTHY if is_healthy else UNHEALTHY)


def is_in_time(facts: StatusFacts) -> bool:
    """Return whether nothing has waited longer than the operator allows."""
    waits = [facts.oldest_unanchored_seconds, *(waiting.oldest_seconds for waiting in facts.waiting)]
    return max(waits) <= settings.CADASTRE_HEALTH_WAIT_SECONDS
