"""`cadastre audit PATH`: the standalone verifier on a register's export, or on every proof of an archive or a folder.

It needs no server, and for an export not even a network.
"""

import argparse
import contextlib
import io
import time

from client.progress import Progress
from client.runs import Run
from registry.proof import auditing
from registry.proof.reports import settle

HELP = "Audit a register's export offline, or every proof in an archive or a folder."
REFRESH_S = 0.1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's own arguments, which are the verifier's."""
    auditing.add_audit_arguments(parser)


def run(run: Run) -> int:
    """Audit, and pass on what the verifier says."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.closing(_Bar(run)) as bar:
        code = settle(lambda: auditing.run(run.arguments, note_progress=bar.show), is_json=run.arguments.json)
    for line in printed.getvalue().removesuffix("\n").split("\n"):
        run.console.print_line(line)
    return code


class _Bar:
    """A progress bar that begins with the first thing done: only then is it known what is counted, and how much."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._progress: Progress | None = None
        self._shown_at_s = 0.0

    def show(self, done: int, total: int | None) -> None:
        """Show how much is done, but not more often than anybody can see."""
        if self._progress is None:
            arguments, unit = self._run.arguments, " proofs" if total is None else "B"
            self._progress = Progress("audit", total, unit=unit, is_forced=arguments.progress, is_silent=arguments.json)
        if done == total or time.monotonic() - self._shown_at_s > REFRESH_S:
            self._progress.move_to(done)
            self._shown_at_s = time.monotonic()

    def close(self) -> None:
        """End the bar."""
        if self._progress is not None:
            self._progress.__exit__(None, None, None)
