"""The places where a process is killed: before and after each commit and each call outside, counted as they come."""

import os
import signal


class Points:
    """Counts the places that this process passes, and kills it at one of them."""

    def __init__(self) -> None:
        self.is_counting = False
        self.passed = 0
        self.kill_at = 0

    def arm(self, kill_at: int) -> None:
        """Start counting; 0 kills nowhere."""
        self.is_counting, self.passed, self.kill_at = True, 0, kill_at

    def disarm(self) -> None:
        """Stop counting: what follows is the world's part, not the system's."""
        self.is_counting = False

    def rearm(self) -> None:
        """Go on counting."""
        self.is_counting = True

    def reach(self) -> None:
        """Pass a place, and die there if it is the one."""
        if not self.is_counting:
            return
        self.passed += 1
        if self.passed == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


POINTS = Points()
