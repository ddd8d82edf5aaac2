"""What one model is asked for, each as a sequence to read: what was heard, what is given in advance, what is drawn.

    go on      heard: the past, and what is drawn as it comes
    redo       behind: up to REDO_BARS bars behind the hole | heard: as many before it | drawn: the hole, and an end
    given      before each bar, given: the parts or the chords of the bar behind it (before the first one its own too)
               | heard: what the bar has besides them

What is given, or stands behind a hole, is read, never asked for. A bar word that is drawn is read behind what is given
for its bar. What is behind a hole comes first, so that the past leads into the hole as it does into what goes on, and
both can come back in it (composer.engine.returns).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.engine.model import BEHIND, DRAWN, GIVEN, HEARD
from composer.music.words import COLUMN, END, IGNORE, Family

Words = npt.NDArray[np.int64]  # (words, attributes)

REDO_BARS = 8  # that are heard on either side of a hole, at most
FAMILY, CHORD, TEMPO, ROLE = (COLUMN[name] for name in ("family", "chord", "tempo", "role"))
BAR, METRICAL, NOTE = map(int, (Family.BAR, Family.METRICAL, Family.NOTE))  # a look-up for each word would take longer


class Lesson(NamedTuple):
    """A sequence, and for each word what comes next; IGNORE where that is not asked for.

    heard, truth: (words, attributes)   segments: (words,)   bar: (words,), the number in the stretch of each word's bar
    left: (words,), how many bars of a hole are still to come behind each word's own; -1 outside of holes
    """

    heard: Words
    truth: Words
    segments: npt.NDArray[np.int64]
    bar: npt.NDArray[np.int64]
    left: npt.NDArray[np.int64]


def redo(bars: Sequence[Words], hole: int, behind: int, length: int) -> Lesson | None:
    """Bars `hole` up to `behind` again, both sides heard as far as `length` words allow. None: the hole is too long."""
    first, last = max(0, hole - REDO_BARS), min(len(bars), behind + REDO_BARS)
    while sum(map(len, bars[first:last])) > length:  # the side that reaches farther gives a bar
        if hole - first == last - behind == 0:
            return None
        if hole - first > last - behind:
            first += 1
        else:
            last -= 1
    order = [
        *((number, BEHIND) for number in range(behind, last)),
        *((number, HEARD) for number in range(first, hole)),
        *((number, DRAWN) for number in range(hole, behind)),
    ]
    heard = np.concatenate([bars[number] for number, _ in order])
    sizes = [len(bars[number]) for number, _ in order]
    segments = np.repeat([segment for _, segment in order], sizes)
    of_bar = np.repeat([number for number, _ in order], sizes)
    truth = np.concatenate([heard[1:], np.array(END)[None]])
    following = np.append(segments[1:], DRAWN)
    truth[segments != following] = IGNORE
    truth[segments == BEHIND] = IGNORE
    left = np.where(segments == DRAWN, behind - 1 - of_bar, -1)
    return Lesson(heard, truth, segments, of_bar, left)


def given(bars: Sequence[Words], first: int, roles: Collection[int], chords: bool, length: int) -> Lesson:
    """From bar `first` on, with the notes of some roles (ids), and with the chords if they are asked for, given.

    At most `length` words, whole bars; the last word of the last one is asked for nothing.
    """
    rows: list[Words] = []
    segments: list[int] = []
    of_bar: list[int] = []
    total = 0
    held = np.zeros(2, dtype=np.int64)  # chord and tempo of the last position that was drawn
    for number in range(first, len(bars)):
        shown = range(first if number == first else number + 1, min(number + 2, len(bars)))
        rest, held = _rest(bars[number], roles, held)
        pieces = [*((as_given(bars[bar], roles, chords), GIVEN, bar) for bar in shown), (rest, HEARD, number)]
        total += sum(len(words) for words, *_ in pieces)
        if total > length and rows:
            break
        for words, what, bar in pieces:
            rows.append(words)
            segments += [what] * len(words)
            of_bar += [bar] * len(words)
    heard, segment = np.concatenate(rows)[:length], np.array(segments)[:length]
    truth = np.zeros_like(heard)
    asked = np.flatnonzero(segment == HEARD)
    truth[asked[:-1]] = heard[asked[1:]]
    return Lesson(heard, truth, segment, np.array(of_bar)[:length], np.full(len(heard), -1))


def as_given(bar: Words, roles: Collection[int], chords: bool) -> Words:
    """A bar as it is given: its bar word, and its notes of some roles or its changes of chord, or both."""
    keep = np.zeros(len(bar), dtype=bool)
    keep[0] = True
    metrical, chord = 0, -1
    for at, word in enumerate(bar):
        if word[FAMILY] == METRICAL:
            metrical = at
            if chords and word[CHORD] != chord:
                keep[at] = True
                chord = word[CHORD]
        elif word[FAMILY] == NOTE and word[ROLE] in roles:
            keep[[metrical, at]] = True
    shown: Words = bar[keep].copy()
    shown[:, TEMPO] = IGNORE
    if not chords:
        shown[:, CHORD] = IGNORE
    return shown


def _rest(bar: Words, roles: Collection[int], held: Words) -> tuple[Words, Words]:
    """What a bar has besides the notes of some roles; and the chord and the tempo that hold behind it.

    Of its positions those stay where something is left, or where the chord or the tempo changes.
    """
    keep = bar[:, FAMILY] != METRICAL
    keep &= ~np.isin(bar[:, ROLE], list(roles)) | (bar[:, FAMILY] != NOTE)
    metrical = -1
    for at, word in enumerate(bar):
        if word[FAMILY] == METRICAL:
            metrical = at
            if (word[[CHORD, TEMPO]] != held).any():
                keep[at] = True
                held = word[[CHORD, TEMPO]]
        elif word[FAMILY] == NOTE and keep[at]:
            keep[metrical] = True
    return bar[keep], held


def split_bars(words: Words) -> list[Words]:
    """The bars of a stretch, each from its bar word on; an end word stays with the last."""
    lines = np.flatnonzero(words[:, FAMILY] == BAR)
    return np.split(words, lines[1:])
