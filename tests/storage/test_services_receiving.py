"""The digest of an upload is computed while its bytes arrive, and carried from one request to the next."""

import hashlib
import io
from hashlib import shake_256

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from storage import sha256
from storage.digest import BLOCK_BYTES
from storage.digest_states import ResumableDigest
from storage.errors import DigestMismatchError, UploadInterruptedError
from storage.models import Upload
from storage.partials import get_partial_path
from storage.services import receiving
from storage.services.links import LinkDraft, complete_upload
from storage.services.receiving import Body
from storage.services.uploads import create_upload
from storage.sha256 import find_functions
from tests.factories.storage import MANIFEST, digest
from tests.factories.users import NOW, make_user
from tests.storage.test_services_uploads import append, body, get_state
from users.models import User

LENGTH = 5 * BLOCK_BYTES + 99
CONTENT = shake_256(b"receiving").digest(LENGTH)
HALF = 3 * BLOCK_BYTES + 7

pytestmark = pytest.mark.django_db
needs_library = pytest.mark.skipif(find_functions() is None, reason="this Python has no OpenSSL that ctypes reaches")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python whose OpenSSL cannot be reached."""
    for module in (sha256, receiving):
        monkeypatch.setattr(module, "find_functions", lambda: None)


def begin(bob: User, received: int = HALF) -> Upload:
    """Return an upload of CONTENT that has received the first bytes by a request."""
    upload = create_upload(owner=bob, length=LENGTH, now=NOW)
    return append(upload, 0, body(CONTENT[:received]))


def require_digest(upload: Upload) -> None:
    """Check that an upload has all of CONTENT, and its digest."""
    upload.refresh_from_db()
    found = digest(CONTENT)
    assert (upload.state, bytes(upload.sha256 or b"")) == (Upload.State.RECEIVED, found.sha256)
    assert bytes(upload.root or b"") == found.root
    assert upload.digest_state is None
    assert get_partial_path(upload.id).read_bytes() == CONTENT


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@given(st.lists(st.integers(0, LENGTH), max_size=5))
def test_the_digest_does_not_depend_on_where_requests_end(cuts: list[int]):
    bob, start = User.objects.filter(username="bob").first() or make_user("bob"), 0
    upload = create_upload(owner=bob, length=LENGTH, now=NOW)
    for end in [*sorted(cuts), LENGTH]:
        append(upload, start, body(CONTENT[start:end]))
        start = end

    require_digest(upload)
    Upload.objects.update(state=Upload.State.TERMINATED)


@needs_library
def test_a_resumed_upload_is_not_read_again_but_for_its_last_block(bob: User):
    """Bytes that change on the disk before the last block do not change the digest, those in it do."""
    for position, is_read_again in ((0, False), (3 * BLOCK_BYTES - 1, False), (3 * BLOCK_BYTES, True)):
        upload = begin(bob)
        with get_partial_path(upload.id).open("r+b") as stream:
            stream.seek(position)
            stream.write(bytes([CONTENT[position] ^ 1]))

        append(upload, HALF, body(CONTENT[HALF:]))

        upload.refresh_from_db()
        assert (bytes(upload.sha256 or b"") != digest(CONTENT).sha256) == is_read_again


@needs_library
def test_a_request_that_breaks_off_leaves_its_part_of_the_digest(bob: User):
    upload = begin(bob)
    with pytest.raises(UploadInterruptedError):
        append(upload, HALF, Body(io.BytesIO(CONTENT[HALF : HALF + 9_999]), LENGTH - HALF, None))
    upload.refresh_from_db()

    assert upload.digest_state
    append(upload, HALF + 9_999, body(CONTENT[HALF + 9_999 :]))
    require_digest(upload)


@pytest.mark.parametrize("state", [None, b"", b"junk" * 30], ids=["none", "empty", "junk"])
def test_an_upload_whose_digest_was_not_kept_or_is_damaged_is_digested_from_its_file(bob: User, state: bytes | None):
    upload = begin(bob)
    Upload.objects.update(digest_state=state)

    append(upload, HALF, body(CONTENT[HALF : HALF + 5]))
    assert get_state(upload) == (HALF + 5, CONTENT[: HALF + 5])
    append(upload, HALF + 5, body(CONTENT[HALF + 5 :]))

    require_digest(upload)


@needs_library
def test_a_sound_state_of_other_bytes_cannot_lead_to_a_link(bob: User):
    """The client names the digest of what it sent, and it is compared."""
    upload, other = begin(bob), ResumableDigest()
    other.update(b"x" * HALF)
    Upload.objects.update(digest_state=other.save_state())
    append(upload, HALF, body(CONTENT[HALF:]))

    with pytest.raises(DigestMismatchError, match="SHA-256"):
        complete_upload(
            upload_id=upload.id,
            owner=bob,
            draft=LinkDraft(price_msat=0, manifest=MANIFEST, seal=bytes(32)),
            expected=digest(CONTENT),
            now=NOW,
        )


@pytest.mark.usefixtures("no_library")
@pytest.mark.parametrize("received", [HALF, LENGTH], ids=["in two requests", "in one request"])
def test_without_the_library_uploads_have_their_digest_all_the_same(bob: User, received: int):
    upload = begin(bob, received)
    assert upload.digest_state is None
    if received < LENGTH:
        append(upload, HALF, body(CONTENT[HALF:]))

    require_digest(upload)


@pytest.mark.parametrize("offset", [0, HALF])
def test_a_request_with_a_checksum_is_digested_once_it_was_checked(bob: User, offset: int):
    upload = begin(bob, offset) if offset else create_upload(owner=bob, length=LENGTH, now=NOW)

    append(upload, offset, body(CONTENT[offset:], sha256=hashlib.sha256(CONTENT[offset:]).digest()))

    require_digest(upload)
