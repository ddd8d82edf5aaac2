"""Which chord sounds on each beat, found from the notes alone.

A beat is heard as a chroma, how loud each of the twelve pitch classes is, and a bass, its lowest note. Every chord
of CHORD_QUALITIES on every root is scored against both. A Viterbi path weighs these scores against the cost of a
change of chord, which is low on a bar line and high off the strong beats: that is what tells a passing note from
a new harmony.

The constants were tuned on the training songs of POP909, against the chords that people labelled; bench/chords.py
measures. They lie on a plateau: a tenth more or less of one moves the share of right roots by less than .002.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import product
from math import exp
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.music.meter import BEATS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import CHORD_QUALITIES, Chord, Note, Score

Array = npt.NDArray[np.float64]

OCTAVE = 12  # semitones
TICKS_PER_STEP = TICKS_PER_BEAT // 4  # notes are heard on a grid of sixteenths, which takes the microtiming out

# A piano note dies away, and what is old counts less: this is what keeps a held pedal from blurring the chords.
FADE_BEATS = 1.5  # until a note has 1/e of its loudness
BASS_BEATS = 4  # a note struck earlier is not the bass any more: left hands strike at least once a bar
AUDIBLE_BEATS = 16  # a note is not heard for longer, however long the pedal holds it

# What a beat gains for a chord, if all it sounds is this kind of note. A note that is foreign to the chord gains 0.
TRIAD_GAIN = 4.0
SEVENTH_GAIN = 2.0
# What the lowest note gains for a chord, as its root or as another of its notes.
ROOT_BASS_GAIN = 1.0
OTHER_BASS_GAIN = 0.5
# What a beat of a quality costs: the more notes and the rarer, the more easily it would explain what is a triad.
QUALITY_COST = {"": 0.0, "m": 0.0, "7": 0.3, "maj7": 0.3, "m7": 0.3}
RARE_QUALITY_COST = 0.8
# What a change of chord costs, by the beat of the bar on which it falls.
CHANGE_COST = (0.3, 1.3, 0.8, 1.3)
# What a beat of silence gains for "no chord". Chords gain 0 there: a rest of some beats continues the chord, a bar of
# silence ends it.
SILENCE_GAIN = 0.35


class _State(NamedTuple):
    """What a beat may sound. root: semitones above the reference pitch, None for no chord."""

    root: int | None
    quality: str


_NO_CHORD = _State(None, "")
_STATES = (*(_State(root, quality) for quality, root in product(CHORD_QUALITIES, range(OCTAVE))), _NO_CHORD)


def find_chords(notes: Sequence[Note], end: int, beats: Sequence[tuple[int, float]] | None = None) -> tuple[Chord, ...]:
    """The chords of a piece, each where it begins: on a beat, the first one at tick 0, no two equal in a row.

    end: in ticks; what sounds later is not heard.   beats: where they begin, the first one at tick 0, and what a
    change of chord costs there; quarters in 4/4 where it is not said.
    A piece transposed gets its chords transposed, exactly.
    """
    if beats is None:
        count = max(1, -(-end // TICKS_PER_BEAT))
        beats = [(beat * TICKS_PER_BEAT, CHANGE_COST[beat % BEATS_PER_BAR]) for beat in range(count)]
    starts = [start for start, _ in beats]
    # Pitches are counted from the lowest note. A transposed piece is then the same sum to the last bit, and what is
    # equally likely is decided alike.
    reference = min((note.pitch for note in notes), default=0)
    scores = _scores(*_listen(notes, [*starts, max(end, starts[-1] + TICKS_PER_BEAT)], reference))
    path = _best_path(scores, [cost for _, cost in beats])
    changes = [beat for beat, state in enumerate(path) if beat == 0 or state != path[beat - 1]]
    return tuple(_chord(starts[beat], _STATES[path[beat]], reference) for beat in changes)


def chords_of(score: Score) -> tuple[Chord, ...]:
    """The chords of what sounds, by the beats of the score's bars."""
    costs = (CHANGE_COST[0], CHANGE_COST[2], CHANGE_COST[1])
    return find_chords(score.sounding, score.end, [(beat.start, costs[beat.weight]) for beat in score.beats()])


def say_chords(score: Score) -> str:
    """What it says of chords, a bar between two lines: "| Am | F G |". One that lasts is named in each of its bars."""
    starts = [chord.tick for chord in score.chords]
    bars = []
    for bar in score.bars:
        held = [max(0, bisect_right(starts, beat.start) - 1) for beat in bar.beats()]
        bars.append(" ".join(chord.name for chord in (score.chords[at] for at in dict.fromkeys(held))))
    return f"| {' | '.join(bars)} |"


def _chord(tick: int, state: _State, reference: int) -> Chord:
    root = None if state.root is None else (state.root + reference) % OCTAVE
    return Chord(tick, root, state.quality)


def _listen(notes: Sequence[Note], lines: Sequence[int], reference: int) -> tuple[Array, Array]:
    """Chroma and bass of each beat, both (beats, 12), pitch classes counted from reference.

    lines: where the beats begin, and where the last one ends, in ticks
    A row of the chroma sums to 1; a row of the bass is 1 at the lowest note, if one is new. Both are 0 in silence.
    """
    beats = len(lines) - 1
    chroma, bass = np.zeros((2, beats, OCTAVE))
    lowest: dict[int, int] = {}
    for note in notes:
        start = max(0, _nearest_step(note.start))
        length = min(max(_nearest_step(note.end) - start, TICKS_PER_STEP), AUDIBLE_BEATS * TICKS_PER_BEAT)
        first, behind = bisect_right(lines, start) - 1, bisect_left(lines, start + length)
        for beat in range(first, min(behind, beats)):
            age = lines[beat] - start  # below 0 on the beat within which the note is struck
            loudness = _loudness(max(0, age), min(lines[beat + 1] - start, length))
            chroma[beat, (note.pitch - reference) % OCTAVE] += loudness
            if age < BASS_BEATS * TICKS_PER_BEAT:
                lowest[beat] = min(note.pitch, lowest.get(beat, note.pitch))
    for beat, pitch in lowest.items():
        bass[beat, (pitch - reference) % OCTAVE] = 1
    total = chroma.sum(axis=1, keepdims=True)
    return np.divide(chroma, total, out=chroma, where=total > 0), bass


def _nearest_step(tick: int) -> int:
    return (tick + TICKS_PER_STEP // 2) // TICKS_PER_STEP * TICKS_PER_STEP


def _loudness(begin: int, end: int) -> float:
    """The loudness of a note, summed from begin to end, in ticks after it was struck."""
    fade = FADE_BEATS * TICKS_PER_BEAT
    return exp(-begin / fade) - exp(-end / fade)


def _scores(chroma: Array, bass: Array) -> Array:
    """How well each state explains each beat: (beats, states)."""
    chroma_gains, bass_gains = _gains()
    scores = chroma @ chroma_gains + bass @ bass_gains
    scores[:, _STATES.index(_NO_CHORD)] = np.where(chroma.any(axis=1), 0.0, SILENCE_GAIN)
    return scores


@cache
def _gains() -> tuple[Array, Array]:
    """What each pitch class gains for each state, in the chroma and in the bass, both (12, states)."""
    chroma, bass = np.zeros((2, OCTAVE, len(_STATES)))
    for column, (root, quality) in enumerate(_STATES):
        if root is None:
            continue
        tones = [(root + interval) % OCTAVE for interval in CHORD_QUALITIES[quality]]
        chroma[tones[:3], column] = TRIAD_GAIN
        chroma[tones[3:], column] = SEVENTH_GAIN
        # Taken from every pitch class, the cost is paid once by a beat that sounds, and not at all in silence.
        chroma[:, column] -= QUALITY_COST.get(quality, RARE_QUALITY_COST)
        bass[tones, column] = OTHER_BASS_GAIN
        bass[root, column] = ROOT_BASS_GAIN
    return chroma, bass


def _best_path(scores: Array, change_costs: Sequence[float]) -> list[int]:
    """The state of each beat on the path of the highest total, scores less costs of change (Viterbi 1967).

    A change costs the same whatever the chords, so the only state worth changing from is the best one so far.
    """
    stay = np.arange(scores.shape[1])
    total = scores[0] - change_costs[0] * (stay != _STATES.index(_NO_CHORD))  # a piece comes out of silence
    origins = []  # for each beat but the first: from which state each state is best reached
    for beat in range(1, len(scores)):
        leader = int(total.argmax())
        changed = total[leader] - change_costs[beat]
        origins.append(np.where(total >= changed, stay, leader))
        total = np.maximum(total, changed) + scores[beat]
    path = [int(total.argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return path[::-1]
