import pytest

from registry.proof.agreements import AgreedHeaders, NamedSource
from registry.proof.errors import HeaderDisagreementError, HeaderUnavailableError
from registry.proof.headers import Header, display_hash, parse_header
from registry.proof.sources import GivenHeaders
from tests.registry.proof.mining import mine_regtest

DATA = mine_regtest(12)
HEADERS = {height: parse_header(DATA[height * 80 : height * 80 + 80]) for height in range(12)}


class CountingHeaders(GivenHeaders):
    """Given headers that count how often they are asked."""

    def __init__(self, headers: dict[int, Header]) -> None:
        super().__init__(headers)
        self.asked = 0

    def get_header(self, height: int) -> Header:
        self.asked += 1
        return super().get_header(height)


def agree(*sources: dict[int, Header]) -> AgreedHeaders:
    return AgreedHeaders([NamedSource(f"source {place}", GivenHeaders(known)) for place, known in enumerate(sources)])


def test_sources_that_agree_tell_the_header():
    assert agree(HEADERS, HEADERS, HEADERS).get_header(5) == HEADERS[5]


def test_a_source_that_cannot_tell_takes_nothing_from_one_that_can():
    headers = agree({}, HEADERS, {4: HEADERS[4]})

    assert headers.get_header(5) == HEADERS[5]
    assert [answer.header for answer in headers.list_answers(5)] == [None, HEADERS[5], None]
    assert str(headers.list_answers(5)[0].error) == "no header was given for block 5"


def test_sources_that_disagree_leave_it_undecided_and_are_named_with_what_they_said():
    with pytest.raises(HeaderDisagreementError) as caught:
        agree(HEADERS, {}, {5: HEADERS[6]}).get_header(5)

    assert str(caught.value) == (
        f"the sources disagree about block 5: source 0 has {display_hash(HEADERS[5].block_hash)}; "
        f"source 2 has {display_hash(HEADERS[6].block_hash)}"
    )


def test_a_header_that_no_source_has_is_unavailable_and_each_says_why():
    with pytest.raises(HeaderUnavailableError) as caught:
        agree({}, {}).get_header(5)
    assert str(caught.value) == ("source 0: no header was given for block 5; source 1: no header was given for block 5")
    with pytest.raises(HeaderUnavailableError, match=r"^no header was given for block 5$"):
        agree({}).get_header(5)


def test_a_height_is_found_unless_the_sources_differ():
    block_hash = HEADERS[5].block_hash

    assert agree({}, HEADERS).find_height(block_hash) == 5
    assert agree(HEADERS, {6: HEADERS[5]}).find_height(block_hash) is None
    assert agree({}, {}).find_height(block_hash) is None


def test_each_source_is_asked_once_for_each_height():
    source, silent = CountingHeaders(HEADERS), CountingHeaders({})
    headers = AgreedHeaders([NamedSource("one", source), NamedSource("other", silent)])

    for _ in range(3):
        headers.get_header(5)
        headers.list_answers(5)

    assert (source.asked, silent.asked) == (1, 1)
