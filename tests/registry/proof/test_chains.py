import random
import tracemalloc
from io import BytesIO
from typing import Any

import pytest
from bitcoin.core import CBlockHeader, CoreMainParams

from registry.proof import chains, errors
from registry.proof.chains import Checkpoint, HeaderChain, parse_checkpoint, read_chain
from registry.proof.errors import HeadersFileError, HeadersTooLargeError, HeaderUnavailableError, ProofError, UsageError
from registry.proof.headers import display_hash, parse_display_hash, parse_header
from registry.proof.networks import MAIN, REGTEST, Network, get_network
from tests.registry.proof.header_rules import find_fault, get_next_bits
from tests.registry.proof.mining import BEGIN_TIME, EASIEST_BITS, get_hash, mine, mine_regtest
from tests.registry.proof.vectors import list_names, load

NAMES = list_names("headers")
HARD_BITS = 0x171FFFFF
"""The easiest bits that stand for 2**75 hashes."""


LONG = mine_regtest(4100)


class Dribble(BytesIO):
    """A stream that never gives more than so many bytes at a time, as a pipe does."""

    def __init__(self, data: bytes, piece_bytes: int) -> None:
        super().__init__(data)
        self._piece_bytes = piece_bytes

    def read(self, size: int | None = -1, /) -> bytes:
        wanted = self._piece_bytes if size is None or size < 0 else min(size, self._piece_bytes)
        return super().read(wanted)


def make_network(fields: dict[str, Any]) -> Network:
    if set(fields) == {"name"}:
        return get_network(fields["name"])
    return Network(
        name=fields["name"],
        genesis_hash=parse_display_hash(fields["genesis_hash"]),
        target_max=REGTEST.target_max,
        is_retargeting=fields["is_retargeting"],
        has_bip94=fields["has_bip94"],
        work_min=fields["work_min"],
        block_work_min=fields["block_work_min"],
        period_headers=fields["period_headers"],
    )


def read_vector(vector: dict[str, Any]) -> HeaderChain:
    checkpoint = parse_checkpoint(vector["checkpoint"]) if "checkpoint" in vector else None
    data = bytes.fromhex(vector["headers_hex"])
    return read_chain(BytesIO(data), network=make_network(vector["network"]), checkpoint=checkpoint)


@pytest.mark.parametrize("name", NAMES)
def test_every_headers_file_gets_the_result_that_its_vector_names(name: str):
    vector = load("headers", name)
    if vector["expect"] == "valid":
        chain = read_vector(vector)
        found = {"tip_height": chain.tip_height, "tip_hash": display_hash(chain.tip_hash), "work": chain.work}
        assert found == {key: vector[key] for key in found}
    else:
        with pytest.raises(ProofError) as caught:
            read_vector(vector)
        assert type(caught.value).__name__ == vector["expect"]


@pytest.mark.parametrize("name", [name for name in NAMES if "checkpoint" not in load("headers", name)])
def test_the_slow_reference_finds_the_same_fault(name: str):
    vector = load("headers", name)
    is_about_rules = vector["expect"].removeprefix("Headers") in {
        "valid",
        "LinkError",
        "BitsError",
        "WorkError",
        "TimeError",
    }
    if is_about_rules:
        expected = None if vector["expect"] == "valid" else vector["expect"]
        assert find_fault(bytes.fromhex(vector["headers_hex"]), make_network(vector["network"])) == expected


def test_every_fault_of_a_headers_file_that_can_be_written_down_has_a_vector():
    causes = {
        name
        for name, cause in vars(errors).items()
        if isinstance(cause, type) and issubclass(cause, HeadersFileError) and cause is not HeadersFileError
    }
    assert causes - {"HeadersTooLargeError"} <= {load("headers", name)["expect"] for name in NAMES}


def mine_at_random(chance: random.Random, network_fields: dict[str, Any], count: int) -> tuple[bytes, Network]:
    """Mine a chain that mostly follows the rules, and at one place may not."""
    first = mine(bytes(32), time=BEGIN_TIME, bits=0x207000FF)
    network = Network(name="test", genesis_hash=get_hash(first), target_max=REGTEST.target_max, **network_fields)
    chain = [first]
    odd = chance.randrange(1, 2 * count)
    for height in range(1, count):
        parsed = [CBlockHeader.deserialize(raw) for raw in chain]
        times = sorted(header.nTime for header in parsed[-11:])
        gap = chance.choice([1, 1, 2, 600, 1201, 1200, 2400, -600])
        time = max(parsed[-1].nTime + gap, times[len(times) // 2] + 1)
        bits = get_next_bits(parsed, time, network)
        if height == odd:
            time = times[len(times) // 2] + chance.choice([-1, 0, 1])
            bits = chance.choice([bits, bits, EASIEST_BITS, bits - 1])
        chain.append(mine(get_hash(chain[-1]), time=time, bits=bits))
    return b"".join(chain), network


@pytest.mark.parametrize("seed", range(60))
@pytest.mark.parametrize(
    "fields", [{}, {"has_bip94": True}, {"is_retargeting": False}], ids=["main", "bip94", "regtest"]
)
def test_any_chain_is_accepted_exactly_if_the_slow_reference_accepts_it(seed: int, fields: dict[str, Any]):
    data, network = mine_at_random(random.Random(seed), fields | {"period_headers": 16}, 56)
    expected = find_fault(data, network)
    try:
        read_chain(BytesIO(data), network=network)
        found = None
    except HeadersFileError as error:
        found = type(error).__name__

    assert (found is None) == (expected is None), (found, expected)


def test_no_changed_byte_of_a_headers_file_is_accepted_against_the_rules():
    vector = load("headers", "valid-bip94")
    network = make_network(vector["network"])
    original = bytes.fromhex(vector["headers_hex"])
    accepted = []
    for position in range(len(original)):
        changed = bytearray(original)
        changed[position] ^= 1 << position % 8
        try:
            read_chain(BytesIO(bytes(changed)), network=network)
        except HeadersFileError:
            continue
        accepted.append(position)
        assert find_fault(bytes(changed), network) is None

    # A change before the last header breaks a link; one in the last may meet the easy target again.
    assert all(position >= len(original) - 80 for position in accepted)


def test_no_truncated_headers_file_is_accepted_but_at_the_end_of_a_header():
    vector = load("headers", "valid")
    network = make_network(vector["network"])
    original = bytes.fromhex(vector["headers_hex"])
    for length in range(len(original)):
        if length % 80 == 0 and length:
            assert read_chain(BytesIO(original[:length]), network=network).tip_height == length // 80 - 1
        else:
            with pytest.raises(HeadersFileError):
                read_chain(BytesIO(original[:length]), network=network)


def test_headers_are_found_by_height_and_by_hash_over_many_periods():
    data = mine_regtest(4100)
    chain = read_chain(BytesIO(data))

    assert (chain.network, chain.first_height, chain.tip_height) == (REGTEST, 0, 4099)
    for height in (0, 1, 2015, 2016, 4031, 4032, 4094):
        header = parse_header(data[height * 80 : (height + 1) * 80])
        assert chain.get_header(height) == header
        assert chain.find_height(header.block_hash) == height
    assert chain.find_height(chain.tip_hash) == 4099
    assert chain.find_height(bytes(32)) is None


def test_hashes_that_begin_alike_are_told_apart():
    chain = read_chain(BytesIO(mine_regtest(12)))
    near = bytearray(chain.get_hash(5))
    near[-1] ^= 1

    assert chain.find_height(bytes(near)) is None
    assert chain.find_height(chain.get_hash(5)) == 5


def test_a_header_needs_six_confirmations_within_the_file():
    chain = read_chain(BytesIO(mine_regtest(12)))

    assert chain.get_header(6).raw == mine_regtest(12)[480:560]
    with pytest.raises(HeaderUnavailableError, match="block 7 has 5 confirmations of 6"):
        chain.get_header(7)
    for height in (-1, 12):
        with pytest.raises(HeaderUnavailableError, match=f"blocks 0 to 11, not {height}"):
            chain.get_header(height)


def test_a_file_from_a_checkpoint_counts_from_its_height():
    chain = read_vector(load("headers", "valid-checkpoint"))

    assert (chain.first_height, chain.tip_height) == (16, 19)
    assert chain.find_height(chain.get_hash(17)) == 17
    with pytest.raises(HeaderUnavailableError, match="blocks 16 to 19, not 15"):
        chain.get_header(15)


def test_the_first_times_after_a_checkpoint_cannot_be_checked_and_the_twelfth_is():
    first = mine(bytes(32), time=BEGIN_TIME)
    network = Network(name="test", genesis_hash=bytes(32), target_max=REGTEST.target_max, is_retargeting=False)
    checkpoint = Checkpoint(height=2016, block_hash=get_hash(first))
    raws = [first]
    for time in (0, *range(-9, 0)):
        raws.append(mine(get_hash(raws[-1]), time=BEGIN_TIME + time))
    median = sorted(parse_header(raw).time for raw in raws)[5]
    good = mine(get_hash(raws[-1]), time=median + 1)
    bad = mine(get_hash(raws[-1]), time=median)

    assert read_chain(BytesIO(b"".join([*raws, good])), network=network, checkpoint=checkpoint).tip_height == 2027
    with pytest.raises(errors.HeadersTimeError, match="header 2027"):
        read_chain(BytesIO(b"".join([*raws, bad])), network=network, checkpoint=checkpoint)


def test_a_checkpoint_whose_bits_name_no_target_holds_no_work():
    first = mine(bytes(32), time=BEGIN_TIME)[:72] + b"\x00\x00\x80\x20" + bytes(4)
    checkpoint = Checkpoint(height=2016, block_hash=get_hash(first))

    assert read_chain(BytesIO(first), checkpoint=checkpoint, network=REGTEST).work == 0
    with pytest.raises(errors.ChainWorkError):
        read_chain(BytesIO(first), checkpoint=checkpoint)
    follower = mine(get_hash(first), time=BEGIN_TIME + 1)[:72] + b"\x00\x00\x80\x20" + bytes(4)
    with pytest.raises(errors.HeadersWorkError):
        read_chain(BytesIO(first + follower), checkpoint=checkpoint, network=REGTEST)


def test_a_file_from_a_checkpoint_is_the_main_networks_unless_another_is_named():
    data = mine_regtest(8)
    hard = mine(bytes(32), time=BEGIN_TIME)[:72] + HARD_BITS.to_bytes(4, "little") + bytes(4)
    recent = Checkpoint(height=2016, block_hash=get_hash(hard))
    checkpoint = Checkpoint(height=2016, block_hash=get_hash(data[80:160]))

    assert read_chain(BytesIO(hard), checkpoint=recent).network.name == "main"
    assert read_chain(BytesIO(data[80:]), checkpoint=checkpoint, network=REGTEST).network.name == "regtest"


@pytest.mark.parametrize(("bits", "is_enough"), [(HARD_BITS, True), (HARD_BITS + 1, False), (MAIN.bits_max, False)])
def test_a_file_of_the_main_network_begins_with_a_block_as_hard_as_those_of_2020(bits: int, is_enough: bool):
    first = bytes(72) + bits.to_bytes(4, "little") + bytes(4)
    checkpoint = Checkpoint(height=2016, block_hash=get_hash(first))
    if is_enough:
        assert read_chain(BytesIO(first), checkpoint=checkpoint).work >= MAIN.block_work_min
    else:
        with pytest.raises(errors.ChainWorkError, match=r"2\^75 hashes or more"):
            read_chain(BytesIO(first), checkpoint=checkpoint)


def test_a_checkpoint_takes_nothing_away_from_what_the_main_network_requires():
    """The genesis block is known to everybody; whoever names it knows nothing of what follows."""
    checkpoint = Checkpoint(height=0, block_hash=MAIN.genesis_hash)

    with pytest.raises(errors.ChainWorkError, match=r"main holds more than 2\^94"):
        read_chain(BytesIO(CoreMainParams.GENESIS_BLOCK.get_header().serialize()), checkpoint=checkpoint)


def test_a_checkpoint_at_height_0_is_the_genesis_block():
    data = mine_regtest(2)[80:]

    with pytest.raises(UsageError, match="not the genesis block of regtest"):
        read_chain(BytesIO(data), network=REGTEST, checkpoint=Checkpoint(height=0, block_hash=get_hash(data)))


@pytest.mark.parametrize("piece_bytes", [1, 79, 80, 81, 4096, 2016 * 80 - 1, 2016 * 80])
def test_a_stream_that_gives_few_bytes_at_a_time_is_read_like_any_other(piece_bytes: int):
    data = LONG if piece_bytes > 1 else LONG[: 80 * 30]
    whole, chain = read_chain(BytesIO(data), network=REGTEST), read_chain(Dribble(data, piece_bytes), network=REGTEST)

    assert (chain.tip_height, chain.tip_hash, chain.work) == (whole.tip_height, whole.tip_hash, whole.work)
    for height in range(0, chain.tip_height - 5, 97):
        assert chain.get_header(height) == whole.get_header(height)
    with pytest.raises(errors.HeadersTruncatedError):
        read_chain(Dribble(data[:-1], piece_bytes), network=REGTEST)


def test_a_broken_header_behind_a_short_read_is_found():
    data = bytearray(LONG)
    data[80 * 2500 + 40] ^= 1

    with pytest.raises(errors.HeadersLinkError, match="header 2501"):
        read_chain(Dribble(bytes(data), 80 * 100), network=REGTEST)


def test_more_headers_than_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(chains, "HEADERS_MAX", 2016)
    data = mine_regtest(2017)

    assert read_chain(BytesIO(data[:-80])).tip_height == 2015
    with pytest.raises(HeadersTooLargeError, match="2016 headers"):
        read_chain(BytesIO(data))


def test_a_file_that_is_no_chain_is_refused_at_its_first_header():
    stream = BytesIO(bytes(100_000_000))

    with pytest.raises(HeadersFileError):
        read_chain(stream)

    assert stream.tell() == 80


def test_reading_takes_little_more_memory_than_the_file_has_bytes():
    data = mine_regtest(20_000)
    stream = BytesIO(data)
    tracemalloc.start()
    try:
        chain = read_chain(stream)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert chain.tip_height == 19_999
    assert peak_bytes < len(data) + 2_000_000


@pytest.mark.parametrize(
    "text", ["", "5", "5:", ":" + "00" * 32, "-1:" + "00" * 32, "5:" + "0g" * 32, "5:" + "00" * 31]
)
def test_refuses_what_is_no_checkpoint(text: str):
    with pytest.raises(UsageError, match="checkpoint"):
        parse_checkpoint(text)


def test_a_checkpoint_is_written_as_nodes_print_hashes():
    checkpoint = parse_checkpoint("2016:" + "AB" * 31 + "01")

    assert checkpoint == Checkpoint(height=2016, block_hash=b"\x01" + b"\xab" * 31)
