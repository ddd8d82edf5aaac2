"""What a person types of an order: bars, chords, a key, settings. No torch."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

from composer.errors import TaskError
from composer.music.key import Key
from composer.music.score import CHORD_QUALITIES, PITCH_CLASSES
from composer.music.words import parse_chord
from composer.sampling import SamplingParams

SPELLED = {  # roots, as the vocabulary has them
    "C#": "Db",
    "D#": "Eb",
    "Gb": "F#",
    "G#": "Ab",
    "A#": "Bb",
    "Cb": "B",
    "Fb": "E",
    "E#": "F",
    "B#": "C",
}
QUALITIES = {"maj": "", "M": "", "min": "m", "-": "m", "M7": "maj7", "min7": "m7", "-7": "m7", "+": "aug", "o": "dim"}
FULLER, LOUDER = 2, 2  # bins of the anchors: 1.6 times the notes, four steps of velocity
AMOUNTS = {"density": {"thinner": -FULLER, "fuller": FULLER}, "loudness": {"softer": -LOUDER, "louder": LOUDER}}


def bars_from(text: str) -> tuple[int, int]:
    """ "9-12" -> the first and the last bar; "9" -> one bar. Raises TaskError."""
    match = re.fullmatch(r"\s*(\d{1,9})\s*(?:-\s*(\d{1,9}))?\s*", text)
    if match is None:
        raise TaskError("bars", {"text": text})
    return int(match[1]), int(match[2] or match[1])


def settings_from(settings: Sequence[str]) -> tuple[SamplingParams, tuple[tuple[str, str], ...]]:
    """What is set as it is typed: how words are drawn, and amounts. Raises TaskError."""
    amounts = [(name.strip(), amount.strip()) for name, _, amount in (text.partition("=") for text in settings)]
    mine = tuple((name, amount) for name, amount in amounts if name in AMOUNTS)
    return SamplingParams().with_settings(t for t in settings if t.partition("=")[0].strip() not in AMOUNTS), mine


def chords_from(text: str) -> tuple[tuple[str, ...], ...]:
    """ "Am F C G" -> a chord a bar; "Am F | C" -> those between two lines share a bar.

    As on a lead sheet, the last chord holds on in an empty bar, and % is the bar before; a double line is one.

    Raises:
        TaskError: there is none, or one that nobody knows.
    """
    bars = re.split(r"\|+", text.strip().strip("|")) if "|" in text else text.split()
    found: list[tuple[str, ...]] = []
    for bar in bars:
        names = tuple(bar.split())
        if not names or names == ("%",):
            if not found:
                raise TaskError("no_chord", {"text": text})
            names = found[-1] if names else found[-1][-1:]
        found.append(names)
    for name in chain.from_iterable(found):
        chord_named(name)
    return tuple(found)


def chord_named(name: str) -> str:
    """As the vocabulary has it: "A#min" -> "Bbm". Raises TaskError."""
    match = re.fullmatch(r"([A-Ga-g][#b]?)(.*?)(/[A-Ga-g][#b]?)?", name.replace("♯", "#").replace("♭", "b"))
    if name in ("N", "N.C.", "NC"):
        return "N"
    if match:
        root = match[1][0].upper() + match[1][1:]
        quality = QUALITIES.get(match[2], match[2])
        try:
            return parse_chord(SPELLED.get(root, root) + quality).name
        except ValueError:
            pass
    raise TaskError("chord", {"text": name, "known": ", ".join(f"C{quality}" for quality in CHORD_QUALITIES)})


def key_id(name: str) -> int:
    """Of an anchor: "A minor" -> its id. Raises TaskError."""
    match = re.fullmatch(r"\s*([A-Ga-g][#b♯♭]?)\s*(major|minor|maj|min|m)?\s*", name)
    if match is None:
        raise TaskError("key", {"text": name})
    root = match[1][0].upper() + match[1][1:].replace("♯", "#").replace("♭", "b")
    tonic = PITCH_CLASSES.index(SPELLED.get(root, root))
    return 1 + Key(tonic, match[2] in ("minor", "min", "m")).number
