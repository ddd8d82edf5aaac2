"""How drums go on: the pattern that their last bars repeat, found and not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from composer.music.score import EARLY_TICKS, TICKS_PER_BEAT, Note, Part, Score

PERIODS = (1, 2, 4, 8)  # bars
ALIKE = 0.75  # of the strikes that either of two bars has, that both have
TICKS_PER_STEP = TICKS_PER_BEAT // 4

Strikes = frozenset[tuple[int, int]]  # (step, pitch)


def going_on(part: Part, score: Score, whole: Score) -> Part:
    """The drums of a score with its last pattern in the bars that `whole` has behind it.

    Nothing is added where the last bars repeat nothing, and to a bar of another length than the pattern's.
    """
    bars = [_in_bar(part, score, number) for number in range(len(score.bars))]
    period = period_of([_strikes(bar) for bar in bars])
    if period is None:
        return part
    last = len(score.bars)
    new: list[Note] = []
    for number in range(last, len(whole.bars)):
        source = last - period + (number - last) % period
        if whole.bars[number].ticks == score.bars[source].ticks:
            by = whole.bars[number].start
            new += [replace(note, start=max(0, by + note.start), end=by + note.end) for note in bars[source]]
    return replace(part, notes=tuple(sorted([*part.notes, *new])))


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
