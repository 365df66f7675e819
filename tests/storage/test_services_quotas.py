"""What a person may keep."""

from functools import partial

import pytest
from django.db import transaction
from pytest_django import Settings

from database.transactions import TransactionRequiredError
from storage.errors import QuotaExceededError, TooManyUploadsError
from storage.models import Link, StorageQuota, Upload
from storage.selectors import count_used_bytes, get_storage_use
from storage.services.quotas import reserve_upload, set_quota
from storage.services.uploads import create_upload, expire_uploads, terminate_upload
from tests.factories.storage import make_blob, make_link, make_upload
from tests.factories.users import NOW, make_user
from tests.storage.test_services_uploads import LATER
from tests.threads import run_together
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture(autouse=True)
def limits(settings: Settings) -> None:
    settings.CADASTRE_STORAGE_QUOTA_BYTES = 100
    settings.CADASTRE_UPLOADS_UNFINISHED_MAX = 5


def create(owner: User, length: int) -> Upload:
    return create_upload(owner=owner, length=length, now=NOW)


def test_uploads_are_refused_beyond_the_quota_and_everybody_has_their_own(bob: User):
    create(bob, 60)

    with pytest.raises(QuotaExceededError, match="60 of the 100 bytes"):
        create(bob, 41)

    create(bob, 40)
    create(make_user("carol"), 100)
    assert Upload.objects.count() == 3


@pytest.mark.parametrize("is_expired", [True, False], ids=["expired", "terminated"])
def test_what_is_removed_makes_room_again(bob: User, is_expired: bool):
    upload = create(bob, 100)
    now = LATER if is_expired else NOW
    with pytest.raises(QuotaExceededError):
        create_upload(owner=bob, length=1, now=now)

    if is_expired:
        expire_uploads(now=now)
    else:
        terminate_upload(upload_id=upload.id, owner_id=bob.id, now=now)

    create_upload(owner=bob, length=100, now=now)
    assert StorageQuota.objects.get().counted_bytes == 100


def test_a_blob_counts_once_for_each_owner_of_links_and_no_more_when_it_was_erased(bob: User):
    blob, carol = make_blob(b"x" * 30), make_user("carol")
    for owner in (bob, bob, carol):
        make_link(owner, blob=blob)
    make_link(bob, blob=make_blob(b"y" * 50, erased_at=NOW))
    make_link(bob, blob=make_blob(b"w" * 20))
    Link.objects.filter(blob__length=20).update(released_at=NOW)
    make_upload(bob, b"z" * 7, received=3)

    assert count_used_bytes(owner_id=bob.id) == 37
    assert count_used_bytes(owner_id=carol.id) == 30
    with pytest.raises(QuotaExceededError):
        create(bob, 64)
    create(bob, 63)


def test_a_person_may_have_limits_of_their_own(bob: User):
    set_quota(owner_id=bob.id, bytes_max=200, uploads_unfinished_max=2)
    create(bob, 150)
    with pytest.raises(QuotaExceededError):
        create(bob, 51)
    create(bob, 50)
    with pytest.raises(TooManyUploadsError):
        create(bob, 1)

    set_quota(owner_id=bob.id, bytes_max=0, uploads_unfinished_max=None)
    create(bob, 10**9)

    set_quota(owner_id=bob.id, bytes_max=None, uploads_unfinished_max=None)
    with pytest.raises(QuotaExceededError):
        create(bob, 1)


def test_without_a_quota_everything_is_counted_all_the_same(bob: User, settings: Settings):
    settings.CADASTRE_STORAGE_QUOTA_BYTES = 0
    create(bob, 1_000)
    assert get_storage_use(owner_id=bob.id, now=NOW).quota_bytes is None

    settings.CADASTRE_STORAGE_QUOTA_BYTES = 1_000
    with pytest.raises(QuotaExceededError):
        create(bob, 1)


@pytest.mark.django_db(transaction=True)
def test_requests_at_the_same_time_cannot_share_the_last_room(bob: User):
    errors = run_together([partial(create, bob, 40) for _ in range(5)])

    assert [type(error) for error in errors] == [QuotaExceededError] * 3
    assert count_used_bytes(owner_id=bob.id) == StorageQuota.objects.get().counted_bytes == 80


@pytest.mark.django_db(transaction=True)
def test_a_limit_that_is_set_beside_uploads_leaves_their_count(bob: User):
    def limit() -> None:
        with transaction.atomic():
            set_quota(owner_id=bob.id, bytes_max=1_000, uploads_unfinished_max=None)

    assert run_together([limit, *[partial(create, bob, 10) for _ in range(4)]]) == []

    quota = StorageQuota.objects.get()
    assert (quota.bytes_max, quota.counted_bytes) == (1_000, 40)


@pytest.mark.django_db(transaction=True)
def test_room_is_reserved_within_the_transaction_that_makes_the_upload(bob: User):
    with pytest.raises(TransactionRequiredError):
        reserve_upload(owner=bob, length=1, now=NOW)
