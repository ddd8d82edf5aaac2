"""Which way to count a pulse: trains the network of composer.transcription.readings, and measures it.

    python bench/readings.py POP909 [--songs 700] [--out readings.json]     the folder of pop909_aligned

Excerpts of training songs, played a little loosely, are tracked as recordings are; the reading that puts most of the
notes on their true sixteenths is the right one. Half as many excerpts are of the melody alone. Nothing is heard: beats
depend on notes, and the transcriber's own errors are in bench/transcription.py. Printed are, of the validation songs,
how often the tempo is right within 8 %, and the share of the notes on the right sixteenth of the bar; first of the
network that is trained, then of the one that the project ships; and of this one how often the tempo is right where it
is surer than what a person is asked about, and where it is not.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import random
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional as F
from tqdm import tqdm

from bench.music import stretches_in_four
from composer.errors import OpeningError
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import Score
from composer.training.sources import ANNOTATIONS
from composer.transcription.beats import track
from composer.transcription.performance import PlayedNote
from composer.transcription.readings import READINGS, STEPS, describe, likelihoods
from composer.transcription.synchronise import SURE

Array = npt.NDArray[np.float64]

SEED = 1
LEARNED = (("piano", 3, 1), ("piano", 3, 2), ("melody", 2, 1), ("melody", 1, 2))  # kind, excerpts of a song, seed
MEASURED = 6  # excerpts of a song
MELODY = frozenset({"BRIDGE", "PIANO"})  # the tracks beside it
SECONDS = (10, 15, 20, 30, 39)  # how long an excerpt is
LEAST_NOTES = 12
LOOSE_SECONDS = {"piano": 0.008, "melody": 0.02}  # how far each onset is off, one standard deviation
ON_BAR_LINE = 0.7  # of the excerpts; the others begin on another beat
CLEAR = 0.75  # where no reading has so many notes right, the pulse was lost, and there is nothing to learn
HIDDEN, EPOCHS, BATCH, LEARNING_RATE, DECAY, DROPOUT = 48, 30, 64, 2e-3, 0.1, 0.2


class Example(NamedTuple):
    """features: of each reading   right: the share of the notes that each puts on the right sixteenth
    log_tempo: of each, against the true one, in octaves
    """

    features: Array
    right: Array
    log_tempo: Array


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, metavar="POP909")
    parser.add_argument("--songs", type=int, default=700)
    parser.add_argument("--out", type=Path, help="where to write the network")
    options = parser.parse_args()
    torch.set_num_threads(1)
    learned = [
        example
        for kind, each, seed in LEARNED
        for example in examples(options.corpus, "train", kind, options.songs, each, seed)
    ]
    measured = {
        kind: list(examples(options.corpus, "validation", kind, options.songs, MEASURED, SEED))
        for kind in ("piano", "melody")
    }
    network = train([example for example in learned if example.right.max() > CLEAR])
    for kind, held_out in measured.items():
        print(f"{kind}, trained now: {figures(held_out, [scores(network, e) for e in held_out])}")
        shipped = [likelihoods(e.features) for e in held_out]
        print(f"{kind}, shipped: {figures(held_out, shipped)}; {by_sureness(held_out, shipped)}")
    if options.out:
        options.out.write_text(json.dumps(network, separators=(",", ":")), encoding="utf-8")


# ------------------------------------------------------------------ excerpts


def examples(corpus: Path, split: str, kind: str, songs: int, each: int, seed: int) -> Iterator[Example]:
    """each: excerpts of a song"""
    draw = random.Random(seed)
    left_out = ANNOTATIONS | (MELODY if kind == "melody" else frozenset())
    files = chosen(corpus, split, songs, draw)
    with tarfile.open(next(corpus.glob("*.tar.gz"))) as archive:
        for member in tqdm(archive.getmembers(), desc=f"{split}, {kind}"):
            content = archive.extractfile(member) if Path(member.name).stem in files else None
            if content is None:
                continue
            try:
                score = parse_midi(content.read(), leaving_out(left_out))
            except OpeningError:
                continue
            for _ in range(each):
                yield from example(score, LOOSE_SECONDS[kind], draw)


def chosen(corpus: Path, split: str, songs: int, draw: random.Random) -> set[str]:
    with (corpus / "manifest.tsv").open(encoding="utf-8", newline="") as lines:
        names = sorted(
            song["id"]
            for song in csv.DictReader(lines, delimiter="\t")
            if song["split"] == split and song["meter"] == "4" and song["tier"] in ("A", "C-triplet", "C-loose")
        )
    draw.shuffle(names)
    return set(names[:songs])


def example(score: Score, loose: float, draw: random.Random) -> Iterator[Example]:
    """An excerpt of the score, if it has notes enough."""
    stretches = stretches_in_four(score)
    if not stretches:
        return
    start, end = (score.line(bar) for bar in draw.choice(stretches))
    seconds = draw.choice(SECONDS)
    last = score.seconds_at(end) - seconds
    lines = [tick for tick in range(start, end, TICKS_PER_BAR) if score.seconds_at(tick) <= last]
    begin = draw.choice(lines or [start])
    begin += 0 if draw.random() < ON_BAR_LINE else TICKS_PER_BEAT * draw.choice((1, 2, 3))
    stop = score.seconds_at(begin) + seconds
    notes = [n for n in score.notes if n.start > begin - 60 and score.seconds_at(n.start) < stop and n.start < end]
    if len(notes) < LEAST_NOTES:
        return
    played = sorted(
        (PlayedNote(score.seconds_at(n.start) + draw.gauss(0, loose), n.pitch, score.seconds_at(n.end), n.velocity), n)
        for n in notes
    )
    sixteenths = np.rint([4 * (note.start - start) / TICKS_PER_BEAT for _, note in played]) % 16
    beats = score.seconds_at(end) - score.seconds_at(begin)
    yield judged([note for note, _ in played], sixteenths, 60 * (end - begin) / TICKS_PER_BEAT / beats)


def judged(notes: Sequence[PlayedNote], sixteenths: Array, bpm: float) -> Example:
    beats = track(notes)
    steps = np.interp([note.onset for note in notes], beats, np.arange(len(beats))) * STEPS
    beat = float(np.median(np.diff(beats)))
    right = [np.mean(np.rint((steps - off) % length * 16 / length) % 16 == sixteenths) for length, off in READINGS]
    tempo = [math.log2(60 / (beat * length / 4 / STEPS) / bpm) for length, _ in READINGS]
    return Example(describe(notes, steps, beat), np.array(right), np.array(tempo))


# ------------------------------------------------------------------ the network


def train(learned: Sequence[Example]) -> dict[str, list[object]]:
    """The network as it is stored."""
    torch.manual_seed(0)
    features = torch.tensor(np.stack([example.features for example in learned]), dtype=torch.float32)
    answers = torch.tensor([int(example.right.argmax()) for example in learned])
    mean, scale = features.mean(dim=(0, 1)), features.std(dim=(0, 1)) + 0.02
    seen = ((features - mean) / scale).clamp(-4, 4)
    hidden, score = torch.nn.Linear(features.shape[-1], HIDDEN), torch.nn.Linear(HIDDEN, 1, bias=False)
    parameters = [*hidden.parameters(), *score.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, EPOCHS)
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(seen)).split(BATCH):
            units = F.dropout(hidden(F.dropout(seen[rows], DROPOUT)).relu(), DROPOUT)
            loss = F.cross_entropy(score(units).squeeze(-1), answers[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
        schedule.step()
    weights = (mean, scale, hidden.weight, hidden.bias, score.weight[0])
    names = ("mean", "scale", "hidden", "hidden_bias", "score")
    return {
        name: np.round(value.detach().numpy().astype(float), 4).tolist()
        for name, value in zip(names, weights, strict=True)
    }


def scores(network: dict[str, list[object]], held_out: Example) -> Array:
    parts = {name: np.array(values, dtype=np.float64) for name, values in network.items()}
    seen = np.clip((held_out.features - parts["mean"]) / parts["scale"], -4, 4)
    found: Array = np.maximum(seen @ parts["hidden"].T + parts["hidden_bias"], 0) @ parts["score"]
    return found


def figures(held_out: Sequence[Example], scored: Sequence[Array]) -> str:
    right = [e.right[each.argmax()] for e, each in zip(held_out, scored, strict=True)]
    tempo = tempo_right(held_out, scored).mean()
    return f"{len(held_out)} excerpts, tempo right in {tempo:.3f}, notes on their sixteenth {np.mean(right):.3f}"


def by_sureness(held_out: Sequence[Example], likely: Sequence[Array]) -> str:
    sure = np.array([each.max() >= SURE for each in likely])
    right = tempo_right(held_out, likely)
    return f"surer than {SURE}: {sure.sum()}, right in {right[sure].mean():.3f}; else in {right[~sure].mean():.3f}"


def tempo_right(held_out: Sequence[Example], scored: Sequence[Array]) -> npt.NDArray[np.bool_]:
    off = [abs(e.log_tempo[each.argmax()]) for e, each in zip(held_out, scored, strict=True)]
    return np.array(off) < math.log2(1.08)


if __name__ == "__main__":
    main()
