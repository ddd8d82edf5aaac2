"""A voice or another single line -> Performance: SwiftF0 hears the pitch, and cuts it into notes."""

from __future__ import annotations

import importlib.util
from functools import cache
from typing import Any

import numpy as np

from composer.errors import CannotHearError
from composer.transcription.performance import Performance, PlayedNote
from composer.transcription.recording import SAMPLE_RATE, Samples

SHORTEST_SECONDS = 0.06  # what is shorter is a consonant or a slip
VELOCITY = 84  # of a note as loud as the median one
VELOCITY_PER_DB = 1.5
QUIETEST, LOUDEST = 48, 112


def transcribe_melody(samples: Samples) -> Performance:
    """samples: at SAMPLE_RATE.   Raises CannotHearError. A twentieth of a CPU second a second."""
    from swift_f0 import segment_notes

    contour = _detector().detect(samples, SAMPLE_RATE)
    notes = [note for note in segment_notes(contour) if note.end - note.start >= SHORTEST_SECONDS]
    if not notes:
        return Performance((), len(samples) / SAMPLE_RATE, "melody")
    levels = np.array([_level(contour, note.start, note.end) for note in notes])
    velocities = np.clip(VELOCITY + VELOCITY_PER_DB * (levels - np.median(levels)), QUIETEST, LOUDEST)
    exact = 69 + 12 * np.log2(np.array([note.pitch_hz for note in notes]) / 440)
    pitches = np.rint(exact - _tuning(exact)).astype(int)
    return Performance(
        notes=tuple(
            PlayedNote(float(note.start), int(pitch), float(note.end), int(velocity))
            for note, pitch, velocity in zip(notes, pitches, velocities, strict=True)
        ),
        seconds=len(samples) / SAMPLE_RATE,
        kind="melody",
    )


def _tuning(exact: Any) -> float:
    """How far, in semitones, the singer is off concert pitch: the circular mean of what each note is off."""
    return float(np.angle(np.exp(2j * np.pi * exact).mean()) / (2 * np.pi))


def _level(contour: Any, start: float, end: float) -> float:
    """How loud a note is at its loudest, in dB."""
    within = (contour.timestamps >= start) & (contour.timestamps < end)
    return float(contour.loudness_db[within].max())


@cache
def _detector() -> Any:
    for package in ("swift_f0", "soxr"):
        if importlib.util.find_spec(package) is None:
            raise CannotHearError(package)
    from swift_f0 import SwiftF0

    return SwiftF0(threads=1, spin=False)
