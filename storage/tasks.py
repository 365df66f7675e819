"""Storage's part of the sweeps."""

from celery import shared_task
from django.utils import timezone

from storage.services.erasure import release_links
from storage.services.multiparts import clear_multiparts, expire_multiparts
from storage.services.uploads import expire_uploads
from storage.services.verifications import verify_next_multipart


@shared_task(name="storage.expire_uploads", acks_late=True, ignore_result=True)
def expire_uploads_task() -> None:
    """Remove unfinished uploads whose time is over."""
    expire_uploads(now=timezone.now())


@shared_task(name="storage.verify_multiparts", acks_late=True, ignore_result=True)
def verify_multiparts_task() -> None:
    """Verify the uploads in parts that were closed, one after the other."""
    while verify_next_multipart(clock=timezone.now):
        pass


@shared_task(name="storage.expire_multiparts", acks_late=True, ignore_result=True)
def expire_multiparts_task() -> None:
    """Give up uploads in parts whose time is over."""
    expire_multiparts(now=timezone.now())


@shared_task(name="storage.clear_multiparts", acks_late=True, ignore_result=True)
def clear_multiparts_task() -> None:
    """Remove from the store what uploads in parts that are over have left there."""
    clear_multiparts(now=timezone.now())


@shared_task(name="storage.release_links", acks_late=True, ignore_result=True)
def release_links_task() -> None:
    """Erase the blobs whose last link has ended."""
    release_links(now=timezone.now())
