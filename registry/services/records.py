"""Registers blobs and documents as records, whose leaves the next batch seals."""

import hashlib
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from django.conf import settings
from django.db import IntegrityError, transaction

from database.transactions import require_transaction
from registry.models import Record, Work
from registry.proof import leaves
from registry.proof.jcs import canonicalise
from registry.services.policies import start_policy
from storage.digest import BlobDigest
from storage.models import Blob, Link

SALT_BYTES = 32
UPLOADER_TAG = b"cadastre/uploader/v1\0"


def register_blobs(*, now: datetime, limit: int = 1_000) -> int:
    """Register every completed blob that has no record, oldest first, and return how many were registered.

    Each is a transaction of its own; a blob that another worker registered meanwhile is counted by that worker.
    """
    waiting = Blob.objects.filter(record=None).order_by("created_at", "id").values_list("id", flat=True)
    return sum(register_blob(blob_id=blob_id, now=now) for blob_id in list(waiting[:limit]))


def register_blob(*, blob_id: UUID, now: datetime) -> bool:
    """Make the record of a blob with its work and default split policy; return False if it has one already.

    The blob's first link says who uploaded it, under what seal and at what price.
    """
    try:
        with transaction.atomic(durable=True):
            if Record.objects.filter(blob_id=blob_id).exists():
                return False
            blob = Blob.objects.get(id=blob_id)
            link = Link.objects.filter(blob=blob).earliest("created_at", "id")
            work = Work.objects.create(created_at=now)
            start_policy(work=work, shares=[], now=now)
            _create_record(
                kind=Record.Kind.UPLOAD,
                fields=_LeafFields(bytes(blob.sha256), blob.length, bytes(blob.root), bytes(link.seal)),
                details={
                    "registrar": settings.CADASTRE_REGISTRAR,
                    "registered_at": format_time(now),
                    "uploader": make_pseudonym(link.owner_id),
                    "terms": {"price_msat": str(link.price_msat)},
                },
                now=now,
                blob=blob,
                uploader_id=link.owner_id,
                work=work,
            )
    except IntegrityError:
        # The blob's record is unique: another worker was first, and this transaction left nothing.
        if Record.objects.filter(blob_id=blob_id).exists():
            return False
        raise
    return True


def register_document(*, kind: Record.Kind, document: Mapping[str, object], now: datetime) -> Record:
    """Register a document of kinds 2 to 7: a step of the caller's transaction.

    The document is stored as canonical JSON (RFC 8785) with a random `salt` of 32 bytes in hex, so that its hash tells
    nothing to who does not have it. Amounts in it are decimal strings.
    Raises ValueError if the kind has no document or the document names a salt, NotCanonicalError if it is not JSON.
    """
    require_transaction()
    if kind in {Record.Kind.BARE_DIGEST, Record.Kind.UPLOAD} or "salt" in document:
        raise ValueError(f"{kind.name} takes no document, or the document names its own salt")
    data = canonicalise({**document, "salt": secrets.token_hex(SALT_BYTES)})
    digest = BlobDigest()
    digest.update(data)
    found = digest.finish()
    return _create_record(
        kind=kind,
        fields=_LeafFields(found.sha256, found.length, found.root, bytes(32)),
        details={"registrar": settings.CADASTRE_REGISTRAR, "registered_at": format_time(now)},
        now=now,
        document=data,
    )


def make_pseudonym(user_id: UUID) -> str:
    """Return the name under which a user's records appear in public: 32 hex digits, the same for all their records."""
    return hashlib.sha256(UPLOADER_TAG + user_id.bytes).hexdigest()[:32]


def format_time(moment: datetime) -> str:
    """Return a time as RFC 3339 has it, in UTC, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class _LeafFields:
    """What a leaf says of the registered bytes: their SHA-256, length in bytes, pieces root, and the link's seal."""

    def __init__(self, sha256: bytes, length: int, root: bytes, seal: bytes) -> None:
        self.sha256, self.length, self.root, self.seal = sha256, length, root, seal


def _create_record(
    *,
    kind: Record.Kind,
    fields: _LeafFields,
    details: Mapping[str, object],
    now: datetime,
    blob: Blob | None = None,
    uploader_id: UUID | None = None,
    work: Work | None = None,
    document: bytes | None = None,
) -> Record:
    """Write the row and the leaf that commits to it."""
    salt = secrets.token_bytes(SALT_BYTES)
    details_hash = leaves.details_hash(salt=salt, details=details)
    leaf = leaves.leaf_hash(
        leaves.Record(
            kind=int(kind),
            sha256=fields.sha256,
            length=fields.length,
            root=fields.root,
            seal=fields.seal,
            details_hash=details_hash,
        )
    )
    return Record.objects.create(
        kind=kind,
        sha256=fields.sha256,
        length=fields.length,
        root=fields.root,
        seal=fields.seal,
        details=dict(details),
        details_salt=salt,
        details_hash=details_hash,
        leaf=leaf,
        document=document,
        blob=blob,
        uploader_id=uploader_id,
        work=work,
        registered_at=now,
    )
