"""Score -> Opening: what can be continued. Here an opening is checked, once; whoever holds one need not look again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

from composer.errors import MeterError, NoNotesError, OpeningTooDenseError, OpeningTooLongError, PitchRangeError
from composer.midi import bar_ticks
from composer.score import EARLY_TICKS, TICKS_PER_BAR, MeterChange, Note, Score, excerpt

PIANO = (21, 108)  # the lowest and the highest key, as MIDI pitches
LONGEST_BARS, MOST_NOTES = 64, 8000  # of an opening
LONGEST_ECHO = 2 * TICKS_PER_BAR  # so far a note of the opening may sound into what follows: as far as a word can say


@dataclass(frozen=True, slots=True)
class Opening:
    """A score in 4/4 throughout that sounds from its first bar on and keeps to the limits of to_opening."""

    score: Score

    @property
    def bars(self) -> int:
        return self.score.bars


def to_opening(
    score: Score, max_bars: int = LONGEST_BARS, max_notes: int = MOST_NOTES, pitch_range: tuple[int, int] = PIANO
) -> Opening:
    """The score from its first bar that sounds, with that bar line at tick 0.

    pitch_range: lowest and highest pitch, both included.   A pickup keeps its place at the end of bar 0.   A note that
    hangs, as when a key is never released, ends LONGEST_ECHO behind the last bar.
    Raises NoNotesError, MeterError, OpeningTooLongError, OpeningTooDenseError or PitchRangeError.
    """
    if not score.notes:
        raise NoNotesError
    part = _from(_first_bar_line(score), score)
    if part.bars > max_bars:
        raise OpeningTooLongError(part.bars, max_bars)
    if len(part.notes) > max_notes:
        raise OpeningTooDenseError(len(part.notes), max_notes)
    lowest, highest = pitch_range
    for note in part.notes:
        if not lowest <= note.pitch <= highest:
            raise PitchRangeError(note.pitch, lowest, highest)
    return Opening(part)


def _from(bar_line: int, score: Score) -> Score:
    """The score from bar_line on. Where that lies before the file's own beginning, the file's first tempo holds."""
    part = excerpt(score, bar_line, score.end)
    tempo, *tempos = part.tempos
    return replace(
        part,
        notes=_let_go(part.notes, part.end),
        pedal=tuple((down, min(up, part.end + LONGEST_ECHO)) for down, up in part.pedal),
        held=_let_go(part.held, part.end),
        tempos=(replace(tempo, tick=0), *tempos),
        meters=(MeterChange(0, 4, 4),),
    )


def _let_go(notes: tuple[Note, ...], end: int) -> tuple[Note, ...]:
    return tuple(replace(note, end=min(note.end, end + LONGEST_ECHO)) for note in notes)


def _first_bar_line(score: Score) -> int:
    """Where the first bar that sounds begins, in ticks; negative if it is a pickup that begins with the file.

    Raises MeterError unless each meter from there to the last onset has bars as long as those of 4/4. So 2/2 and 8/8
    are taken: their bars, positions and tempi are written in the same words as those of 4/4.
    """
    first_onset, last_onset = (score.notes[at].start + EARLY_TICKS for at in (0, -1))
    earlier = [meter for meter in score.meters if meter.tick <= first_onset]
    later = [meter for meter in score.meters if first_onset < meter.tick <= last_onset]
    meter = earlier[-1]
    if later and _is_pickup(meter, later[0]):
        bar_line = later[0].tick - TICKS_PER_BAR
    elif bar_ticks(meter) == TICKS_PER_BAR:
        bar_line = first_onset - (first_onset - meter.tick) % TICKS_PER_BAR
    else:
        raise MeterError(meter.numerator, meter.denominator, _bar_number(score, first_onset))
    for meter in later:
        if bar_ticks(meter) != TICKS_PER_BAR or (meter.tick - bar_line) % TICKS_PER_BAR:
            raise MeterError(meter.numerator, meter.denominator, _bar_number(score, meter.tick))
    return bar_line


def _is_pickup(meter: MeterChange, following: MeterChange) -> bool:
    """Whether the meter lasts for one bar shorter than 4/4, as notation programs write a pickup (1/4, then 4/4)."""
    return following.tick - meter.tick <= bar_ticks(meter) < TICKS_PER_BAR


def _bar_number(score: Score, tick: int) -> int:
    """Of the bar at `tick`, as a notation program counts: the file's first bar is 1, a change of meter opens a bar."""
    meters = [meter for meter in score.meters if meter.tick <= tick]
    full = sum(-((meter.tick - following.tick) // bar_ticks(meter)) for meter, following in pairwise(meters))
    return 1 + full + (tick - meters[-1].tick) // bar_ticks(meters[-1])
