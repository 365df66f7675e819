"""Runs things at the same time, each with a connection of its own."""

import threading
from collections.abc import Callable, Sequence

from django.db import connection


def run_together(actions: Sequence[Callable[[], object]]) -> list[BaseException]:
    """Run actions in threads that start at once, each with its own connection, and return what they raised."""
    barrier = threading.Barrier(len(actions))
    errors: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        barrier.wait()
        try:
            action()
        except Exception as error:  # noqa: BLE001  whatever it is, the test compares it
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(action,)) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors
