"""Score -> MP3: FluidSynth plays it from a soundfont, loudness.py levels it, ffmpeg encodes it, all at once.

`stems.py` and `loop.py` make more of the same, and pydub has it encoded.

The MP3 begins with the first note (at most LEAD_SECONDS before it), goes on to the end of the last one, which
`duration_seconds` gives, and then lets that ring until it has sunk to -54 dBFS: half a second for a piano, at most
TAIL_SECONDS for bells. The same score always gives the same bytes.
"""

from __future__ import annotations

import ctypes
import io
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from composer.errors import RenderingError
from composer.music.meter import TICKS_PER_BEAT
from composer.music.score import BANKS, BEND, CONTROLLER, DEFAULT_BPM, PEDAL, PROGRAM, Control, Part, Score, TempoChange
from composer.rendering.encoders import encode_stream, need_ffmpeg
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.loudness import SAMPLE_RATE, Sound, gain_for, limited

LEAD_SECONDS = 0.5  # silence before the first note that is kept; an opening may begin with empty bars
TAIL_SECONDS = 5.0  # the longest that the last note rings on
FADE_SECONDS = 1.0  # what still sounds when the time is up is faded out
LIMIT_SECONDS = 20 * 60.0  # of sound in one MP3: 420 MB as float32, 19 MB at 128k
INAUDIBLE = 10 ** (-54 / 20)  # -54 dBFS, 38 dB below the music

DRUM_BANK = 128  # of a soundfont
MODES = 124  # controllers from here on change how a synthesiser works
PART = 2 * SAMPLE_RATE  # frames, about, that are handed to the encoder at once
BLOCK = 64  # frames: FluidSynth begins and ends notes at multiples of this, 1.5 ms

# FluidR3, the MIT-licensed General MIDI soundfont, where packages and people put it. The mono one is the faster.
SOUNDFONTS = (
    Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3"),  # Debian, Ubuntu: fluidr3mono-gm-soundfont
    Path("/usr/share/sounds/sf2/FluidR3_GM.sf2"),  # Debian, Ubuntu: fluid-soundfont-gm
    Path("/usr/share/soundfonts/FluidR3_GM.sf2"),  # Fedora: fluid-soundfont-gm; Arch: soundfont-fluid
    Path("/opt/homebrew/share/soundfonts/FluidR3_GM.sf2"),  # macOS, Apple silicon
    Path("/usr/local/share/soundfonts/FluidR3_GM.sf2"),  # macOS, Intel
    Path("/Library/Audio/Sounds/Banks/FluidR3_GM.sf2"),  # macOS, where its own programs look
)


class KeyEvent(NamedTuple):
    """A key goes down or up. Sorted, a release comes before a strike at the same time."""

    frame: int
    velocity: int  # 0 releases
    pitch: int
    channel: int = 0
    part: int = 0  # its number in the score


class Told(NamedTuple):
    """What a channel is told beside notes."""

    frame: int
    channel: int
    control: Control


def render_mp3(
    score: Score,
    title: str = "",
    bitrate: str = "128k",
    soundfont: Path | None = None,
    limit_seconds: float = LIMIT_SECONDS,
) -> bytes:
    """Play `score`, each part on its instrument, at -16 LUFS. Raises RenderingError.

    title: goes into the ID3 tag.   bitrate: as ffmpeg takes it.   soundfont: None looks in SOUNDFONTS.
    limit_seconds: a longer piece is faded out there.
    """
    return encode_stream(limited(_stream(score, soundfont, limit_seconds)), title, bitrate)


def duration_seconds(score: Score, limit_seconds: float = LIMIT_SECONDS) -> float:
    """From the beginning of the MP3 to the end of its last note, exactly.

    The MP3 is longer than this by the tail: at least nothing, at most TAIL_SECONDS, and never beyond `limit_seconds`.
    """
    return min(key_events(score)[-1].frame / SAMPLE_RATE, limit_seconds)


def synthesise(
    score: Score, soundfont: Path | None = None, limit_seconds: float = LIMIT_SECONDS, part: int | None = None
) -> Sound:
    """What FluidSynth makes of `score`, with TAIL_SECONDS after its end. Shape (frames, 2). Raises RenderingError.

    Float, so that nothing clips or drowns in rounding before its loudness is known.

    part: the number of the only one that is heard, as it sounds among the others; None for all. As far as there are
    voices for all of them (256), the parts sum up to the whole.
    """
    keys = key_events(score)
    heard = [key for key in keys if part is None or key.part == part]
    return play(score, heard, told_events(score), _frames(keys, limit_seconds), soundfont)


def play(
    score: Score,
    keys: list[KeyEvent],
    told: list[Told],
    frames: int,
    soundfont: Path | None = None,
    rate: int = SAMPLE_RATE,
) -> Sound:
    """What FluidSynth makes of events on the instruments of a score; what sounds at the end is faded out.

    Shape (frames, 2). Raises RenderingError.

    rate: of frames a second; those of events are such, too.
    """
    sound = np.zeros((frames, 2), dtype=np.float32)
    with _synthesiser(score, find_soundfont(soundfont), rate) as synth:
        for _ in _play(synth, keys, told, sound):
            pass
    _fade(sound, round(FADE_SECONDS * rate))
    return sound


def _stream(score: Score, soundfont: Path | None, limit_seconds: float) -> Iterator[Sound]:
    """What is heard, part after part as it is played, at its loudness; its peaks are still to be limited."""
    keys, told = key_events(score), told_events(score)
    frames, last = _frames(keys, limit_seconds), round(FADE_SECONDS * SAMPLE_RATE)
    ended = round(duration_seconds(score, limit_seconds) * SAMPLE_RATE)
    sound, done = np.zeros((frames, 2), dtype=np.float32), 0
    # Around the other one that the gain needs: they share the samples, which take a tenth of a second to unpack.
    with _synthesiser(score, find_soundfont(soundfont)) as synth:
        gain = _gain(score, keys, told, frames, soundfont)
        for there in _play(synth, keys, told, sound):
            if (until := min(there, ended, frames - last)) - done >= PART:
                yield sound[done:until] * np.float32(gain)
                done = until
    _fade(sound, last)
    yield trim(sound[done:] * np.float32(gain), (ended - done) / SAMPLE_RATE)


def _gain(score: Score, keys: list[KeyEvent], told: list[Told], frames: int, soundfont: Path | None) -> float:
    """That makes it as loud as it is to be.

    It is found by playing at half the rate, which costs half and tells the loudness of music within 0.2 LU: so the
    encoder need not wait until all of it is played.
    """
    half_keys = [key._replace(frame=key.frame // 2) for key in keys]
    half_told = [one._replace(frame=one.frame // 2) for one in told]
    rate = SAMPLE_RATE // 2
    return gain_for(play(score, half_keys, half_told, frames // 2, soundfont, rate), rate)


def _frames(keys: list[KeyEvent], limit_seconds: float) -> int:
    """Until the last key is let go, and the tail."""
    return min(keys[-1].frame + round(TAIL_SECONDS * SAMPLE_RATE), round(limit_seconds * SAMPLE_RATE))


def _fade(sound: Sound, frames: int) -> None:
    fade = min(frames, len(sound))
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]


def trim(sound: Sound, seconds: float) -> Sound:
    """Without the silence at the end, but with all of the first `seconds`."""
    kept = round(seconds * SAMPLE_RATE)
    audible = np.flatnonzero(np.abs(sound[kept:]).max(axis=1) > INAUDIBLE)
    return sound[: kept + int(audible[-1]) + 1] if audible.size else sound[:kept]


def check_installed(soundfont: Path | None = None) -> None:
    """Raises RenderingError if FluidSynth, a soundfont or ffmpeg is missing: better said before composing."""
    _fluidsynth()
    find_soundfont(soundfont)
    need_ffmpeg()


def find_soundfont(soundfont: Path | None = None) -> Path:
    """`soundfont` if given, else the first of SOUNDFONTS that is there. Raises RenderingError."""
    if soundfont is not None:
        if not soundfont.is_file():
            raise RenderingError(f"There is no soundfont at {soundfont}. Correct the path, or leave it out.")
        return soundfont
    for place in SOUNDFONTS:
        if place.is_file():
            return place
    raise RenderingError(
        "No soundfont was found, so nothing can be played. Install FluidR3, for example: "
        "apt install fluidr3mono-gm-soundfont (Fedora: dnf install fluid-soundfont-gm), or name a soundfont file."
    )


def key_events(score: Score, begin: int | None = None) -> list[KeyEvent]:
    """Every strike and release in time. Raises RenderingError if there are no notes.

    begin: frames after tick 0 from which they are counted; None for where the MP3 begins.
    """
    notes = [(number, part.channel, note) for number, part in enumerate(score.as_heard) for note in part.notes]
    if not notes:
        raise RenderingError("The piece has no notes, so there is nothing to hear.")
    ticks = np.array([(note.start, note.end) for *_, note in notes])
    frames = frames_at(score, ticks) - (_silence(score) if begin is None else begin)
    events = []
    for (number, channel, note), (start, end) in zip(notes, frames.tolist(), strict=True):
        events.append(KeyEvent(start, note.velocity, note.pitch, channel, number))
        released = max(end, start + BLOCK)  # a release comes behind its strike
        events.append(KeyEvent(released, 0, note.pitch, channel, number))
    return sorted(events)


def told_events(score: Score, begin: int | None = None) -> list[Told]:
    """What is told beside notes, in time; not the pedal, by which notes are held already, nor banks, for GM has one.

    begin: as of key_events.
    """
    told = sorted(
        (control.tick, number, part.channel, control)
        for part in score.parts
        for number, control in enumerate(part.controls)
        if not (control.kind == CONTROLLER and (control.first in (PEDAL, *BANKS) or control.first >= MODES))
    )
    ticks = np.array([tick for tick, *_ in told], dtype=np.int64)
    frames = frames_at(score, ticks) - (_silence(score) if begin is None else begin)
    return [
        Told(max(0, frame), channel, control)
        for frame, (_, _, channel, control) in zip(frames.tolist(), told, strict=True)
    ]


def frames_at(score: Score, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """When `ticks` are played, by every tempo change: Score.seconds_at for many ticks at once, in frames."""
    changes = (TempoChange(0, DEFAULT_BPM), *score.tempos)
    starts = np.array([change.tick for change in changes])
    frames_per_tick = np.array([SAMPLE_RATE * 60 / (change.bpm * TICKS_PER_BEAT) for change in changes])
    frames = np.concatenate([[0.0], np.cumsum(np.diff(starts) * frames_per_tick[:-1])])
    current = np.searchsorted(starts, ticks, side="right") - 1
    return np.asarray(np.rint(frames[current] + (ticks - starts[current]) * frames_per_tick[current]), dtype=np.int64)


def _silence(score: Score) -> int:
    """The frames before the first note that are left out."""
    first = min(note.start for part in score.parts for note in part.notes)
    return max(0, int(frames_at(score, np.array([first]))[0]) - round(LEAD_SECONDS * SAMPLE_RATE))


@contextmanager
def _synthesiser(score: Score, soundfont: Path, rate: int = SAMPLE_RATE) -> Iterator[Any]:
    """A fluidsynth.Synth whose channels have the instruments of the parts."""
    synth = _fluidsynth().Synth(
        gain=1.0,
        samplerate=float(rate),
        channels=16,
        # Only the samples of the chosen instruments are loaded: 0.1 s, not 4 s. The chorus is no part of a piano.
        **{"synth.dynamic-sample-loading": 1, "synth.chorus.active": 0},
    )
    try:
        bank = synth.sfload(str(soundfont))
        if bank < 0:
            raise RenderingError(f"{soundfont} is not a soundfont that can be read. Name another one.")
        for part in reversed([part for part in score.parts if part.notes]):  # a channel's first part counts
            if not _select(synth, bank, part):
                raise RenderingError(
                    f"{soundfont.name} has no instrument {part.program}. Choose another one, 0 is a piano."
                )
        yield synth
    finally:
        synth.delete()


def _select(synth: Any, bank: int, part: Part) -> bool:
    """Whether the soundfont has its instrument; any drums will do."""
    if part.is_drum:
        kits = (part.program, 0)
        return any(synth.program_select(part.channel, bank, DRUM_BANK, kit) >= 0 for kit in kits)
    return part.program in range(len(INSTRUMENTS)) and synth.program_select(part.channel, bank, 0, part.program) >= 0


def _play(synth: Any, keys: list[KeyEvent], told: list[Told], sound: Sound) -> Iterator[int]:
    """Fill `sound` with what `synth` plays. A pitch struck again while it sounds stops with its last release.

    Yields how many of its frames are there, again and again.
    """
    holders: Counter[tuple[int, int]] = Counter()
    now = 0
    events: list[KeyEvent | Told] = [*told, *keys]  # at one frame what is told comes first
    for event in sorted(events, key=lambda event: event.frame):
        if event.frame >= len(sound):
            break
        _write(synth, sound[now : event.frame])
        now = event.frame
        yield now
        if isinstance(event, Told):
            _tell(synth, event.channel, event.control)
            continue
        holders[event.channel, event.pitch] += 1 if event.velocity else -1
        if event.velocity:
            synth.noteon(event.channel, event.pitch, event.velocity)
        elif holders[event.channel, event.pitch] == 0:
            synth.noteoff(event.channel, event.pitch)
    _write(synth, sound[now:])


def _tell(synth: Any, channel: int, control: Control) -> None:
    """Pressure is left out: what it does is up to a soundfont, and a piano has none."""
    if control.kind == CONTROLLER:
        synth.cc(channel, control.first, control.second)
    elif control.kind == PROGRAM:
        synth.program_change(channel, control.first)
    elif control.kind == BEND:
        synth.pitch_bend(channel, (control.second << 7 | control.first) - 8192)


def _write(synth: Any, sound: Sound) -> None:
    """Fill `sound`, left and right in turn, with the next that `synth` plays."""
    _write_float()(synth.synth, len(sound), sound.ctypes.data, 0, 2, sound.ctypes.data, 1, 2)


@cache
def _write_float() -> Any:
    """FluidSynth's get_samples for floats, which pyfluidsynth leaves out."""
    write = ctypes.CDLL(_fluidsynth().lib).fluid_synth_write_float
    channel = (ctypes.c_void_p, ctypes.c_int, ctypes.c_int)  # where to, offset, step
    write.argtypes = (ctypes.c_void_p, ctypes.c_int, *channel, *channel)
    return write


def _fluidsynth() -> Any:
    """The module, imported only here because the import fails where libfluidsynth is not installed."""
    try:
        with redirect_stdout(io.StringIO()):  # where the variable CI is set it prints which library it found
            import fluidsynth
    except (ImportError, OSError) as error:
        raise RenderingError(
            "FluidSynth is missing, so nothing can be played. Install it, for example: apt install libfluidsynth3"
        ) from error
    return fluidsynth
