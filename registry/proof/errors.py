"""What can go wrong when a proof is read or verified: one type per cause.

An invalid proof names the step of the verifier that failed; docs/reference/verifier.md numbers the same
steps.
"""

from typing import ClassVar


class ProofError(Exception):
    """The proof could not be used."""

    result: ClassVar[str] = "usage"

    batch: int | None = None
    """The batch at fault, where an audit of a register found the error."""

    file: str | None = None
    """The proof at fault, where an audit of many proofs found the error."""

    def __init__(self, detail: str = "") -> None:
        super().__init__(detail or self.__doc__)


class UsageError(ProofError):
    """The verifier was called wrongly."""


class UndecidedError(ProofError):
    """What is at hand proves neither that the claim holds nor that it fails."""

    result = "undecided"


class HeaderUnavailableError(UndecidedError):
    """No source could give the block header."""


class HeaderDisagreementError(UndecidedError):
    """The sources have different headers at that height."""


class HeadersFileError(UndecidedError):
    """The headers file is no chain of headers, so it says nothing of any proof."""


class HeadersTooLargeError(HeadersFileError):
    """The headers file is larger than the read limit."""


class HeadersTruncatedError(HeadersFileError):
    """The headers file does not consist of whole headers."""


class HeadersStartError(HeadersFileError):
    """The headers file begins neither with a genesis block that is known nor with the checkpoint."""


class HeadersNetworkError(HeadersFileError):
    """The headers file is another network's."""


class CheckpointMismatchError(HeadersFileError):
    """The headers file has another block at the checkpoint's height."""


class HeadersLinkError(HeadersFileError):
    """A header does not name the one before it."""


class HeadersBitsError(HeadersFileError):
    """A header has another target than the network's rules give it."""


class HeadersWorkError(HeadersFileError):
    """A header's hash does not meet its target."""


class HeadersTimeError(HeadersFileError):
    """A header's time is one that the network's rules forbid."""


class ChainWorkError(HeadersFileError):
    """The headers hold less work than the network's chain is known to hold."""


class RegistryNetworkError(UndecidedError):
    """The registry is another network's than the one that was asked about."""


class InvalidProofError(ProofError):
    """The proof does not hold."""

    result = "invalid"
    step: ClassVar[int] = 0


class MalformedProofError(InvalidProofError):
    """The proof's bytes do not follow its format."""


class ProofTooLargeError(MalformedProofError):
    """The proof is larger than the read limit."""


class UnknownFormatError(MalformedProofError):
    """The file is neither a proof document nor an OpenTimestamps proof."""


class MalformedDocumentError(MalformedProofError):
    """The document does not follow its format."""


class NotCanonicalError(MalformedProofError):
    """The value has no canonical JSON form here."""


class MalformedTimestampError(MalformedProofError):
    """The OpenTimestamps proof does not follow its format."""


class MalformedTransactionError(MalformedProofError):
    """The bytes are not one Bitcoin transaction."""


class MalformedHeaderError(MalformedProofError):
    """The bytes are not a Bitcoin block header."""


class SubjectMismatchError(InvalidProofError):
    """The proof is about another file."""

    step = 1


class DetailsMismatchError(InvalidProofError):
    """The opened details are not those that the record commits to."""

    step = 2


class InvalidRecordError(InvalidProofError):
    """The record breaks a rule of its kind."""

    step = 3


class BatchPathError(InvalidProofError):
    """The record's leaf does not lead to the batch's root."""

    step = 4


class CommitmentMismatchError(InvalidProofError):
    """The commitment is not that of the batch."""

    step = 5


class AnchorShapeError(InvalidProofError):
    """The transaction does not have the shape of an anchor."""

    step = 6


class AnchorCommitmentError(InvalidProofError):
    """The anchor carries another commitment."""

    step = 6


class BlockPathError(InvalidProofError):
    """The anchor's transaction does not lead to the header's Merkle root."""

    step = 7


class ProofOfWorkError(InvalidProofError):
    """The header's hash does not meet its own target."""

    step = 8


class HeaderMismatchError(InvalidProofError):
    """The chain has another header at that height."""

    step = 9


class AnchorChainError(InvalidProofError):
    """The anchor is not where the registry's chain of anchors has it."""

    step = 10


class RegistryMismatchError(InvalidProofError):
    """The anchors file is another registry's."""

    step = 10


class ExportIncompleteError(InvalidProofError):
    """The export lacks what its anchors name."""

    step = 11


class UnexpectedFileError(InvalidProofError):
    """The export has a file among its batches that no anchor names."""

    step = 11


class RepeatedLeafError(InvalidProofError):
    """A leaf stands twice in the register."""

    step = 12


class MalformedArchiveError(MalformedProofError):
    """The archive is not a ZIP file that can be read."""
