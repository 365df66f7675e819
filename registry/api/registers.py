"""Which register a request asks about: `?register=TXID:VOUT`, or the active one."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from registry.models import Register
from registry.selectors.registers import OUTPOINT, get_register_at
from users.api.queries import read_query

REGISTER_PARAMETER = OpenApiParameter(
    "register", OpenApiTypes.STR, description="A register's first outpoint, `TXID:VOUT`."
)


class RegisterQuery(serializers.Serializer[dict[str, str]]):
    """Which register is asked for: by its first outpoint, the txid in display order."""

    register = serializers.RegexField(f"^{OUTPOINT.pattern}$", required=False)


def find_asked_register(request: Request) -> Register | None:
    """Return the register that a request names, or None if it names none.

    Raises ValidationError if the name is of another form, RegisterMissingError if there is no such register.
    """
    txid, _, vout = read_query(request, RegisterQuery).get("register", "").partition(":")
    return get_register_at(txid=txid, vout=int(vout)) if txid else None
