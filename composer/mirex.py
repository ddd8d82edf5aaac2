"""The format of MIREX 2025, symbolic music generation (piano continuation): a pickup and four bars in, twelve bars out.

All is in 4/4 and in sixteenths: {"prompt": [{"start": 16, "pitch": 72, "duration": 6}, ...]}, where the pickup has the
starts 0 to 15 and the bars those up to 79; {"generation": [...]} goes on from 80 to 271. No torch.
https://www.music-ir.org/mirex/wiki/2025:Symbolic_Music_Generation
"""

from __future__ import annotations

import json
from typing import Any

from composer.errors import PromptError
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import Note, Score, cut_at_repeats, in_four

SIXTEENTH = TICKS_PER_BEAT // 4  # ticks
STEPS = 16  # in a bar
PROMPT_BARS, NEW_BARS = 5, 12  # the pickup is one of the first
FIRST, END = PROMPT_BARS * STEPS, (PROMPT_BARS + NEW_BARS) * STEPS  # of what is composed
VELOCITY = 80  # nothing is said of it
RANGES = {"start": (0, FIRST - 1), "pitch": (0, 127), "duration": (1, END)}  # both included


def read_prompt(data: bytes) -> Score:
    """A prompt as a piano part of five bars.

    Raises:
        PromptError: it is none.
    """
    try:
        told = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise PromptError("it is no JSON") from error
    notes = told.get("prompt") if isinstance(told, dict) else None
    if not isinstance(notes, list) or not notes:
        raise PromptError('it has no list of notes called "prompt"')
    played = [_note(number, note) for number, note in enumerate(notes, start=1)]
    return in_four(cut_at_repeats(played), end=PROMPT_BARS * TICKS_PER_BAR)


def _note(number: int, told: Any) -> Note:
    if not isinstance(told, dict):
        raise PromptError(f"note {number} is not in braces")
    for name, (low, high) in RANGES.items():
        value = told.get(name)
        if type(value) is not int or not low <= value <= high:
            raise PromptError(f"the {name} of note {number} is no whole number from {low} to {high}")
    start = told["start"] * SIXTEENTH
    return Note(start, told["pitch"], start + told["duration"] * SIXTEENTH, VELOCITY)


def write_generation(new: Score) -> str:
    """What was composed, from tick 0 on, as JSON. All goes to the nearest sixteenth; of twins the longer one stays."""
    longest: dict[tuple[int, int], int] = {}
    for note in new.notes:
        start = FIRST + round(note.start / SIXTEENTH)
        if start < END:
            duration = max(1, min(END - start, round((note.end - note.start) / SIXTEENTH)))
            longest[start, note.pitch] = max(duration, longest.get((start, note.pitch), 0))
    notes = [
        {"start": start, "pitch": pitch, "duration": duration} for (start, pitch), duration in sorted(longest.items())
    ]
    return json.dumps({"generation": notes}, indent=1) + "\n"
