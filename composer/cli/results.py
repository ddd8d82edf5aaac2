"""The folder that `segue compose` leaves: the pieces of one call, from one opening."""

from __future__ import annotations

import itertools
import json
import re
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from composer.music.midi import dump_midi
from composer.piece import Take
from composer.rendering.audio import LIMIT_SECONDS, render_mp3
from composer.rendering.loop import render_loop
from composer.rendering.sheet import sheet_of
from composer.rendering.stems import stems_of, zipped

SOURCE = ("file", "sha256")  # what a receipt says of the file that an opening is from

# What an earlier call has left.
MADE = re.compile(
    r"piece(-\d+)?\.(json|mid|mp3|png|musicxml|pdf|sheet-\d+\.png|stems\.zip|loop\.flac|new\.mid)|heard\.mid|sample_\d+\.json"
)


@dataclass(frozen=True)
class Wanted:
    """What is made of a piece beside its MIDI and its picture.

    Attributes:
        audio: the MP3.
        sheet: the sheet music: MusicXML, pictures of its pages, and a PDF.
        stems: each track as MP3 and MIDI, in a zip.
        loop: the new bars as FLAC, to be played over and over.
        only_new: the new bars as MIDI.
    """

    audio: bool = True
    sheet: bool = False
    stems: bool = False
    loop: bool = False
    only_new: bool = False

    @property
    def sound(self) -> bool:
        return self.audio or self.stems or self.loop


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


def write_take(take: Take, path: Path, title: str, wanted: Wanted) -> None:
    """One piece as MIDI, as a picture, and as what else is wanted.

    Args:
        take: the piece.
        path: where, without the ending of a file's name.
        title: of the piece.
        wanted: what is made.
    """
    from composer.rendering.piano_roll import draw_piano_roll  # matters to how soon the first word is there

    path.with_suffix(".mid").write_bytes(dump_midi(take.score, title))
    path.with_suffix(".png").write_bytes(draw_piano_roll(take.score, take.first, title, take.request.bars, take.beside))
    if wanted.sheet:
        _write_sheet(take, path, title)
    if wanted.stems:
        path.with_suffix(".stems.zip").write_bytes(zipped(stems_of(take.score, title)))
    if wanted.loop:
        path.with_suffix(".loop.flac").write_bytes(render_loop(take.score, *take.composed_bars, title))
    if wanted.only_new:
        alone = take.score.excerpt(*take.composed_bars)
        path.with_suffix(".new.mid").write_bytes(dump_midi(alone, title))
    if not wanted.audio:
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
