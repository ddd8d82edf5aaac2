"""A voice, or another single line -> notes: SwiftF0 hears the pitch every 16 ms and cuts it into notes.

It costs next to nothing, so every recording is heard this way first: what it finds tells a single line from many
voices, and speech from song.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from composer.errors import CannotHearError
from composer.transcription.performance import Performance, PlayedNote
from composer.transcription.recording import SAMPLE_RATE, Samples

if TYPE_CHECKING:
    import swift_f0

Array = npt.NDArray[np.float64]

VOICED = 0.5  # the confidence from which on a pitch counts
LOUD_DB = 25.0  # below the loudest; what is softer is a room, or a note that dies away
STEADY_CENTS = 8.0  # from one frame to the next; a held note moves less, and vibrato now and then more
SHORTEST_SECONDS = 0.06  # what is shorter is a consonant or a slip
VELOCITY = 84  # of a note as loud as the median one
VELOCITY_PER_DB = 1.5
QUIETEST, LOUDEST = 48, 112
LOWEST_PITCH, HIGHEST_PITCH = 21, 108


@dataclass(frozen=True)
class Line:
    """What is heard as one line, whether or not there is one.

    single: the share of the loud frames that have one clear pitch   drift: how far the pitch moves from frame to frame,
    in cents, in the median   steady: the share of the frames where it moves less than STEADY_CENTS
    """

    performance: Performance
    single: float
    drift: float
    steady: float

    @property
    def note_seconds(self) -> float:
        """How long the notes are, in the median; 0 where there are none."""
        lengths = [note.offset - note.onset for note in self.performance.notes]
        return float(np.median(lengths)) if lengths else 0.0


def hear_line(samples: Samples) -> Line:
    """samples: at SAMPLE_RATE, not empty.   A seventieth of a CPU second a second. Raises CannotHearError."""
    from swift_f0 import segment_notes

    contour = _detector().detect(samples, SAMPLE_RATE)
    cut = [note for note in segment_notes(contour) if note.end - note.start >= SHORTEST_SECONDS]
    voiced = contour.confidence >= VOICED
    loud = contour.loudness_db > np.percentile(contour.loudness_db, 98) - LOUD_DB
    moves = 1200 * np.abs(np.diff(np.log2(np.maximum(contour.pitch_hz, 1))))[voiced[1:] & voiced[:-1]]
    return Line(
        performance=Performance(_notes(cut, contour), len(samples) / SAMPLE_RATE, "melody"),
        single=float(voiced[loud].mean()) if loud.any() else 0.0,
        drift=float(np.median(moves)) if moves.size else 0.0,
        steady=float((moves < STEADY_CENTS).mean()) if moves.size else 0.0,
    )


def _notes(cut: Sequence[swift_f0.Note], contour: swift_f0.PitchResult) -> tuple[PlayedNote, ...]:
    if not cut:
        return ()
    exact = 69 + 12 * np.log2(np.array([note.pitch_hz for note in cut]) / 440)
    pitches = np.clip(np.rint(exact - _tuning(exact)), LOWEST_PITCH, HIGHEST_PITCH)
    levels = np.array([_level(contour, note) for note in cut])
    velocities = np.clip(VELOCITY + VELOCITY_PER_DB * (levels - np.median(levels)), QUIETEST, LOUDEST)
    return tuple(
        PlayedNote(float(note.start), int(pitch), float(note.end), int(velocity))
        for note, pitch, velocity in zip(cut, pitches, velocities, strict=True)
    )


def _tuning(exact: Array) -> float:
    """How far a singer is off concert pitch, in semitones: the circular mean of what the notes are off."""
    return float(np.angle(np.exp(2j * np.pi * exact).mean()) / (2 * np.pi))


def _level(contour: swift_f0.PitchResult, note: swift_f0.Note) -> float:
    """How loud a note is where it is loudest, in dB."""
    within = (contour.timestamps >= note.start) & (contour.timestamps < note.end)
    return float(contour.loudness_db[within].max())


@cache
def _detector() -> Any:
    for package in ("swift_f0", "soxr"):
        if importlib.util.find_spec(package) is None:
            raise CannotHearError(package)
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)  # other work goes on beside it
