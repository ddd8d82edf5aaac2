"""Whether a critic that chooses among takes makes the chosen ones more like real music.

    ./run bench critic CHECKPOINT CORPUS [CORPUS ...] [--taught 100] [--openings 40] [--takes 4]

The critic is a logistic regression on the figures that composer.audition compares by. It learns from training songs:
how they go on, against what the checkpoint makes of their openings; the openings that are judged it has never seen. For
each of these it chooses one take. Beside it: the first take, and the likeliest one.
Prints what the audition would say of each choice, and how far it is from the first take, with 95 % intervals over the
openings; the last column is how far it moves the overlap from that of the first takes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from bench.machine import threads
from composer.audition.bootstrap import interval, told
from composer.audition.choice import DRAWS, POINTS, summarise
from composer.audition.comparison import (
    COMPARED,
    Reference,
    columns_of,
    load_reference,
    mean,
    overlap_by_rows,
    reference_names,
)
from composer.audition.grid import Floats, Ints, notes_of
from composer.audition.metrics import Figures, judge
from composer.audition.openings import OPENING_BARS, Song, openings_of_corpus, songs_of, spread
from composer.audition.trials import Judged, compose_all
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.order import Order
from composer.training.sources import find_sources

BARS = 32
SLOTS = 16
PENALTY = 1.0  # on the squared weights
STEPS = 30  # of Newton's method; it has converged long before
TOLD = ("gap", "overlap", "auc", "echo", "key_kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--taught", type=int, default=100, help="training songs of each corpus")
    parser.add_argument("--openings", type=int, default=40)
    parser.add_argument("--takes", type=int, default=4)
    options = parser.parse_args()
    checkpoint = load_checkpoint(options.checkpoint)
    print(f"| corpus, chosen by | openings | {' | '.join(TOLD)} | overlap, from the first on |")
    print("| --- " * (len(TOLD) + 3) + "|")
    with threads(1):
        for folder in options.corpora:
            critic = Critic.taught(checkpoint, folder, options.taught)
            songs = openings_of_corpus(folder, options.openings, BARS)
            takes = tried(checkpoint, songs, Order(BARS, options.takes, seed=10_000, ending=False))
            name = folder.resolve().name
            reference = load_reference(name if name in reference_names() else "pop909_aligned")
            chosen = {
                "the first": [song[0] for song in takes],
                "the likeliest": [min(song, key=_nats) for song in takes],
                "the critic": [max(song, key=lambda piece: critic.real(piece.figures)) for song in takes],
            }
            for by, pieces in chosen.items():
                print(f"| {name}, {by} | {row(pieces, chosen['the first'], reference)} |", flush=True)


def tried(checkpoint: Checkpoint, songs: Sequence[Song], order: Order) -> list[list[Judged]]:
    """The takes of each opening, measured."""
    found = []
    for takes in compose_all(checkpoint, songs, order, SLOTS):
        notes = [notes_of(take.score) for take in takes]
        found.append(
            [
                Judged(one.part(OPENING_BARS, one.bars), judge(one, OPENING_BARS), None, take=take)
                for one, take in zip(notes, takes, strict=True)
            ]
        )
    return found


def _nats(piece: Judged) -> float:
    assert piece.take is not None
    return piece.take.composed.nats or math.inf


class Critic:
    """How likely it is that figures are those of real music."""

    def __init__(self, composed: Sequence[Figures], real: Sequence[Figures]) -> None:
        rows = np.array([_features(row) for row in (*real, *composed)])
        self.centre, self.scale = np.nanmean(rows, axis=0), np.nanstd(rows, axis=0) + 1e-9
        inputs = np.stack([self._scaled(row) for row in rows])
        truth = np.arange(len(rows)) < len(real)
        self.weights = np.zeros(inputs.shape[1])
        for _ in range(STEPS):
            said = 1 / (1 + np.exp(-inputs @ self.weights))
            slope = inputs.T @ (said - truth) + PENALTY * self.weights
            curve = (inputs.T * (said * (1 - said))) @ inputs + PENALTY * np.eye(len(self.weights))
            self.weights -= np.linalg.solve(curve, slope)

    @classmethod
    def taught(cls, checkpoint: Checkpoint, folder: Path, count: int) -> Critic:
        """By training songs of a corpus, each with a seed of its own."""
        sources = [source for source in find_sources(folder) if source.split == "train"]
        songs = songs_of(spread(sources, count), BARS)
        composed = [piece.figures for (piece,) in tried(checkpoint, songs, Order(BARS, seed=1, ending=False))]
        originals = [song.original.in_words(checkpoint.vocabulary) for song in songs if song.original is not None]
        real = [judge(notes, OPENING_BARS) for notes in originals]
        return cls([row for row in composed if row], [row for row in real if row])

    def real(self, figures: Figures) -> float:
        """Its odds, in nats. What is too short to be measured is nothing like it."""
        return float(self._scaled(_features(figures)) @ self.weights) if figures else -math.inf

    def _scaled(self, row: Floats) -> Floats:
        """With a 1 in front; what a piece lacks is as in the mean of all."""
        return np.concatenate([[1.0], np.nan_to_num((row - self.centre) / self.scale)])


def _features(figures: Figures) -> Floats:
    return np.array([figures.get(name, math.nan) for name in COMPARED])


def row(pieces: Sequence[Judged], first: Sequence[Judged], reference: Reference) -> str:
    found = summarise([[piece] for piece in pieces], reference)
    cells = [str(len(pieces)), *(told(getattr(found, name), found.intervals[name]) for name in TOLD)]
    ours, theirs = (_overlap(one, reference) for one in (pieces, first))
    low, high = interval(lambda rows: ours(rows) - theirs(rows), len(pieces), DRAWS)
    return " | ".join([*cells, f"[{low:+.3f} {high:+.3f}]"])


def _overlap(pieces: Sequence[Judged], reference: Reference) -> Callable[[Ints], float]:
    columns = columns_of([piece.figures or dict.fromkeys(COMPARED, math.nan) for piece in pieces])
    areas = [overlap_by_rows(columns[name], reference.figures[name], POINTS) for name in COMPARED]
    return lambda rows: mean([area(rows) for area in areas])


if __name__ == "__main__":
    main()
