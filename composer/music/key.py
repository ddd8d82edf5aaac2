"""Which key a piece is in, by how long each pitch class sounds."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from composer.music.meter import TICKS_PER_BAR
from composer.music.score import PITCH_CLASSES, Note

# How well each degree fits a major and a minor key (Krumhansl and Kessler 1982).
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


class Key(NamedTuple):
    tonic: int  # pitch class
    minor: bool

    @property
    def name(self) -> str:
        return f"{PITCH_CLASSES[self.tonic]} {'minor' if self.minor else 'major'}"

    @property
    def number(self) -> int:
        """From 0: the major keys from C up, then the minor ones."""
        return self.tonic + 12 * self.minor

    @property
    def scale(self) -> int:
        """The pitch class of the major scale with the same seven notes: C for C major and A minor."""
        return (self.tonic + 3) % 12 if self.minor else self.tonic


def near(key: Key | None, new: Key | None) -> bool:
    """Whether a key is the other, its relative, or a neighbour of it: a sharp more or less. Nothing is near to all."""
    return key is None or new is None or (new.scale - key.scale) % 12 in (0, 5, 7)


def find_key(notes: Iterable[Note]) -> Key | None:
    """The key whose profile correlates best with the notes' lengths, each counted up to a bar. None for no notes."""
    heard = np.zeros(12)
    for note in notes:
        heard[note.pitch % 12] += min(note.end - note.start, TICKS_PER_BAR)
    return key_of(heard)


def key_of(heard: npt.NDArray[np.float64]) -> Key | None:
    """The key whose profile correlates best with how long each pitch class sounds: (12,). None where nothing does."""
    if not heard.any():
        return None
    keys = [Key(tonic, minor) for minor in (False, True) for tonic in range(12)]
    profiles = np.array([np.roll(MINOR if key.minor else MAJOR, key.tonic) for key in keys])
    centred = profiles - profiles.mean(axis=1, keepdims=True)
    fit = centred @ (heard - heard.mean()) / np.linalg.norm(centred, axis=1)
    return keys[int(fit.argmax())]
