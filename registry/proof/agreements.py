"""Several sources of headers at once, which must agree.

A source that cannot tell takes nothing from one that can. Two that tell different things leave the claim undecided:
one of them is wrong, or on another branch, and nothing here can say which; of the proof itself it says nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.proof.errors import HeaderDisagreementError, HeaderUnavailableError
from registry.proof.headers import Header, display_hash
from registry.proof.sources import HeaderSource


@dataclass(frozen=True, slots=True)
class NamedSource:
    """A source of headers, and what to call it before people."""

    name: str
    headers: HeaderSource


@dataclass(frozen=True, slots=True)
class SourceAnswer:
    """What a source says of a height: its header, or why it cannot tell."""

    source: NamedSource
    header: Header | None
    error: HeaderUnavailableError | None


class AgreedHeaders:
    """The headers that sources, at least one, agree on. Each source is asked once for each height."""

    def __init__(self, sources: Sequence[NamedSource]) -> None:
        self._sources = tuple(sources)
        self._answers: dict[int, tuple[SourceAnswer, ...]] = {}

    def get_header(self, height: int) -> Header:
        """Return the header at a height that all have who can tell.

        Raises HeaderUnavailableError if none can, HeaderDisagreementError if they differ.
        """
        answers = self.list_answers(height)
        told = [answer for answer in answers if answer.header is not None]
        if not told:
            raise _join_errors(answers)
        headers = {answer.header.raw: answer.header for answer in told if answer.header is not None}
        if len(headers) > 1:
            said = "; ".join(f"{a.source.name} has {display_hash(a.header.block_hash)}" for a in told if a.header)
            raise HeaderDisagreementError(f"the sources disagree about block {height}: {said}")
        return next(iter(headers.values()))

    def find_height(self, block_hash: bytes) -> int | None:
        """Return the height of a block, or None if no source can tell, or they differ."""
        heights = {source.headers.find_height(block_hash) for source in self._sources} - {None}
        return heights.pop() if len(heights) == 1 else None

    def list_answers(self, height: int) -> tuple[SourceAnswer, ...]:
        """Return what each source says of a height, in their order."""
        if height not in self._answers:
            self._answers[height] = tuple(_ask(source, height) for source in self._sources)
        return self._answers[height]


def _ask(source: NamedSource, height: int) -> SourceAnswer:
    try:
        return SourceAnswer(source=source, header=source.headers.get_header(height), error=None)
    except HeaderUnavailableError as error:
        return SourceAnswer(source=source, header=None, error=error)


def _join_errors(answers: Sequence[SourceAnswer]) -> HeaderUnavailableError:
    """Return one error that says why none can tell; a single source's own is that already."""
    errors = [answer.error for answer in answers if answer.error is not None]
    if len(errors) == 1:
        return errors[0]
    return HeaderUnavailableError("; ".join(f"{answer.source.name}: {answer.error}" for answer in answers))
