"""Bitcoin's networks as the check of a headers file needs them: where each begins, and how its targets move.

Sources: Bitcoin Core, kernel/chainparams.cpp and pow.cpp; BIP 94 for testnet4.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from registry.proof.errors import UsageError
from registry.proof.headers import encode_target, find_target, parse_display_hash

PERIOD_HEADERS = 2016
"""Headers between two changes of the target."""

SPACING_S = 600
"""The time between two blocks that the target is set for."""

STEP_MAX = 4
"""A target becomes at most so many times easier or harder at once."""


@dataclass(frozen=True, slots=True)
class Network:
    """One network's rules for headers. `genesis_hash` is in internal byte order, `target_max` its easiest target.

    `has_bip94` stands for testnet4's three rules: a block more than two spacings after the one before it may have
    the easiest target; the target of a period is computed from the first block's bits of the period before; and a
    period's first block is at most one spacing earlier than the block before it.
    `work_min`, if not 0, is less work than the network's whole chain is known to hold, in hashes. `block_work_min`, if
    not 0, is less than each block at a checkpoint must hold that a file may begin with.
    """

    name: str
    genesis_hash: bytes
    target_max: int
    is_retargeting: bool = True
    has_bip94: bool = False
    work_min: int = 0
    block_work_min: int = 0
    period_headers: int = PERIOD_HEADERS

    @property
    def bits_max(self) -> int:
        """The bits of the easiest target."""
        return encode_target(self.target_max)

    @property
    def timespan_s(self) -> int:
        """The time for one period that the target is set for."""
        return self.period_headers * SPACING_S

    def next_bits(self, *, times: Sequence[int], bits: Sequence[int]) -> int:
        """Return the bits of a period from the times and bits of the period before it, all of them.

        The time that passed is that between its first and its last block: one spacing less than it should be. That
        is how Bitcoin counts.
        """
        base = bits[0] if self.has_bip94 else bits[-1]
        target = find_target(base)
        if not self.is_retargeting or target is None:
            return base
        passed_s = min(max(times[-1] - times[0], self.timespan_s // STEP_MAX), self.timespan_s * STEP_MAX)
        return encode_target(min(target * passed_s // self.timespan_s, self.target_max))


MAIN = Network(
    name="main",
    genesis_hash=parse_display_hash("000000000019d6689c085ae165831e934ff763ae46a2a6c172b3f1b60a8ce26f"),
    target_max=(1 << 224) - 1,
    work_min=1 << 94,
    block_work_min=1 << 75,
)
"""Its chain held more than 2**94 hashes in 2023. Without a bound, a chain from the genesis block that a laptop mined
at the easiest target would pass every other rule. Each of its blocks held more than 2**75 from 2020 on. After an older
one that a reader knows, somebody could go on mining at the easy targets of that time."""

TESTNET4 = Network(
    name="testnet4",
    genesis_hash=parse_display_hash("00000000da84f2bafbbc53dee25a72ae507ff4914b867c565be350b0da8bf043"),
    target_max=(1 << 224) - 1,
    has_bip94=True,
)
SIGNET = Network(
    name="signet",
    genesis_hash=parse_display_hash("00000008819873e925422c1ff0f99f7cc9bbb232af63a077a480a3633bee1ef6"),
    target_max=0x377AE << 216,
)
REGTEST = Network(
    name="regtest",
    genesis_hash=parse_display_hash("0f9188f13cb7b2c71f2a335e3a4fc328bf5beb436012afca590b1a11466e2206"),
    target_max=(1 << 255) - 1,
    is_retargeting=False,
)
NETWORKS = (MAIN, TESTNET4, SIGNET, REGTEST)


def get_network(name: str) -> Network:
    """Return the network of this name. Raises UsageError if there is none."""
    network = next((network for network in NETWORKS if network.name == name), None)
    if network is None:
        raise UsageError(f"no network is called {name}; known are {', '.join(known.name for known in NETWORKS)}")
    return network


def find_network(genesis_hash: bytes) -> Network | None:
    """Return the network that begins with this block, or None if none is known to."""
    return next((network for network in NETWORKS if network.genesis_hash == genesis_hash), None)
