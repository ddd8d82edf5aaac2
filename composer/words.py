"""Compound words: what a word is, and the vocabulary that says what its ids mean.

One word is one row of attributes (Hsiao et al., Compound Word Transformer, AAAI 2021). Which attributes a
word uses depends on its family; the others hold the id IGNORE. The vocabulary is data: it is stored with each
checkpoint, so a model with a finer grid or other bins needs no change in code.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np

from composer.music.score import BEATS_PER_BAR, CHORD_QUALITIES, PITCH_CLASSES, TICKS_PER_BAR, Chord

IGNORE = 0  # the id of an attribute that a word's family does not use


class Family(IntEnum):
    """What kind of word it is. The ids are fixed: grammar and model rely on them."""

    IGNORE = 0  # padding, never drawn
    BAR = 1  # opens a bar
    METRICAL = 2  # names a position in the bar, with the chord and the tempo in force there
    NOTE = 3  # a note that starts at that position, highest pitch first
    END = 4  # the piece is over


class Word(NamedTuple):
    """The ids of one compound word. The order of the columns is written here and nowhere else."""

    family: int
    position: int = IGNORE  # where in the bar
    pitch: int = IGNORE
    velocity: int = IGNORE
    duration: int = IGNORE  # in positions
    chord: int = IGNORE
    tempo: int = IGNORE
    meter: int = IGNORE  # of the bar that begins
    role: int = IGNORE  # which part the note plays


ATTRIBUTES = Word._fields
COLUMN = {name: i for i, name in enumerate(ATTRIBUTES)}

# The attributes that each family uses, besides the family itself.
USED: Mapping[Family, tuple[str, ...]] = {
    Family.IGNORE: (),
    Family.BAR: ("meter",),
    Family.METRICAL: ("position", "chord", "tempo"),
    Family.NOTE: ("role", "pitch", "velocity", "duration"),
    Family.END: (),
}
FAMILY_OF: Mapping[str, Family] = {name: family for family, names in USED.items() for name in names}

BAR = Word(Family.BAR)
END = Word(Family.END)


@dataclass(frozen=True)
class Vocabulary:
    """What the ids of each attribute mean: id 0 is IGNORE, id i + 1 is the i-th value.

    positions: count of equal steps in a bar; a value of `durations` is a count of such steps.
    pitches, velocities: MIDI numbers.   tempos: quarter notes a minute.   chords: names as Chord.name gives them.
    All but `chords` rise strictly, and pitches are a range without gaps.
    """

    positions: int
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]
    durations: tuple[int, ...]
    chords: tuple[str, ...]
    tempos: tuple[float, ...]

    def __post_init__(self) -> None:
        if self.positions < 1 or TICKS_PER_BAR % self.positions:
            raise ValueError(f"{self.positions} positions do not divide a bar of {TICKS_PER_BAR} ticks")
        for name in ("pitches", "velocities", "durations", "tempos"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)) or not values:
                raise ValueError(f"{name} have to rise")
        if self.pitches != tuple(range(self.pitches[0], self.pitches[-1] + 1)):
            raise ValueError("pitches have to be a range without gaps")
        if self.durations[0] != 1:
            raise ValueError("the shortest duration has to be one position")
        if "N" not in self.chords or len(set(self.chords)) < len(self.chords):
            raise ValueError('chords have to be there each once, "N" among them')
        if max(self.sizes.values()) > 256:
            raise ValueError("no attribute may have more than 255 values: encoded corpora keep an id in a byte")
        for name in self.chords:
            parse_chord(name)

    @property
    def positions_per_whole(self) -> int:
        """In a whole note, which is a bar."""
        return self.positions

    @property
    def bar_lengths(self) -> tuple[int, ...]:
        """How many positions a bar has, by the id of its meter."""
        return (self.positions,)

    @property
    def ticks_per_position(self) -> int:
        return TICKS_PER_BAR // self.positions

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many ids each attribute has, IGNORE included, in the order of ATTRIBUTES; no meters and roles."""
        values = (Family.END, self.positions, *map(len, (self.pitches, self.velocities, self.durations)))
        return dict(zip(ATTRIBUTES, (int(n) + 1 for n in (*values, len(self.chords), len(self.tempos))), strict=False))

    @cached_property
    def chord_ids(self) -> dict[str, int]:
        return {name: i + 1 for i, name in enumerate(self.chords)}

    def pitch_id(self, pitch: int) -> int:
        return pitch - self.pitches[0] + 1

    def velocity_id(self, velocity: float) -> int:
        return nearest(self.velocities, velocity) + 1

    def duration_id(self, positions: float) -> int:
        return nearest(self.durations, positions) + 1

    def tempo_id(self, bpm: float) -> int:
        return nearest(self.tempos, bpm) + 1

    def chord_at(self, tick: int, chord_id: int) -> Chord:
        return parse_chord(self.chords[chord_id - 1], tick)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the canonical JSON: two vocabularies with one digest mean the same by every id."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        return json.dumps(
            {
                "positions_per_bar": self.positions,
                "pitch": self.pitches,
                "velocity": self.velocities,
                "duration": self.durations,
                "chord": self.chords,
                "tempo": self.tempos,
            },
            sort_keys=True,
        )

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """The inverse of to_json. Raises ValueError, KeyError or TypeError on anything else."""
        data = json.loads(text)
        return cls(
            positions=int(data["positions_per_bar"]),
            pitches=tuple(map(int, data["pitch"])),
            velocities=tuple(map(int, data["velocity"])),
            durations=tuple(map(int, data["duration"])),
            chords=tuple(map(str, data["chord"])),
            tempos=tuple(map(float, data["tempo"])),
        )

    def transposed_ids(self, semitones: int) -> dict[str, np.ndarray]:
        """For pitch and chord, the id that each id becomes. A pitch that leaves the range becomes IGNORE."""
        pitch = np.arange(self.sizes["pitch"]) + semitones
        pitch[(pitch < 1) | (pitch >= self.sizes["pitch"])] = IGNORE
        pitch[IGNORE] = IGNORE
        chord = [IGNORE]
        for name in self.chords:
            old = parse_chord(name)
            root = None if old.root is None else (old.root + semitones) % 12
            chord.append(self.chord_ids[Chord(0, root, old.quality).name])
        return {"pitch": pitch, "chord": np.array(chord)}


class AnyVocabulary(Protocol):
    """What both editions of the words have."""

    @property
    def pitches(self) -> tuple[int, ...]: ...

    @property
    def sizes(self) -> dict[str, int]: ...

    @property
    def positions_per_whole(self) -> int: ...

    @property
    def bar_lengths(self) -> tuple[int, ...]: ...


def nearest(values: Sequence[float], value: float) -> int:
    """The index of the rising `values` that lies nearest to `value`; the lower one where two are as near."""
    above = bisect_left(values, value)
    if above == 0:
        return 0
    if above == len(values):
        return above - 1
    return above - 1 if value - values[above - 1] <= values[above] - value else above


def parse_chord(name: str, tick: int = 0) -> Chord:
    """The inverse of Chord.name. Raises ValueError where no chord is called so."""
    if name == "N":
        return Chord(tick, None)
    for root, letter in enumerate(PITCH_CLASSES):
        # "Db" starts with "D": what is left over has to be a quality ("b" is none).
        if name.startswith(letter) and name[len(letter) :] in CHORD_QUALITIES:
            return Chord(tick, root, name[len(letter) :])
    raise ValueError(f"no chord is called {name!r}")


def default_vocabulary() -> Vocabulary:
    """Sixteenths, the piano's 88 keys, durations to two bars, tempo in steps of 4 % (a just noticeable change)."""
    positions = 4 * BEATS_PER_BAR
    return Vocabulary(
        positions=positions,
        pitches=tuple(range(21, 109)),
        velocities=tuple(range(12, 128, 4)),
        durations=tuple(range(1, 2 * positions + 1)),
        chords=("N", *(letter + quality for letter in PITCH_CLASSES for quality in CHORD_QUALITIES)),
        tempos=tuple(float(round(32 * 1.04**step, 1)) for step in range(52)),
    )
