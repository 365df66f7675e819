"""One server over HTTP: authentication, time limits, careful retries, and problem documents as typed errors.

Only requests that may be sent twice are retried: reads, and writes with an Idempotency-Key.
"""

import json
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from requests.auth import AuthBase
from requests.utils import get_environ_proxies

from client.errors import (
    ChecksumMismatchError,
    ClientError,
    LinkGoneError,
    NotAuthorizedError,
    NotFoundError,
    OffsetConflictError,
    PaymentRequiredError,
    PriceAboveMaxError,
    ProofNotReadyError,
    ProtocolError,
    RequestRejectedError,
    ServerUnavailableError,
    StorageFullError,
    SubmissionLimitError,
    UploadGoneError,
)

TIMEOUT_CONNECT_S = 10
TIMEOUT_READ_S = 60
ATTEMPTS_MAX = 5
BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 30.0
DOCUMENT_BYTES_MAX = 16 * 1024 * 1024
_DETAIL_CHARACTERS_MAX = 1000

_Answer = TypeVar("_Answer")

# 423: an earlier request that broke off still holds the upload.
_UNAVAILABLE = frozenset({423, 429, 500, 502, 503, 504})
# Conflicts that end by themselves: an earlier request under the same key broke off here, and goes on there; or a file
# that was uploaded a moment ago is not registered yet.
_SOON = frozenset({"idempotency-key-in-flight", "record-not-ready"})
_BY_CODE: dict[str, type[RequestRejectedError]] = {
    "price-above-max": PriceAboveMaxError,
    "proof-not-ready": ProofNotReadyError,
    "blob-erased": LinkGoneError,
    "link-deleted": LinkGoneError,
    "link-disabled": LinkGoneError,
    "link-expired": LinkGoneError,
    "link-used-up": LinkGoneError,
    "quota-exceeded": StorageFullError,
    "storage-full": StorageFullError,
    # 429 like a throttle, but for a day.
    "submission-limit": SubmissionLimitError,
}
_BY_STATUS: dict[int, type[RequestRejectedError]] = {
    401: NotAuthorizedError,
    402: PaymentRequiredError,
    403: NotAuthorizedError,
    404: NotFoundError,
    410: UploadGoneError,
    460: ChecksumMismatchError,
}


class _BearerAuth(AuthBase):
    """Authenticates by the token, or by nothing.

    Being there is what matters: without an object of this kind, requests would read ~/.netrc and send what it
    finds there to whatever server a link names. Proxies and CA files are still taken from the environment.
    """

    def __init__(self, token: str | None) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token is not None:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


class NoCredentials(AuthBase):
    """Authenticates by nothing, and keeps requests from looking for something to do it with."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class Server:
    """A server's address, the token for it if there is one, and how to wait between attempts.

    Threads may share it: each has connections of its own.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
        attempts_max: int = ATTEMPTS_MAX,
    ) -> None:
        self.url = url
        self.sleep = sleep
        self.attempts_max = attempts_max
        self._auth = _BearerAuth(token)
        self._local = threading.local()
        self._lock = threading.Lock()
        self._sessions: list[requests.Session] = []

    def close(self) -> None:
        """Close the connections of all threads."""
        with self._lock:
            for session in self._sessions:
                session.close()
            self._sessions.clear()

    def _get_session(self, name: str, url: str, auth: AuthBase) -> requests.Session:
        """Return this thread's session: one that several threads used at once could mix up what it keeps."""
        session: requests.Session | None = getattr(self._local, name, None)
        if session is None:
            session = requests.Session()
            session.auth = auth
            # Asked of the environment once: requests would look through all of it for every request.
            session.trust_env = False
            session.proxies = {**get_environ_proxies(url)}
            session.verify = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or True
            setattr(self._local, name, session)
            with self._lock:
                self._sessions.append(session)
        return session

    def request_store(
        self, method: str, url: str, *, headers: Mapping[str, str], body: bytes | None = None
    ) -> requests.Response:
        """Send one request, without the token, to a store that the server named; return its answer, whatever it is.

        Raises ServerUnavailableError if none comes.
        """
        try:
            return self._get_session(f"store {urlsplit(url).netloc}", url, NoCredentials()).request(
                method,
                url,
                data=body,
                headers=headers,
                timeout=(TIMEOUT_CONNECT_S, TIMEOUT_READ_S),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise ServerUnavailableError(f"The store cannot be reached ({type(error).__name__}).") from error

    def request(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        document: object = None,
        headers: Mapping[str, str] | None = None,
        may_redirect: bool = False,
    ) -> requests.Response:
        """Send one request once and return an answer of 2xx, whose body is not read yet.

        Where the interface has redirects, 307 is returned too, for the caller to follow without the token.

        Raises ServerUnavailableError if no answer came or the server cannot answer now, RequestRejectedError
        (or the subclass for its cause) for a refusal, ProtocolError for anything else.
        """
        try:
            response = self._get_session("session", self.url, self._auth).request(
                method,
                self.url + path,
                data=body,
                json=document,
                headers=headers,
                timeout=(TIMEOUT_CONNECT_S, TIMEOUT_READ_S),
                allow_redirects=False,
                stream=True,
            )
        except requests.RequestException as error:
            raise ServerUnavailableError(f"{self.url} cannot be reached ({type(error).__name__}).") from error
        is_redirect = may_redirect and response.status_code == HTTPStatus.TEMPORARY_REDIRECT
        if 200 <= response.status_code < 300 or is_redirect:  # noqa: PLR2004 - the range of success in RFC 9110
            return response
        with response:
            raise read_problem(response)

    def request_json(
        self,
        method: str,
        path: str,
        *,
        is_repeatable: bool,
        document: object = None,
        headers: Mapping[str, str] | None = None,
    ) -> object:
        """Send a request, several times if it may be, and return the JSON document of its answer."""

        def read() -> object:
            response = self.request(method, path, document=document, headers=headers)
            try:
                answer: object = json.loads(read_body(response, DOCUMENT_BYTES_MAX))
            except ValueError as error:
                raise ProtocolError(f"The answer to {method} {path} is not JSON.") from error
            return answer

        return self.retry(read) if is_repeatable else read()

    def retry(self, attempt: Callable[[], _Answer]) -> _Answer:
        """Call until it succeeds, fails for good, or is unavailable for the `attempts_max`-th time."""
        for number in range(self.attempts_max - 1):
            try:
                return attempt()
            except ServerUnavailableError as error:
                self.wait_after_failure(number, error)
        return attempt()

    def wait_after_failure(self, number: int, error: ServerUnavailableError) -> None:
        """Wait after failure `number`, from 0: ever longer, with jitter, or as long as the server asked."""
        backoff_s = BACKOFF_FIRST_S * 2**number * random.uniform(0.5, 1.5)  # noqa: S311 - jitter is no secret
        self.sleep(min(BACKOFF_MAX_S, max(backoff_s, error.retry_after_s or 0)))


def read_body(response: requests.Response, bytes_max: int) -> bytes:
    """Read an answer of at most so many bytes.

    Raises ProtocolError if it is longer, ServerUnavailableError if the connection breaks.
    """
    body = bytearray()
    try:
        with response:
            for part in response.iter_content(64 * 1024):
                body += part
                if len(body) > bytes_max:
                    raise ProtocolError(f"The server's answer is longer than {bytes_max} bytes.")
    except requests.RequestException as error:
        raise ServerUnavailableError(f"The connection broke ({type(error).__name__}).") from error
    return bytes(body)


def skip_body(response: requests.Response) -> None:
    """Read an answer whose body says nothing, so that its connection can carry the next request."""
    read_body(response, DOCUMENT_BYTES_MAX)


def read_problem(response: requests.Response) -> ClientError:
    """Return the typed error for a refusal, with the detail of its problem document (RFC 9457)."""
    problem: dict[str, Any] = {}
    if response.headers.get("Content-Type", "").partition(";")[0] == "application/problem+json":
        try:
            document = json.loads(read_body(response, DOCUMENT_BYTES_MAX))
            problem = document if isinstance(document, dict) else {}
        except (ValueError, ClientError):
            problem = {}
    status = response.status_code
    message = _describe(problem, f"The server answered {status} {response.reason or ''}".strip() + ".")
    code = str(problem.get("code"))
    if code in _SOON or (status in _UNAVAILABLE and code not in _BY_CODE):
        return ServerUnavailableError(message, retry_after_s=_parse_seconds(response.headers.get("Retry-After")))
    if status < 400:  # noqa: PLR2004 - a redirect: following one could carry the token elsewhere
        return ProtocolError(f"The server answered {status} where the interface has no redirects.")
    kind = _BY_CODE.get(code) or _BY_STATUS.get(status, RequestRejectedError)
    if status == 409 and "Upload-Offset" in response.headers:  # noqa: PLR2004 - tus 1.0, core protocol
        kind = OffsetConflictError
    return kind(message, status=status, problem=problem)


def _describe(problem: dict[str, Any], default: str) -> str:
    text = problem.get("detail") or problem.get("title")
    return text[:_DETAIL_CHARACTERS_MAX] if isinstance(text, str) else default


def _parse_seconds(text: str | None) -> float | None:
    return float(text) if text is not None and text.isdecimal() else None
