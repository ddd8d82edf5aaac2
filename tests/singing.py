"""People who sing and speak into a microphone, as far as arithmetic can imitate them."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

import numpy as np

from composer.transcription.performance import PlayedNote
from composer.transcription.recording import SAMPLE_RATE, Samples

FORMS = {
    "ogg": ("-c:a", "libopus", "-b:a", "32k", "-f", "ogg"),
    "mp3": ("-c:a", "libmp3lame", "-f", "mp3"),
    "wav": ("-c:a", "pcm_s16le", "-f", "wav"),
    "flac": ("-c:a", "flac", "-f", "flac"),
    "m4a": ("-c:a", "aac", "-f", "ipod"),  # its table of contents comes last, as phones write it
    "webm": ("-c:a", "libopus", "-f", "webm"),
    "aac": ("-c:a", "aac", "-f", "adts"),
}


def line(pitches: Sequence[int], beats: Sequence[float], bpm: float, begin: float = 0.5) -> list[PlayedNote]:
    """A melody in time: each pitch for so many beats, let go shortly before the next."""
    starts = begin + np.cumsum([0, *beats[:-1]]) * 60 / bpm
    return [
        PlayedNote(float(start), pitch, float(start + length * 60 / bpm - 0.06), 80)
        for start, pitch, length in zip(starts, pitches, beats, strict=True)
    ]


def sung(notes: Sequence[PlayedNote], seed: int = 0) -> Samples:
    """Notes that glide into each other, with vibrato, harmonics and breath."""
    draw = np.random.default_rng(seed)
    count = round((notes[-1].offset + 0.5) * SAMPLE_RATE)
    pitch, loud = np.full(count, np.nan), np.zeros(count)
    for note in notes:
        first, last = round(note.onset * SAMPLE_RATE), round(note.offset * SAMPLE_RATE)
        pitch[first:last] = note.pitch + draw.normal(0, 0.1)
        swell = np.minimum(1, np.arange(last - first) / (0.04 * SAMPLE_RATE))
        loud[first:last] = np.minimum(swell, swell[::-1])
    voiced = np.flatnonzero(~np.isnan(pitch))
    pitch = np.interp(np.arange(count), voiced, pitch[voiced])
    glide = round(0.05 * SAMPLE_RATE)
    pitch = np.convolve(np.pad(pitch, glide, mode="edge"), np.ones(glide) / glide, "same")[glide:-glide]
    pitch += 0.2 * np.sin(2 * np.pi * 5.5 * np.arange(count) / SAMPLE_RATE)
    return _voice(440 * 2 ** ((pitch - 69) / 12), loud, draw)


def spoken(seconds: float, seed: int = 0) -> Samples:
    """Syllables that glide up and down, with consonants and breaths between."""
    draw = np.random.default_rng(seed)
    count = round(seconds * SAMPLE_RATE)
    semitones, loud, hiss = np.zeros(count), np.zeros(count), np.zeros(count)
    at = 0
    while at < count:
        length = round(draw.uniform(0.08, 0.16) * SAMPLE_RATE)
        end = min(at + length, count)
        semitones[at:end] = np.linspace(*draw.uniform(-5, 5, 2), length)[: end - at]
        loud[at:end] = np.hanning(length)[: end - at]
        consonant = min(end + round(draw.uniform(0.04, 0.07) * SAMPLE_RATE), count)
        hiss[end:consonant] = 0.3
        at = consonant
    voice = _voice(130 * 2 ** (semitones / 12), loud, draw)
    return np.asarray(voice + 0.3 * hiss * draw.normal(size=count), dtype=np.float32)


def noise(seconds: float, seed: int = 0) -> Samples:
    draw = np.random.default_rng(seed)
    return np.asarray(0.1 * draw.normal(size=round(seconds * SAMPLE_RATE)), dtype=np.float32)


def recorded(samples: Samples, form: str = "ogg") -> bytes:
    """As a file of one of FORMS."""
    read = ["ffmpeg", "-v", "error", "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "pipe:0"]
    # ipod wants to go back in what it writes, which a pipe cannot
    done = subprocess.run(
        ["sh", "-c", 'f=$(mktemp) && "$@" -y "$f" && cat "$f"; rm "$f"', "sh", *read, *FORMS[form]],
        input=samples.astype("<f4").tobytes(),
        capture_output=True,
        check=True,
    )
    return done.stdout


def _voice(hertz: np.ndarray, loud: np.ndarray, draw: np.random.Generator) -> Samples:  # type: ignore[type-arg]
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    voice = sum(np.sin(harmonic * phase) / harmonic**1.3 for harmonic in range(1, 10)) * loud
    voice = voice + 0.01 * draw.normal(size=len(hertz))
    return np.asarray(voice / np.abs(voice).max() / 2, dtype=np.float32)
