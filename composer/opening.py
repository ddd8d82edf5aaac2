"""Score -> Opening: what can be continued. Here an opening is checked, once; whoever holds one need not look again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from composer.errors import MeterError, NoNotesError, OpeningTooDenseError, OpeningTooLongError, PitchRangeError
from composer.music.score import EARLY_TICKS, TICKS_PER_BAR, Part, Score

PIANO = (21, 108)  # the lowest and the highest key, as MIDI pitches
LONGEST_MINUTES, MOST_NOTES = 15, 30_000  # of an opening: with a continuation it still makes one MP3
LONGEST_ECHO = 2 * TICKS_PER_BAR  # so far a note of the opening may sound into what follows: as far as a word can say


@dataclass(frozen=True, slots=True)
class Opening:
    """A score whose bars are as long as those of 4/4, but for a pickup, and that keeps to the limits of to_opening."""

    score: Score

    @property
    def bars(self) -> int:
        return len(self.score.bars)


def to_opening(
    score: Score,
    max_minutes: float = LONGEST_MINUTES,
    max_notes: int = MOST_NOTES,
    pitch_range: tuple[int, int] = PIANO,
) -> Opening:
    """The score from its first bar that sounds, with that bar line at tick 0.

    pitch_range: lowest and highest of pitched parts, both included.   A note that hangs, as when a key is never
    released, ends LONGEST_ECHO behind the last bar, and what is told later is told there.
    Raises NoNotesError, MeterError, OpeningTooLongError, OpeningTooDenseError or PitchRangeError.
    """
    if not score.notes:
        raise NoNotesError
    first = score.bar_at(min(part.notes[0].start for part in score.parts if part.notes) + EARLY_TICKS)
    _check_meters(score, first)
    opening = score.excerpt(first, len(score.bars))
    minutes = opening.seconds_at(opening.end) / 60
    if minutes > max_minutes:
        raise OpeningTooLongError(math.ceil(minutes), round(max_minutes))
    if (notes := sum(len(part.notes) for part in opening.parts)) > max_notes:
        raise OpeningTooDenseError(notes, max_notes)
    lowest, highest = pitch_range
    for note in opening.notes:
        if not lowest <= note.pitch <= highest:
            raise PitchRangeError(note.pitch, lowest, highest)
    return Opening(replace(opening, parts=tuple(_let_go(part, opening.end + LONGEST_ECHO) for part in opening.parts)))


def _let_go(part: Part, end: int) -> Part:
    return replace(
        part,
        notes=tuple(replace(note, end=min(note.end, end)) for note in part.notes),
        controls=tuple(control._replace(tick=min(control.tick, end)) for control in part.controls),
    )


def _check_meters(score: Score, first: int) -> None:
    """Raise MeterError unless each bar from number `first` on is as long as one of 4/4, but for a pickup.

    So 2/2 and 8/8 are taken: their bars, positions and tempi are written in the same words as those of 4/4. Bars are
    counted as a notation program counts them, from 1; a bar that the next meter cuts short is that one's to answer for.
    """
    bars = list(enumerate(score.bars, start=1))[first:]
    meters = [bar.meter for bar in score.bars[first : first + 2]]
    is_pickup = meters[0] != meters[-1] and meters[0].ticks < TICKS_PER_BAR  # one bar of 1/4, say, then 4/4
    for number, bar in bars[is_pickup:]:
        if bar.meter.ticks != TICKS_PER_BAR:
            raise MeterError(*bar.meter, number)
        if bar.ticks != TICKS_PER_BAR:
            raise MeterError(*score.bars[number].meter, number + 1)
