"""Kills its process by SIGKILL at the n-th touch of a folder: KILL_AT and KILL_FOLDER. Python imports this itself."""

import os
import signal
import sys

EVENTS = {"open", "os.rename", "os.remove", "os.mkdir", "os.listdir", "os.scandir", "fcntl.flock"}
FOLDER = os.environ.get("KILL_FOLDER", "")
left = int(os.environ.get("KILL_AT", "0"))


def count(event: str, arguments: tuple[object, ...]) -> None:
    """Count the events that name something in the folder; a lock names no path and counts always."""
    global left  # noqa: PLW0603  an audit hook has no other place
    is_meant = event == "fcntl.flock" or (arguments and os.fsdecode(str(arguments[0])).startswith(FOLDER))
    if event in EVENTS and is_meant:
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


if FOLDER:
    sys.addaudithook(count)
