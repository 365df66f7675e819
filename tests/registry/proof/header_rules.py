"""A slow reading of Bitcoin's rules for headers, one header after the other, which checks the fast one."""

from collections.abc import Sequence

from bitcoin.core import CBlockHeader, compact_from_uint256, uint256_from_compact

from registry.proof.networks import Network


def find_fault(data: bytes, network: Network) -> str | None:
    """Return the name of the error for the first header, of those from the genesis block on, that breaks a rule."""
    if len(data) % 80:
        return "HeadersTruncatedError"
    chain = [CBlockHeader.deserialize(data[start : start + 80]) for start in range(0, len(data), 80)]
    for height in range(1, len(chain)):
        fault = _find_fault(chain, height, network)
        if fault is not None:
            return fault
    return None


def _find_fault(chain: Sequence[CBlockHeader], height: int, network: Network) -> str | None:
    header, last = chain[height], chain[height - 1]
    if header.hashPrevBlock != last.GetHash():
        return "HeadersLinkError"
    if header.nBits != get_next_bits(chain[:height], header.nTime, network):
        return "HeadersBitsError"
    if int.from_bytes(header.GetHash(), "little") > uint256_from_compact(header.nBits):
        return "HeadersWorkError"
    times = sorted(before.nTime for before in chain[max(height - 11, 0) : height])
    if header.nTime <= times[len(times) // 2]:
        return "HeadersTimeError"
    if network.has_bip94 and height % network.period_headers == 0 and header.nTime < last.nTime - 600:
        return "HeadersTimeError"
    return None


def get_next_bits(chain: Sequence[CBlockHeader], time: int, network: Network) -> int:
    """Walk as Bitcoin Core's GetNextWorkRequired does."""
    last = chain[-1]
    easiest: int = compact_from_uint256(network.target_max)
    if len(chain) % network.period_headers:
        if network.has_bip94:
            if time > last.nTime + 1200:
                return easiest
            place = len(chain) - 1
            while place and place % network.period_headers and chain[place].nBits == easiest:
                place -= 1
            return int(chain[place].nBits)
        return int(last.nBits)
    if not network.is_retargeting:
        return int(last.nBits)
    first = chain[len(chain) - network.period_headers]
    wanted = network.period_headers * 600
    passed = min(max(last.nTime - first.nTime, wanted // 4), wanted * 4)
    base = uint256_from_compact(first.nBits if network.has_bip94 else last.nBits)
    return int(compact_from_uint256(min(base * passed // wanted, network.target_max)))
