"""The headers row: the check of a whole headers file against a loop that only hashes each header twice.

The headers are mined here, by regtest's easiest target but with main's retargeting, and kept below var/ for the next
run. Their times come as main's do: exponential intervals, and clocks that are up to five minutes wrong.
"""

import hashlib
import io
import random
import struct
from functools import partial
from pathlib import Path

from bench.rows import Row, compare, time_call
from registry.proof.chains import HeaderChain, read_chain
from registry.proof.headers import HEADER_BYTES, find_target
from registry.proof.networks import PERIOD_HEADERS, REGTEST, SPACING_S, Network
from registry.proof.periods import MEDIAN_HEADERS

HEADERS = 900_000
FOLDER = Path(__file__).resolve().parent.parent / "var" / "bench"
BEGIN_TIME = 1_231_006_505
SKEW_S = 300
SEED = 84


def measure(*, count: int = HEADERS, folder: Path = FOLDER) -> list[Row]:
    """Return the row of so many headers, which the folder keeps for the next run."""
    data = load_headers(count, folder)
    network = make_network(data)
    name = f"check of {count:,} headers with retargeting"
    ours = partial(time_call, partial(check, data, network))
    peer = partial(time_call, partial(hash_bare, data))
    return [compare(name, ours, f"a loop of {count:,} double hashes", peer, bar=2.0)]


def check(data: bytes, network: Network) -> HeaderChain:
    """Read and check a headers file."""
    return read_chain(io.BytesIO(data), network=network)


def hash_bare(data: bytes) -> bytes:
    """Hash each header twice, and nothing else."""
    digest = b""
    sha256 = hashlib.sha256
    for (raw,) in struct.iter_unpack("80s", data):
        digest = sha256(sha256(raw).digest()).digest()
    return digest


def load_headers(count: int, folder: Path) -> bytes:
    """Return so many headers, mined now or in an earlier run."""
    path = folder / f"headers-{SEED}-{count}.bin"
    if not path.exists():
        print(f"Mining {count:,} headers, once ...")
        folder.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_bytes(mine_headers(count))
        draft.replace(path)
    return path.read_bytes()


def make_network(data: bytes) -> Network:
    """Return the rules that the headers are mined by; their first is the genesis block."""
    first = hashlib.sha256(hashlib.sha256(data[:HEADER_BYTES]).digest()).digest()
    return Network(name="bench", genesis_hash=first, target_max=REGTEST.target_max)


def mine_headers(count: int) -> bytes:
    """Mine a chain of headers."""
    chance = random.Random(SEED)  # noqa: S311 - the same chain in every run
    data, times = bytearray(), [BEGIN_TIME]
    block_hash, bits, clock = bytes(32), REGTEST.bits_max, float(BEGIN_TIME)
    rules = Network(name="bench", genesis_hash=b"", target_max=REGTEST.target_max)
    for height in range(count):
        if height:
            clock += chance.expovariate(1 / SPACING_S)
            claimed = int(clock + chance.uniform(-SKEW_S, SKEW_S))
            window = sorted(times[-MEDIAN_HEADERS:])
            times.append(max(claimed, window[len(window) // 2] + 1))
        if height and height % PERIOD_HEADERS == 0:
            bits = rules.next_bits(times=times[-PERIOD_HEADERS - 1 : -1], bits=[bits])
        head = struct.pack("<i32s32sII", 4, block_hash, hashlib.sha256(block_hash).digest(), times[-1], bits)
        raw, block_hash = mine(head, find_target(bits) or 0)
        data += raw
    return bytes(data)


def mine(head: bytes, target: int) -> tuple[bytes, bytes]:
    """Return a header that meets a target, and its hash."""
    nonce = 0
    while True:
        raw = head + nonce.to_bytes(4, "little")
        block_hash = hashlib.sha256(hashlib.sha256(raw).digest()).digest()
        if int.from_bytes(block_hash, "little") <= target:
            return raw, block_hash
        nonce += 1
