"""The block log: what was synced is read back, whatever a crash left behind it."""

from pathlib import Path

import pytest

from chain.devnode.block_log import MAGIC, BlockLog, BlockLogError, RecordKind

PAYLOADS = [b"first block", b"", b"third" * 40]


@pytest.fixture
def log_path(tmp_path: Path):
    path = tmp_path / "blocks.log"
    log = BlockLog(path)
    for payload in PAYLOADS:
        log.append(RecordKind.BLOCK, payload)
    log.close()
    return path


def read_payloads(path: Path):
    log = BlockLog(path)
    try:
        return [record.payload for record in log.read()], log.torn_bytes
    finally:
        log.close()


def test_reads_back_what_was_appended(log_path: Path):
    assert read_payloads(log_path) == (PAYLOADS, 0)


def test_any_cut_of_the_last_record_loses_that_record_alone(log_path: Path):
    data = log_path.read_bytes()
    last_start = len(data) - 5 - len(PAYLOADS[-1]) - 8
    for end in range(last_start + 1, len(data)):
        log_path.write_bytes(data[:end])
        assert read_payloads(log_path) == (PAYLOADS[:-1], end - last_start)
        assert log_path.stat().st_size == last_start


def test_a_tail_of_zeros_is_cut_off(log_path: Path):
    log_path.write_bytes(log_path.read_bytes() + bytes(4096))
    assert read_payloads(log_path) == (PAYLOADS, 4096)


def test_any_flipped_bit_before_the_last_record_is_refused(log_path: Path):
    data = log_path.read_bytes()
    for position in range(len(MAGIC), len(MAGIC) + 5 + len(PAYLOADS[0]) + 8):
        damaged = bytearray(data)
        damaged[position] ^= 1
        log_path.write_bytes(damaged)
        with pytest.raises(BlockLogError, match="damaged at byte 8"):
            BlockLog(log_path)


def test_refuses_another_file(tmp_path: Path):
    path = tmp_path / "blocks.log"
    path.write_bytes(b"something else entirely")
    with pytest.raises(BlockLogError, match="not a block log"):
        BlockLog(path)


def test_refuses_a_record_over_the_limit(tmp_path: Path):
    log = BlockLog(tmp_path / "blocks.log")
    with pytest.raises(BlockLogError, match="over the limit"):
        log.append(RecordKind.BLOCK, bytes(4_000_001))
    log.close()
