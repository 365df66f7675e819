"""The server's metrics, for Prometheus."""

from django.http import HttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.views import APIView

from users.api.permissions import HasScope, Staff
from users.api.schema import describe_problems
from web.metrics import MEDIA_TYPE, write_metrics
from web.selectors.metrics import list_gauges


class MetricsView(APIView):
    """All metrics."""

    permission_classes = [HasScope("metrics:read"), Staff]

    @extend_schema(
        operation_id="metrics",
        description="Gauges in Prometheus's text format, version 0.0.4, for a staff user's token.",
        responses={
            (200, "text/plain"): OpenApiResponse(response=OpenApiTypes.STR),
            **describe_problems(401, 403),
        },
    )
    def get(self, request: Request) -> HttpResponse:  # noqa: ARG002  Django passes it
        """Return every metric, read now."""
        text = write_metrics(list_gauges(now=timezone.now()))
        return HttpResponse(text, content_type=MEDIA_TYPE, headers={"Cache-Control": "no-store"})
