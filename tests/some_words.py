"""Words that tests need again and again. Bars are of 4/4 and notes of a part that says no role, unless it is said."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from composer.audition.grid import notes_of_words
from composer.engine.runs import RunIndex, run_hashes
from composer.music.score import Role
from composer.music.words import Family, Word, default_vocabulary

VOCABULARY = default_vocabulary()


def bar_word(meter: str = "4/4") -> Word:
    return Word(Family.BAR, meter=1 + VOCABULARY.meters.index(meter))


BAR = bar_word()
SIXTEENTH = VOCABULARY.positions_per_whole // 16  # in positions
IN_A_BAR = VOCABULARY.positions_per_whole  # positions in a bar of 4/4


def metrical(position: int, chord: int = 1, tempo: int = 1) -> Word:
    return Word(Family.METRICAL, position=position, chord=chord, tempo=tempo)


def at_sixteenth(number: int) -> Word:
    """The position of a sixteenth, the first of a bar being number 1."""
    return metrical(1 + SIXTEENTH * (number - 1))


def note(pitch: int, velocity: int = 1, duration: int = 1, role: Role = Role.UNSAID) -> Word:
    """All but the role are ids."""
    return Word(Family.NOTE, pitch=pitch, velocity=velocity, duration=duration, role=role + 1)


def words_of(rows: np.ndarray) -> tuple[Word, ...]:
    return tuple(Word(*map(int, row)) for row in rows)


def runs_of(**songs: Sequence[Word]) -> RunIndex:
    """What a checkpoint knows of its training songs."""
    found = ((name, notes_of_words(np.array(words), VOCABULARY)) for name, words in songs.items())
    return RunIndex.build((name, run_hashes(notes.time, notes.pitch)) for name, notes in found)
