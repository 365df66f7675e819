"""Blobs with their bytes, uploads and links, in the plainest state."""

import io
from datetime import datetime, timedelta

from django.core.files.base import ContentFile
from django.core.files.storage import storages

from storage.digest import Digest, digest_stream
from storage.models import Blob, Link, Upload
from storage.partials import lock_partial
from storage.services.links import AGE_FIRST_LINE
from storage.services.uploads import get_storage_name
from tests.factories.users import NOW
from users.models import User

CONTENT = b"ciphertext"
MANIFEST = AGE_FIRST_LINE + b"encrypted manifest"


def digest(content: bytes) -> Digest:
    """Return the digest of bytes."""
    return digest_stream(io.BytesIO(content))


def make_blob(content: bytes = CONTENT, *, now: datetime = NOW, erased_at: datetime | None = None) -> Blob:
    """Return a blob whose bytes are in the storage."""
    found = digest(content)
    name = storages["blobs"].save(get_storage_name(found.sha256), ContentFile(content))
    return Blob.objects.create(
        sha256=found.sha256,
        length=found.length,
        root=found.root,
        storage_name=name,
        created_at=now,
        erased_at=erased_at,
    )


def make_upload(owner: User, content: bytes = CONTENT, *, received: int = 0, now: datetime = NOW) -> Upload:
    """Return an upload of these bytes that has received the first of them; with all it is RECEIVED."""
    upload = Upload(
        owner=owner, length=len(content), offset=received, created_at=now, expires_at=now + timedelta(days=7)
    )
    with lock_partial(upload.id) as partial:
        partial.append(content[:received])
    if received == len(content):
        found = digest(content)
        upload.state, upload.sha256, upload.root = Upload.State.RECEIVED, found.sha256, found.root
    upload.save(force_insert=True)
    return upload


def make_link(
    owner: User,
    *,
    blob: Blob | None = None,
    price_msat: int = 0,
    now: datetime = NOW,
    disabled_at: datetime | None = None,
) -> Link:
    """Return a link to a blob, by default a new one with CONTENT."""
    return Link.objects.create(
        blob=blob or make_blob(now=now),
        owner=owner,
        price_msat=price_msat,
        manifest=MANIFEST,
        seal=bytes(32),
        created_at=now,
        disabled_at=disabled_at,
    )
