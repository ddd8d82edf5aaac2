"""`segue transcribe`: piano recordings become MIDI."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def transcribe(
    folder: Annotated[Path, typer.Argument(help="A folder of piano recordings: MP3, WAV, OGG, M4A, FLAC.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="Folder for the MIDI files.")],
) -> None:
    """Turn piano recordings of any length into MIDI that `segue train` takes.

    Writes a MIDI file for each, on beats and bars that are found, and train.txt and validation.txt: every tenth song is
    for validation. What cannot be used is said in a sentence, and the rest goes on. A second of piano takes about one
    of a processor.
    """
    from composer.cli import wiring

    wiring.transcribe(folder, out)
    print(out)
