"""Where blobs live. Storage is reached through Django's STORAGES, so a deployment chooses by settings."""

from django.core.files.storage import FileSystemStorage
from django.utils.deconstruct import deconstructible


@deconstructible
class DirectoryStorage(FileSystemStorage):
    """Files under a directory, read by their owner alone."""
