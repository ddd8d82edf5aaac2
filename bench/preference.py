"""Whether a model that learns to prefer how songs go on over what it makes of their openings composes nearer to them.

    ./run bench preference CHECKPOINT OUT CORPUS [CORPUS ...] [--pairs 300] [--rounds 1] [--rate 2e-5] [--margin 10]

Direct preference optimisation (Rafailov et al. 2023), of pairs that cost no listener (SPIN, Chen et al. 2024): of each
training song the bars behind its opening are preferred over one continuation by the checkpoint, with a seed of its own.
The loss is -log sigmoid(margin (d_song - d_own)) and the nats a word of the song, where d is by how many nats a word
the model finds something likelier than the checkpoint did. Writes a checkpoint to OUT, which
`./run bench critic` and `segue audition` judge as any other, on songs that have no part in this.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from bench.critic import SLOTS, words_of
from bench.machine import threads
from composer.audition.critic import BARS
from composer.audition.openings import OPENING_BARS, songs_of, spread
from composer.audition.trials import compose_all
from composer.engine.anchors import Bars
from composer.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from composer.engine.model import CompoundWordTransformer, loss_by_attribute
from composer.engine.runs import FILE as RUNS
from composer.music.encoding import to_words
from composer.music.words import END, IGNORE, Family, Word
from composer.order import STYLES, Order
from composer.training.corpora import collection_of
from composer.training.lessons import told
from composer.training.sources import find_sources
from composer.training.train import ignore_denormals

TOGETHER = 4  # pairs a step
CLIP = 1.0  # of the gradient's norm


class Passage(NamedTuple):
    """An opening and what follows it, ready for the model, each (1, words, ...). nats: a word, of the checkpoint"""

    heard: Tensor
    anchors: Tensor
    truth: Tensor
    nats: float = 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--pairs", type=int, default=300, help="of each corpus")
    parser.add_argument("--rounds", type=int, default=1, help="over all pairs")
    parser.add_argument("--rate", type=float, default=2e-5)
    parser.add_argument("--margin", type=float, default=10.0)
    options = parser.parse_args()
    ignore_denormals()
    torch.manual_seed(1)
    checkpoint = replace(load_checkpoint(options.checkpoint), critics=None)
    with threads(1):
        pairs = [pair for folder in options.corpora for pair in pairs_of(checkpoint, folder, options.pairs)]
        print(f"{len(pairs)} pairs", flush=True)
        prefer(checkpoint.model, pairs, options.rounds, options.rate, options.margin)
    save_checkpoint(options.out, checkpoint.model, checkpoint.vocabulary)
    shutil.copy(options.checkpoint / RUNS, options.out / RUNS)


def pairs_of(checkpoint: Checkpoint, folder: Path, count: int) -> list[tuple[Passage, Passage]]:
    """A song and the model's own, of so many training songs."""
    sources = [source for source in find_sources(folder) if source.split == "train"]
    songs = spread(songs_of(spread(sources, 3 * count), BARS), count)
    style = STYLES.index(collection_of(folder, "").style)
    takes = compose_all(checkpoint, songs, Order(BARS, seed=1, ending=False, candidates=1), SLOTS)
    found = []
    for song, (take,) in zip(songs, takes, strict=True):
        assert song.original is not None
        opening = len(take.request.words)
        real = to_words(song.original.played, checkpoint.vocabulary)
        both = [prepared(words, opening, style, checkpoint) for words in (real, words_of(take))]
        found.append((both[0], both[1]))
    return found


@torch.no_grad()
def prepared(words: Sequence[Word], opening: int, style: int, checkpoint: Checkpoint) -> Passage:
    """opening: how many of the words are given"""
    ids = np.array([word for word in words if word.family != Family.END] + [END], dtype=np.int64)
    heard, truth = ids[:-1], ids[1:].copy()
    truth[-1], truth[: opening - 1] = IGNORE, IGNORE
    bars = Bars(ids[:-1], checkpoint.vocabulary)
    anchors = told(bars, True, style, bars.of_word, 0, OPENING_BARS)
    some = Passage(*(torch.from_numpy(array)[None] for array in (heard, anchors, truth)))
    return some._replace(nats=float(nats_of(checkpoint.model, some)))


def nats_of(model: CompoundWordTransformer, some: Passage) -> Tensor:
    """A word, of what follows the opening."""
    context = model(some.heard, 0, some.anchors, torch.zeros_like(some.heard[..., 0]))
    losses = loss_by_attribute(model.logits(context, some.truth), some.truth)
    return torch.stack([nats for nats, _, _ in losses.values()]).sum() / (some.truth[..., 0] != IGNORE).sum()


def prefer(
    model: CompoundWordTransformer,
    pairs: Sequence[tuple[Passage, Passage]],
    rounds: int,
    rate: float,
    margin: float,
) -> None:
    """Teach it; prints after each hundred pairs how often the song was the likelier one, and its nats a word."""
    model.eval().requires_grad_(True)
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    began, told_of = time.monotonic(), []
    for number in range(rounds * len(pairs)):
        if number % len(pairs) == 0:
            order = torch.randperm(len(pairs)).tolist()
        song, own = pairs[order[number % len(pairs)]]
        song_nats, own_nats = nats_of(model, song), nats_of(model, own)
        gain = (song.nats - song_nats) - (own.nats - own_nats)
        ((song_nats - F.logsigmoid(margin * gain)) / TOGETHER).backward()
        changes = [float(gain.detach()), float(song_nats.detach()) - song.nats, float(own_nats.detach()) - own.nats]
        told_of.append((float(changes[0] > 0), *changes))
        if (number + 1) % TOGETHER == 0:
            torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
            optimiser.step()
            optimiser.zero_grad()
        if (number + 1) % 100 == 0:
            preferred, gained, real, own_change = np.mean(told_of[-100:], axis=0)
            print(
                f"{number + 1} pairs, {time.monotonic() - began:.0f} s: the song preferred {preferred:.2f}, by"
                f" {gained:+.3f} nats a word; change of its own nats {real:+.3f}, of the model's {own_change:+.3f}",
                flush=True,
            )
    model.requires_grad_(False)


if __name__ == "__main__":
    main()
