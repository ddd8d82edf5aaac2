"""Score -> Opening: what can be continued. Here an opening is chosen and checked, once; whoever holds one need not look
again."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from composer.errors import MeterError, NoNotesError, OpeningTooDenseError, OpeningTooLongError, TaskError
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT, Bar, Meter
from composer.music.score import EARLY_TICKS, Part, Score
from composer.music.words import default_vocabulary

KNOWN_METERS = "2/4, 3/4, 4/4, 5/4, 6/4, 3/8, 5/8, 6/8, 7/8, 9/8, 12/8"  # the commoner ones
LONGEST_MINUTES, MOST_NOTES = 15, 30_000  # of an opening: with a continuation it still makes one MP3
LONGEST_ECHO = 2 * TICKS_PER_BAR  # so far a note of the opening may sound into what follows: as far as a word can say


@dataclass(frozen=True, slots=True)
class Place:
    """Which bars of a score are the opening.

    Attributes:
        first: counted from 1, where that is the first bar that sounds.
        last: counted so too; 0 for the last there is.
        cut: whether the last bar ends with its last note, so that what follows begins right behind it.
    """

    first: int = 1
    last: int = 0
    cut: bool = False


@dataclass(frozen=True, slots=True)
class Opening:
    """A score whose bars words know, and that keeps to the limits of to_opening."""

    score: Score

    @property
    def bars(self) -> int:
        return len(self.score.bars)

    @property
    def ends_early(self) -> bool:
        """Whether at least half of the last bar is silent."""
        bar = self.score.bars[-1]
        return bar.end - _last_sound(self.score) >= bar.ticks / 2


def to_opening(
    score: Score,
    place: Place | None = None,
    max_minutes: float = LONGEST_MINUTES,
    max_notes: int = MOST_NOTES,
) -> Opening:
    """Some bars of a score, the first of them at tick 0; all from the first one that sounds if none are named.

    A note that hangs, as when a key is never released, ends LONGEST_ECHO behind the last bar, and what is told later is
    told there.

    Raises:
        OpeningError: NoNotesError, MeterError, OpeningTooLongError or OpeningTooDenseError.
        TaskError: there are no such bars.
    """
    if not score.notes:
        raise NoNotesError
    place = place or Place()
    first = _first_that_sounds(score)
    last = place.last or len(score.bars) - first
    if not 1 <= place.first <= last <= len(score.bars) - first:
        raise TaskError("not_there", {"first": place.first, "last": last, "bars": len(score.bars) - first})
    chosen = score.excerpt(first + place.first - 1, first + last)
    if not chosen.notes:
        raise NoNotesError
    silent = _first_that_sounds(chosen)
    _check_meters(score, first + place.first - 1 + silent, first + last)
    opening = chosen.excerpt(silent, len(chosen.bars))
    opening = _cut(opening) if place.cut else opening
    minutes = opening.seconds_at(opening.end) / 60
    if minutes > max_minutes:
        raise OpeningTooLongError(math.ceil(minutes), round(max_minutes))
    if (notes := sum(len(part.notes) for part in opening.parts)) > max_notes:
        raise OpeningTooDenseError(notes, max_notes)
    return Opening(replace(opening, parts=tuple(_let_go(part, opening.end + LONGEST_ECHO) for part in opening.parts)))


def _first_that_sounds(score: Score) -> int:
    return score.bar_at(min(part.notes[0].start for part in score.parts if part.notes) + EARLY_TICKS)


def _last_sound(score: Score) -> int:
    """The tick, in the last bar, at which the last note ends that was struck in the piece."""
    ends = (min(note.end, score.end) for part in score.parts for note in part.notes)
    return max(ends)


def _cut(score: Score) -> Score:
    """With the last bar as many quarters long as it has sound, in a meter of its own, where words know one."""
    *bars, last = score.bars
    vocabulary = default_vocabulary()
    sound = _last_sound(score) - last.start - EARLY_TICKS
    for ticks in range(TICKS_PER_BEAT, last.ticks, TICKS_PER_BEAT):
        if ticks >= sound and (found := vocabulary.meter_id(last.meter, ticks)) is not None:
            meter = Meter.parse(vocabulary.meters[found - 1])
            return replace(score, bars=(*bars, Bar(last.start, last.start + ticks, meter)))
    return score


def _let_go(part: Part, end: int) -> Part:
    return replace(
        part,
        notes=tuple(replace(note, end=min(note.end, end)) for note in part.notes),
        controls=tuple(control._replace(tick=min(control.tick, end)) for control in part.controls),
    )


def _check_meters(score: Score, first: int, behind: int) -> None:
    """Raise MeterError unless words know the length of each bar from number `first` up to `behind`.

    Bars are counted as a notation program counts them, from 1. One that the next meter cuts short is written in a meter
    as long as it is; where there is none, the next one is to answer for it.
    """
    vocabulary = default_vocabulary()
    for number, bar in list(enumerate(score.bars, start=1))[first:behind]:
        if vocabulary.meter_id(bar.meter, bar.ticks) is None:
            whole = bar.ticks == bar.meter.ticks
            meter = (bar if whole else score.bars[number]).meter
            raise MeterError(*meter, number if whole else number + 1, KNOWN_METERS)
