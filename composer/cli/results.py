"""The folder that `segue compose` leaves: the pieces of one call, from one opening."""

from __future__ import annotations

import itertools
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from composer.music.midi import dump_midi
from composer.piece import Take
from composer.rendering.audio import LIMIT_SECONDS, render_mp3
from composer.rendering.sheet import sheet_of

SOURCE = ("file", "sha256")  # what a receipt says of the file that an opening is from

# What an earlier call has left.
MADE = re.compile(r"piece(-\d+)?\.(json|mid|mp3|png|musicxml|pdf|sheet-\d+\.png)|heard\.mid|sample_\d+\.json")


def folder_for(source: Mapping[str, str]) -> Path:
    """out/NAME, or with a number behind it where that holds what was made of another opening of this name.

    Args:
        source: the opening as a receipt names it.
    """
    stem = Path(source["file"]).stem
    for name in itertools.chain([stem], (f"{stem}-{number}" for number in itertools.count(2))):
        folder = Path("out") / name
        if all(_opening_of(receipt) in (source, None) for receipt in folder.glob("piece*.json")):
            return folder
    raise AssertionError("there is always another number")


def _opening_of(receipt: Path) -> object:
    """None where it cannot be told."""
    try:
        told = json.loads(receipt.read_text())
    except (OSError, ValueError):
        return None
    opening = told.get("opening") if isinstance(told, dict) else None
    return {key: opening.get(key) for key in SOURCE} if isinstance(opening, dict) else None


@contextmanager
def renewed(folder: Path) -> Iterator[Path]:
    """A new folder, whose files come into this one as soon as all are there.

    What was there stays until then. Then the pieces of an earlier call go: they would pass for takes of this one.
    """
    with tempfile.TemporaryDirectory(prefix=".new-", dir=folder) as name:
        yield Path(name)
        _replace_pieces(folder, Path(name))


def _replace_pieces(folder: Path, new: Path) -> None:
    names = {path.name for path in new.iterdir()}
    for name in names:
        (new / name).replace(folder / name)
    for old in folder.iterdir():
        if MADE.fullmatch(old.name) and old.name not in names:
            old.unlink()


def write_take(take: Take, path: Path, title: str, audio: bool, sheet: bool) -> None:
    """One piece as MIDI, as a picture and, if they are asked for, as sheet music and as an MP3.

    Args:
        take: the piece.
        path: where, without the ending of a file's name.
        title: of the piece.
        audio: whether to make the MP3.
        sheet: whether to make the sheet music: MusicXML, pictures of its pages, and a PDF.
    """
    from composer.rendering.piano_roll import draw_piano_roll  # matters to how soon the first word is there

    path.with_suffix(".mid").write_bytes(dump_midi(take.score, title))
    path.with_suffix(".png").write_bytes(draw_piano_roll(take.score, take.first, title, take.request.bars, take.beside))
    if sheet:
        _write_sheet(take, path, title)
    if not audio:
        return
    path.with_suffix(".mp3").write_bytes(render_mp3(take.score, title))
    if take.score.seconds_at(take.score.end) > LIMIT_SECONDS:
        print(f"The MP3 ends after {LIMIT_SECONDS / 60:.0f} minutes; {path.name}.mid holds it all.", file=sys.stderr)


def _write_sheet(take: Take, path: Path, title: str) -> None:
    sheet = sheet_of(take.score, title, take.first)
    path.with_suffix(".musicxml").write_bytes(sheet.musicxml)
    path.with_suffix(".pdf").write_bytes(sheet.pdf)
    for number, page in enumerate(sheet.pages, start=1):
        path.with_suffix(f".sheet-{number}.png").write_bytes(page)
