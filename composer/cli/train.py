"""`segue train`: corpora become a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import DEFAULT_CACHE, CacheOption, Device, DeviceOption, from_fields
from composer.engine.shape import Shape
from composer.training.config import TrainingConfig


@from_fields
def train(
    corpora: Annotated[list[Path], typer.Argument(help="Folders of MIDI files with train.txt and validation.txt.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="The run's folder; one that exists is resumed.")],
    training: TrainingConfig,
    model: Shape,
    start: Annotated[Path | None, typer.Option(help="A checkpoint whose weights a new run begins with.")] = None,
    style: Annotated[str, typer.Option(help="Of corpora that are not known: pop, classical, song or another.")] = "pop",
    cache: CacheOption = DEFAULT_CACHE,
    device: DeviceOption = Device.auto,
) -> None:
    """Train a Compound Word Transformer.

    CORPORA are folders that hold .mid files or .tar.gz archives of them, and beside them (or one folder above) the
    lists train.txt and validation.txt: a song id a line, and a file belongs to the song that its name starts with.
    Songs of neither list are left out; nothing of validation is trained on. What is encoded once is kept; a file that
    `./run bench corpora` wrote stands for all that are in it.

    RUN/curves.csv and RUN/tensorboard get loss (nats) and accuracy in total and for each attribute, of training and of
    each corpus' validation list. RUN/step-NNNNNN and RUN/best are checkpoints that `segue compose --checkpoint` takes;
    `segue promote` makes one a checkpoint of the project, with its card and curves.

    A run that was stopped, kill -9 included, goes on from its last checkpoint when the same command is given again,
    and its curve is the one that it would have had.

    On a CPU two threads reach most of the speed only while nothing else runs; OMP_NUM_THREADS=1 shares a machine
    better.
    """
    from composer.cli import wiring

    wiring.train(corpora, out, training, model, start, style, cache, device)
