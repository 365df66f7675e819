"""Uploads beside other requests and sweeps: no bytes are mixed, and none are lost that somebody still wants."""

import io
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from storage.errors import UploadBusyError, UploadGoneError, UploadOffsetError
from storage.models import Upload
from storage.partials import get_partial_path, lock_blob
from storage.services.receiving import Body
from storage.services.uploads import append_upload, expire_uploads, terminate_upload
from tests.factories.storage import CONTENT, digest, make_upload
from tests.factories.users import NOW, make_user
from tests.storage.besides import after_reading_uploads
from tests.storage.test_services_uploads import LATER, append, body, get_state
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


def test_of_two_requests_with_the_same_offset_the_later_one_is_refused_behind_the_lock(bob: User):
    """The other request appends between this one's first look and its lock."""
    upload = make_upload(bob, received=4)

    with (
        after_reading_uploads(lambda: append(upload, 4, body(CONTENT[4:7]))),
        pytest.raises(UploadOffsetError) as caught,
    ):
        append(upload, 4, body(b"other bytes"[:6]))

    assert caught.value.offset == 7
    assert get_state(upload) == (7, CONTENT[:7])


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_time_never_mix_their_bytes(bob: User):
    upload = make_upload(bob, received=4)
    pieces = [bytes([letter]) * 3 for letter in range(6)]

    errors = run_together([partial(append, upload, 4, body(piece)) for piece in pieces])

    assert len(errors) == len(pieces) - 1
    assert {type(error) for error in errors} <= {UploadBusyError, UploadOffsetError}
    offset, data = get_state(upload)
    assert offset == 7
    assert data[4:] in pieces


def test_bytes_of_an_upload_that_is_marked_as_removed_while_they_arrive_are_not_kept(bob: User):
    class MarkedMeanwhile(io.BytesIO):
        """A connection during which the upload's row is marked."""

        def readinto(self, buffer: Any, /) -> int:
            Upload.objects.update(state=Upload.State.TERMINATED)
            return super().readinto(buffer)

    upload = make_upload(bob, received=4)

    with pytest.raises(UploadGoneError):
        append(upload, 4, Body(MarkedMeanwhile(CONTENT[4:]), len(CONTENT) - 4, None))

    assert not get_partial_path(upload.id).exists()


def test_the_sweep_keeps_an_upload_that_a_request_continued_since_it_was_listed(bob: User):
    """The request came just in time, and had let go of the lock before the sweep took it."""
    upload = make_upload(bob, received=4)
    in_time = upload.expires_at - timedelta(seconds=1)

    def go_on() -> None:
        append_upload(upload_id=upload.id, owner_id=bob.id, offset=4, body=body(CONTENT[4:7]), now=in_time)

    for reads in (1, 2):
        upload.refresh_from_db()
        Upload.objects.update(offset=4, expires_at=upload.created_at + timedelta(days=7))
        with after_reading_uploads(go_on, reads=reads):
            assert expire_uploads(now=upload.created_at + timedelta(days=7)) == 0
        assert get_state(upload) == (7, CONTENT[:7])


def test_an_upload_that_is_digested_while_it_is_removed_is_removed_by_the_next_sweep(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    Upload.objects.update(state=Upload.State.RECEIVING, sha256=None, root=None)
    found = digest(CONTENT)

    def be_digested() -> None:
        Upload.objects.update(state=Upload.State.RECEIVED, sha256=found.sha256, root=found.root)

    # The third look is the one behind the lock; the digest's request looks no more before it writes.
    with after_reading_uploads(be_digested, reads=3):
        assert expire_uploads(now=LATER) == 0
    assert expire_uploads(now=LATER) == 1

    upload.refresh_from_db()
    assert upload.state == Upload.State.TERMINATED


def test_an_upload_that_is_being_made_into_a_blob_cannot_be_terminated(bob: User):
    upload = make_upload(bob, received=len(CONTENT))

    with lock_blob(digest(CONTENT).sha256, is_exclusive=False), pytest.raises(UploadBusyError):
        terminate_upload(upload_id=upload.id, owner_id=bob.id, now=NOW)

    assert get_state(upload) == (len(CONTENT), CONTENT)
