"""A rate that several threads share."""

from client.paces import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, delay_s: float) -> None:
        self.now += delay_s


def test_what_goes_through_takes_its_time_whoever_sends_it():
    clock = Clock()
    pace = Pace(1000, clock=clock.read, sleep=clock.sleep)
    for _ in range(5):
        pace.wait(500)
    assert clock.now == 2.0


def test_time_that_was_not_used_is_not_saved_up():
    clock = Clock()
    pace = Pace(1000, clock=clock.read, sleep=clock.sleep)
    clock.now = 100.0
    pace.wait(1000)
    pace.wait(1000)
    assert clock.now == 101.0


def test_without_a_limit_nothing_waits():
    clock = Clock()
    Pace(None, clock=clock.read, sleep=clock.sleep).wait(10**12)
    assert clock.now == 0.0


def test_pieces_take_at_most_a_second():
    assert Pace(None).limit_piece(4096) == 4096
    assert Pace(1000).limit_piece(4096) == 1000
    assert Pace(10_000).limit_piece(4096) == 4096
