"""Who transcribes: one function from a stranger's bytes to a Performance, and which transcriber hears what."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

from composer.errors import CannotHearError
from composer.transcription.performance import Performance
from composer.transcription.piano import transcribe_piano
from composer.transcription.recording import read_recording

PACKAGES = ("transkun", "swift_f0", "soxr", "torch")


def transcribe(data: bytes, on_progress: Callable[[float], None] = lambda _: None) -> Performance:
    """A stranger's recording as notes in seconds. Heavy: about a CPU second and 1.6 GB for a second of piano.

    on_progress: called with the share that is done, from 0 to 1
    Raises what read_recording raises, NothingPlayedError or CannotHearError.
    """
    check_can_hear()
    samples = read_recording(data)
    return transcribe_piano(samples, on_progress)


def check_can_hear() -> None:
    """Raises CannotHearError if a package of the extra `audio` is missing. Loads nothing."""
    for package in PACKAGES:
        if importlib.util.find_spec(package) is None:
            raise CannotHearError(package)
