"""Query parameters are read strictly: one that is empty or repeated is a mistake, never "no filter"."""

from typing import Any

from rest_framework import serializers
from rest_framework.request import Request


def check_query(request: Request) -> None:
    """Refuse a query in which a parameter has no value or several. Raises ValidationError, which names each."""
    errors = {}
    for name, values in request.query_params.lists():
        if len(values) > 1:
            errors[name] = ["This parameter may be given once only."]
        elif not values[0]:
            errors[name] = ["This parameter may not be empty."]
    if errors:
        raise serializers.ValidationError(errors)


def read_query(request: Request, serializer_class: type[serializers.Serializer[Any]]) -> dict[str, Any]:
    """Return the values of a query by its serializer.

    Raises ValidationError if one is not acceptable, or any parameter is empty or repeated.
    """
    check_query(request)
    query = serializer_class(data=request.query_params.dict())
    query.is_valid(raise_exception=True)
    values: dict[str, Any] = query.validated_data
    return values
