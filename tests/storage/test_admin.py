"""The admin's pages of storage."""

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from storage.models import StorageQuota
from tests.factories.storage import make_blob, make_link, make_upload
from tests.factories.users import make_user
from users.models import User

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("page", ["blob", "upload", "link"])
def test_a_list_takes_as_many_queries_for_many_rows_as_for_few(
    page: str, admin_client: Client, django_assert_max_num_queries: DjangoAssertNumQueries
):
    for index in range(12):
        bob, content = make_user(f"bob{index}"), str(index).encode()
        make_link(bob, blob=make_blob(content))
        make_upload(bob, content)

    with django_assert_max_num_queries(8):
        answer = admin_client.get(f"/admin/storage/{page}/")

    assert answer.status_code == 200
    assert answer.context["cl"].result_list.count() == 12


@pytest.mark.parametrize("prefix", ["", "sha256:"])
def test_a_blob_is_found_by_its_digest(prefix: str, admin_client: Client):
    blob = make_blob(b"one")
    make_blob(b"two")

    answer = admin_client.get("/admin/storage/blob/", {"q": prefix + bytes(blob.sha256).hex()})

    assert [row.id for row in answer.context["cl"].result_list] == [blob.id]


def test_rows_can_be_looked_at_but_not_changed(admin_client: Client):
    bob = make_user()
    link, upload = make_link(bob), make_upload(bob)

    for address in (
        f"/admin/storage/link/{link.id}/change/",
        f"/admin/storage/blob/{link.blob_id}/change/",
        f"/admin/storage/upload/{upload.id}/change/",
    ):
        assert admin_client.get(address).status_code == 200
        assert admin_client.post(address, {}).status_code == 403
        assert admin_client.post(address.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_carol_does_not_get_in(client: Client):
    client.force_login(make_user("carol"))

    assert client.get("/admin/storage/link/").status_code == 302


def test_a_limit_is_set_and_changed_and_its_count_is_not(admin_client: Client):
    bob = make_user("bob")
    make_upload(bob)
    address = f"/admin/storage/storagequota/{bob.id}/change/"

    added = admin_client.post("/admin/storage/storagequota/add/", {"owner": str(bob.id), "bytes_max": "1000"})
    StorageQuota.objects.update(counted_bytes=500)
    changed = admin_client.post(address, {"bytes_max": "2000", "uploads_unfinished_max": "7", "counted_bytes": "1"})
    refused = admin_client.post(address, {"bytes_max": "-1"})

    assert (added.status_code, changed.status_code, refused.status_code) == (302, 302, 200)
    quota = StorageQuota.objects.get()
    assert (quota.owner, quota.bytes_max, quota.uploads_unfinished_max, quota.counted_bytes) == (bob, 2000, 7, 500)
    assert admin_client.post(address.replace("change", "delete"), {"post": "yes"}).status_code == 403


def test_limits_take_the_permission(client: Client):
    staff = User.objects.create_user("alice", is_staff=True)
    client.force_login(staff)

    assert client.get("/admin/storage/storagequota/add/").status_code == 403
