"""Storage's part of the sweeps."""

from celery import shared_task
from django.utils import timezone

from storage.services.erasure import release_links
from storage.services.uploads import expire_uploads


@shared_task(name="storage.expire_uploads", acks_late=True, ignore_result=True)
def expire_uploads_task() -> None:
    """Remove unfinished uploads whose time is over."""
    expire_uploads(now=timezone.now())


@shared_task(name="storage.release_links", acks_late=True, ignore_result=True)
def release_links_task() -> None:
    """Erase the blobs whose last link has ended."""
    release_links(now=timezone.now())
