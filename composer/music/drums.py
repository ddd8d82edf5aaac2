"""How drums go on: the pattern that their last bars repeat, found and not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from enum import StrEnum

from composer.music.meter import TICKS_PER_BEAT
from composer.music.score import EARLY_TICKS, Note, Part, Score

PERIODS = (1, 2, 4, 8)  # bars
ALIKE = 0.75  # of the strikes that either of two bars has, that both have
TICKS_PER_STEP = TICKS_PER_BEAT // 4
PHRASE = 8  # bars, of which the last one has the fill
SNARE, HIGH_TOM, LOW_TOM = 38, 48, 45  # General MIDI
PLAIN_FILL = (SNARE, SNARE, HIGH_TOM, LOW_TOM)  # in sixteenths, on the last beat
FILL_VELOCITIES = (72, 80, 88, 96)

Strikes = frozenset[tuple[int, int]]  # (step, pitch)


class Drums(StrEnum):
    """What the drums of an opening do behind its end."""

    OFF = "off"
    PATTERN = "pattern"  # what their last bars repeat
    FILLS = "fills"  # the same, with a fill at the end of each phrase


def going_on(part: Part, score: Score, whole: Score, *, fills: bool = False) -> Part:
    """The drums of a score with its last pattern in the bars that `whole` has behind it.

    A last bar that leaves the pattern is a fill, and the pattern goes on behind it. Nothing is added where the last
    bars repeat nothing, and to a bar of another length than the pattern's.

    Args:
        part: the drums.
        score: that they are of.
        whole: the same, with bars behind its end.
        fills: whether the last new bar of each phrase has a fill: the last one that the drummer played, or a plain one.
    """
    bars = [_in_bar(part, score, number) for number in range(len(score.bars))]
    strikes = [_strikes(bar) for bar in bars]
    last = len(bars)
    period = period_of(strikes)
    if period is None:
        last -= 1
        period = period_of(strikes[:last])
    if period is None:
        return part

    def source_of(number: int) -> int:
        """The bar of the pattern that stands for a bar."""
        return last - period + (number - last) % period

    def is_fill(number: int) -> bool:
        """Whether a bar leaves the pattern that the one before it keeps."""
        off = not _alike(strikes[number], strikes[source_of(number)])
        return off and bool(strikes[number]) and _alike(strikes[number - 1], strikes[source_of(number - 1)])

    own = next((number for number in range(len(bars) - 1, 0, -1) if is_fill(number)), None)
    new: list[Note] = []
    for number in range(len(bars), len(whole.bars)):
        source = source_of(number)
        notes = bars[source]
        if fills and (number + 1 - len(bars)) % PHRASE == 0:
            source = source if own is None else own
            notes = _plain_fill(notes, score.bars[source].ticks) if own is None else bars[own]
        if whole.bars[number].ticks == score.bars[source].ticks:
            by = whole.bars[number].start
            new += [replace(note, start=max(0, by + note.start), end=by + note.end) for note in notes]
    return replace(part, notes=tuple(sorted([*part.notes, *new])))


def _plain_fill(notes: Sequence[Note], ticks: int) -> list[Note]:
    """A bar with a fill on its last beat."""
    begin = ticks - TICKS_PER_BEAT
    struck = zip(PLAIN_FILL, FILL_VELOCITIES, strict=True)
    fill = [
        Note(begin + step * TICKS_PER_STEP, pitch, begin + (step + 1) * TICKS_PER_STEP, velocity)
        for step, (pitch, velocity) in enumerate(struck)
    ]
    return [*(note for note in notes if note.start + EARLY_TICKS < begin), *fill]


def period_of(bars: Sequence[Strikes]) -> int | None:
    """The shortest period, in bars, at which the last ones repeat; None where they do not, or are silent."""
    for period in PERIODS:
        if len(bars) >= 2 * period and all(map(_alike, bars[-period:], bars[-2 * period : -period])):
            return period if any(bars[-period:]) else None
    return None


def _alike(one: Strikes, other: Strikes) -> bool:
    return len(one & other) >= ALIKE * len(one | other)


def _in_bar(part: Part, score: Score, number: int) -> list[Note]:
    """The notes meant for a bar, from its line on; one a little early lies before 0."""
    bar = score.bars[number]
    inside = (note for note in part.notes if bar.start <= note.start + EARLY_TICKS < bar.end)
    return [replace(note, start=note.start - bar.start, end=note.end - bar.start) for note in inside]


def _strikes(notes: Sequence[Note]) -> Strikes:
    return frozenset((round(note.start / TICKS_PER_STEP), note.pitch) for note in notes)
