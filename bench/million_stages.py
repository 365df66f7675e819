"""The stages of `make million` that are no command of ours. Django is set up when this is imported."""

import hashlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import cast

from django.conf import settings
from django.http import HttpResponseBase
from django.test import Client
from django.utils import timezone

from chain.networks import get_network
from chain.node import get_node
from registry.models import Anchor
from registry.services.anchor_keys import get_anchor_keys
from registry.services.anchors import send_anchors
from registry.services.batches import seal_batch
from registry.services.following import follow_chain
from users.models import User
from users.scopes import Scope
from users.services.tokens import create_token

REQUEST_RECORDS = 100_000
BULK_URL = "/api/v1/records/bulk"
ARCHIVE_URL = "/api/v1/batches/0/proofs"


def register(argument: str) -> None:
    """Send so many digests to the bulk address, and count the receipts."""
    count, now = int(argument), timezone.now()
    user = User.objects.create(username="million")
    secret = create_token(user=user, name="million", scopes=[Scope.RECORDS_WRITE], now=now).secret
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    for start in range(0, count, REQUEST_RECORDS):
        numbers = range(start, min(start + REQUEST_RECORDS, count))
        body = b"".join(b'{"sha256": "%s"}\n' % hashlib.sha256(b"%d" % n).hexdigest().encode() for n in numbers)
        headers = {"Idempotency-Key": f"request-{start}"}
        answer = client.post(BULK_URL, body, content_type="application/x-ndjson", headers=headers)
        receipts = answer.getvalue().count(b"\n")
        require(answer.status_code == 201 and receipts == len(numbers), f"{answer.status_code}, {receipts} receipts")


def seal(argument: str) -> None:
    """Seal everything that waits into one batch of so many records."""
    follow_chain(node=get_node(), now=timezone.now())
    batch = seal_batch(now=timezone.now())
    require(batch.size == int(argument), f"the batch has {batch.size} records")


def anchor(argument: str) -> None:
    """Sign and send the anchor, mine so many blocks, and follow them."""
    node = get_node()
    require(send_anchors(node=node, now=timezone.now()) == 1, "no anchor was sent")
    node.generate_to_address(int(argument), get_anchor_keys().payee.address(get_network(settings.CADASTRE_NETWORK)))
    follow_chain(node=node, now=timezone.now())
    require(Anchor.objects.get().state == Anchor.State.FINAL, "the anchor is not final")


def archive(argument: str) -> None:
    """Download the archive of all proofs to a file."""
    answer: HttpResponseBase = Client().get(ARCHIVE_URL)
    require(answer.status_code == 200, f"the archive was answered with {answer.status_code}")
    with Path(argument).open("wb") as stream:
        stream.writelines(cast("Iterable[bytes]", answer))


STAGES: dict[str, Callable[[str], None]] = {"register": register, "seal": seal, "anchor": anchor, "archive": archive}


def require(holds: object, otherwise: str) -> None:
    """Raise RuntimeError if something does not hold."""
    if not holds:
        raise RuntimeError(otherwise)


def run_stage(name: str, argument: str) -> None:
    """Run one stage. Raises RuntimeError if something does not hold."""
    settings.ALLOWED_HOSTS = ["testserver"]
    STAGES[name](argument)
