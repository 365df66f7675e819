"""What tests of the share page have in common."""

from pathlib import Path

from django.core.files.storage import storages
from playwright.sync_api import Page

from storage.models import Link


def save(page: Page, name: str, to: Path) -> bytes:
    """Click the first button with this name, and return what the browser saves."""
    with page.expect_download() as waiting:
        page.get_by_role("button", name=name, exact=True).first.click()
    waiting.value.save_as(to)
    return to.read_bytes()


def get_link_id(link: str) -> str:
    """Return the id in a link."""
    return link.split("/f/")[1].split("#", maxsplit=1)[0]


def get_blob_path(link: str) -> Path:
    """Return the file that holds a link's ciphertext."""
    row = Link.objects.select_related("blob").get(id=get_link_id(link))
    return Path(storages["blobs"].path(row.blob.storage_name))
