"""Compound words: what a word is, and the vocabulary that says what its ids mean. Bars of any meter, a grid of twelfths
of a quarter, and notes that say which part they play.

One word is one row of attributes (Hsiao et al., Compound Word Transformer, AAAI 2021). Which attributes a word uses
depends on its family; the others hold the id IGNORE. The vocabulary is data, and is stored with each checkpoint.
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from composer.music.grid import POSITIONS_PER_QUARTER, TICKS_PER_POSITION
from composer.music.meter import Meter
from composer.music.score import CHORD_QUALITIES, PITCH_CLASSES, Chord, Role

Words = npt.NDArray[np.uint8]  # (words, attributes)
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

END = Word(Family.END)


@dataclass(frozen=True)
class Vocabulary:
    """What the ids of each attribute mean: id 0 is IGNORE, id i + 1 is the i-th value.

    Attributes:
        meters: names such as "6/8"; no two of one length in positions but 3/4 and 6/8, 6/4 and 12/8.
        pitches: MIDI numbers, a range without gaps.
        velocities: MIDI numbers, rising.
        durations: in positions, rising from 1.
        chords: as Chord.name gives them, "N" among them.
        tempos: quarter notes a minute, rising.
        roles: how many there are, each the id of Role + 1.
    """

    meters: tuple[str, ...]
    pitches: tuple[int, ...]
    velocities: tuple[int, ...]
    durations: tuple[int, ...]
    chords: tuple[str, ...]
    tempos: tuple[float, ...]
    roles: int = len(Role)

    def __post_init__(self) -> None:
        for name in ("pitches", "velocities", "durations", "tempos"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)) or not values:
                raise ValueError(f"{name} have to rise")
        if self.pitches != tuple(range(self.pitches[0], self.pitches[-1] + 1)) or self.durations[0] != 1:
            raise ValueError("pitches have to be a range without gaps, and durations begin with 1")
        if any(Meter.parse(name).ticks % TICKS_PER_POSITION for name in self.meters) or not self.meters:
            raise ValueError("every meter has to be a whole number of positions long")
        for name in self.chords:
            parse_chord(name)
        if max(self.sizes.values()) > 256:
            raise ValueError("no attribute may have more than 255 values: encoded corpora keep an id in a byte")

    @cached_property
    def lengths(self) -> tuple[int, ...]:
        """How many positions a full bar of each meter has."""
        return tuple(Meter.parse(name).ticks // TICKS_PER_POSITION for name in self.meters)

    @property
    def bar_lengths(self) -> tuple[int, ...]:
        """The same by the id of a meter."""
        return (0, *self.lengths)

    @property
    def positions_per_whole(self) -> int:
        return 4 * POSITIONS_PER_QUARTER

    @property
    def positions(self) -> int:
        """In the longest bar."""
        return max(self.lengths)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """How many ids each attribute has, IGNORE included, in the order of ATTRIBUTES."""
        tables = (self.pitches, self.velocities, self.durations, self.chords, self.tempos, self.meters)
        counts = (Family.END, self.positions, *map(len, tables), self.roles)
        return dict(zip(ATTRIBUTES, (int(count) + 1 for count in counts), strict=True))

    @cached_property
    def chord_ids(self) -> dict[str, int]:
        return {name: i + 1 for i, name in enumerate(self.chords)}

    def meter_id(self, meter: Meter, ticks: int) -> int | None:
        """The id for a bar of so many ticks: its meter's, or of a short bar that of a meter as long as it is.

        None where there is none. 2/2 is written as 4/4, 3/2 as 6/4: they are as long, and beamed alike.
        """
        positions, rest = divmod(ticks, TICKS_PER_POSITION)
        if rest or positions not in self.lengths:
            return None
        if ticks == meter.ticks and meter.name in self.meters:
            return self.meters.index(meter.name) + 1
        return self.lengths.index(positions) + 1

    def beats(self, meter_id: int) -> tuple[int, ...]:
        """Where the beats of a bar lie, in positions behind its line."""
        lengths = Meter.parse(self.meters[meter_id - 1]).beats
        return tuple(sum(lengths[:beat]) // TICKS_PER_POSITION for beat in range(len(lengths)))

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
        return json.dumps({"positions_per_quarter": POSITIONS_PER_QUARTER, **asdict(self)}, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Vocabulary:
        """The inverse of to_json. Raises ValueError, KeyError or TypeError on anything else."""
        data: dict[str, Any] = json.loads(text)
        if data["positions_per_quarter"] != POSITIONS_PER_QUARTER:
            raise ValueError(f"a quarter has {POSITIONS_PER_QUARTER} positions")
        return cls(
            meters=tuple(map(str, data["meters"])),
            pitches=tuple(map(int, data["pitches"])),
            velocities=tuple(map(int, data["velocities"])),
            durations=tuple(map(int, data["durations"])),
            chords=tuple(map(str, data["chords"])),
            tempos=tuple(map(float, data["tempos"])),
            roles=int(data["roles"]),
        )

    def transposed_ids(self, semitones: int) -> dict[str, npt.NDArray[np.int64]]:
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


def bars_in(words: Iterable[Word]) -> int:
    return sum(word.family == Family.BAR for word in words)


def by_bar(words: Iterable[Word]) -> list[list[Word]]:
    """The words of each bar, from its bar word on; the first of all is one."""
    bars: list[list[Word]] = []
    for word in words:
        if word.family == Family.BAR:
            bars.append([])
        bars[-1].append(word)
    return bars


# One of each length first is what a short bar is written as. 4/8 and 8/8 go by length, as 2/2 does.
METERS = (*("1/8", "1/4", "3/8", "2/4", "5/8", "3/4", "6/8", "7/8", "4/4", "9/8", "5/4", "6/4", "12/8", "7/4", "4/2"),)
# The note values, their dotted and triplet ones and what ties make of them, up to two bars of 4/4 and one of 12/8 tied
# to another: 12 positions are a quarter.
DURATIONS = (
    *(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 15, 16, 18, 20, 21, 22, 24, 27, 28, 30, 32, 33, 36, 39, 40, 42, 45, 48),
    *(51, 54, 60, 66, 72, 78, 84, 90, 96, 108, 120, 144),
)


def default_vocabulary() -> Vocabulary:
    """The piano's 88 keys, tempo in steps of 4 % (a just noticeable change) from 24 to 300."""
    return Vocabulary(
        meters=METERS,
        pitches=tuple(range(21, 109)),
        velocities=tuple(range(12, 128, 4)),
        durations=DURATIONS,
        chords=("N", *(letter + quality for letter in PITCH_CLASSES for quality in CHORD_QUALITIES)),
        tempos=tuple(float(round(24 * 1.04**step, 1)) for step in range(66)),
    )
