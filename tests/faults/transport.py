"""A way to the node whose calls are points of the fault tests."""

from chain.transports import HttpTransport
from tests.faults.points import POINTS


class KillingTransport(HttpTransport):
    """The product's transport with points before and after each call."""

    def exchange(self, body: bytes, *, is_repeatable: bool) -> bytes:
        """Make a call between two points."""
        POINTS.reach()
        answer = super().exchange(body, is_repeatable=is_repeatable)
        POINTS.reach()
        return answer
