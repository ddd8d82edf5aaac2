"""Score -> Opening: what can be continued. Here an opening is checked, once; whoever holds one need not look again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from composer.errors import MeterError, NoNotesError, OpeningTooDenseError, OpeningTooLongError
from composer.music.score import EARLY_TICKS, TICKS_PER_BAR, Part, Score
from composer.music.words import default_vocabulary

KNOWN_METERS = "2/4, 3/4, 4/4, 5/4, 6/4, 3/8, 5/8, 6/8, 7/8, 9/8, 12/8"  # the commoner ones
LONGEST_MINUTES, MOST_NOTES = 15, 30_000  # of an opening: with a continuation it still makes one MP3
LONGEST_ECHO = 2 * TICKS_PER_BAR  # so far a note of the opening may sound into what follows: as far as a word can say


@dataclass(frozen=True, slots=True)
class Opening:
    """A score whose bars words know, and that keeps to the limits of to_opening."""

    score: Score

    @property
    def bars(self) -> int:
        return len(self.score.bars)


def to_opening(
    score: Score,
    max_minutes: float = LONGEST_MINUTES,
    max_notes: int = MOST_NOTES,
) -> Opening:
    """The score from its first bar that sounds, with that bar line at tick 0.

    A note that hangs, as when a key is never released, ends LONGEST_ECHO behind the last bar, and what is told later is
    told there.

    Raises:
        OpeningError: NoNotesError, MeterError, OpeningTooLongError or OpeningTooDenseError.
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
    return Opening(replace(opening, parts=tuple(_let_go(part, opening.end + LONGEST_ECHO) for part in opening.parts)))


def _let_go(part: Part, end: int) -> Part:
    return replace(
        part,
        notes=tuple(replace(note, end=min(note.end, end)) for note in part.notes),
        controls=tuple(control._replace(tick=min(control.tick, end)) for control in part.controls),
    )


def _check_meters(score: Score, first: int) -> None:
    """Raise MeterError unless words know the length of each bar from number `first` on.

    Bars are counted as a notation program counts them, from 1. One that the next meter cuts short is written in a meter
    as long as it is; where there is none, the next one is to answer for it.
    """
    vocabulary = default_vocabulary()
    for number, bar in list(enumerate(score.bars, start=1))[first:]:
        if vocabulary.meter_id(bar.meter, bar.ticks) is None:
            whole = bar.ticks == bar.meter.ticks
            meter = (bar if whole else score.bars[number]).meter
            raise MeterError(*meter, number if whole else number + 1, KNOWN_METERS)
