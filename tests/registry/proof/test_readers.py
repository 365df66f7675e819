import pytest

from registry.proof.errors import MalformedTimestampError, ProofTooLargeError
from registry.proof.readers import ByteReader, read_limited


class EndlessStream:
    """A stream that counts what is read from it."""

    def __init__(self) -> None:
        self.bytes_read = 0

    def read(self, length: int) -> bytes:
        self.bytes_read += length
        return bytes(length)


def test_never_reads_more_than_one_byte_over_the_limit():
    stream = EndlessStream()

    with pytest.raises(ProofTooLargeError, match="1000"):
        read_limited(stream, 1000)  # type: ignore[arg-type]  # the double has the one method that is used

    assert stream.bytes_read == 1001


def test_refuses_a_number_of_more_than_ten_bytes():
    assert ByteReader(b"\xff" * 9 + b"\x01", MalformedTimestampError).take_varuint() == 2**64 - 1

    with pytest.raises(MalformedTimestampError, match="10 bytes"):
        ByteReader(b"\xff" * 100, MalformedTimestampError).take_varuint()
