"""A development node that ends itself by SIGKILL at its n-th step: around every log write, sync and reply, and between
the steps of its recovery: the cut of a torn record, and each record that it replays."""

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

from chain.devnode.block_log import BlockLog, LogRecord
from chain.devnode.command_line import add_arguments, read_options
from chain.devnode.server import RpcHandler, run_server


class Countdown:
    """Counts steps of the whole process and kills it at the chosen one."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def step(self) -> None:
        """Count one step."""
        self.steps -= 1
        if self.steps == 0:
            os.kill(os.getpid(), signal.SIGKILL)


COUNTDOWN = Countdown(0)


def step_around(call: Callable[..., None]) -> Callable[..., None]:
    """Return a system call with a step before and after it."""

    def stepping_call(*arguments: int) -> None:
        COUNTDOWN.step()
        call(*arguments)
        COUNTDOWN.step()

    return stepping_call


class KillingLog(BlockLog):
    """Dies before, in the middle of and after writes, before and after syncs and cuts, and after every record that was
    read back and used."""

    def write(self, data: bytes) -> None:
        COUNTDOWN.step()
        half = len(data) // 2
        super().write(data[:half])
        COUNTDOWN.step()
        super().write(data[half:])
        COUNTDOWN.step()

    def sync(self) -> None:
        COUNTDOWN.step()
        super().sync()
        COUNTDOWN.step()

    def read(self) -> Iterator[LogRecord]:
        COUNTDOWN.step()
        for record in super().read():
            yield record
            COUNTDOWN.step()

    def _cut_torn_tail(self) -> int:
        cut, sync = step_around(os.ftruncate), step_around(os.fsync)
        with patch.object(os, "ftruncate", cut), patch.object(os, "fsync", sync):
            return super()._cut_torn_tail()


class KillingHandler(RpcHandler):
    """Dies before and after replies."""

    def reply(self, status: int, body: bytes, content_type: str) -> None:
        COUNTDOWN.step()
        super().reply(status, body, content_type)
        COUNTDOWN.step()


def main() -> int:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument("--kill-at", type=int, required=True)
    arguments = vars(parser.parse_args())
    COUNTDOWN.steps = arguments.pop("kill_at")

    def open_log(path: Path) -> BlockLog:
        return KillingLog(path)

    return run_server(read_options(**arguments), handler=KillingHandler, open_log=open_log)


if __name__ == "__main__":
    sys.exit(main())
