"""Scores that hypothesis draws: those that words say exactly, and music as it is played."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TypeVar

from hypothesis import strategies as st

from composer.music.grid import BINARY, TERNARY, TICKS_PER_POSITION, quarters
from composer.music.meter import TICKS_PER_BEAT, Bar, Meter
from composer.music.score import Chord, Note, Part, Role, Score, TempoChange
from composer.music.words import METERS, Vocabulary, default_vocabulary, parse_chord

VOCABULARY = default_vocabulary()
KNOWN = [*METERS, "2/2", "3/2", "4/8", "8/8"]
Value = TypeVar("Value", str, float)

meters = st.sampled_from(KNOWN).map(Meter.parse)


@st.composite
def grid_scores(draw: st.DrawFn, vocabulary: Vocabulary = VOCABULARY) -> Score:
    """A score that the vocabulary can say exactly: whole bars, some silent, and quarters that are divided one way."""
    bars: list[Bar] = []
    for name in draw(st.lists(st.sampled_from(vocabulary.meters), min_size=1, max_size=5)):
        meter, start = Meter.parse(name), bars[-1].end if bars else 0
        bars.append(Bar(start, start + meter.ticks, meter))
    lines = []
    for tick in quarters(bars).tolist():
        end = min(tick + TICKS_PER_BEAT, next(bar.end for bar in bars if bar.start <= tick < bar.end))
        divided = draw(st.sampled_from([BINARY, TERNARY]))[:-1].tolist()
        lines += [tick + line * TICKS_PER_POSITION for line in divided if tick + line * TICKS_PER_POSITION < end]
    roles = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1, max_size=3))
    few = st.sampled_from(vocabulary.pitches[24:27])  # so that a pitch comes again soon
    note = st.tuples(
        st.sampled_from(lines),
        few | st.sampled_from(vocabulary.pitches),
        st.sampled_from(vocabulary.durations),
        st.sampled_from(vocabulary.velocities),
    )
    parts = []
    for role in sorted(roles):
        struck = sorted(draw(st.lists(note, max_size=12, unique_by=lambda drawn: drawn[:2])))
        notes = []
        for start, pitch, duration, velocity in struck:
            again = [other[0] - start for other in struck if other[1] == pitch and other[0] > start]
            room = min(again, default=9**9) // TICKS_PER_POSITION
            length = max(d for d in vocabulary.durations if d <= min(duration, room))
            notes.append(Note(start, pitch, start + length * TICKS_PER_POSITION, velocity))
        if notes:
            parts.append(Part(tuple(sorted(notes)), role))
    positions = bars[-1].end // TICKS_PER_POSITION
    tempos = draw(changes(vocabulary.tempos, positions))
    chords = draw(changes(vocabulary.chords, positions))
    return Score(
        tuple(parts),
        tuple(bars),
        tuple(TempoChange(position * TICKS_PER_POSITION, bpm) for position, bpm in tempos),
        tuple(parse_chord(name, position * TICKS_PER_POSITION) for position, name in chords),
    )


@st.composite
def changes(draw: st.DrawFn, values: Sequence[Value], positions: int) -> list[tuple[int, Value]]:
    """(position, value): one at 0, no two alike in a row."""
    drawn = draw(st.dictionaries(st.integers(1, positions - 1), st.sampled_from(values), max_size=4))
    drawn[0] = draw(st.sampled_from(values))
    return [next(same) for _, same in groupby(sorted(drawn.items()), key=lambda change: change[1])]


@st.composite
def scores(draw: st.DrawFn, vocabulary: Vocabulary = VOCABULARY) -> Score:
    """Bars of any meters, some cut short, and up to three parts of notes that stand anywhere."""
    bars: list[Bar] = []
    known = meters if vocabulary is VOCABULARY else st.sampled_from(vocabulary.meters).map(Meter.parse)
    shortest = 2 * TICKS_PER_BEAT if vocabulary is VOCABULARY else TICKS_PER_BEAT
    for meter in draw(st.lists(known, min_size=1, max_size=6)):
        start = bars[-1].end if bars else 0
        length = draw(st.sampled_from([meter.ticks, meter.ticks, min(meter.ticks, shortest)]))
        bars.append(Bar(start, start + length, meter))
    end = bars[-1].end
    note = st.builds(
        lambda start, pitch, length, velocity: Note(start, pitch, start + length, velocity),
        st.integers(0, end - 1),
        st.integers(0, 127),
        st.integers(1, 4000),
        st.integers(1, 127),
    )
    roles = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1, max_size=3))
    parts = tuple(Part(tuple(sorted(draw(st.lists(note, max_size=12)))), role) for role in roles)
    tempos = {0: 120.0} | draw(st.dictionaries(st.integers(0, end), st.floats(20, 350), max_size=3))
    chords = draw(st.dictionaries(st.integers(0, end), st.integers(0, 11), max_size=3))
    return Score(
        parts,
        tuple(bars),
        tuple(TempoChange(tick, bpm) for tick, bpm in sorted(tempos.items())),
        tuple(Chord(tick, root, "m") for tick, root in sorted(chords.items())),
    )
