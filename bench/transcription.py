"""How well the ear hears: recordings rendered from songs whose notes, beats and bars are known.

    python bench/transcription.py POP909 [--clips 20] [--seconds 20] [--transcribers]

POP909 is the folder of pop909_aligned. Of each of the first validation songs, in an order that a seed shuffles, one
stretch is played by FluidSynth and heard again: as it is; degraded, as a phone sends it (a room, noise 30 dB below the
music, 32 kbit Opus, mono); and its melody alone, hummed by a synthetic voice that glides and wavers. Prints a table:

    onset F1         notes of the right pitch within 50 ms (mir_eval); and within 100 ms, for voices begin softly
    beat F           beats within 70 ms (mir_eval)
    tempo            recordings whose tempo is right within 8 %, neither half nor twice
    grid, in beat    notes of the song that were heard, and stand on the right sixteenth of the bar, or of the beat
    sure             what the ear says of itself where the tempo is right, and where it is not
    CPU              seconds a second of sound, transcription and beats

With --transcribers it prints instead what each of the two makes of pianos, voices and instruments, and who is chosen.
"""

from __future__ import annotations

import argparse
import csv
import math
import random
import resource
import subprocess
import tarfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from bench.music import stretches_in_four
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import Note, Score, in_four
from composer.rendering.audio import LEAD_SECONDS, synthesise
from composer.rendering.instruments import program_of
from composer.rendering.loudness import level
from composer.training.sources import ANNOTATIONS
from composer.transcription.melody import hear_line
from composer.transcription.performance import Kind, Performance
from composer.transcription.piano import transcribe_piano
from composer.transcription.recording import SAMPLE_RATE, Samples
from composer.transcription.synchronise import Heard, Listening, synchronise
from composer.transcription.transcriber import transcribe, transcribe_samples

Array = npt.NDArray[np.float64]

SEED = 6
IN_BEAT = 4  # sixteenths
SIXTEENTH = TICKS_PER_BEAT // IN_BEAT
LEAST_NOTES = 12  # of a melody; shorter ones are left out
NOISE_DB = -30
ROOM_SECONDS = 0.4  # until the echo is 60 dB down
INSTRUMENTS = ("Voice Oohs", "Flute", "Violin")  # of the soundfont
MELODY = frozenset({"BRIDGE", "PIANO"})  # the tracks beside it


class Clip(NamedTuple):
    """whole, melody: from a bar line on"""

    song: str
    whole: Score
    melody: Score


class Result(NamedTuple):
    f50: float
    f100: float
    beat: float
    right_tempo: bool
    on_grid: float
    in_beat: float
    sure: float
    cpu: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="POP909")
    parser.add_argument("--clips", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--transcribers", action="store_true")
    options = parser.parse_args()

    import torch

    torch.set_num_threads(1)
    transcribe_piano(np.zeros(SAMPLE_RATE, dtype=np.float32), lambda _: None)  # what is loaded once is paid
    chosen = clips(options.corpus, options.clips, options.seconds)
    if options.transcribers:
        compare_transcribers([clip for clip in chosen if len(clip.melody.notes) >= LEAST_NOTES])
        return
    print("| what | clips | onset F1, 50 ms | 100 ms | beat F | tempo | grid | in beat | sure, right / wrong | CPU |")
    print("|" + " --- |" * 10)
    kinds: tuple[tuple[str, Callable[[Clip], tuple[Score, bytes]]], ...] = (
        ("piano, clean", lambda clip: (clip.whole, encoded(played(clip.whole), "wav"))),
        ("piano, degraded", lambda clip: (clip.whole, encoded(degraded(played(clip.whole)), "ogg"))),
        ("hummed", lambda clip: (clip.melody, encoded(hummed(clip.melody), "ogg"))),
    )
    for name, make in kinds:
        results = [judged(*make(clip)) for clip in chosen if len(clip.melody.notes) >= LEAST_NOTES or name != "hummed"]
        print(f"| {name} | {row(results)} |", flush=True)
    print(f"\nmemory at most: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


def clips(corpus: Path, count: int, seconds: float) -> list[Clip]:
    """One of each song, from a bar line on."""
    with (corpus / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        songs = sorted(
            song["id"]
            for song in csv.DictReader(lines, delimiter="\t")
            if song["split"] == "validation" and song["meter"] == "4" and song["tier"] == "A"
        )
    draw = random.Random(SEED)
    draw.shuffle(songs)
    with tarfile.open(next(corpus.glob("*.tar.gz"))) as archive:
        contents = {Path(member.name).stem: archive.extractfile(member) for member in archive if member.isfile()}
        files = {song: content.read() for song in songs[:count] if (content := contents[song])}
    return [clip_of(song, data, seconds, draw) for song, data in files.items()]


def clip_of(song: str, data: bytes, seconds: float, draw: random.Random) -> Clip:
    whole = parse_midi(data, leaving_out(ANNOTATIONS))
    melody = parse_midi(data, leaving_out(ANNOTATIONS | MELODY)).lasting(len(whole.bars))
    first, behind = max(stretches_in_four(whole), key=lambda stretch: stretch[1] - stretch[0])
    lines = {bar: whole.seconds_at(whole.line(bar)) for bar in range(first, behind + 1)}
    begin = draw.choice([bar for bar, line in lines.items() if line <= lines[behind] - seconds])
    stop = max(bar for bar, line in lines.items() if bar == begin + 1 or line <= lines[begin] + seconds)
    return Clip(song, whole.excerpt(begin, stop), melody.excerpt(begin, stop))


def compare_transcribers(chosen: Sequence[Clip]) -> None:
    print("| what | recordings | transkun, 50 ms | 100 ms | SwiftF0, 50 ms | 100 ms | SwiftF0 is chosen |")
    print("|" + " --- |" * 7)
    sounds: dict[str, Callable[[Clip], tuple[Score, Samples]]] = {
        "piano": lambda clip: (clip.whole, played(clip.whole)),
        "piano, the melody alone": lambda clip: (alone(clip), played(alone(clip))),
        "hummed": lambda clip: (alone(clip), hummed(clip.melody)),
    }
    for name in INSTRUMENTS:
        program = program_of(name)
        sounds[name] = lambda clip, program=program: (alone(clip), played(alone(clip).played_on(program)))  # type: ignore[misc]
    for name, make in sounds.items():
        rows, sung = [], 0
        for clip in chosen:
            score, samples = make(clip)
            shift = recorded_from(score)
            onsets = np.array([score.seconds_at(note.start) - shift for note in score.notes])
            piano, line = transcribe_piano(samples, lambda _: None), hear_line(samples)
            kind: Kind = "melody" if name == "hummed" else "piano"  # a voice is hummed an octave or two away
            heard = [replace(each, kind=kind) for each in (piano, line.performance)]
            rows.append([onset_f1(score.notes, onsets, each, within) for each in heard for within in (0.05, 0.1)])
            sung += transcribe_samples(samples, lambda _: None).kind == "melody"
        means = " | ".join(f"{value:.3f}" for value in np.mean(rows, axis=0))
        print(f"| {name} | {len(rows)} | {means} | {sung} |", flush=True)


def alone(clip: Clip) -> Score:
    return in_four(single(clip.melody), clip.melody.tempos, end=clip.melody.end)


# ------------------------------------------------------------------ sound


def played(score: Score) -> Samples:
    return np.asarray(level(synthesise(score)).mean(axis=1), dtype=np.float32)


def degraded(samples: Samples) -> Samples:
    draw = np.random.default_rng(SEED)
    length = round(ROOM_SECONDS * SAMPLE_RATE)
    echo = 0.05 * draw.normal(size=length) * 10 ** (-3 * np.arange(length) / length)
    echo[0] = 1
    heard = np.fft.irfft(np.fft.rfft(samples, 2**21) * np.fft.rfft(echo, 2**21))[: len(samples)]
    noise = np.sqrt((heard**2).mean()) * 10 ** (NOISE_DB / 20) * draw.normal(size=len(heard))
    return np.asarray((heard + noise) / np.abs(heard + noise).max() / 2, dtype=np.float32)


def hummed(melody: Score) -> Samples:
    """A voice: harmonics under two formants, notes that glide into each other, vibrato, drift and breath.

    The melody's highest notes, moved by octaves to where people sing.
    """
    draw = np.random.default_rng(SEED)
    line = line_of(melody)
    count = round((line[-1][1] + 0.5) * SAMPLE_RATE)
    pitch, loud = np.full(count, np.nan), np.zeros(count)
    for begin, end, number in line:
        first, last = round(begin * SAMPLE_RATE), round(end * SAMPLE_RATE)
        pitch[first:last] = number + draw.normal(0, 0.12)
        swell = np.minimum(1, np.arange(last - first) / (0.05 * SAMPLE_RATE))
        loud[first:last] = np.minimum(swell, swell[::-1])
    sung = np.flatnonzero(~np.isnan(pitch))
    pitch = np.interp(np.arange(count), sung, pitch[sung])
    glide = round(0.06 * SAMPLE_RATE)
    pitch = np.convolve(np.pad(pitch, glide, mode="edge"), np.ones(glide) / glide, "same")[glide:-glide]
    pitch += 0.25 * np.sin(2 * np.pi * 5.5 * np.arange(count) / SAMPLE_RATE)
    drift = np.convolve(draw.normal(0, 0.25, count // 2000 + 20), np.ones(12) / 12, "same")
    hertz = 440 * 2 ** ((pitch + np.interp(np.arange(count) / 2000, np.arange(len(drift)), drift) - 69) / 12)
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    voice = np.zeros(count)
    for harmonic in range(1, 16):
        at = harmonic * hertz
        formants = 0.2 + np.exp(-(((at - 600) / 400) ** 2)) + 0.5 * np.exp(-(((at - 1100) / 500) ** 2))
        voice += formants / harmonic**1.2 * np.sin(harmonic * phase)
    voice = voice * loud + 0.01 * draw.normal(size=count)
    return np.asarray(voice / np.abs(voice).max() / 2, dtype=np.float32)


def line_of(melody: Score) -> list[tuple[float, float, int]]:
    """From and to what second of the recording each note sounds, and its pitch."""
    notes = single(melody)
    octaves = 12 * round((60 - float(np.median([note.pitch for note in notes]))) / 12)
    shift = recorded_from(melody)
    seconds = [(melody.seconds_at(n.start) - shift, melody.seconds_at(n.end) - shift) for n in notes]
    ends = [begin - 0.03 for begin, _ in seconds[1:]] + [seconds[-1][1]]
    return [
        (begin, max(min(end, latest), begin + 0.08), note.pitch + octaves)
        for (begin, end), latest, note in zip(seconds, ends, notes, strict=True)
    ]


def single(melody: Score) -> list[Note]:
    """The highest of the notes that begin together."""
    top = {note.start: note for note in melody.notes}
    return [top[start] for start in sorted(top)]


def recorded_from(score: Score) -> float:
    """The second of the score at which its recording begins."""
    return max(0.0, score.seconds_at(score.notes[0].start) - LEAD_SECONDS)


def encoded(samples: Samples, form: str) -> bytes:
    codec = {"wav": ["-c:a", "pcm_s16le"], "ogg": ["-c:a", "libopus", "-b:a", "32k"]}[form]
    read = ["ffmpeg", "-v", "error", "-f", "f32le", "-ar", str(SAMPLE_RATE), "-ac", "1", "-i", "-"]
    sound = samples.astype("<f4").tobytes()
    return subprocess.run([*read, *codec, "-f", form, "-"], input=sound, capture_output=True, check=True).stdout


# ------------------------------------------------------------------ judgement


def judged(score: Score, data: bytes) -> Result:
    began = time.process_time()
    performance = transcribe(data)
    heard = synchronise(performance, Listening(accompany=False))
    cpu = (time.process_time() - began) / performance.seconds
    notes = single(score) if performance.kind == "melody" else list(score.notes)
    shift = recorded_from(score)
    onsets = np.array([score.seconds_at(note.start) - shift for note in notes])
    on_grid, in_beat = grid_shares(notes, onsets, performance, heard)
    beats = np.array([score.seconds_at(tick) - shift for tick in range(0, score.end, TICKS_PER_BEAT)])
    bpm = 60 / float(np.median(np.diff(beats)))
    return Result(
        onset_f1(notes, onsets, performance, 0.05),
        onset_f1(notes, onsets, performance, 0.1),
        beat_f(beats, performance, heard),
        abs(math.log2(heard.tempo / bpm)) < math.log2(1.08),
        on_grid,
        in_beat,
        heard.sure,
        cpu,
    )


def onset_f1(notes: Sequence[Note], onsets: Array, performance: Performance, within: float) -> float:
    from mir_eval.transcription import precision_recall_f1_overlap

    if not performance.notes:
        return 0.0
    classes = performance.kind == "melody"  # a voice is hummed an octave or two away
    ours = np.array([note.onset for note in performance.notes])
    score: float = precision_recall_f1_overlap(
        *intervals(onsets, [note.pitch for note in notes], classes),
        *intervals(ours, [note.pitch for note in performance.notes], classes),
        onset_tolerance=within,
        offset_ratio=None,
    )[2]
    return score


def intervals(onsets: Array, pitches: Sequence[int], classes: bool) -> tuple[Array, Array]:
    numbers = np.array(pitches, dtype=float)
    return np.stack([onsets, onsets + 0.1], axis=1), 440 * 2 ** (((numbers % 12 if classes else numbers) - 69) / 12)


def beat_f(beats: Array, performance: Performance, heard: Heard) -> float:
    from mir_eval.beat import f_measure

    first, last = performance.notes[0].onset, performance.notes[-1].onset
    moved = heard_from(performance, heard)
    ours = np.array([heard.score.seconds_at(tick) + moved for tick in range(0, heard.score.end, TICKS_PER_BEAT)])
    theirs, ours = (times[(times > first - 0.1) & (times < last + 0.1)] for times in (beats, ours))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return float(f_measure(theirs, ours))


def heard_from(performance: Performance, heard: Heard) -> float:
    """The second of the recording at which the first bar of what was heard begins."""
    return performance.notes[0].onset - heard.score.seconds_at(heard.score.notes[0].start)


def grid_shares(notes: Sequence[Note], onsets: Array, performance: Performance, heard: Heard) -> tuple[float, float]:
    moved = heard_from(performance, heard)
    ours = [(note, heard.score.seconds_at(note.start) + moved) for note in heard.score.notes]
    classes = 12 if performance.kind == "melody" else 128
    right = beat_right = 0
    for note, onset in zip(notes, onsets, strict=True):
        near = [
            (abs(at - onset), step_of(other))
            for other, at in ours
            if (other.pitch - note.pitch) % classes == 0 and abs(at - onset) < 0.2
        ]
        if near:
            step = min(near)[1]
            right += step == step_of(note)
            beat_right += step % IN_BEAT == step_of(note) % IN_BEAT
    return right / len(notes), beat_right / len(notes)


def step_of(note: Note) -> int:
    """The sixteenth of the bar."""
    return round(note.start / SIXTEENTH) % (TICKS_PER_BAR // SIXTEENTH)


def row(results: Sequence[Result]) -> str:
    def mean(values: Sequence[float]) -> str:
        return f"{np.mean(values):.3f}" if values else "-"

    sure = " / ".join(mean([r.sure for r in results if r.right_tempo is right]) for right in (True, False))
    f50, f100, beat = (mean([getattr(r, name) for r in results]) for name in ("f50", "f100", "beat"))
    on_grid, in_beat, cpu = (mean([getattr(r, name) for r in results]) for name in ("on_grid", "in_beat", "cpu"))
    tempo = f"{sum(r.right_tempo for r in results)} of {len(results)}"
    return " | ".join([str(len(results)), f50, f100, beat, tempo, on_grid, in_beat, sure, cpu])


if __name__ == "__main__":
    main()
