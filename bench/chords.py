"""How often find_chords agrees with people: root right a beat, on the songs of POP909.

    ./run bench chords CORPUS      the folder of pop909_aligned, or its .tar.gz with manifest.tsv beside it

Measured are the songs in 4/4 (some have short bars) whose chords people labelled, so not 367, 553 and 658. A beat is
right if the label in force has the same root; only the last figure counts the beats on which people heard no chord.
The families are major, minor, diminished, augmented and suspended. Seconds are processor time of find_chords.
"""

from __future__ import annotations

import csv
import sys
import tarfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import symusic

from composer.music.chords import find_chords
from composer.music.meter import TICKS_PER_BEAT
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import Chord

# How the corpus spells a chord: root_quality_bass. Its roots have sharps only.
ROOTS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
FAMILIES = {
    "major": ("M", "7", "M7", "", "maj7"),
    "minor": ("m", "m7", "mM7"),
    "diminished": ("o", "o7", "/o7", "dim", "dim7", "m7b5"),
    "augmented": ("+", "aug"),
    "suspended": ("sus2", "sus4"),
}
FAMILY_OF = {quality: family for family, qualities in FAMILIES.items() for quality in qualities}

Label = tuple[int, str] | None  # root and family; None where no chord sounds


def main() -> None:
    archive = archive_of(Path(sys.argv[1]))
    split_of = measured_songs(archive.with_name("manifest.tsv"))
    tallies = {"train": Counter[str](), "validation": Counter[str]()}
    for song, data in midi_files(archive):
        if song in split_of:
            tallies[split_of[song]] += tally(data)
    for split, counts in tallies.items():
        print(f"{split:10}  {summary(counts)}")


def archive_of(corpus: Path) -> Path:
    return next(corpus.glob("*.tar.gz")) if corpus.is_dir() else corpus


def measured_songs(manifest: Path) -> dict[str, str]:
    """Song -> split."""
    with manifest.open(encoding="utf-8", newline="") as lines:
        songs = list(csv.DictReader(lines, delimiter="\t"))
    return {song["id"]: song["split"] for song in songs if song["meter"] == "4" and "human" in song["chord_src"]}


def midi_files(archive: Path) -> Iterator[tuple[str, bytes]]:
    with tarfile.open(archive) as files:
        for member in files:
            content = files.extractfile(member)
            if member.name.endswith(".mid") and content is not None:
                yield Path(member.name).stem, content.read()


def tally(data: bytes) -> Counter[str]:
    """What one song adds to the counts of its split."""
    score = parse_midi(data, leaving_out({"CHORD"}))
    started = time.process_time()
    chords = find_chords(score.notes, score.end)
    counts = Counter(songs=1, microseconds=round((time.process_time() - started) * 1e6))
    beats = range(0, score.end, TICKS_PER_BEAT)
    for theirs, ours in zip(labelled(data, beats), found(chords, beats), strict=True):
        same_root = root(theirs) == root(ours)
        counts["beats"] += 1
        counts["beats right"] += same_root
        if theirs is not None:
            counts["chord beats"] += 1
            counts["chord beats right"] += same_root
            counts["chord beats right with family"] += theirs == ours
    return counts


def root(label: Label) -> int | None:
    return None if label is None else label[0]


def labelled(data: bytes, beats: Sequence[int]) -> Iterator[Label]:
    """What the people heard on each beat, from the markers of the file."""
    file = symusic.Score.from_midi(data)
    markers = [(marker.time * TICKS_PER_BEAT // file.tpq, label_of(marker.text)) for marker in file.markers]
    return in_force(markers, beats)


def label_of(marker: str) -> Label:
    name, quality, _bass = marker.split("_")
    return None if name == "N" else (ROOTS.index(name), FAMILY_OF[quality])


def found(chords: Sequence[Chord], beats: Sequence[int]) -> Iterator[Label]:
    return in_force([(c.tick, None if c.root is None else (c.root, FAMILY_OF[c.quality])) for c in chords], beats)


def in_force(changes: Sequence[tuple[int, Label]], beats: Sequence[int]) -> Iterator[Label]:
    """The last of the changes, in order of time, that comes at most half a sixteenth after each beat."""
    label, coming = None, 0
    for beat in beats:
        while coming < len(changes) and changes[coming][0] <= beat + TICKS_PER_BEAT // 8:
            label = changes[coming][1]
            coming += 1
        yield label


def summary(counts: Counter[str]) -> str:
    return (
        f"{counts['songs']} songs, {counts['microseconds'] / counts['songs'] / 1e6:.4f} s each; root right on"
        f" {counts['chord beats right'] / counts['chord beats']:.4f} of the beats with a chord"
        f" (and family on {counts['chord beats right with family'] / counts['chord beats']:.4f}),"
        f" {counts['beats right'] / counts['beats']:.4f} of all beats"
    )


if __name__ == "__main__":
    main()
