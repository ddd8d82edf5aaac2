"""Score -> MP3: FluidSynth plays it from a soundfont, loudness.py levels it, pydub has ffmpeg encode it.

The MP3 begins with the first note (at most LEAD_SECONDS before it), goes on to the end of the last one, which
`duration_seconds` gives, and then lets that ring until it has sunk to -54 dBFS: half a second for a piano, at most
TAIL_SECONDS for bells. The same score always gives the same bytes.
"""

from __future__ import annotations

import ctypes
import io
import shutil
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from composer.errors import RenderingError
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.loudness import SAMPLE_RATE, Sound, level
from composer.score import DEFAULT_BPM, TICKS_PER_BEAT, Score, TempoChange

LEAD_SECONDS = 0.5  # silence before the first note that is kept; an opening may begin with empty bars
TAIL_SECONDS = 5.0  # the longest that the last note rings on
FADE_SECONDS = 1.0  # what still sounds when the time is up is faded out
LIMIT_SECONDS = 20 * 60.0  # of sound in one MP3: 420 MB as float32, 19 MB at 128k
INAUDIBLE = 10 ** (-54 / 20)  # -54 dBFS, 38 dB below the music

CHANNEL = 0  # not 9, which would be drums
BLOCK = 64  # frames: FluidSynth begins and ends notes at multiples of this, 1.5 ms
TITLE_LENGTH = 200  # characters

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


def render_mp3(
    score: Score,
    program: int = 0,
    title: str = "",
    bitrate: str = "128k",
    soundfont: Path | None = None,
    limit_seconds: float = LIMIT_SECONDS,
) -> bytes:
    """Play `score` on a General MIDI instrument (0-127) at -16 LUFS. Raises RenderingError.

    title: goes into the ID3 tag.   bitrate: as ffmpeg takes it.   soundfont: None looks in SOUNDFONTS.
    limit_seconds: a longer piece is faded out there.
    """
    sound = level(synthesise(score, program, soundfont, limit_seconds))
    return encode_mp3(trim(sound, duration_seconds(score, limit_seconds)), title, bitrate)


def duration_seconds(score: Score, limit_seconds: float = LIMIT_SECONDS) -> float:
    """From the beginning of the MP3 to the end of its last note, exactly.

    The MP3 is longer than this by the tail: at least nothing, at most TAIL_SECONDS, and never beyond `limit_seconds`.
    """
    return min(key_events(score)[-1].frame / SAMPLE_RATE, limit_seconds)


def synthesise(
    score: Score, program: int = 0, soundfont: Path | None = None, limit_seconds: float = LIMIT_SECONDS
) -> Sound:
    """What FluidSynth makes of `score`, with TAIL_SECONDS after its end. Shape (frames, 2). Raises RenderingError.

    Float, so that nothing clips or drowns in rounding before its loudness is known.
    """
    events = key_events(score)
    end = events[-1].frame + round(TAIL_SECONDS * SAMPLE_RATE)
    sound = np.zeros((min(end, round(limit_seconds * SAMPLE_RATE)), 2), dtype=np.float32)
    with _synthesiser(program, find_soundfont(soundfont)) as synth:
        _play(synth, events, sound)
    fade = min(round(FADE_SECONDS * SAMPLE_RATE), len(sound))
    sound[-fade:] *= np.linspace(1, 0, fade, dtype=np.float32)[:, None]
    return sound


def trim(sound: Sound, seconds: float) -> Sound:
    """Without the silence at the end, but with all of the first `seconds`."""
    kept = round(seconds * SAMPLE_RATE)
    audible = np.flatnonzero(np.abs(sound[kept:]).max(axis=1) > INAUDIBLE)
    return sound[: kept + int(audible[-1]) + 1] if audible.size else sound[:kept]


def encode_mp3(sound: Sound, title: str = "", bitrate: str = "128k") -> bytes:
    """`sound` as an MP3 file with an ID3 title. Raises RenderingError without ffmpeg."""
    _need_ffmpeg()
    with warnings.catch_warnings():  # on Python 3.11 and 3.12 pydub imports audioop, which 3.13 left out
        warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
        from pydub import AudioSegment
        from pydub.exceptions import CouldntEncodeError
    segment = AudioSegment(data=_pcm(sound), sample_width=2, frame_rate=SAMPLE_RATE, channels=2)
    file = io.BytesIO()
    try:
        segment.export(file, format="mp3", bitrate=bitrate, tags={"title": _printable(title)})
    except CouldntEncodeError as error:
        raise RenderingError(f"ffmpeg could not write an MP3 with bitrate {bitrate!r}.") from error
    return file.getvalue()


def check_installed(soundfont: Path | None = None) -> None:
    """Raises RenderingError if FluidSynth, a soundfont or ffmpeg is missing: better said before composing."""
    _fluidsynth()
    find_soundfont(soundfont)
    _need_ffmpeg()


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


def key_events(score: Score) -> list[KeyEvent]:
    """Every strike and release in time, in frames from where the MP3 begins. RenderingError if there are no notes."""
    if not score.notes:
        raise RenderingError("The piece has no notes, so there is nothing to hear.")
    frames = _frames_at(score, np.array([(note.start, note.end) for note in score.sounding]))
    frames -= max(0, int(frames.min()) - round(LEAD_SECONDS * SAMPLE_RATE))
    events = []
    for note, (start, end) in zip(score.sounding, frames.tolist(), strict=True):
        events.append(KeyEvent(start, note.velocity, note.pitch))
        events.append(KeyEvent(max(end, start + BLOCK), 0, note.pitch))  # or a release could come before its strike
    return sorted(events)


def _frames_at(score: Score, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """When `ticks` are played, by every tempo change: Score.seconds_at for many ticks at once, in frames."""
    changes = (TempoChange(0, DEFAULT_BPM), *score.tempos)
    starts = np.array([change.tick for change in changes])
    frames_per_tick = np.array([SAMPLE_RATE * 60 / (change.bpm * TICKS_PER_BEAT) for change in changes])
    frames = np.concatenate([[0.0], np.cumsum(np.diff(starts) * frames_per_tick[:-1])])
    current = np.searchsorted(starts, ticks, side="right") - 1
    return np.asarray(np.rint(frames[current] + (ticks - starts[current]) * frames_per_tick[current]), dtype=np.int64)


@contextmanager
def _synthesiser(program: int, soundfont: Path) -> Iterator[Any]:
    """A fluidsynth.Synth that plays `program` on CHANNEL."""
    synth = _fluidsynth().Synth(
        gain=1.0,
        samplerate=float(SAMPLE_RATE),
        channels=16,
        # Only the samples of the chosen instrument are loaded: 0.1 s, not 4 s. The chorus is no part of a piano.
        **{"synth.dynamic-sample-loading": 1, "synth.chorus.active": 0},
    )
    try:
        bank = synth.sfload(str(soundfont))
        if bank < 0:
            raise RenderingError(f"{soundfont} is not a soundfont that can be read. Name another one.")
        if not 0 <= program < len(INSTRUMENTS) or synth.program_select(CHANNEL, bank, 0, program) < 0:
            raise RenderingError(f"{soundfont.name} has no instrument {program}. Choose another one, 0 is a piano.")
        yield synth
    finally:
        synth.delete()


def _play(synth: Any, events: list[KeyEvent], sound: Sound) -> None:
    """Fill `sound` with what `synth` plays. A pitch struck again while it sounds stops with its last release."""
    holders: Counter[int] = Counter()
    now = 0
    for event in events:
        if event.frame >= len(sound):
            break
        _write(synth, sound[now : event.frame])
        now = event.frame
        holders[event.pitch] += 1 if event.velocity else -1
        if event.velocity:
            synth.noteon(CHANNEL, event.pitch, event.velocity)
        elif holders[event.pitch] == 0:
            synth.noteoff(CHANNEL, event.pitch)
    _write(synth, sound[now:])


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


def _need_ffmpeg() -> None:
    if shutil.which("ffmpeg") is None:
        raise RenderingError("ffmpeg is missing, so no MP3 can be made. Install it, for example: apt install ffmpeg")


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


def _pcm(sound: Sound) -> bytes:
    """As 16-bit little-endian samples, left and right in turn."""
    pcm = np.empty(sound.shape, dtype="<i2")
    np.multiply(sound, 32767, out=pcm, casting="unsafe")
    return pcm.tobytes()


def _printable(title: str) -> str:
    """Without what an argument of ffmpeg cannot hold: control characters, halves of surrogate pairs."""
    return "".join(character for character in title if character.isprintable())[:TITLE_LENGTH]
