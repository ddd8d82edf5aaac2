"""MIDI bytes <-> Score. The only importer of miditoolkit, and the place where strangers' files are taken apart.

    parse_midi    trusted bytes, in this process
    parse_keys    the same as it is written: the keys without the pedal
    read_midi     a stranger's bytes, in a child process that can be killed
    sift_midi     the same music as a file with nothing else in it, to be kept
    dump_midi     a Score as a MIDI file

A file takes three steps: `_sift` walks its events once, counts them and leaves out what a piano part does not need;
miditoolkit turns what is left into notes; `_score_of` makes them a Score. The first step is there because miditoolkit
is quadratic in stacked notes of one pitch and believes whatever a file claims.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from composer import errors, sandbox
from composer.errors import CompositionError, HostileMidiError, NoNotesError, NotMidiError, OpeningError
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

# What a file may cost. A file at all limits at once is read within a CPU second and 300 MB, child start included.
MAX_BYTES = 2 * 2**20  # the longest piano recordings have 0.5 MB
MAX_TRACKS = 512  # a full orchestra has 60
MAX_EVENTS = 30_000  # an hour of pop piano; the longest song of Pop1K7 has 13,493
MAX_BEATS = 8_000  # over an hour at 120 BPM, and below 2^28 ticks whatever the resolution
MAX_STACKED = 1_000_000  # open notes that miditoolkit would copy, summed over all releases

# What the child of read_midi may cost: far more than any file within the limits above, as a net below them.
CHILD_LIMITS = sandbox.Limits(
    memory=256 * 2**20,  # 100 MB are taken before the first note
    cpu=5,
)
CHILD_WALL = 20  # seconds, for a machine that is busy with something else

_PEDAL, _PEDAL_DOWN = 64, 64  # the controller, and its lowest value that means down
_DRUMS = 9  # the channel
_NOTE_ON, _LAST_NOTE_STATUS, _CONTROL, _PROGRAM, _SYSEX, _SYSEX_PART, _META = 0x90, 0x9F, 0xB0, 0xC0, 0xF0, 0xF7, 0xFF
_DATA_BYTES = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}  # by the high half of the status byte
_TRACK_NAME, _TEMPO, _METER = 0x03, 0x51, 0x58
_NEEDED_METAS = {_TEMPO: 3, _METER: 4}  # meta type -> its only valid length in bytes
_END_OF_TRACK = b"\x00\xff\x2f\x00"
# miditoolkit forgets a note's channel but keeps its program, so every channel plays the program of its own number.
_CHANNELS_AS_PROGRAMS = b"".join(bytes((0, _PROGRAM | channel, channel)) for channel in range(16))


def parse_midi(data: bytes, leave_out: Collection[str] = ()) -> Score:
    """The piano part of a MIDI file: every track but the drums, microtiming kept, as keys are held and as it sounds.

    leave_out: names of tracks to ignore.   Chords stay empty; a key that is never released makes no note.
    Raises NotMidiError, HostileMidiError or NoNotesError. For files of strangers there is read_midi.
    """
    return _score_of(_parsed(_sift(data, leave_out)))


def parse_keys(data: bytes, leave_out: Collection[str] = ()) -> tuple[list[Note], tuple[MeterChange, ...]]:
    """The notes as they are written, track by track in the order of the file, and the meters.

    A note ends with its key whatever the pedal does, and nothing is sorted: for statistics of files, where parse_midi
    is for what one hears. Raises what parse_midi raises.
    """
    midi = _parsed(_sift(data, leave_out))
    scale = _scale_of(midi)
    notes = [_scaled(note, scale) for instrument in midi.instruments for note in instrument.notes]
    return notes, _meters(midi.time_signature_changes, scale)


def sift_midi(data: bytes) -> bytes:
    """The piano part of a MIDI file and nothing else: parse_midi makes the same score of it, and it sifts to itself.

    Times stay in the file's own resolution, so nothing is rounded. For files that parse_midi has read.
    """
    sifted = _sift(data, ())
    return _written(sifted.resolution, sifted.tracks)


def _parsed(sifted: _Sifted) -> miditoolkit.MidiFile:
    """Raises NoNotesError, and NotMidiError where miditoolkit stumbles."""
    import miditoolkit  # 0.1 s and 20 MB; a file that _sift refuses does without, and so does the bot's own process

    tracks = [_CHANNELS_AS_PROGRAMS + track for track in sifted.tracks]
    try:
        midi = miditoolkit.MidiFile(file=io.BytesIO(_written(sifted.resolution, tracks)))
    except MemoryError:
        raise
    except Exception as error:  # it raises what comes to hand: EOFError, OSError, ValueError, ZeroDivisionError ...
        raise NotMidiError("an event in it has a value that MIDI does not know") from error
    if not any(instrument.notes for instrument in midi.instruments):
        raise NoNotesError(sifted.drum_notes)
    return midi


def read_midi(data: bytes) -> Score:
    """parse_midi for a stranger's file: in a child process with limits, so that no file can hang or fill this one.

    Raises what parse_midi raises, HostileMidiError if the child had to be killed, CompositionError if it cannot work
    here at all. Blocks: call it in a thread.
    """
    if len(data) > MAX_BYTES:
        raise HostileMidiError(f"it has {len(data):,} bytes; {MAX_BYTES:,} are taken")
    try:
        child = sandbox.run(_child_command(), data, CHILD_LIMITS, CHILD_WALL, variables=_CHILD_VARIABLES)
    except subprocess.TimeoutExpired:
        raise HostileMidiError("reading it takes too long") from None
    if child.returncode < 0:  # a signal ended it
        raise HostileMidiError("reading it takes too much time or memory")
    if child.returncode > 0:  # no file can do this: the installation is broken
        last_line = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CompositionError(f"MIDI files cannot be read here: {last_line}. Set Segue up again and try once more.")
    return _received(json.loads(child.stdout))


def dump_midi(score: Score, program: int = 0, title: str = "") -> bytes:
    """A MIDI file with one instrument, the tempi and meters, and chords as markers. The same score, the same bytes.

    program: General MIDI, 0-127.   A key that is struck again while it sounds is let go first, for in MIDI two notes
    of one pitch cannot be told apart; of those struck at the same tick the longest stays.
    """
    import miditoolkit

    piano = miditoolkit.Instrument(
        program, name=title.encode(errors="replace").decode("latin-1")
    )  # mido writes Latin-1: UTF-8 it is
    piano.notes = [miditoolkit.Note(n.velocity, n.pitch, n.start, n.end) for n in cut_at_repeats(score.notes)]
    piano.control_changes = [
        miditoolkit.ControlChange(_PEDAL, value, tick)
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


# --- the child of read_midi -----------------------------------------------------------------------------------------

# Threads of BLAS would take address space each.
_CHILD_VARIABLES = {"OPENBLAS_NUM_THREADS": "1"}
_CHILD_CODE = "import sys; sys.path[:] = sys.argv[1:]; from composer.midi import answer; answer()"


def _child_command() -> list[str]:
    """This interpreter without site packages of its own (-I -S), given the paths where this process finds its modules.

    The package's own folder comes last, for installations whose path is known to an import hook alone.
    """
    return [sys.executable, "-I", "-S", "-c", _CHILD_CODE, *sys.path, str(Path(__file__).parents[1])]


def answer() -> None:
    """The child's side: read a file from stdin, write a score or an error as JSON to stdout."""
    try:
        reply = json.dumps(_sent(parse_midi(sys.stdin.buffer.read())))
    except MemoryError:
        reply = json.dumps(
            {"error": HostileMidiError.__name__, "fields": {"reason": "reading it takes too much memory"}}
        )
    except OpeningError as error:
        reply = json.dumps({"error": type(error).__name__, "fields": vars(error)})
    sys.stdout.write(reply)


def _sent(score: Score) -> dict[str, Any]:
    return {
        "notes": [(note.start, note.pitch, note.end, note.velocity) for note in score.notes],
        "pedal": score.pedal,
        "held": [(note.start, note.pitch, note.end, note.velocity) for note in score.held],
        "tempos": [(tempo.tick, tempo.bpm) for tempo in score.tempos],
        "meters": [(meter.tick, meter.numerator, meter.denominator) for meter in score.meters],
        "end": score.end,
    }


def _received(reply: dict[str, Any]) -> Score:
    """The score that the child sent. Raises the OpeningError that it met."""
    if "error" in reply:
        raise getattr(errors, reply["error"])(**reply["fields"])
    return Score(
        notes=tuple(Note(*note) for note in reply["notes"]),
        tempos=tuple(TempoChange(*tempo) for tempo in reply["tempos"]),
        meters=tuple(MeterChange(*meter) for meter in reply["meters"]),
        end=reply["end"],
        pedal=tuple((down, up) for down, up in reply["pedal"]),
        held=tuple(Note(*note) for note in reply["held"]),
    )


# --- bytes -> bytes: what miditoolkit may see -----------------------------------------------------------------------


class _Sifted(NamedTuple):
    """What miditoolkit reads in linear time. Its tracks are not empty."""

    resolution: int
    tracks: list[bytes]
    drum_notes: int  # that were left out


def _sift(data: bytes, leave_out: Collection[str]) -> _Sifted:
    """The same music without the RIFF wrapper, chunks that are not tracks, tracks named in leave_out, the drums, and
    all events but notes, the pedal, tempi and meters."""
    if len(data) > MAX_BYTES:
        raise HostileMidiError(f"it has {len(data):,} bytes; {MAX_BYTES:,} are taken")
    resolution, chunks = _chunks(_unwrap_riff(data))
    tally = _Tally(last_tick=MAX_BEATS * resolution)
    tracks = [sifted for chunk in chunks if chunk and (sifted := _sift_track(chunk, leave_out, tally))]
    if not tracks:
        raise NoNotesError(tally.drum_notes)
    return _Sifted(resolution, tracks, tally.drum_notes)


def _written(resolution: int, tracks: Sequence[bytes]) -> bytes:
    """A MIDI file of these tracks."""
    header = b"".join(number.to_bytes(2, "big") for number in (1, len(tracks), resolution))
    return _chunk(b"MThd", header) + b"".join(_chunk(b"MTrk", track + _END_OF_TRACK) for track in tracks)


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "big") + body


def _unwrap_riff(data: bytes) -> bytes:
    """The MIDI file inside a RIFF file (.rmi); other data as it is."""
    if data[:4] != b"RIFF":
        return data
    at = 12
    while data[8:12] == b"RMID" and at + 8 <= len(data):
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data":
            return data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    raise NotMidiError("it is a RIFF file with no MIDI inside")


def _chunks(data: bytes) -> tuple[int, list[bytes]]:
    """Ticks a beat, and the bytes of each track."""
    size = int.from_bytes(data[4:8], "big")
    if data[:4] != b"MThd" or size < 6 or len(data) < 8 + size:
        raise NotMidiError("it has no MIDI header")
    kind, count, resolution = (int.from_bytes(data[at : at + 2], "big") for at in (8, 10, 12))
    _check_header(kind, count, resolution)
    tracks: list[bytes] = []
    at = 8 + size
    while len(tracks) < count:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "big")
        if at + 8 + size > len(data):
            raise NotMidiError(f"it ends within track {len(tracks) + 1} of {count}")
        if name == b"MTrk":  # the standard has readers skip all others
            tracks.append(data[at + 8 : at + 8 + size])
        at += 8 + size
    return resolution, tracks


def _check_header(kind: int, count: int, resolution: int) -> None:
    if kind > 1:
        raise NotMidiError(f"its format is {kind}, and only formats 0 and 1 hold one piece")
    if count == 0:
        raise NoNotesError
    if count > MAX_TRACKS:
        raise HostileMidiError(f"it has {count:,} tracks; {MAX_TRACKS} are taken")
    if resolution == 0:
        raise NotMidiError("it has no ticks in a beat")
    if resolution & 0x8000:
        raise NotMidiError("its times count film frames (SMPTE) in place of beats")


class _Event(NamedTuple):
    """One event of a track. body and end are offsets into the track's bytes."""

    tick: int  # from the start of the track, in the file's own resolution
    status: int
    meta: int  # the type of a meta event, else -1
    body: int  # where the data begins, behind status, type and length
    end: int


@dataclass(slots=True)
class _Tally:
    """What the file has cost so far. Each method raises HostileMidiError when it is too much."""

    last_tick: int
    events: int = 0
    stacked: int = 0
    drum_notes: int = 0
    open_notes: Counter[tuple[int, int]] = field(default_factory=Counter)  # (channel, pitch) -> how many, in this track

    def event(self, tick: int) -> None:
        self.events += 1
        if self.events > MAX_EVENTS:
            raise HostileMidiError(f"it has more than {MAX_EVENTS:,} events")
        if tick > self.last_tick:
            raise HostileMidiError(f"it claims to last more than {MAX_BEATS:,} beats")

    def note(self, status: int, pitch: int, velocity: int) -> None:
        key = (status & 0x0F, pitch)
        if status & 0xF0 == _NOTE_ON and velocity:
            self.open_notes[key] += 1
            self.drum_notes += key[0] == _DRUMS
        elif self.open_notes[key]:
            self.stacked += self.open_notes[key]
            self.open_notes[key] -= 1
            if self.stacked > MAX_STACKED:
                raise HostileMidiError("it strikes one key again and again without letting it go")


def _sift_track(track: bytes, leave_out: Collection[str], tally: _Tally) -> bytes:
    """The events of the track that are needed; b"" if its name is in leave_out."""
    sifted, last, running = bytearray(), 0, b""
    tally.open_notes.clear()
    for event in _events(track):
        tally.event(event.tick)
        if event.status <= _LAST_NOTE_STATUS:
            tally.note(event.status, track[event.body], track[event.body + 1])
        elif event.meta == _TRACK_NAME and track[event.body : event.end].decode("latin-1") in leave_out:
            return b""
        if _is_needed(event, track):
            head = _head(event)
            sifted += _as_number(event.tick - last) + head * (head != running) + track[event.body : event.end]
            last, running = event.tick, head if event.meta < 0 else b""
    return bytes(sifted)


def _is_needed(event: _Event, track: bytes) -> bool:
    """Whether miditoolkit is to see the event. Raises NotMidiError for a needed meta event of the wrong length."""
    if event.meta in _NEEDED_METAS and event.end - event.body != _NEEDED_METAS[event.meta]:
        raise NotMidiError("a tempo or a meter has the wrong length")
    if event.status >= _SYSEX:
        return event.meta in _NEEDED_METAS
    is_pedal = event.status & 0xF0 == _CONTROL and track[event.body] == _PEDAL
    return (event.status <= _LAST_NOTE_STATUS or is_pedal) and event.status & 0x0F != _DRUMS


def _head(event: _Event) -> bytes:
    """What stands between an event's delta time and its data."""
    return bytes((event.status,) if event.meta < 0 else (_META, event.meta, event.end - event.body))


def _events(track: bytes) -> Iterator[_Event]:
    """Walk a track. Raises NotMidiError where its bytes do not add up to events."""
    at = tick = running = 0
    while at < len(track):
        try:
            delta, head = _variable_length(track, at)
            tick += delta
            event = _event(track, head, tick, running)
            if event.end > len(track):
                raise IndexError
        except IndexError:
            raise NotMidiError("a track ends in the middle of an event") from None
        if event.meta < 0:  # a sysex ends running status; a meta event should as well, but there are files that go on
            running = event.status if event.status < _SYSEX else 0
        at = event.end
        yield event


def _event(track: bytes, head: int, tick: int, running: int) -> _Event:
    """The event whose status, or data under the running status, begins at head. IndexError where the track is over."""
    status = track[head]
    body = head + 1
    if status < 0x80:
        status, body = running, head
    if status & 0xF0 in _DATA_BYTES:
        return _Event(tick, status, -1, body, body + _DATA_BYTES[status & 0xF0])
    if status in (_SYSEX, _SYSEX_PART):
        length, body = _variable_length(track, body)
        return _Event(tick, status, -1, body, body + length)
    if status == _META:
        length, body = _variable_length(track, body + 1)
        return _Event(tick, status, track[head + 1], body, body + length)
    raise NotMidiError("a track has bytes that belong to no event")


def _variable_length(track: bytes, at: int) -> tuple[int, int]:
    """The number that begins at `at`, seven bits a byte and at most four bytes, and the offset behind it."""
    number = 0
    for behind in range(at + 1, at + 5):
        byte = track[behind - 1]
        number = number << 7 | byte & 0x7F
        if byte < 0x80:
            return number, behind
    raise NotMidiError("a number in it does not end")


def _as_number(number: int) -> bytes:
    """As _variable_length reads it."""
    behind = bytes((number & 0x7F,))
    while number := number >> 7:
        behind = bytes((0x80 | number & 0x7F,)) + behind
    return behind


# --- miditoolkit's notes -> Score -----------------------------------------------------------------------------------


def _score_of(midi: miditoolkit.MidiFile) -> Score:
    """Raises NotMidiError for meters that no music has."""
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
        controls = [control for track in tracks for control in track.control_changes if control.number == _PEDAL]
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
