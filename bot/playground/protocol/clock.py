"""The stand-in's clock, and the ids that are made from it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

DISCORD_EPOCH_MS = 1_420_070_400_000  # the first millisecond of 2015


class Clock:
    """The time of day in seconds since 1970, which a test can put forward."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._ahead = 0.0
        self._changed = changed

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> None:
        self._ahead += seconds
        self._changed()


def iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")


class Snowflakes:
    """Ids that carry the clock's time and always rise."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        by_clock = (int(self._clock.now() * 1000) - DISCORD_EPOCH_MS) << 22
        self._last = max(by_clock, self._last + 1)
        return self._last


class SettledIds(Snowflakes):
    """Ids of what is there from the first second of Discord on: the same, whenever they are given."""

    def __init__(self) -> None:
        self._last = 1000 << 22

    def next(self) -> int:
        self._last += 1
        return self._last
