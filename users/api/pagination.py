"""Lists are paged by a cursor over time and id, so that new rows never shift a page."""

from rest_framework.pagination import CursorPagination


class TimeCursorPagination(CursorPagination):
    """Pages of 50, the newest first; `limit` asks for up to 200. Subclass it for another column of time."""

    ordering: tuple[str, ...] = ("-created_at", "-id")
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 200
    cursor_query_description = "The cursor of a page, taken from `next` or `previous` of another one."
    page_size_query_description = "Rows per page, 50 unless given, 200 at most."
