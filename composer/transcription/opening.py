"""A stranger's file -> Score, be it a recording or MIDI: what `segue compose` begins with."""

from __future__ import annotations

from collections.abc import Callable

from composer.music.notation import read_written
from composer.music.score import Score
from composer.transcription.recording import is_recording
from composer.transcription.synchronise import SURE, Heard, Listening, performance_of, synchronise
from composer.transcription.transcriber import transcribe


def read_opening(
    data: bytes, name: str, listening: Listening, on_progress: Callable[[float], None]
) -> tuple[Score, Heard | None]:
    """The score, and what was heard; None of a MIDI file that stands on its own beats, which are left alone.

    name: of the file   on_progress: called with the share of a transcription that is done, from 0 to 1
    Raises OpeningError.
    """
    if is_recording(data, name):
        heard = synchronise(transcribe(data, on_progress), listening)
    else:
        score = read_written(data)
        if listening.takes(score):
            return score, None
        heard = synchronise(performance_of(score), listening)
    return heard.score, heard


def describe(heard: Heard) -> str:
    """What the player is told: "a piano: 92 BPM, A minor, 8 bars, 104 notes; 97 % sure of its bars"."""
    kind = {"piano": "a piano", "melody": "a single line", "midi": "MIDI that is off its own beats"}[heard.kind]
    written = " or --as-written" if heard.kind == "midi" else ""
    found = [f"{heard.tempo:.0f} BPM", heard.key or "no key", _many(heard.bars, "bar"), _many(heard.notes, "note")]
    sure = f"{heard.sure:.0%} sure of its bars".replace("%", " %")
    ask = "" if heard.sure >= SURE else f"; if they are wrong, say --bpm or --downbeat{written}"
    return f"{kind}: {', '.join(found)}{', chords added' if heard.accompanied else ''}; {sure}{ask}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}" + "s" * (count != 1)
