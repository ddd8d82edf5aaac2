"""Twenty openings from songs that the model never saw, continued by the default checkpoint and measured.

    ./run bench openings CORPUS [--songs 20] [--bars 32] [--set temperature.pitch=0.9 ...] [--no-audio]
                             [--checkpoint checkpoints/sixth] [--out out/openings]

CORPUS: a folder as `segue train` takes it; the openings are the first eight bars of its validation songs. Prints, for
each: bars added, key of opening and continuation, tempo, and of the MP3 its length beside that of the notes, its
loudness (BS.1770) and its peak; at the end the share in the opening's key (the same seven notes count as one key), and
the share of the songs themselves whose next bars are. The MIDI files are left in --out, ready for the metrics.
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

from composer.composing import compose
from composer.engine.checkpoint import load_checkpoint
from composer.music.key import Key, find_key
from composer.music.midi import dump_midi, leaving_out, parse_midi
from composer.music.score import Score
from composer.opening import Opening, to_opening
from composer.order import Order
from composer.piece import Take
from composer.rendering.audio import duration_seconds, render_mp3
from composer.sampling import SamplingParams
from composer.training.sources import ANNOTATIONS, find_sources, read_sources

OPENING_BARS = 8


@dataclass(frozen=True)
class Song:
    """A song that the model never saw: its beginning, and what its own composer wrote next."""

    name: str
    opening: Opening
    continuation: Score

    @property
    def key(self) -> Key | None:
        return find_key(self.opening.score.notes)


def songs_of(corpus: Path, count: int, bars: int) -> list[Song]:
    """Validation songs that are in 4/4 throughout, the first ones by name."""
    found: list[Song] = []
    held_out = [source for source in find_sources(corpus) if source.split == "validation"]
    for source, data in read_sources(held_out):
        score = parse_midi(data, leaving_out(ANNOTATIONS)).without_drums()
        if all(bar.meter == (4, 4) for bar in score.bars) and len(found) < count:
            whole = to_opening(score, max_minutes=60, max_notes=100_000).score
            if len(whole.bars) > OPENING_BARS:
                continuation = whole.excerpt(OPENING_BARS, min(OPENING_BARS + bars, len(whole.bars)))
                found.append(Song(source.name, Opening(whole.excerpt(0, OPENING_BARS)), continuation))
    return found


def kept(before: Key | None, after: Key | None) -> bool:
    return before is not None and after is not None and before.scale == after.scale


def row(song: Song, take: Take) -> str:
    before, after = take.keys
    tempos = take.score.tempos
    heard = [tempo.bpm for tempo in tempos if tempo.tick < song.opening.score.end][-1]
    return (
        f"| {song.name} | {take.bars} | {before and before.name} | {after and after.name} | {heard:.0f} "
        f"| {tempos[-1].bpm:.0f} | {len(take.composed.words) / take.composed.seconds:.0f} "
    )


def sound_row(take: Take) -> str:
    sound = decode(render_mp3(take.score))
    longer = len(sound) / 44100 - duration_seconds(take.score)
    lufs = pyloudnorm.Meter(44100).integrated_loudness(sound)
    return f"| {longer:.2f} | {lufs:.1f} | {20 * np.log10(np.abs(sound).max()):.1f} |"


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
    parser.add_argument("--set", action="append", default=[], dest="settings")
    parser.add_argument("--audio", action=argparse.BooleanOptionalAction, default=True)
    parser.add_argument("--checkpoint", type=Path, default=Path("checkpoints/sixth"))
    parser.add_argument("--out", type=Path, default=Path("out/openings"))
    options = parser.parse_args()

    checkpoint = load_checkpoint(options.checkpoint)
    order = Order(bars=options.bars, sampling=SamplingParams().with_settings(options.settings))
    songs = songs_of(options.corpus, options.songs, options.bars)
    options.out.mkdir(parents=True, exist_ok=True)
    takes, rows = [], []
    for song in tqdm(songs):
        take = compose(song.opening, checkpoint, order)[0]
        (options.out / song.name).write_bytes(dump_midi(take.score))
        takes.append(take)
        rows.append(row(song, take) + (sound_row(take) if options.audio else "|"))

    sound = " MP3 longer by s | LUFS | peak dBFS |" if options.audio else ""
    print(f"| song | bars | key | key after | bpm | bpm after | words/s |{sound}")
    print("| --- " * (10 if options.audio else 7) + "|")
    print(*rows, sep="\n")
    ours = sum(kept(*take.keys) for take in takes)
    theirs = sum(kept(song.key, find_key(song.continuation.notes)) for song in songs)
    print(f"\nin the opening's key: {ours} of {len(songs)}; the songs' own next {options.bars} bars: {theirs}")
    print(f"exactly {options.bars} bars: {sum(take.bars == options.bars for take in takes)} of {len(songs)}")


if __name__ == "__main__":
    main()
