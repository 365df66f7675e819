"""Which register a request asks about: `?register=TXID:VOUT`, or the active one."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers
from rest_framework.request import Request

from registry.models import Register
from registry.selectors.registers import OUTPOINT, get_register_at

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
    query = RegisterQuery(data=request.query_params)
    query.is_valid(raise_exception=True)
    txid, _, vout = query.validated_data.get("register", "").partition(":")
    return get_register_at(txid=txid, vout=int(vout)) if txid else None
