"""Twenty openings from songs that the model never saw, continued by the default checkpoint and measured.

    python bench/openings.py CORPUS [--songs 20] [--bars 32] [--checkpoint checkpoints/first] [--out out/openings]

CORPUS: a folder as `segue train` takes it; the openings are the first eight bars of its validation songs. Prints, for
each: bars added, key of opening and continuation, tempo, and of the MP3 its length beside that of the notes, its
loudness (BS.1770) and its peak; at the end the share in the opening's key (the same seven notes count as one key).
The MIDI files are left in --out, ready for the metrics.
"""

from __future__ import annotations

import argparse
import io
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyloudnorm
from tqdm import tqdm

from composer.composing import Order, Take, compose
from composer.engine.checkpoint import load_checkpoint
from composer.key import Key, find_key
from composer.midi import dump_midi, parse_midi
from composer.opening import Opening, to_opening
from composer.rendering.audio import duration_seconds, render_mp3
from composer.score import TICKS_PER_BAR, excerpt
from composer.training.dataset import ANNOTATIONS, find_sources, read_sources

OPENING_BARS = 8


@dataclass(frozen=True)
class Row:
    name: str
    bars: int
    keys: tuple[Key, Key]
    bpm: tuple[float, float]
    words_a_second: float
    too_long: float  # seconds by which the MP3 outlasts its notes
    lufs: float
    peak_dbfs: float

    def __str__(self) -> str:
        before, after = (key.name for key in self.keys)
        return (
            f"| {self.name} | {self.bars} | {before} | {after} | {self.bpm[0]:.0f} | {self.bpm[1]:.0f} "
            f"| {self.words_a_second:.0f} | {self.too_long:.2f} | {self.lufs:.1f} | {self.peak_dbfs:.1f} |"
        )


def openings(corpus: Path, songs: int) -> list[tuple[str, Opening]]:
    """The first bars of validation songs that are in 4/4 from their first note on."""
    found: list[tuple[str, Opening]] = []
    held_out = [source for source in find_sources(corpus) if source.split == "validation"]
    for source, data in read_sources(held_out):
        score = parse_midi(data, leave_out=ANNOTATIONS)
        if all((meter.numerator, meter.denominator) == (4, 4) for meter in score.meters) and len(found) < songs:
            whole = to_opening(score, max_bars=1000, max_notes=100_000)
            found.append((source.name, Opening(excerpt(whole.score, 0, OPENING_BARS * TICKS_PER_BAR))))
    return found


def measure(name: str, take: Take, mp3: bytes) -> Row:
    boundary = take.opening_bars * TICKS_PER_BAR
    keys = [find_key(n for n in take.score.notes if (n.start >= boundary) == new) for new in (False, True)]
    tempos = take.score.tempos
    sound = decode(mp3)
    return Row(
        name=name,
        bars=take.bars,
        keys=(keys[0] or Key(0, False), keys[1] or Key(0, False)),
        bpm=([t.bpm for t in tempos if t.tick < boundary][-1], tempos[-1].bpm),
        words_a_second=len(take.words) / take.seconds,
        too_long=len(sound) / 44100 - duration_seconds(take.score),
        lufs=pyloudnorm.Meter(44100).integrated_loudness(sound),
        peak_dbfs=20 * float(np.log10(np.abs(sound).max())),
    )


def decode(mp3: bytes) -> np.ndarray:
    """(frames, 2), in -1 .. 1"""
    command = ["ffmpeg", "-v", "error", "-i", "-", "-ac", "2", "-ar", "44100", "-f", "s16le", "-"]
    raw = subprocess.run(command, input=mp3, capture_output=True, check=True).stdout
    return np.frombuffer(io.BytesIO(raw).getbuffer(), dtype=np.int16).reshape(-1, 2) / 32768


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--songs", type=int, default=20)
    parser.add_argument("--bars", type=int, default=32)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/first"))
    parser.add_argument("--out", type=Path, default=Path("out/openings"))
    options = parser.parse_args()

    checkpoint = load_checkpoint(options.checkpoint)
    options.out.mkdir(parents=True, exist_ok=True)
    rows = []
    for name, opening in tqdm(openings(options.corpus, options.songs)):
        take = compose(opening, checkpoint, Order(bars=options.bars))[0]
        (options.out / name).write_bytes(dump_midi(take.score))
        rows.append(measure(name, take, render_mp3(take.score)))

    print("| song | bars | key | key after | bpm | bpm after | words/s | MP3 longer by s | LUFS | peak dBFS |")
    print("| --- " * 10 + "|")
    print(*rows, sep="\n")
    kept = sum(before.scale == after.scale for before, after in (row.keys for row in rows))
    print(f"\nin the opening's key: {kept} of {len(rows)}")
    print(f"exactly {options.bars} bars: {sum(row.bars == options.bars for row in rows)} of {len(rows)}")


if __name__ == "__main__":
    main()
