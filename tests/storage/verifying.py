"""Verifies uploads in parts, and checks that what was verified is whole and alone in the store."""

from datetime import timedelta

from django.core.files.storage import storages

from storage.models import Link, Multipart, Upload
from storage.services.links import LinkDraft, complete_upload
from storage.services.multiparts import clear_multiparts
from storage.services.uploads import get_storage_name
from storage.services.verifications import verify_next_multipart
from tests.factories.storage import MANIFEST, digest
from tests.factories.users import NOW
from tests.storage.sending import CONTENT, ManualClock
from tests.swift import Bucket

NAME = get_storage_name(digest(CONTENT).sha256)
State = Multipart.State


def verify(*, later_seconds: float = 0) -> bool:
    return verify_next_multipart(clock=ManualClock(NOW + timedelta(seconds=later_seconds)))


def make_link_of(upload: Upload, content: bytes = CONTENT) -> Link:
    return complete_upload(
        upload_id=upload.id,
        owner=upload.owner,
        draft=LinkDraft(price_msat=0, manifest=MANIFEST + bytes(upload.id.bytes), seal=bytes(32)),
        expected=digest(content),
        now=NOW,
    )


def read_blob(content: bytes = CONTENT) -> bytes:
    with storages["blobs"].open(get_storage_name(digest(content).sha256)) as stream:
        data: bytes = stream.read()
        return data


def refresh(multipart: Multipart) -> Multipart:
    return Multipart.objects.select_related("upload__owner").get(upload_id=multipart.upload_id)


def check_verified(multipart: Multipart, bucket: Bucket) -> None:
    """Check that an upload is verified, becomes a link, and leaves the blob alone in the store."""
    found = refresh(multipart)
    assert (found.state, found.fault, found.lease_id) == (State.VERIFIED, "", None)
    assert (found.upload.state, found.upload.offset) == (Upload.State.RECEIVED, len(CONTENT))
    link = make_link_of(found.upload)
    clear_multiparts(now=NOW)
    assert bytes(link.blob.root) == digest(CONTENT).root
    assert link.blob.storage_name == NAME
    assert read_blob() == CONTENT
    assert (bucket.list_names(), bucket.list_uploads()) == ([NAME], [])
