"""A melody gets a left hand: one chord a bar from its key, under the notes.

The chords are the best path through the triads of the key. A triad gains in a bar what the melody spends on its notes,
on strong beats above all, and loses what is foreign to it; between bars, roots that fall by a fifth or rise by a second
are favoured, and the tonic begins and ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from composer.music.key import Key, find_key
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import Note, Score, in_four

STRONG_TICKS = 2 * TICKS_PER_BEAT
STRONG = 1.5  # what a note counts that is struck on the first or third beat
FOREIGN = -0.7  # what one counts that is no note of the triad
SAME, FIFTH_DOWN, STEP_UP, OTHER = -0.4, 0.5, 0.2, 0.0  # by what root follows, in beats of melody
TONIC = 1.0  # for the tonic at either end

BASS = range(36, 48)  # where roots lie, and above them the triads
CHORD = range(52, 64)
LOWEST_MELODY = 64  # the median of a melody that leaves room below it; a man's voice is written an octave higher
VELOCITY = 58


class Triad(NamedTuple):
    root: int  # pitch class
    third: int
    fifth: int


def accompany(melody: Score) -> Score:
    """The melody, moved up by octaves where it lies low, with a bass note and a triad on every half bar.

    A pickup, in the second half of a bar, is played alone, and a key that the melody holds is left to it.
    """
    key = find_key(melody.notes)
    if key is None:
        return melody
    lifted = _lifted(melody)
    held = {(half, note.pitch) for note in lifted for half in _halves(note)}
    bar, within = divmod(melody.notes[0].start, TICKS_PER_BAR)
    begin = (bar + (within >= STRONG_TICKS)) * TICKS_PER_BAR
    triads = _best_path(_gains(melody, _triads(key)), _triads(key), key)
    hand = [
        note
        for bar, triad in enumerate(triads)
        for note in _half_bars(bar * TICKS_PER_BAR, triad)
        if note.start >= begin and (note.start // STRONG_TICKS, note.pitch) not in held
    ]
    return in_four(sorted([*lifted, *hand]), melody.tempos, end=melody.end)


def without_chords(score: Score) -> Score:
    """The melody alone of bars that `accompany` has made; anything else as it is."""
    line = [note for note in score.notes if not _is_plain(note)]
    played: defaultdict[int, set[int]] = defaultdict(set)  # pitches, by the half bar
    for note in score.notes:
        if _is_plain(note):
            played[note.start // STRONG_TICKS].add(note.pitch)
    halves = range(min(played, default=0), -(-score.end // STRONG_TICKS))
    plain = all(len(played[half]) > 1 and any(played[half] <= hand for hand in _hands()) for half in halves)
    return in_four(line, score.tempos, end=score.end) if line and plain else score


@cache
def _hands() -> tuple[frozenset[int], ...]:
    """What the left hand may play: the pitches of every triad."""
    triads = (Triad(root, (root + third) % 12, (root + 7) % 12) for root in range(12) for third in (3, 4))
    return tuple(frozenset(note.pitch for note in _half_bars(0, triad)) for triad in triads)


def _halves(note: Note) -> range:
    """The half bars in which it sounds, counted from tick 0."""
    return range(note.start // STRONG_TICKS, -(-note.end // STRONG_TICKS))


def _is_plain(note: Note) -> bool:
    """Whether it may be one of the left hand's."""
    lies = note.pitch in BASS or note.pitch in CHORD
    lasts = note.start % STRONG_TICKS == 0 and note.end == note.start + STRONG_TICKS
    return lies and lasts and note.velocity == VELOCITY


def _lifted(melody: Score) -> tuple[Note, ...]:
    octaves = max(0, int(np.ceil((LOWEST_MELODY - np.median([note.pitch for note in melody.notes])) / 12)))
    return tuple(replace(note, pitch=note.pitch + 12 * octaves) for note in melody.notes)


def _triads(key: Key) -> tuple[Triad, ...]:
    """The major and minor triads of the key's scale, and the dominant of a minor key with its leading note."""
    scale = [(key.scale + step) % 12 for step in (0, 2, 4, 5, 7, 9, 11)]
    triads = [Triad(*(scale[(degree + above) % 7] for above in (0, 2, 4))) for degree in range(6)]
    if key.minor:
        triads.append(Triad(*((key.tonic + step) % 12 for step in (7, 11, 2))))
    return tuple(triads)


def _gains(melody: Score, triads: tuple[Triad, ...]) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    """How well each triad fits each bar, in beats of melody: (bars, triads)."""
    gains = np.zeros((len(melody.bars), len(triads)))
    for note in melody.notes:
        bar = min(note.start // TICKS_PER_BAR, len(melody.bars) - 1)
        weight = min(note.end - note.start, TICKS_PER_BAR) / TICKS_PER_BEAT
        weight *= STRONG if note.start % STRONG_TICKS == 0 else 1
        for column, triad in enumerate(triads):
            gains[bar, column] += weight * (1 if note.pitch % 12 in triad else FOREIGN)
    return gains


def _best_path(
    gains: np.ndarray[tuple[int, int], np.dtype[np.float64]], triads: tuple[Triad, ...], key: Key
) -> list[Triad]:
    """Viterbi (1967)."""
    home = np.array([TONIC * (triad.root == key.tonic) for triad in triads])
    follows = np.array([[_following(before, after) for after in triads] for before in triads])
    total, origins = gains[0] + home, []
    for gain in gains[1:]:
        onward = total[:, None] + follows
        origins.append(onward.argmax(axis=0))
        total = onward.max(axis=0) + gain
    path = [int((total + home).argmax())]
    for origin in reversed(origins):
        path.append(int(origin[path[-1]]))
    return [triads[at] for at in reversed(path)]


def _following(before: Triad, after: Triad) -> float:
    interval = (after.root - before.root) % 12
    return {0: SAME, 5: FIFTH_DOWN, 2: STEP_UP}.get(interval, OTHER)


def _half_bars(bar_line: int, triad: Triad) -> Iterator[Note]:
    bass = next(pitch for pitch in BASS if pitch % 12 == triad.root)
    chord = [pitch for pitch in CHORD if pitch % 12 in triad]
    halves = (bar_line, bar_line + STRONG_TICKS, bar_line + TICKS_PER_BAR)
    for start, end in pairwise(halves):
        for pitch in (bass, *chord):
            yield Note(start, pitch, end, VELOCITY)
