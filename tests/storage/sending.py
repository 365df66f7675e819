"""Sends parts to a store as a client does: by the addresses that the services sign."""

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta

import requests

from storage.models import Multipart
from storage.multipart import PartUrl
from storage.services.multiparts import close_multipart, create_multipart, get_plan, sign_parts
from tests.factories.storage import digest
from tests.factories.users import NOW
from tests.swift import PART_BYTES_MIN
from users.models import User

CONTENT = bytes(range(256)) * (PART_BYTES_MIN // 256) * 2 + b"the rest"
"""Two parts and a bit."""


class ManualClock:
    """A clock that stands until it is moved."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def move(self, seconds: float) -> None:
        """Move the clock."""
        self.now += timedelta(seconds=seconds)


def put_part(part: PartUrl, data: bytes) -> requests.Response:
    """Send one part's bytes."""
    with requests.Session() as session:
        session.trust_env = False
        return session.put(part.url, data=data, headers=part.headers, timeout=30)


def begin(owner: User, content: bytes = CONTENT, *, now: datetime = NOW) -> Multipart:
    """Return a new upload for these bytes."""
    return create_multipart(owner=owner, length=len(content), now=now)


def send(multipart: Multipart, numbers: Iterable[int], content: bytes = CONTENT, *, now: datetime = NOW) -> None:
    """Send parts of the bytes, and require that the store takes them."""
    plan = get_plan(multipart)
    for number in numbers:
        start = (number - 1) * plan.part_bytes
        data = content[start : start + plan.get_part_length(number)]
        wanted = [(number, hashlib.sha256(data).digest())]
        [part] = sign_parts(upload_id=multipart.upload_id, owner_id=multipart.upload.owner_id, parts=wanted, now=now)
        answer = put_part(part, data)
        assert answer.ok, answer.text


def close(multipart: Multipart, content: bytes = CONTENT, *, now: datetime = NOW) -> Multipart:
    """Close an upload with the digest of these bytes."""
    return close_multipart(
        upload_id=multipart.upload_id, owner_id=multipart.upload.owner_id, declared=digest(content), now=now
    )


def send_all(owner: User, content: bytes = CONTENT, *, declared: bytes | None = None) -> Multipart:
    """Return a closed upload of these bytes, by default with their digest."""
    multipart = begin(owner, content)
    send(multipart, range(1, get_plan(multipart).count + 1), content)
    return close(multipart, content if declared is None else declared)
