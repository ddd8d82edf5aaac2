"""`segue promote`: a run's checkpoint becomes one of the project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import DEFAULT_CACHE, CacheOption


def promote(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint in a run's folder: RUN/step-NNNNNN or RUN/best.")],
    name: Annotated[str, typer.Argument(help="What to call it: it becomes checkpoints/NAME.")],
    corpus: Annotated[
        list[Path] | None, typer.Option(help="A corpus that it was trained on: it learns to tell when it copies it.")
    ] = None,
    copying: Annotated[
        float, typer.Option(min=0, help="How much bars that came before count, times what training found.")
    ] = 1.0,
    cache: CacheOption = DEFAULT_CACHE,
) -> None:
    """Make a run's checkpoint one of the project, with CARD.md and curves.png beside the weights.

    Give every corpus that it was trained on: an index of their runs of notes goes with it, by which the guard against
    copies works.
    """
    from composer.cli import wiring

    print(wiring.promote(checkpoint, name, corpus or [], copying, cache))
