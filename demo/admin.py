"""Uses Django admin as a person does: by its pages and forms, with the tokens that they carry."""

import re

import requests

CSRF = re.compile('name="csrfmiddlewaretoken" value="([^"]+)"')
TIMEOUT_SECONDS = 60


class Admin:
    """A browser's session in the admin."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._session = requests.Session()

    def sign_in(self, name: str, password: str) -> None:
        """Sign in by the admin's own form. Raises RuntimeError if it refuses."""
        answer = self.submit("/admin/login/", "/admin/login/?next=/admin/", {"username": name, "password": password})
        if "/admin/logout/" not in answer:
            raise RuntimeError("the admin's sign-in form was refused")

    def read(self, path: str) -> str:
        """Return a page. Raises RuntimeError if there is none."""
        answer = self._session.get(self._url + path, timeout=TIMEOUT_SECONDS)
        if not answer.ok:
            raise RuntimeError(f"GET {path}: {answer.status_code}")
        return answer.text

    def submit(self, page: str, action: str, fields: dict[str, str]) -> str:
        """Fill in a form of a page, send it, and return the page that follows.

        Raises RuntimeError if the page has no form or the server refuses it.
        """
        found = CSRF.search(self.read(page))
        if found is None:
            raise RuntimeError(f"{page} has no form")
        answer = self._session.post(
            self._url + action,
            data={**fields, "csrfmiddlewaretoken": found[1]},
            headers={"Referer": self._url + page},
            timeout=TIMEOUT_SECONDS,
        )
        if not answer.ok:
            raise RuntimeError(f"POST {action}: {answer.status_code}")
        return answer.text
