"""MIDI -> Score and Score -> MIDI, by miditoolkit, which sees nothing but what the scan has left."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from composer.errors import NoNotesError, NotMidiError
from composer.midi.scan import PEDAL, Sifted, sift, written
from composer.score import (
    DEFAULT_BPM,
    EARLY_TICKS,
    SHORTEST_TICKS,
    TICKS_PER_BEAT,
    MeterChange,
    Note,
    Score,
    Spans,
    TempoChange,
    cut_at_repeats,
    under_pedal,
)

if TYPE_CHECKING:
    import miditoolkit

_Value = TypeVar("_Value")

# Tempi outside are slips of an editor or stand for a fermata, in BPM. They are clamped, for the notes are still good.
SLOWEST, FASTEST = 10.0, 400.0
# Finer meters are damage; up to here a bar is a whole number of ticks.
FINEST_METER = 64

_PEDAL_DOWN = 64  # the lowest value of the controller that means down
_PROGRAM = 0xC0
# miditoolkit forgets a note's channel but keeps its program, so every channel plays the program of its own number.
_CHANNELS_AS_PROGRAMS = b"".join(bytes((0, _PROGRAM | channel, channel)) for channel in range(16))


def parse_midi(data: bytes, leave_out: Collection[str] = ()) -> Score:
    """The piano part of a MIDI file: every track but the drums, microtiming kept, as keys are held and as it sounds.

    For files of strangers there is read_midi.

    Args:
        data: the file.
        leave_out: names of tracks to ignore.

    Returns:
        The score. Its chords stay empty; a key that is never released makes no note.

    Raises:
        OpeningError: NotMidiError, HostileMidiError or NoNotesError, as scan.sift does; NotMidiError also for values
            that MIDI does not know.
    """
    return _score_of(_parsed(sift(data, leave_out)))


def parse_keys(data: bytes, leave_out: Collection[str] = ()) -> tuple[list[Note], tuple[MeterChange, ...]]:
    """The notes as they are written: for statistics of files, where parse_midi is for what one hears.

    Args:
        data: the file.
        leave_out: names of tracks to ignore.

    Returns:
        The notes, track by track in the order of the file and not sorted, and the meters. A note ends with its key
        whatever the pedal does.

    Raises:
        OpeningError: what parse_midi raises.
    """
    midi = _parsed(sift(data, leave_out))
    scale = _scale_of(midi)
    notes = [_scaled(note, scale) for instrument in midi.instruments for note in instrument.notes]
    return notes, _meters(midi.time_signature_changes, scale)


def sift_midi(data: bytes) -> bytes:
    """The piano part of a MIDI file and nothing else: parse_midi makes the same score of it, and it sifts to itself.

    Args:
        data: a file that parse_midi has read.

    Returns:
        A file whose times are in the resolution of the given one, so nothing is rounded.
    """
    sifted = sift(data, ())
    return written(sifted.resolution, sifted.tracks)


def dump_midi(score: Score, program: int = 0, title: str = "") -> bytes:
    """A MIDI file with one instrument, the tempi and meters, and chords as markers. The same score, the same bytes.

    A key that is struck again while it sounds is let go first, for in MIDI two notes of one pitch cannot be told
    apart; of those struck at the same tick the longest stays.

    Args:
        score: what to write.
        program: general MIDI, 0-127.
        title: the name of its track.

    Returns:
        The file.
    """
    import miditoolkit

    piano = miditoolkit.Instrument(
        program, name=title.encode(errors="replace").decode("latin-1")
    )  # mido writes Latin-1: UTF-8 it is
    piano.notes = [miditoolkit.Note(n.velocity, n.pitch, n.start, n.end) for n in cut_at_repeats(score.notes)]
    piano.control_changes = [
        miditoolkit.ControlChange(PEDAL, value, tick)
        for pressed, released in score.pedal
        for value, tick in ((127, pressed), (0, released))
    ]
    midi = miditoolkit.MidiFile(ticks_per_beat=TICKS_PER_BEAT)
    midi.instruments = [piano]
    midi.tempo_changes = [miditoolkit.TempoChange(tempo.bpm, tempo.tick) for tempo in score.tempos]
    midi.time_signature_changes = [miditoolkit.TimeSignature(m.numerator, m.denominator, m.tick) for m in score.meters]
    midi.markers = [miditoolkit.Marker(chord.name, chord.tick) for chord in score.chords]
    file = io.BytesIO()
    midi.dump(file=file)
    return file.getvalue()


def _parsed(sifted: Sifted) -> miditoolkit.MidiFile:
    """What miditoolkit makes of a file.

    Raises:
        NotMidiError: it stumbles over the file.
        NoNotesError: it finds no note.
    """
    import miditoolkit  # 0.1 s and 20 MB; a file that the scan refuses does without, and so does the bot's own process

    tracks = [_CHANNELS_AS_PROGRAMS + track for track in sifted.tracks]
    try:
        midi = miditoolkit.MidiFile(file=io.BytesIO(written(sifted.resolution, tracks)))
    except MemoryError:
        raise
    except Exception as error:  # it raises what comes to hand: EOFError, OSError, ValueError, ZeroDivisionError ...
        raise NotMidiError("an event in it has a value that MIDI does not know") from error
    if not any(instrument.notes for instrument in midi.instruments):
        raise NoNotesError(sifted.drum_notes)
    return midi


def _score_of(midi: miditoolkit.MidiFile) -> Score:
    """What is heard of a file.

    Raises:
        NotMidiError: it has a meter that no music has.
    """
    scale = _scale_of(midi)
    parts = _channels(midi.instruments, scale)
    keys = tuple(sorted(note for notes, _ in parts for note in notes))
    held = tuple(sorted(note for notes, pedal in parts for note in under_pedal(notes, pedal)))
    pedal = max(parts, key=lambda part: (bool(part[1]), len(part[0])))[1]
    meters = _meters(midi.time_signature_changes, scale)
    score = Score(
        keys, _tempos(midi.tempo_changes, scale), meters=meters, end=_end(keys[-1].start, meters), pedal=pedal
    )
    if score.sounding == held:
        return score
    return replace(score, pedal=(), held=held if held != keys else ())


def _scale_of(midi: miditoolkit.MidiFile) -> Callable[[int], int]:
    """From the ticks of the file to ours."""
    resolution: int = midi.ticks_per_beat

    def scale(tick: int) -> int:
        return round(tick * TICKS_PER_BEAT / resolution)

    return scale


def _channels(
    instruments: Iterable[miditoolkit.Instrument], scale: Callable[[int], int]
) -> list[tuple[list[Note], Spans]]:
    """Of each channel the notes, as long as their keys are held, and where its pedal is down in all its tracks."""
    channels: defaultdict[int, list[miditoolkit.Instrument]] = defaultdict(list)
    for instrument in instruments:
        channels[int(instrument.program)].append(instrument)
    parts = []
    for tracks in channels.values():
        notes = [_scaled(note, scale) for track in tracks for note in track.notes]
        controls = [control for track in tracks for control in track.control_changes if control.number == PEDAL]
        last = max((note.end for note in notes), default=0)
        parts.append((notes, _pedal_spans(controls, scale, last)))
    return parts


def _pedal_spans(controls: Iterable[miditoolkit.ControlChange], scale: Callable[[int], int], last: int) -> Spans:
    """When the pedal is down, from tick to tick. One that never comes up does so at `last`."""
    spans: list[tuple[int, int]] = []
    pressed: int | None = None
    for control in sorted(controls, key=lambda control: control.time):
        if control.value < _PEDAL_DOWN and pressed is not None:
            spans.append((pressed, scale(control.time)))
            pressed = None
        elif control.value >= _PEDAL_DOWN and pressed is None:
            pressed = scale(control.time)
    if pressed is not None:
        spans.append((pressed, last))
    return tuple((down, up) for down, up in spans if down < up)


def _scaled(note: miditoolkit.Note, scale: Callable[[int], int]) -> Note:
    start, end = scale(note.start), scale(note.end)
    return Note(start, note.pitch, end if end > start else start + SHORTEST_TICKS, note.velocity)


def _tempos(changes: Iterable[miditoolkit.TempoChange], scale: Callable[[int], int]) -> tuple[TempoChange, ...]:
    tempo_at = {0: DEFAULT_BPM}
    for change in changes:
        tempo_at[scale(change.time)] = min(max(change.tempo, SLOWEST), FASTEST)
    return tuple(TempoChange(tick, bpm) for tick, bpm in _without_repeats(sorted(tempo_at.items())))


def _meters(changes: Iterable[miditoolkit.TimeSignature], scale: Callable[[int], int]) -> tuple[MeterChange, ...]:
    """A meter repeated is no change and moves no bar line: all of Pop1K7 says 4/4 again within the first bar."""
    meter_at = {0: (4, 4)}
    for change in changes:
        if change.denominator > FINEST_METER:
            raise NotMidiError("it has a meter finer than 64ths")
        meter_at[scale(change.time)] = (change.numerator, change.denominator)
    return tuple(MeterChange(tick, *meter) for tick, meter in _without_repeats(sorted(meter_at.items())))


def _without_repeats(changes: Iterable[tuple[int, _Value]]) -> Iterator[tuple[int, _Value]]:
    for _, same in groupby(changes, key=lambda change: change[1]):
        yield next(same)


def bar_ticks(meter: MeterChange) -> int:
    """How long the meter's bars are; a quarter note is a beat in every meter."""
    return TICKS_PER_BEAT * 4 * meter.numerator // meter.denominator


def _end(last_onset: int, meters: Sequence[MeterChange]) -> int:
    """Where the bar ends in which the last onset lies, bars counted from the last change of meter."""
    onset = last_onset + EARLY_TICKS
    meter = max(meter for meter in meters if meter.tick <= onset)
    return meter.tick + ((onset - meter.tick) // bar_ticks(meter) + 1) * bar_ticks(meter)
