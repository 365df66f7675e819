"""What can go wrong in storage; every error of the package descends from StorageError."""


class StorageError(Exception):
    """Storage could not do what was asked."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class EmptyBlobError(StorageError):
    """A blob must have at least one byte."""
