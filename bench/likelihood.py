"""How likely the model finds songs that it was not trained on, beside what is published of others.

    ./run bench corpora ../shared/data                          # once
    ./run bench likelihood [CHECKPOINT] [--data .cache/corpora.npz] [--untold]

Every word of the validation lists of POP909 and Pop1K7 once, teacher-forced, in nats a value: a value is an attribute
of a word that uses it, as a sub-token is elsewhere. Each figure is all nats by all values, no mean of means, and behind
it its 95 % interval, by drawing songs anew. Three means:

    all             of all values
    theirs          without those of meter and role, which the words of the others do not have
    on every note   the same nats by seven values a note (family, position, chord, tempo, pitch, duration, velocity): as
                    if each note repeated what is said once a position here, for theirs do, and what is repeated is
                    easily told. Seven is our reckoning, not theirs

Beside them stands what is published of the Nested Music Transformer (NMT, ISMIR 2024), and there of Compound Words with
the heads of their own paper (CP). It is not the same ground. Known to differ:

- The songs that are held out: theirs is another split.
- Grid and vocabulary: here 12 positions a quarter, velocity in steps of 4, durations by note values, tempo in steps of
  4 %, chords that we found, highest notes first. Fewer or coarser values are easier to tell.
- Position, chord and tempo are said with every note there, once a position here, where bars are words too.
- A note's role is told before its pitch here: its nats are left out of `theirs`, but the pitch profits from it.

How it is here, whatever theirs do:

- Beside the words it is told which corpus, how many bars there were, what the first 8 were like; not with --untold.
- Windows are of 512 words; the first ones attend to nothing before them, of that hints are left. Keys are the songs'.
- The model learned from other corpora, too, in all keys. These lists had a say in its design; and hints count as is set
  for composing, not as trained.

Not known here, and nothing is claimed of it: the split, the windows and the keys of theirs, the order of their notes
and values, and whether their mean is one over all sub-tokens or over their kinds, with what fills up or without.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import torch

from bench.machine import machine
from bench.report import Table, Value, report
from bench.tasks import interval
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.model import loss_by_attribute
from composer.music.words import COLUMN
from composer.places import DEFAULT_CHECKPOINT
from composer.training.lessons import Lessons, validation_windows
from composer.training.train import Tally, ignore_denormals

LENGTH = 512  # words of a window, as in training
NOT_THEIRS = ("meter", "role")
ON_EVERY_NOTE = ("family", "position", "chord", "tempo", "pitch", "duration", "velocity")
ALONE = ("pitch", "duration", "velocity", "position", "chord", "tempo", "family", *NOT_THEIRS)


class Published(NamedTuple):
    """Nats a sub-token, as published; pitch: of those alone."""

    name: str
    nmt: float
    nmt_pitch: float
    cp: float


CORPORA: Mapping[str, Published] = {
    "pop909_aligned": Published("POP909", nmt=0.724, nmt_pitch=0.969, cp=0.911),
    "pop1k7": Published("Pop1K7", nmt=1.103, nmt_pitch=1.154, cp=1.172),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path, nargs="?", default=DEFAULT_CHECKPOINT)
    parser.add_argument("--data", type=Path, default=Path(".cache/corpora.npz"))
    parser.add_argument("--untold", action="store_true", help="leave out what is told beside the words")
    options = parser.parse_args()
    ignore_denormals()
    described = machine()
    found = table(load_checkpoint(options.checkpoint), Lessons.load(options.data), not options.untold)
    report("likelihood", described, [found])


@torch.inference_mode()
def tallies(checkpoint: Checkpoint, lessons: Lessons, corpus: str, told: bool = True) -> list[Tally]:
    """Of each of its validation songs, all stretches together. told: what is told beside the words, too"""
    model, number = checkpoint.model, lessons.corpora.index(corpus)
    held_out = [song for song in lessons.validation if song.corpus == number]
    found = []
    for _, stretches in groupby(held_out, key=lambda song: song.name.rpartition("/")[0]):
        windows = validation_windows(replace(lessons, validation=list(stretches)), LENGTH, model.config.past)
        tally = Tally(model.config.attributes)
        for batch in dict(windows)[corpus]:
            words, anchors, segments, truth = map(torch.from_numpy, batch)
            context = model(words, model.config.past, anchors if told else None, segments)
            tally.add(loss_by_attribute(model.logits(context, truth), truth), truth)
        found.append(tally)
    return found


def figures(songs: list[Tally]) -> dict[str, str]:
    """Nats a value and their intervals, by what the values are of."""
    nats, uses, _ = torch.stack([song.sums for song in songs]).unbind(-1)  # (songs, attributes)
    theirs = [column for name, column in COLUMN.items() if name not in NOT_THEIRS]
    repeated = [len(ON_EVERY_NOTE) * song.notes for song in songs]
    ratios = {
        "all": (nats.sum(1).tolist(), uses.sum(1).tolist()),
        "theirs": (nats[:, theirs].sum(1).tolist(), uses[:, theirs].sum(1).tolist()),
        "on every note": (nats[:, theirs].sum(1).tolist(), repeated),
        **{name: (nats[:, COLUMN[name]].tolist(), uses[:, COLUMN[name]].tolist()) for name in ALONE},
    }
    return {name: interval(*ratio) for name, ratio in ratios.items()}


def table(checkpoint: Checkpoint, lessons: Lessons, told: bool = True) -> Table:
    """Ours and the published figures, side by side for each corpus."""
    columns: dict[str, dict[str, str]] = {}
    for corpus, published in CORPORA.items():
        songs = tallies(checkpoint, lessons, corpus, told)
        ours = columns[f"{published.name}, {len(songs)} songs"] = figures(songs)
        means = [name for name in ours if name not in ALONE]
        nmt = dict.fromkeys(means, published.nmt) | {"pitch": published.nmt_pitch}
        columns[f"{published.name}, NMT"] = {name: f"{value:.3f}" for name, value in nmt.items()}
        columns[f"{published.name}, CP"] = dict.fromkeys(means, f"{published.cp:.3f}")
    rows: list[dict[str, Value]] = [
        {"values": name, **{column: found.get(name) for column, found in columns.items()}} for name in ours
    ]
    name = checkpoint.name if told else f"{checkpoint.name}, told nothing"
    return Table(f"Nats a value of {name}, and as published of others", rows)


if __name__ == "__main__":
    main()
