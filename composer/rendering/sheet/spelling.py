"""What a pitch is called in a key: the names that lie nearest to it on the line of fifths."""

from __future__ import annotations

from typing import NamedTuple

from composer.music.key import Key

LETTERS = "FCGDAEB"  # on the line of fifths, F at -1
MOST_ACCIDENTALS = 6  # of a key signature
# So far below and above the tonic of the major scale names are taken: in a minor key the raised sixth and seventh are
# nearer than the flats.
FLATS_MAJOR, FLATS_MINOR = 3, 2


class Name(NamedTuple):
    """A pitch as it is written. alter: in semitones, 1 for a sharp   octave: that of middle C is 4"""

    step: str
    alter: int
    octave: int


def fifths_of(key: Key | None) -> int:
    """Sharps of the signature, below 0 its flats."""
    if key is None:
        return 0
    sharps = key.scale * 7 % 12
    return sharps - 12 if sharps > MOST_ACCIDENTALS else sharps


def spell(pitch: int, fifths: int, minor: bool) -> Name:
    """A MIDI pitch in a key of so many sharps."""
    lowest = fifths - (FLATS_MINOR if minor else FLATS_MAJOR)
    place = lowest + (pitch * 7 - lowest) % 12
    alter, letter = divmod(place + 1, 7)
    step = LETTERS[letter]
    natural = "C D EF G A B".index(step)
    return Name(step, alter, (pitch - natural - alter) // 12 - 1)


def spell_class(pitch_class: int, fifths: int, minor: bool) -> tuple[str, int]:
    """A root: its letter and its accidental."""
    name = spell(60 + pitch_class, fifths, minor)
    return name.step, name.alter
