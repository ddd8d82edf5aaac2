"""`segue mirex`: a prompt of MIREX 2025 goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import Device, DeviceOption
from composer.places import DEFAULT_CHECKPOINT


def mirex(
    prompt: Annotated[Path, typer.Argument(help="A pickup and four bars, as JSON: examples/mirex has some.")],
    candidates: Annotated[int, typer.Option(help="How many continuations.")] = 8,
    seed: Annotated[int, typer.Option(help="The same seed gives the same candidates.")] = 7,
    style: Annotated[
        str, typer.Option(help="What the music is like: pop, song, classical, quartet.", show_default="as the prompt")
    ] = "",
    checkpoint: Annotated[Path, typer.Option(help="The folder of a trained model.")] = DEFAULT_CHECKPOINT,
    device: DeviceOption = Device.auto,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the result [out/mirex/NAME OF THE PROMPT].")
    ] = None,
) -> None:
    """Continue a prompt of the MIREX 2025 task, symbolic music generation, by twelve bars.

    Writes sample_01.json, sample_02.json and so on, in the format of the task.
    """
    from composer.cli import wiring
    from composer.mirex import NEW_BARS
    from composer.order import Order

    order = Order(NEW_BARS, candidates, seed, style=style)
    print(wiring.mirex(prompt, order, checkpoint, device, out or Path("out/mirex") / prompt.stem))
