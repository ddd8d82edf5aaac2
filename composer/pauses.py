"""Between two tries of something that may go on failing: a pause, and each time twice as long."""

from __future__ import annotations


class Pauses:
    """The seconds to wait before each next try.

    Args:
        first: Seconds before the second try.
        longest: Seconds that no pause is longer than; at least `first`.
    """

    def __init__(self, first: float, longest: float) -> None:
        self._first, self._longest = first, longest
        self._next = first

    def next(self) -> float:
        """Seconds to wait now; after the next failure twice as many."""
        pause = self._next
        self._next = min(self._longest, 2 * pause)
        return pause

    def reset(self) -> None:
        """It has worked: begin with the first again."""
        self._next = self._first
