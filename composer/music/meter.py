"""Meters and bars. Imports nothing of ours.

All times are ticks from the first bar line, TICKS_PER_BEAT to a quarter note.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

TICKS_PER_BEAT = 480
BEATS_PER_BAR = 4
TICKS_PER_BAR = TICKS_PER_BEAT * BEATS_PER_BAR  # of 4/4


class Meter(NamedTuple):
    numerator: int
    denominator: int

    @property
    def name(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def ticks(self) -> int:
        """How long its bars are."""
        return TICKS_PER_BEAT * 4 * self.numerator // self.denominator

    @property
    def beats(self) -> tuple[int, ...]:
        """The lengths in ticks of a bar's beats: dotted quarters where eighths come in threes, else quarters.

        Five and seven eighths are counted in twos, with the three at the end.
        """
        eighth = TICKS_PER_BEAT // 2
        eighths, rest = divmod(self.ticks, eighth)
        if self.denominator < 8 or rest:
            full, rest = divmod(self.ticks, TICKS_PER_BEAT)
            return (TICKS_PER_BEAT,) * full + ((rest,) if rest else ())
        if eighths % 3 == 0:
            return (3 * eighth,) * (eighths // 3)
        twos, odd = divmod(eighths, 2)
        lengths = [2 * eighth] * twos or [0]
        lengths[-1] += odd * eighth
        return tuple(lengths)

    @property
    def is_compound(self) -> bool:
        """Whether its beats are dotted quarters."""
        return self.beats[0] == 3 * TICKS_PER_BEAT // 2

    @classmethod
    def parse(cls, name: str) -> Meter:
        """The inverse of `name`. Raises ValueError."""
        numerator, denominator = name.split("/")
        return cls(int(numerator), int(denominator))


class Beat(NamedTuple):
    """Where a beat begins, and what stands there: 0 the bar line, 1 the middle of a bar of two halves, 2 any other."""

    start: int
    weight: int


class Bar(NamedTuple):
    """From its line up to the next one. A pickup and a bar that a change of meter cuts are shorter than their meter."""

    start: int
    end: int
    meter: Meter

    @property
    def ticks(self) -> int:
        return self.end - self.start

    def later(self, by: int) -> Bar:
        return self._replace(start=self.start + by, end=self.end + by)

    def beats(self) -> Iterator[Beat]:
        """Every beat, by its meter; a short bar's as far as it goes."""
        lengths = self.meter.beats
        middle = len(lengths) // 2 if len(lengths) % 2 == 0 else 0
        start = self.start
        for number, length in enumerate(lengths):
            if start >= self.end:
                break
            yield Beat(start, 0 if number == 0 else 1 if number == middle else 2)
            start += length


def bars_of(meters: Iterable[tuple[int, Meter]], last: int) -> tuple[Bar, ...]:
    """The bars from tick 0 up to the one in which tick `last` lies; a change of meter begins a bar wherever it stands.

    meters: (tick, meter), rising from tick 0
    """
    changes = [(tick, meter) for tick, meter in meters if tick <= last]
    bars: list[Bar] = []
    for (start, meter), (stop, _) in pairwise([*changes, (last + 1, changes[-1][1])]):
        bars += [Bar(line, line + meter.ticks, meter) for line in range(start, stop, meter.ticks)]
        if stop <= last and bars[-1].end > stop:
            bars[-1] = bars[-1]._replace(end=stop)
    return tuple(bars)
