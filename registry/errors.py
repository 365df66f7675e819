"""What can go wrong in the registry. No HTTP in here."""


class RegistryError(Exception):
    """The registry refused."""

    def __init__(self, message: str = "") -> None:
        """Take the class's docstring as the message when none is given."""
        super().__init__(message or (type(self).__doc__ or "").strip())


class RecordNotFoundError(RegistryError):
    """There is no such record."""


class RecordNotReadyError(RegistryError):
    """The file is stored but not registered yet; that takes a few seconds."""


class ProofNotReadyError(RegistryError):
    """The anchor is not in a block yet, so there is no proof."""


class ArchivesBusyError(RegistryError):
    """The server sends an archive to you already, or as many to others as it can at a time."""


class RegisterMissingError(RegistryError):
    """The register has not been founded: run `manage.py found_register`."""


class RegisterExistsError(RegistryError):
    """The register of this network has been founded already."""


class FirstOutpointError(RegistryError):
    """This output cannot found a register."""


class SuccessionError(RegistryError):
    """The register cannot be succeeded."""


class DigestLineError(RegistryError):
    """A line of the body is not a digest to register."""

    def __init__(self, line: int, cause: str) -> None:
        """Take the line's number, from 1, and what is wrong with it."""
        super().__init__(f"Line {line}: {cause}")
        self.line, self.cause = line, cause


class DigestsMissingError(RegistryError):
    """The body has no line."""


class DigestsTooManyError(RegistryError):
    """The body has more lines, or more bytes, than one submission takes."""


class BodyLengthMissingError(RegistryError):
    """The body's length must be announced by Content-Length."""


class SubmissionLimitError(RegistryError):
    """These records would be more than a user may register in bulk in a day."""

    def __init__(self, message: str, *, wait_s: int) -> None:
        """Take the facts, and after how many seconds some of the day's records no longer count."""
        super().__init__(message)
        self.wait_s = wait_s


class BatchStateError(RegistryError):
    """There is nothing to seal."""


class AnchorKeyMissingError(RegistryError):
    """CADASTRE_ANCHOR_KEY is not set, so no anchor can be signed."""


class AnchorRaceError(RegistryError):
    """Another worker signed an anchor meanwhile, or the chain was reorganised."""


class AnchorWaitsError(RegistryError):
    """An anchor cannot be signed now. Nothing is lost: every sweep tries again."""


class AnchorKeyMismatchError(AnchorWaitsError):
    """Neither CADASTRE_ANCHOR_KEY nor CADASTRE_ANCHOR_NEXT_KEY is the key that the last anchor pays."""


class AnchorFundsError(AnchorWaitsError):
    """The anchor key's funds do not pay for another anchor."""


class AnchorCapError(AnchorWaitsError):
    """The next signature would exceed CADASTRE_ANCHOR_DAILY_CAP_SAT."""


class AnchorCeilingError(AnchorWaitsError):
    """An anchor is overdue, and replacing it would exceed CADASTRE_FEE_RATE_MAX_SAT_PER_KVB."""


class WorkNotFoundError(RegistryError):
    """There is no such work."""


class PolicyNotFoundError(RegistryError):
    """No split policy of this work is in force at that time."""


class SharesExceedWholeError(RegistryError):
    """The approved claims on this work would exceed the whole of it."""


class HolderNotFoundError(RegistryError):
    """There is no such rights holder, or you are not a member of it."""


class ClaimNotFoundError(RegistryError):
    """There is no such claim, or it is not yours."""


class ClaimStateError(RegistryError):
    """The claim is not in a state that allows this."""


class ClaimExistsError(RegistryError):
    """This rights holder already has an active claim on this work."""


class ReviewerConflictError(RegistryError):
    """Nobody decides a claim on a work that they uploaded or have a claim on themselves."""


class BatchNotFoundError(RegistryError):
    """There is no such sealed batch."""


class ExportDirectoryError(RegistryError):
    """The folder holds the export of another register."""


class ExportBusyError(RegistryError):
    """Another process is writing this export."""


class ExportConflictError(RegistryError):
    """The chain and the register do not agree while blocks are being replaced: export again in a minute."""


class ExportMismatchError(RegistryError):
    """The stored records of a batch do not lead to its root: nothing of it was exported."""


class HeadersFileError(RegistryError):
    """The headers file cannot be extended: it is another chain's, or none."""


class HeadersFileBusyError(HeadersFileError):
    """Another process is writing this headers file."""
