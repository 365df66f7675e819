"""What the tests of the registry's API share: how pages and problems are read."""

import json
from typing import Any

from django.test import Client


def list_pages(client: Client, path: str) -> list[list[str]]:
    """Return the ids of each page, two rows a page, as the answers' own addresses lead to them."""
    pages, address = [], f"/api/v1{path}?limit=2"
    while address:
        answer = client.get(address).json()
        pages.append([row["id"] for row in answer["results"]])
        address = answer["next"]
    return pages


def get_code(answer: Any) -> tuple[int, str]:
    """Return the status and the code of a problem."""
    assert answer.headers["Content-Type"] == "application/problem+json"
    return answer.status_code, json.loads(answer.content)["code"]
