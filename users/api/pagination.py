"""Lists are paged by a cursor over time and id, so that new rows never shift a page."""

import re
from collections.abc import Sequence
from typing import TypeVar

from django.db.models import Model, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.views import APIView

from users.api.queries import check_query

M = TypeVar("M", bound=Model)
R = TypeVar("R")
LIMIT = re.compile("[1-9][0-9]{0,8}")


class StrictCursorPagination(CursorPagination):
    """Pages by a cursor; an empty or repeated parameter is refused, so that no filter is lost unnoticed."""

    def paginate_queryset(
        self, queryset: QuerySet[M, R] | Sequence[R], request: Request, view: APIView | None = None
    ) -> list[R] | None:
        """Return the page that the request asks for. Raises ValidationError if its query is not acceptable."""
        check_query(request)
        return super().paginate_queryset(queryset, request, view)

    def get_page_size(self, request: Request) -> int | None:
        """Return how many rows a page has. Raises ValidationError if `limit` is no positive number."""
        name = self.page_size_query_param
        if name is not None and not LIMIT.fullmatch(request.query_params.get(name, "1")):
            raise ValidationError({name: ["This must be a positive number."]})
        return super().get_page_size(request)


class TimeCursorPagination(StrictCursorPagination):
    """Pages of 50, the newest first; `limit` asks for up to 200. Subclass it for another column of time."""

    ordering: tuple[str, ...] = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    cursor_query_description = "The cursor of a page, taken from `next` or `previous` of another one."
    page_size_query_description = "Rows per page, 50 unless given, 200 at most."
