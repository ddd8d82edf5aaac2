"""Recordings as people make them, a piano beside a phone, silence; and as nobody does who means well."""

from __future__ import annotations

import struct
import subprocess

import numpy as np
import numpy.typing as npt

from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, Score, TempoChange, in_four
from composer.rendering.audio import render_mp3
from composer.rendering.loudness import SAMPLE_RATE

FFMPEG = ("ffmpeg", "-v", "error", "-nostdin")
OPUS = ("-ac", "1", "-c:a", "libopus", "-b:a", "32k", "-f", "ogg", "-")  # as Discord's clients record

# Two bars of a song in C major, each a melody over two notes: (position in eighths, pitches).
PHRASE = ((0, (72, 48, 55)), (2, (67,)), (3, (69,)), (4, (71, 55, 62)), (6, (74,)), (7, (71,)))
ANSWER = ((0, (76, 57, 64)), (2, (72,)), (3, (74,)), (4, (72, 53, 60)), (6, (69,)), (7, (67,)))


def song(bars: int = 4, bpm: float = 100.0) -> Score:
    """Played on a click, so that what is right is known."""
    eighth = TICKS_PER_BAR // 8
    notes = [
        Note(bar * TICKS_PER_BAR + at * eighth, pitch, bar * TICKS_PER_BAR + (at + 2) * eighth - 40, 84 - 12 * below)
        for bar in range(bars)
        for at, pitches in (PHRASE, ANSWER)[bar % 2]
        for below, pitch in enumerate(pitches)
    ]
    return in_four(tuple(sorted(notes)), tempos=(TempoChange(0, bpm),), end=bars * TICKS_PER_BAR)


def piano(score: Score, *encoding: str) -> bytes:
    """Somebody plays it on a piano. encoding: of ffmpeg, such as OPUS; MP3 without it"""
    mp3 = render_mp3(score)
    return _ffmpeg(["-i", "-"], encoding, mp3) if encoding else mp3


def silence(seconds: float, *encoding: str) -> bytes:
    return _ffmpeg(["-f", "lavfi", "-i", "anullsrc=r=48000:cl=mono", "-t", f"{seconds:g}"], encoding)


def decoded(recording: bytes) -> npt.NDArray[np.float32]:
    """What a player makes of it, in floats, so that clipping would show. Shape (frames, 2)."""
    pcm = _ffmpeg(["-i", "pipe:0"], ("-f", "f32le", "-ac", "2", "pipe:1"), recording)
    return np.frombuffer(pcm, dtype="<f4").reshape(-1, 2)


def measured(sound: npt.NDArray[np.float32]) -> float:
    """Its loudness in LUFS by pyloudnorm. sound: shape (frames, 2), at the rate of the MP3s."""
    from pyloudnorm import Meter  # and scipy, two seconds that every worker would pay

    return float(Meter(SAMPLE_RATE).integrated_loudness(sound.astype(np.float64)))


def one_sample_a_second() -> bytes:
    """A WAV of 10 MB at 1 Hz: the ten million seconds that it claims would be made into samples by the hour."""
    sound = bytes(10_000_000 - 44)
    how = struct.pack("<IHHIIHH", 16, 1, 1, 1, 1, 1, 8)  # PCM, mono, 1 Hz, 1 byte a second, of 8 bits
    parts = b"WAVEfmt " + how + b"data" + struct.pack("<I", len(sound)) + sound
    return b"RIFF" + struct.pack("<I", len(parts)) + parts


def a_million_comments() -> bytes:
    """A FLAC of 7 MB without sound: each comment is put behind those before it, all of which are copied for it."""
    comments = struct.pack("<II", 0, 1_000_000) + 1_000_000 * (struct.pack("<I", 3) + b"a=b")
    info = struct.pack(">HH6xQ16x", 4096, 4096, 44_100 << 44 | 15 << 36)  # 44.1 kHz, mono, 16 bits
    return b"fLaC" + b"".join(
        bytes([kind]) + len(block).to_bytes(3, "big") + block for kind, block in ((0, info), (0x84, comments))
    )


def _ffmpeg(source: list[str], encoding: tuple[str, ...], data: bytes = b"") -> bytes:
    return subprocess.run([*FFMPEG, *source, *encoding], input=data, capture_output=True, check=True).stdout
