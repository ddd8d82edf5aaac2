"""The files of a corpus, and which split each belongs to.

A corpus is a folder that holds .mid files, or .tar.gz archives of them, and two lists of song ids, a line each,
train.txt and validation.txt, in the folder or in the one above. A file belongs to the song that its name starts
with: 011.mid and 011-v1.mid to song 011. Where a manifest.tsv has a column `tier`, only the asked tiers are taken.
"""

from __future__ import annotations

import csv
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from composer.errors import SettingsError

Split = Literal["train", "validation"]

ANNOTATIONS = frozenset({"CHORD"})  # POP909's track of chord labels, which nobody plays


@dataclass(frozen=True)
class Source:
    """Where the bytes of one file lie, and which split it belongs to."""

    name: str
    split: Split
    container: Path  # the .mid file itself, or the archive
    size: int


def find_sources(folder: Path, tiers: Sequence[str] = ("A",)) -> list[Source]:
    """The files of a corpus that have a split, in the order of their names. Raises SettingsError if there are none."""
    sources = list(_sources(folder, _splits(folder), _left_out_tiers(folder, tiers)))
    if not sources:
        raise SettingsError(f"{folder} holds no MIDI file of a song that train.txt or validation.txt names.")
    return sources


def read_sources(sources: Sequence[Source]) -> Iterator[tuple[Source, bytes]]:
    """The bytes of every source; an archive is gone through once."""
    for container in sorted({source.container for source in sources}):
        wanted = {source.name: source for source in sources if source.container == container}
        if container.suffix == ".mid":
            yield wanted[container.name], container.read_bytes()
            continue
        with tarfile.open(container) as members:
            for member in members:
                source = wanted.get(Path(member.name).name)
                content = members.extractfile(member) if source else None
                if source and content:
                    yield source, content.read()


def _song_id(name: str) -> str:
    return name.removesuffix(".mid").split("-")[0]


def _splits(folder: Path) -> dict[str, Split]:
    """The split of each song id. Validation wins: a song on both lists is never trained on."""
    found: dict[str, Split] = {}
    for split in ("train", "validation"):
        lists = [place / f"{split}.txt" for place in (folder, folder.parent)]
        path = next((p for p in lists if p.is_file()), None)
        if path is None:
            raise SettingsError(f"{folder} has no {split}.txt, nor has the folder above: list its song ids there.")
        found |= {_song_id(line.strip()): split for line in path.read_text().splitlines() if line.strip()}
    return found


def _left_out_tiers(folder: Path, tiers: Sequence[str]) -> set[str]:
    manifest = folder / "manifest.tsv"
    if not manifest.is_file():
        return set()
    with manifest.open(newline="") as lines:
        rows = csv.DictReader(lines, delimiter="\t")
        return {row["id"] for row in rows if "tier" in row and row["tier"] not in tiers}


def _sources(folder: Path, splits: dict[str, Split], left_out: set[str]) -> Iterator[Source]:
    """Every file that has a split, in the order of its name."""
    files = [(path.name, path, path.stat().st_size) for path in folder.rglob("*.mid")]
    for archive in folder.rglob("*.tar.gz"):
        with tarfile.open(archive) as members:
            files += [(Path(m.name).name, archive, m.size) for m in members if m.name.endswith(".mid")]
    for name, container, size in sorted(files):
        split = splits.get(_song_id(name))
        if split is not None and name.removesuffix(".mid") not in left_out:
            yield Source(name, split, container, size)
