"""Who transcribes: one function from a stranger's bytes to a Performance, and who hears what.

A line that wavers is sung, and SwiftF0 takes it; many voices are a piano's, and transkun takes them. A steady single
line may be either: transkun hears next to nothing of what is no piano, so where it hears the line too, it was one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Protocol

import numpy as np

from composer.errors import CannotHearError, NothingPlayedError
from composer.transcription.melody import Line, hear_line
from composer.transcription.performance import Performance
from composer.transcription.piano import transcribe_piano
from composer.transcription.recording import Samples, read_recording

PACKAGES = ("transkun", "swift_f0", "soxr", "mir_eval", "pretty_midi", "torch")

SILENT = 2e-3  # the loudest sample of a recording in which nothing was played: -54 dBFS
FULL = 0.5  # what the loudest sample is brought to; phones record softly
# Measured on singing, instruments, speech and noise, clean and degraded; docs/decisions.md has the figures.
SINGLE = 0.85
SUNG_DRIFT = 3.0  # cents
LEAST_SPOKEN, MOST_SPOKEN = 0.5, 0.9  # of the loud frames; the rest is consonants, which a hum has not
SPOKEN_STEADY, SPOKEN_NOTE_SECONDS = 0.6, 0.2
HEARD_BY_BOTH = 0.6  # of the time that a line sounds
LEAST_NOTES = 2


class Transcriber(Protocol):
    """samples: at SAMPLE_RATE   on_progress: called with the share that is done, from 0 to 1"""

    def __call__(self, samples: Samples, on_progress: Callable[[float], None]) -> Performance: ...


def transcribe(
    data: bytes, on_progress: Callable[[float], None] = lambda _: None, piano: Transcriber = transcribe_piano
) -> Performance:
    """A stranger's recording as notes in seconds. Heavy: a CPU second for a second of piano, and 1.6 GB.

    Raises what read_recording raises, NothingPlayedError or CannotHearError. The same bytes give the same notes.
    """
    check_can_hear()
    return transcribe_samples(read_recording(data), on_progress, piano)


def transcribe_samples(
    samples: Samples, on_progress: Callable[[float], None], piano: Transcriber = transcribe_piano
) -> Performance:
    """The same for samples at SAMPLE_RATE, of any length."""
    peak = float(np.abs(samples).max(initial=0))
    if peak < SILENT:
        raise NothingPlayedError("silence")
    samples = samples * np.float32(FULL / peak)
    line = hear_line(samples)
    if _is_spoken(line):
        raise NothingPlayedError("speech")
    sung = line.performance
    if line.single >= SINGLE and line.drift >= SUNG_DRIFT and len(sung.notes) >= LEAST_NOTES:
        on_progress(1.0)
        return sung
    played = piano(samples, on_progress)
    if line.single >= SINGLE and _agreement(sung, played) < HEARD_BY_BOTH:
        played = sung
    if len(played.notes) < LEAST_NOTES:
        raise NothingPlayedError("noise")
    return played


def check_can_hear() -> None:
    """Raises CannotHearError if a package of the extra `audio` is missing. Loads nothing."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise CannotHearError(package)


def _agreement(sung: Performance, played: Performance) -> float:
    """The share of the time that a line sounds in which the piano has the same note; 1 where there is no line.

    A string rings on until the next one is struck, and SwiftF0 takes its octaves for it: pitch classes are compared.
    """
    following = [*(note.onset for note in played.notes[1:]), 0.0]
    ringing = [
        note._replace(offset=max(note.offset, onset)) for note, onset in zip(played.notes, following, strict=False)
    ]
    both = sum(
        max(0.0, min(one.offset, other.offset) - max(one.onset, other.onset))
        for one in sung.notes
        for other in ringing
        if one.pitch % 12 == other.pitch % 12
    )
    return both / sum(note.offset - note.onset for note in sung.notes) if sung.notes else 1.0


def _is_spoken(line: Line) -> bool:
    """Speech glides through short syllables with consonants between; song holds its notes, be it with vibrato."""
    glides = LEAST_SPOKEN <= line.single < MOST_SPOKEN and line.steady < SPOKEN_STEADY
    return glides and line.note_seconds < SPOKEN_NOTE_SECONDS
