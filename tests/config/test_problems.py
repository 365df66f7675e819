"""Every error is a problem document."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.test import Client
from django.urls import path
from pytest_django import Settings
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from config.problems import FRAMEWORK_PROBLEMS, PROBLEMS, find_problem
from storage.errors import RangeNotSatisfiableError, StorageError, UploadOffsetError
from users.api.permissions import Public

pytestmark = pytest.mark.urls(__name__)

DOCS = Path(__file__).resolve().parents[2] / "docs" / "reference"

ERRORS: dict[str, Exception] = {
    "bug": RuntimeError("the password is hunter2"),
    "root": StorageError("an error without a row"),
    "offset": UploadOffsetError(7),
    "range": RangeNotSatisfiableError(9),
    "missing": Http404("a path on the disk"),
    "suspicious": SuspiciousOperation("internals"),
}


class Pair(serializers.Serializer[Any]):
    """Input with parts."""

    number = serializers.IntegerField()


class Input(serializers.Serializer[Any]):
    """Input with a list of parts."""

    name = serializers.CharField()
    pairs = Pair(many=True)


class Failing(APIView):
    """Fails as its address tells."""

    authentication_classes = ()
    permission_classes = (Public,)

    def get(self, request: Request, cause: str) -> Response:  # noqa: ARG002 - the hook's signature is fixed
        """Raise."""
        raise ERRORS[cause]

    def post(self, request: Request, cause: str) -> Response:  # noqa: ARG002 - the hook's signature is fixed
        """Check input."""
        Input(data=request.data).is_valid(raise_exception=True)
        return Response({})


def fail_plainly(request: HttpRequest, cause: str) -> HttpResponse:
    raise ERRORS[cause]


urlpatterns = [
    path("api/view/<cause>", Failing.as_view()),
    path("api/plain/<cause>", fail_plainly),
    path("page/<cause>", fail_plainly),
]
handler400 = "config.problems.bad_request"
handler403 = "config.problems.permission_denied"
handler404 = "config.problems.page_not_found"
handler500 = "config.problems.server_error"


def get(address: str):
    return Client(raise_request_exception=False).get(address)


def check(answer: object, status: int, code: str) -> dict[str, Any]:
    assert isinstance(answer, HttpResponse)
    document: dict[str, Any] = json.loads(answer.content)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.status_code == document["status"] == status
    assert document["code"] == code
    assert document["type"] == f"http://127.0.0.1:8000/problems/{code}"
    assert document["title"]
    assert document["detail"]
    return document


def test_the_type_is_an_address_on_this_site(settings: Settings):
    settings.CADASTRE_PUBLIC_URL = "https://cadastre.example"

    document = get("/api/view/offset").json()

    assert document["type"] == "https://cadastre.example/problems/upload-offset"


def test_a_domain_error_brings_its_headers():
    offset, unsatisfiable = get("/api/view/offset"), get("/api/view/range")

    check(offset, 409, "upload-offset")
    check(unsatisfiable, 416, "range-not-satisfiable")
    assert offset.headers["Upload-Offset"] == "7"
    assert unsatisfiable.headers["Content-Range"] == "bytes */9"


@pytest.mark.parametrize("address", ["/api/view/bug", "/api/view/root", "/api/plain/bug"])
def test_an_unlisted_error_is_a_bare_500_that_leaks_nothing(address: str):
    answer = get(address)

    check(answer, 500, "internal-error")
    assert b"hunter2" not in answer.content
    assert b"without a row" not in answer.content


@pytest.mark.parametrize(
    ("address", "status", "code"),
    [
        ("/api/nowhere", 404, "not-found"),
        ("/api/view/missing", 404, "not-found"),
        ("/api/plain/missing", 404, "not-found"),
        ("/api/view/suspicious", 400, "bad-request"),
        ("/api/plain/suspicious", 400, "bad-request"),
    ],
)
def test_what_django_raises_is_described_without_its_details(address: str, status: int, code: str):
    answer = get(address)

    check(answer, status, code)
    assert b"disk" not in answer.content
    assert b"internals" not in answer.content


def test_pages_outside_the_api_keep_djangos_own_errors():
    assert get("/nowhere").headers["Content-Type"].startswith("text/html")
    assert get("/page/bug").headers["Content-Type"].startswith("text/html")
    assert get("/page/suspicious").headers["Content-Type"].startswith("text/html")


def test_a_wrong_method_is_405_and_names_the_right_ones():
    answer = Client().delete("/api/view/offset")

    check(answer, 405, "method-not-allowed")
    assert answer.headers["Allow"] == "GET, POST, HEAD, OPTIONS"


def test_invalid_input_is_pointed_at():
    answer = Client().post(
        "/api/view/offset", {"pairs": [{"number": 1}, {"number": "x"}]}, content_type="application/json"
    )

    document = check(answer, 400, "invalid-input")
    assert [error["pointer"] for error in document["errors"]] == ["/name", "/pairs/1/number"]


@pytest.mark.parametrize(
    ("body", "media_type", "status", "code"),
    [
        ("{", "application/json", 400, "malformed-body"),
        ("[]", "application/json", 400, "invalid-input"),
        ("a=1", "application/x-www-form-urlencoded", 415, "unsupported-media-type"),
        ('"' + "x" * (4 * 2**20) + '"', "application/json", 413, "body-too-large"),
    ],
    ids=["malformed", "not an object", "another type", "too large"],
)
def test_a_body_that_cannot_be_read_is_refused(body: str, media_type: str, status: int, code: str):
    check(Client().post("/api/view/offset", body, content_type=media_type), status, code)


def test_accept_does_not_hide_the_answer():
    answer = Client(headers={"Accept": "text/html"}).get("/api/view/offset")

    check(answer, 409, "upload-offset")


def test_an_error_takes_the_row_of_its_nearest_ancestor():
    class SpecialOffsetError(UploadOffsetError):
        """A finer cause."""

    found = find_problem(SpecialOffsetError(1))

    assert found is PROBLEMS[UploadOffsetError]
    assert find_problem(StorageError()) is None


def test_a_slug_stands_for_one_status_and_title():
    rows = [*PROBLEMS.values(), *FRAMEWORK_PROBLEMS.values()]

    meanings = {(row.slug, row.status, row.title) for row in rows}

    assert len(meanings) == len({row.slug for row in rows})


def test_every_problem_of_users_storage_and_the_frameworks_is_explained():
    pages = "".join(
        (DOCS / name).read_text(encoding="utf-8") for name in ("api-conventions.md", "uploads.md", "links.md")
    )

    own = [row for kind, row in PROBLEMS.items() if kind.__module__ in {"users.errors", "storage.errors"}]
    missing = [
        row.slug for row in [*own, *FRAMEWORK_PROBLEMS.values()] if f"| `{row.slug}` | {row.status} |" not in pages
    ]

    assert missing == []
