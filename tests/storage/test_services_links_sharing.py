"""A blob that comes back, one that must not, and one that is shared by several links."""

from typing import Any

import pytest
from django.core.files.storage import storages

from storage.errors import (
    BlobErasedError,
    DigestBlockedError,
    DigestMismatchError,
    LinkDeletedError,
    LinkDisabledError,
    LinkNotFoundError,
    StorageError,
)
from storage.models import Blob, Link, Upload
from storage.services.blocks import block_digest, unblock_digest
from storage.services.links import LinkDraft, complete_upload, create_link
from tests.factories.storage import CONTENT, MANIFEST, digest, make_blob, make_link, make_upload
from tests.factories.users import NOW, make_user
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def draft(*, price_msat: int = 1_000) -> LinkDraft:
    return LinkDraft(price_msat=price_msat, manifest=MANIFEST, seal=bytes(32))


def complete(upload: Upload) -> Link:
    expected = digest(CONTENT)
    return complete_upload(upload_id=upload.id, owner=upload.owner, draft=draft(), expected=expected, now=NOW)


def read_blob(blob: Blob) -> bytes:
    with storages["blobs"].open(blob.storage_name) as stream:
        return bytes(stream.read())


def test_bytes_of_an_erased_blob_that_arrive_again_are_kept_again(bob: User):
    blob = make_blob(erased_at=NOW)
    Blob.objects.update(removed_at=NOW)
    storages["blobs"].delete(blob.storage_name)

    link = complete(make_upload(bob, received=len(CONTENT)))

    blob.refresh_from_db()
    assert (link.blob, blob.erased_at, blob.removed_at) == (blob, None, None)
    assert read_blob(blob) == CONTENT


def test_a_blocked_digest_is_not_taken_until_it_is_unblocked(bob: User):
    upload, reviewer = make_upload(bob, received=len(CONTENT)), make_user("reviewer")
    sha256 = digest(CONTENT).sha256
    block_digest(sha256=sha256, actor=reviewer, reason="A court's order.", now=NOW)

    with pytest.raises(DigestBlockedError):
        complete(upload)
    assert not Blob.objects.exists()
    unblock_digest(sha256=sha256, actor=reviewer, reason="The order was lifted.", now=NOW)

    assert read_blob(complete(upload).blob) == CONTENT


# --- Another link to the same blob ---


def share_again(link: Link, **changes: Any) -> Link:
    given: dict[str, Any] = {"link_id": link.id, "owner": link.owner, "now": NOW, "draft": draft(price_msat=7)}
    return create_link(**(given | changes))


def test_a_link_can_be_made_from_a_link(bob: User):
    first = make_link(bob)

    second = share_again(first, sha256=bytes(first.blob.sha256))

    assert (second.blob, second.owner, second.price_msat) == (first.blob, bob, 7)
    assert second != first


@pytest.mark.parametrize(
    ("ended", "error"), [({"deleted_at": NOW}, LinkDeletedError), ({"disabled_at": NOW}, LinkDisabledError)]
)
def test_a_link_that_somebody_ended_is_not_shared_again(bob: User, ended: dict[str, Any], error: type[StorageError]):
    link = make_link(bob)
    Link.objects.update(**ended)

    with pytest.raises(error):
        share_again(link)
    assert Link.objects.count() == 1


def test_an_erased_or_blocked_or_other_blob_is_not_shared_again(bob: User):
    link = make_link(bob)

    with pytest.raises(DigestMismatchError):
        share_again(link, sha256=bytes(32))
    Blob.objects.update(erased_at=NOW)
    with pytest.raises(BlobErasedError):
        share_again(link)
    block_digest(sha256=bytes(link.blob.sha256), actor=bob, reason="A court's order.", now=NOW)
    with pytest.raises(DigestBlockedError):
        share_again(link)
    assert Link.objects.count() == 1


def test_carol_cannot_share_bobs_blob_from_his_link(bob: User):
    link, carol = make_link(bob), make_user("carol")

    with pytest.raises(LinkNotFoundError):
        share_again(link, owner=carol)
