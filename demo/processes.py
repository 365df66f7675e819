"""Starts the processes that the system consists of, waits until each answers, and stops them cleanly."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
STOP_SECONDS_MAX = 20


class ProcessFailedError(RuntimeError):
    """A process of the system ended, or did not start in time."""


def pick_port() -> int:
    """Return a loopback port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Processes:
    """Child processes with a log file each, stopped in the reverse order of their start."""

    def __init__(self, *, log_folder: Path, environment: Mapping[str, str]) -> None:
        self.log_folder = log_folder
        self.environment = {**os.environ, **environment}
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def start(self, name: str, arguments: list[str]) -> None:
        """Start a process of this Python; its output goes to its log file."""
        self.log_folder.mkdir(parents=True, exist_ok=True)
        with (self.log_folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=CHECKOUT,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                # Ctrl-C reaches only this process, which then stops the others in order.
                start_new_session=True,
            )
        self._running.append((name, process))

    def run(self, name: str, arguments: list[str], extra: Mapping[str, str] | None = None) -> str:
        """Run a process of this Python to its end and return what it printed.

        Raises ProcessFailedError with its words if it fails.
        """
        finished = subprocess.run(
            [sys.executable, *arguments],
            cwd=CHECKOUT,
            env={**self.environment, **(extra or {})},
            capture_output=True,
            text=True,
            check=False,
        )
        if finished.returncode:
            raise ProcessFailedError(f"{name} failed:\n{finished.stdout}{finished.stderr}")
        return finished.stdout.strip()

    def wait(self, what: str, is_ready: Callable[[], bool], *, seconds_max: float = 60) -> None:
        """Wait until a condition holds.

        Raises ProcessFailedError if a process ends meanwhile or the time is over.
        """
        deadline = time.monotonic() + seconds_max
        while not is_ready():
            self.check()
            if time.monotonic() > deadline:
                raise ProcessFailedError(f"Waited {seconds_max:.0f} s in vain: {what}. See {self.log_folder}.")
            time.sleep(0.1)

    def check(self) -> None:
        """Raise ProcessFailedError if a process has ended."""
        for name, process in self._running:
            if process.poll() is not None:
                log = (self.log_folder / f"{name}.log").read_text(errors="replace")
                raise ProcessFailedError(f"{name} ended with status {process.returncode}:\n{log[-3000:]}")

    def stop(self) -> list[str]:
        """Ask every process to end, the last started first; return the names of those that had to be killed."""
        killed = []
        while self._running:
            name, process = self._running.pop()
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS_MAX)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                killed.append(name)
        return killed
