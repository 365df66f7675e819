"""Every query parameter that the OpenAPI document declares, given empty and given twice."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.factories.users import make_client, make_user

DOCUMENT = yaml.safe_load((Path(__file__).parents[2] / "docs" / "reference" / "openapi.yaml").read_text())


def list_parameters() -> Iterator[tuple[str, str]]:
    for path, operations in DOCUMENT["paths"].items():
        for parameter in operations.get("get", {}).get("parameters", []):
            if parameter["in"] == "query":
                yield path.replace("{seq}", "0"), parameter["name"]


PARAMETERS = list(list_parameters())


def test_the_document_declares_lists_and_filters():
    assert {("/api/v1/records", "sha256"), ("/api/v1/settlements", "cursor")} < set(PARAMETERS)


@pytest.mark.django_db
@pytest.mark.parametrize(("path", "name"), PARAMETERS)
@pytest.mark.parametrize("query", ["{0}=", "{0}=1&{0}=1"], ids=["empty", "repeated"])
def test_a_parameter_has_one_value(path: str, name: str, query: str):
    answer = make_client(make_user()).get(f"{path}?{query.format(name)}")

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert [error["pointer"] for error in answer.json()["errors"]] == [f"/{name}"]


@pytest.mark.django_db
def test_a_query_is_refused_for_all_its_mistakes_at_once():
    answer = make_client().get("/api/v1/records?sha256=&limit=1&limit=2")

    assert answer.json()["errors"] == [
        {"pointer": "/sha256", "detail": "This parameter may not be empty."},
        {"pointer": "/limit", "detail": "This parameter may be given once only."},
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("limit", ["0", "-1", "ten", "1.5", "9" * 5_000], ids=["0", "-1", "ten", "1.5", "too-long"])
def test_a_limit_is_a_positive_number(limit: str):
    answer = make_client().get("/api/v1/records", {"limit": limit})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid-input")
    assert answer.json()["errors"] == [{"pointer": "/limit", "detail": "This must be a positive number."}]


@pytest.mark.django_db
@pytest.mark.parametrize("limit", ["1", "200", "1000"])
def test_a_limit_may_be_higher_than_the_highest(limit: str):
    assert make_client().get("/api/v1/records", {"limit": limit}).status_code == 200
