"""Uploads: bytes are taken at exactly one offset, and nothing counts before it is on the disk."""

import hashlib
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from storage.errors import (
    EmptyBlobError,
    TooManyUploadsError,
    UploadBusyError,
    UploadChecksumError,
    UploadCompletedError,
    UploadExpiredError,
    UploadGoneError,
    UploadInterruptedError,
    UploadLostError,
    UploadNotFoundError,
    UploadOffsetError,
    UploadOverflowError,
    UploadTooLargeError,
)
from storage.models import Upload
from storage.partials import get_partial_path, lock_blob, lock_partial
from storage.services import receiving
from storage.services.receiving import Body
from storage.services.uploads import (
    append_upload,
    create_upload,
    create_upload_with_body,
    digest_upload,
    expire_uploads,
    terminate_upload,
)
from storage.tasks import expire_uploads_task
from tests.factories.storage import CONTENT, digest, make_upload
from tests.factories.users import NOW, make_user
from users.models import User

LATER = NOW + timedelta(days=8)

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


class BrokenStream(io.BytesIO):
    """A connection that breaks after its bytes."""

    def readinto(self, buffer: Any, /) -> int:
        """Return bytes, then fail."""
        count = super().readinto(buffer)
        if not count:
            raise ConnectionResetError
        return count


def body(data: bytes, *, announced: int | None = -1, sha256: bytes | None = None) -> Body:
    return Body(io.BytesIO(data), len(data) if announced == -1 else announced, sha256)


def append(upload: Upload, offset: int, content: Body) -> Upload:
    return append_upload(upload_id=upload.id, owner_id=upload.owner_id, offset=offset, body=content, now=NOW)


def get_state(upload: Upload) -> tuple[int, bytes]:
    """Return the offset that counts and the bytes on the disk up to it."""
    upload.refresh_from_db()
    return upload.offset, get_partial_path(upload.id).read_bytes()[: upload.offset]


@pytest.mark.parametrize(("length", "error"), [(0, EmptyBlobError), (-1, EmptyBlobError), (2**40, UploadTooLargeError)])
def test_refuses_an_upload_that_is_empty_or_too_large(bob: User, length: int, error: type[Exception]):
    with pytest.raises(error):
        create_upload(owner=bob, length=length, now=NOW)

    assert not Upload.objects.exists()


def test_a_user_has_a_limited_number_of_unfinished_uploads(bob: User, settings: Settings):
    settings.CADASTRE_UPLOADS_UNFINISHED_MAX = 2
    create_upload(owner=bob, length=1, now=NOW)
    first = create_upload(owner=bob, length=1, now=NOW)

    with pytest.raises(TooManyUploadsError):
        create_upload(owner=bob, length=1, now=NOW)

    create_upload(owner=make_user("carol"), length=1, now=NOW)
    terminate_upload(upload_id=first.id, owner_id=bob.id, now=NOW)
    create_upload(owner=bob, length=1, now=NOW)


def test_takes_bytes_in_order_and_digests_the_whole(bob: User):
    upload = create_upload(owner=bob, length=len(CONTENT), now=NOW)

    half = append(upload, 0, body(CONTENT[:4]))
    whole = append(upload, 4, body(CONTENT[4:]))

    assert (half.state, half.offset) == (Upload.State.RECEIVING, 4)
    assert (whole.state, whole.offset) == (Upload.State.RECEIVED, len(CONTENT))
    assert bytes(whole.sha256 or b"") == digest(CONTENT).sha256
    assert bytes(whole.root or b"") == digest(CONTENT).root
    assert get_state(upload) == (len(CONTENT), CONTENT)


def test_takes_more_than_one_piece_and_one_checkpoint(bob: User, settings: Settings, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(receiving, "PIECE_BYTES", 3)
    settings.CADASTRE_UPLOAD_CHECKPOINT_BYTES = 4
    upload = create_upload(owner=bob, length=len(CONTENT), now=NOW)

    append(upload, 0, body(CONTENT))

    assert get_state(upload) == (len(CONTENT), CONTENT)


def test_the_bytes_are_read_by_their_owner_alone(bob: User):
    upload = create_upload(owner=bob, length=2, now=NOW)

    append(upload, 0, body(b"a"))

    assert get_partial_path(upload.id).stat().st_mode & 0o777 == 0o600
    assert get_partial_path(upload.id).parent.stat().st_mode & 0o777 == 0o700


def test_a_lock_makes_no_directory_that_others_can_read(settings: Settings, tmp_path: Path):
    settings.CADASTRE_UPLOAD_DIR = tmp_path / "uploads"

    with lock_blob(bytes(32), is_exclusive=True):
        pass

    assert settings.CADASTRE_UPLOAD_DIR.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("offset", [0, 3, 5, 10])
def test_refuses_bytes_at_another_offset(bob: User, offset: int):
    upload = make_upload(bob, received=4)

    with pytest.raises(UploadOffsetError) as caught:
        append(upload, offset, body(b"x"))

    assert caught.value.offset == 4
    assert get_state(upload) == (4, CONTENT[:4])


@pytest.mark.parametrize("announced", [-1, None], ids=["announced", "chunked"])
@pytest.mark.parametrize("received", [4, len(CONTENT)], ids=["unfinished", "finished"])
def test_refuses_more_bytes_than_the_upload_has_left_and_keeps_none(bob: User, announced: int | None, received: int):
    upload = make_upload(bob, received=received)

    with pytest.raises(UploadOverflowError):
        append(upload, received, body(CONTENT[received:] + b"x", announced=announced))

    assert get_state(upload) == (received, CONTENT[:received])
    assert get_partial_path(upload.id).stat().st_size <= len(CONTENT)


def test_takes_a_chunked_body_that_fits(bob: User):
    upload = make_upload(bob, received=4)

    append(upload, 4, body(CONTENT[4:], announced=None))

    assert get_state(upload) == (len(CONTENT), CONTENT)


def test_a_request_without_bytes_changes_nothing(bob: User):
    upload = make_upload(bob, received=4)

    assert append(upload, 4, body(b"")).offset == 4
    assert get_state(upload) == (4, CONTENT[:4])


@pytest.mark.parametrize("stream", [io.BytesIO, BrokenStream], ids=["ends early", "breaks"])
def test_a_request_that_breaks_off_leaves_what_arrived(bob: User, stream: type[io.BytesIO]):
    upload = create_upload(owner=bob, length=len(CONTENT), now=NOW)

    with pytest.raises(UploadInterruptedError) as caught:
        append(upload, 0, Body(stream(CONTENT[:6]), len(CONTENT), None))

    assert caught.value.offset == 6
    assert get_state(upload) == (6, CONTENT[:6])
    assert append(upload, 6, body(CONTENT[6:])).state == Upload.State.RECEIVED


def test_an_upload_whose_first_bytes_break_off_is_removed_for_nobody_knows_its_address(bob: User):
    with pytest.raises(UploadInterruptedError) as caught:
        create_upload_with_body(
            owner=bob, length=len(CONTENT), body=Body(BrokenStream(CONTENT[:6]), len(CONTENT), None), now=NOW
        )

    assert caught.value.offset == 0
    upload = Upload.objects.get()
    assert upload.state == Upload.State.TERMINATED
    assert not get_partial_path(upload.id).exists()


def test_a_request_that_breaks_off_leaves_nothing_if_a_checksum_came_with_it(bob: User):
    upload = make_upload(bob, received=2)

    with pytest.raises(UploadInterruptedError) as caught:
        append(upload, 2, Body(io.BytesIO(CONTENT[2:6]), 8, hashlib.sha256(CONTENT[2:]).digest()))

    assert caught.value.offset == 2
    assert get_state(upload) == (2, CONTENT[:2])


def test_checks_the_checksum_of_a_request(bob: User):
    upload = make_upload(bob, received=2)

    with pytest.raises(UploadChecksumError):
        append(upload, 2, body(CONTENT[2:], sha256=bytes(32)))
    assert get_state(upload) == (2, CONTENT[:2])

    right = hashlib.sha256(CONTENT[2:]).digest()
    assert append(upload, 2, body(CONTENT[2:], sha256=right)).state == Upload.State.RECEIVED


def test_cuts_off_what_a_crash_left_beyond_the_offset(bob: User):
    upload = make_upload(bob, received=4)
    with get_partial_path(upload.id).open("ab") as stream:
        stream.write(b"written, but never counted")

    whole = append(upload, 4, body(CONTENT[4:]))

    assert bytes(whole.sha256 or b"") == digest(CONTENT).sha256
    assert get_partial_path(upload.id).read_bytes() == CONTENT


def test_refuses_to_go_on_where_bytes_were_lost(bob: User):
    upload = make_upload(bob, received=4)
    get_partial_path(upload.id).write_bytes(CONTENT[:3])

    with pytest.raises(UploadLostError):
        append(upload, 4, body(CONTENT[4:]))

    upload.refresh_from_db()
    assert upload.offset == 4


def test_one_request_writes_at_a_time(bob: User):
    upload = make_upload(bob, received=4)

    with lock_partial(upload.id), pytest.raises(UploadBusyError):
        append(upload, 4, body(CONTENT[4:]))

    assert get_state(upload) == (4, CONTENT[:4])


def test_the_whole_is_digested_by_the_next_request_if_the_last_one_crashed_before_it(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    Upload.objects.update(state=Upload.State.RECEIVING, sha256=None, root=None)

    assert append(upload, len(CONTENT), body(b"")).state == Upload.State.RECEIVED
    assert digest_upload(upload_id=upload.id).state == Upload.State.RECEIVED


def test_an_upload_whose_file_is_gone_or_has_another_length_cannot_be_digested(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    Upload.objects.update(state=Upload.State.RECEIVING, sha256=None, root=None)

    get_partial_path(upload.id).write_bytes(CONTENT + b"x")
    with pytest.raises(UploadLostError):
        digest_upload(upload_id=upload.id)
    get_partial_path(upload.id).unlink()
    with pytest.raises(UploadLostError):
        digest_upload(upload_id=upload.id)

    upload.refresh_from_db()
    assert upload.state == Upload.State.RECEIVING


def test_an_upload_that_another_request_has_digested_and_moved_on_needs_no_digest(bob: User):
    upload = make_upload(bob, received=len(CONTENT))
    get_partial_path(upload.id).unlink()

    assert digest_upload(upload_id=upload.id).state == Upload.State.RECEIVED


def test_the_time_of_an_upload_starts_again_with_each_request(bob: User, settings: Settings):
    upload = create_upload(owner=bob, length=2, now=NOW)

    settings.CADASTRE_UPLOAD_EXPIRY_SECONDS = 30 * 86_400
    append(upload, 0, body(b"a"))

    upload.refresh_from_db()
    assert upload.expires_at == NOW + timedelta(days=30)


def test_an_expired_upload_takes_no_bytes(bob: User):
    upload = make_upload(bob, received=4)

    with pytest.raises(UploadExpiredError):
        append_upload(upload_id=upload.id, owner_id=bob.id, offset=4, body=body(b"x"), now=LATER)


def test_carol_cannot_write_to_bobs_upload_nor_terminate_it(bob: User):
    upload, carol = make_upload(bob, received=4), make_user("carol")

    with pytest.raises(UploadNotFoundError):
        append_upload(upload_id=upload.id, owner_id=carol.id, offset=4, body=body(b"x"), now=NOW)
    with pytest.raises(UploadNotFoundError):
        terminate_upload(upload_id=upload.id, owner_id=carol.id, now=NOW)

    assert get_state(upload) == (4, CONTENT[:4])


def test_a_terminated_upload_is_gone_with_its_bytes(bob: User):
    upload = make_upload(bob, received=4)

    terminate_upload(upload_id=upload.id, owner_id=bob.id, now=NOW)

    assert not get_partial_path(upload.id).exists()
    for again in (
        lambda: terminate_upload(upload_id=upload.id, owner_id=bob.id, now=NOW),
        lambda: append(upload, 4, body(b"")),
    ):
        with pytest.raises(UploadGoneError):
            again()


def test_an_upload_that_is_written_to_or_completed_cannot_be_terminated(bob: User):
    upload = make_upload(bob, received=4)

    with lock_partial(upload.id), pytest.raises(UploadBusyError):
        terminate_upload(upload_id=upload.id, owner_id=bob.id, now=NOW)
    Upload.objects.update(state=Upload.State.COMPLETED)
    with pytest.raises(UploadCompletedError):
        terminate_upload(upload_id=upload.id, owner_id=bob.id, now=NOW)


def test_the_sweep_removes_what_is_expired_and_nothing_else(bob: User):
    unfinished, finished = make_upload(bob, received=4), make_upload(bob, received=len(CONTENT))
    fresh, completed = make_upload(bob, received=4, now=LATER), make_upload(bob, received=len(CONTENT))
    Upload.objects.filter(id=completed.id).update(state=Upload.State.COMPLETED)

    assert expire_uploads(now=LATER) == 2
    assert expire_uploads(now=LATER) == 0

    states = {upload.id: upload.state for upload in Upload.objects.all()}
    assert [states[upload.id] for upload in (unfinished, finished, fresh, completed)] == [
        "TERMINATED", "TERMINATED", "RECEIVING", "COMPLETED",
    ]  # fmt: skip
    assert not get_partial_path(unfinished.id).exists()
    assert get_partial_path(fresh.id).exists()


def test_the_sweep_leaves_an_upload_that_is_being_written_to_for_later(bob: User):
    upload = make_upload(bob, received=4)

    with lock_partial(upload.id):
        assert expire_uploads(now=LATER) == 0
    assert expire_uploads(now=LATER) == 1


def test_a_sweep_that_was_killed_between_its_parts_is_finished_by_the_next(bob: User):
    upload = make_upload(bob, received=4)
    get_partial_path(upload.id).unlink()

    expire_uploads_task()
    expire_uploads_task()

    upload.refresh_from_db()
    assert upload.state == Upload.State.TERMINATED
    assert not get_partial_path(upload.id).exists()


def test_the_upload_directory_is_a_setting(bob: User, settings: Settings, tmp_path: Path):
    settings.CADASTRE_UPLOAD_DIR = tmp_path / "elsewhere"
    upload = create_upload(owner=bob, length=1, now=NOW)

    append(upload, 0, body(b"a"))

    assert (tmp_path / "elsewhere" / str(upload.id)).read_bytes() == b"a"
