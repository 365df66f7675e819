"""The server's health, for machines: what waits too long, whether the chain is followed, what the anchors have left."""

from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from users.api.permissions import Public
from web.selectors.health import HealthFacts, get_health

HEALTHY, UNHEALTHY = 200, 503


class WaitingOutput(serializers.Serializer[Any]):
    """A state that rows wait in."""

    queue = serializers.CharField(source="name")
    sweep = serializers.CharField(help_text="The task that takes these rows; `review` if a person does.")
    what = serializers.CharField()
    count = serializers.IntegerField()
    oldest_seconds = serializers.IntegerField(help_text="How long the oldest has been due; 0 if none is.")


class FollowerOutput(serializers.Serializer[Any]):
    """How far a part of the server has followed the chain."""

    name = serializers.CharField()
    height = serializers.IntegerField(allow_null=True)
    idle_seconds = serializers.IntegerField(help_text="Since it last did so without a problem.")
    problem = serializers.CharField(help_text="The name of the error that keeps it from that, empty if none does.")


class FundsOutput(serializers.Serializer[Any]):
    """What the anchors have left."""

    funds_sat = serializers.IntegerField()
    stranded_sat = serializers.IntegerField(help_text="Coins of theirs that they cannot use; not in funds_sat.")
    anchor_cost_sat = serializers.IntegerField()
    anchors_affordable = serializers.IntegerField()


class ReasonOutput(serializers.Serializer[Any]):
    """Why the server is not healthy."""

    code = serializers.CharField()
    detail = serializers.CharField()


class StatusOutput(serializers.Serializer[Any]):
    """How far the sweeps have come."""

    is_healthy = serializers.BooleanField(help_text="False if there are reasons.")
    reasons = ReasonOutput(many=True)
    is_founded = serializers.BooleanField()
    oldest_unanchored_seconds = serializers.IntegerField()
    waiting = WaitingOutput(many=True)
    followers = FollowerOutput(many=True)
    funds = FundsOutput(allow_null=True)


class StatusView(APIView):
    """The health check."""

    permission_classes = [Public]

    @extend_schema(operation_id="status", responses={HEALTHY: StatusOutput, UNHEALTHY: StatusOutput})
    def get(self, request: Request) -> Response:  # noqa: ARG002  Django passes it
        """Return what waits for how long, how far the chain is followed, and the anchors' funds.

        503 once something waits longer than CADASTRE_HEALTH_WAIT_SECONDS, the chain has not been followed for
        CADASTRE_HEALTH_CHAIN_SECONDS or cannot be without an operator, or the funds pay for fewer anchors than
        CADASTRE_HEALTH_FUNDS_ANCHORS. `reasons` says which.
        """
        health: HealthFacts = get_health(now=timezone.now())
        return Response(StatusOutput(health).data, status=HEALTHY if health.is_healthy else UNHEALTHY)
