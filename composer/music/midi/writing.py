"""Score -> MIDI bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from composer.music.meter import TICKS_PER_BEAT
from composer.music.midi.scan import NOTE_ON, in_time, meta, written
from composer.music.score import CHANNEL_PRESSURE, PROGRAM, Control, Note, Part, Score

_TRACK_NAME, _MARKER, _TEMPO, _METER = 0x03, 0x06, 0x51, 0x58


def dump_midi(score: Score, title: str = "") -> bytes:
    """A MIDI file: its title, tempi, meters and chords, then a track a part. The same score, the same bytes.

    What parse_midi has read it reads again as it was. MIDI lets go first what was struck first: where a note lies
    within another one of its pitch, the other ends when it begins.
    """
    programmed = {part.channel for part in score.parts for control in part.controls if control.kind == PROGRAM}
    tracks = [_conductor(score, title.encode(errors="replace"))]
    tracks += [_track(part, is_programmed=part.channel in programmed) for part in score.parts]
    return written(TICKS_PER_BEAT, tracks)


def _conductor(score: Score, title: bytes) -> bytes:
    events = [(0, meta(_TRACK_NAME, title))] if title else []
    events += [(t.tick, meta(_TEMPO, round(60_000_000 / t.bpm).to_bytes(3, "big"))) for t in score.tempos]
    meter = None
    for bar in score.bars:
        if bar.meter != meter:
            meter = bar.meter
            power = meter.denominator.bit_length() - 1
            events.append((bar.start, meta(_METER, bytes((meter.numerator, power, 24, 8)))))
    events += [(chord.tick, meta(_MARKER, chord.name.encode())) for chord in score.chords]
    return in_time(events)


def _track(part: Part, *, is_programmed: bool) -> bytes:
    """is_programmed: whether its channel is told a program anyway.

    What one hears must not depend on the order at one tick: keys are let go first and struck last.
    """
    events = [(0, meta(_TRACK_NAME, part.name.encode(errors="surrogateescape")))] if part.name else []
    if part.program and not is_programmed:
        events.append((0, bytes((PROGRAM | part.channel, part.program))))
    notes = list(_told_apart(part.notes))
    on = NOTE_ON | part.channel
    events += [(note.end, bytes((on, note.pitch, 0))) for note in notes]
    events += [(control.tick, _message(control, part.channel)) for control in part.controls]
    events += [(note.start, bytes((on, note.pitch, note.velocity))) for note in notes]
    return in_time(events)


def _told_apart(notes: Iterable[Note]) -> Iterator[Note]:
    following: dict[int, Note] = {}  # by pitch
    kept = []
    for note in sorted(notes, reverse=True):
        behind = following.get(note.pitch)
        if behind and behind.end < note.end and behind.start < note.end:
            note = replace(note, end=behind.start)
        if note.end > note.start:
            kept.append(note)
            following[note.pitch] = note
    return reversed(kept)


def _message(control: Control, channel: int) -> bytes:
    values = (control.first,) if control.kind in (PROGRAM, CHANNEL_PRESSURE) else (control.first, control.second)
    return bytes((control.kind | channel, *values))
