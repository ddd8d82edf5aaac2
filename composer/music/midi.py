"""Trusted MIDI bytes to a Score with its parts and bars: for corpora. Strangers' files go through composer.midi."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import groupby
from typing import TypeVar

import miditoolkit

from composer.errors import NoNotesError, NotMidiError
from composer.music.score import Meter, Part, Role, Score, bars_of
from composer.score import (
    DEFAULT_BPM,
    EARLY_TICKS,
    SHORTEST_TICKS,
    TICKS_PER_BEAT,
    Note,
    Spans,
    TempoChange,
)

_Value = TypeVar("_Value")

PEDAL, PEDAL_DOWN = 64, 64  # the controller, and its lowest value that means down
SLOWEST, FASTEST = 10.0, 400.0  # BPM; what is outside stands for a fermata or is a slip


Roles = Callable[[Sequence[str]], Sequence[Role | None]]


def nothing_said(names: Sequence[str]) -> list[Role | None]:
    return [Role.UNSAID] * len(names)


def read_score(data: bytes, roles: Roles = nothing_said) -> Score:
    """The parts of a file, on ticks of ours, without chords.

    Args:
        data: a whole file.
        roles: from the names of the pitched tracks that have notes to the role of each; None leaves one out.

    Raises:
        NotMidiError: it cannot be read.
        NoNotesError: no pitched track is left that has notes.
    """
    try:
        file = miditoolkit.MidiFile(file=io.BytesIO(data))
    except Exception as error:  # it raises what comes to hand: EOFError, OSError, ValueError ...
        raise NotMidiError("an event in it has a value that MIDI does not know") from error

    resolution: int = file.ticks_per_beat

    def tick(time: int) -> int:
        return round(time * TICKS_PER_BEAT / resolution)

    tracks = [track for track in file.instruments if track.notes]
    played = iter(roles([track.name.strip() for track in tracks if not track.is_drum]))
    parts = []
    for track in tracks:
        role = Role.UNSAID if track.is_drum else next(played)
        if role is None:
            continue
        notes = sorted(_note(tick(n.start), tick(n.end), n.pitch, n.velocity) for n in track.notes)
        presses = [(tick(c.time), c.value >= PEDAL_DOWN) for c in track.control_changes if c.number == PEDAL]
        pedal = _spans(presses, max(note.end for note in notes))
        parts.append(Part(tuple(notes), role, track.name.strip(), track.program, track.is_drum, pedal))
    onsets = [part.notes[-1].start for part in parts if not part.is_drum]
    if not onsets:
        raise NoNotesError(sum(len(track.notes) for track in tracks))
    meters = {0: Meter(4, 4)}
    meters |= {tick(m.time): Meter(m.numerator, m.denominator) for m in file.time_signature_changes}
    if any(meter.ticks < 1 for meter in meters.values()):
        raise NotMidiError("it has a meter finer than 64ths")
    tempos = {0: DEFAULT_BPM} | {tick(t.time): min(max(t.tempo, SLOWEST), FASTEST) for t in file.tempo_changes}
    return Score(
        parts=tuple(parts),
        bars=bars_of(_changes(meters), max(onsets) + EARLY_TICKS),
        tempos=tuple(TempoChange(*change) for change in _changes(tempos)),
    )


def _note(start: int, end: int, pitch: int, velocity: int) -> Note:
    return Note(start, pitch, end if end > start else start + SHORTEST_TICKS, velocity)


def _spans(presses: list[tuple[int, bool]], last: int) -> Spans:
    """From tick to tick where the pedal is down; one that never comes up does so at `last`."""
    spans, pressed = [], None
    for time, down in [*sorted(presses, key=lambda press: press[0]), (last, False)]:
        if down and pressed is None:
            pressed = time
        elif not down and pressed is not None:
            spans.append((pressed, time))
            pressed = None
    return tuple((down, up) for down, up in spans if down < up)


def _changes(at: dict[int, _Value]) -> list[tuple[int, _Value]]:
    """By tick, without those that change nothing: all of Pop1K7 says 4/4 again within the first bar."""
    return [next(same) for _, same in groupby(sorted(at.items(), key=lambda c: c[0]), key=lambda change: change[1])]
