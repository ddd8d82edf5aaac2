"""What words keep of real songs, and how many there are: the cost of the grid, and compound words beside REMI tokens.

    ./run bench encoding CORPUS [CORPUS ...] [--songs 100]

CORPUS is a folder as composer.training.sources finds it; a corpus that was never encoded is encoded first. Measured
are the first songs by name, the stretches in 4/4 that a model is trained on. Prints a Markdown table:

    onsets moved      notes that start more than 10 ms from where they were played, and the mean of all notes
    merged            notes that become one with another, of the same pitch on the same position
    cut               notes that end early on the grid, because their pitch starts again
    length changed    notes whose length is off by more than half a position: cut, merged, very short or very long
    words, REMI       a song; the end word counts
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from composer.encoding import quantise, to_remi
from composer.music.midi import leaving_out, parse_midi
from composer.music.score import Score, in_four
from composer.training.dataset import Song, load_corpus, stretches_in_four
from composer.training.sources import ANNOTATIONS, find_sources, read_sources
from composer.words import Family, Vocabulary, Word, default_vocabulary

HEARD_MS = 10.0  # a smaller shift is below what listeners notice between two onsets
COLUMNS = (
    "corpus",
    "songs",
    "onsets moved > 10 ms",
    "mean ms",
    "merged",
    "cut",
    "length changed",
    "words",
    "REMI tokens",
    "REMI / words",
    "notes a word",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=Path, metavar="CORPUS")
    parser.add_argument("--songs", type=int, default=100)
    options = parser.parse_args()

    vocabulary = default_vocabulary()
    print(f"| {' | '.join(COLUMNS)} |")
    print(f"|{' --- |' * len(COLUMNS)}")
    for folder in options.corpora:
        counts = measure(folder, vocabulary, options.songs)
        print(f"| {' | '.join(row(folder.resolve().name, counts))} |", flush=True)


def measure(folder: Path, vocabulary: Vocabulary, most: int) -> Counter[str]:
    corpus = load_corpus(folder, vocabulary, Path(".cache/corpora"))
    stretches = [*corpus.train, *corpus.validation]
    files = set(sorted({file_of(stretch) for stretch in stretches})[:most])
    counts = Counter(songs=len(files))
    for stretch in stretches:
        if file_of(stretch) in files:
            counts += length_of(stretch)
    for _, data in read_sources([source for source in find_sources(folder) if source.name in files]):
        score = parse_midi(data, leaving_out(ANNOTATIONS)).without_drums()
        for first, behind in stretches_in_four(score):
            counts += loss_of(score.excerpt(first, behind), vocabulary)
    return counts


def file_of(stretch: Song) -> str:
    return stretch.name.rpartition("/")[0]


def length_of(stretch: Song) -> Counter[str]:
    words = [Word(*map(int, ids)) for ids in stretch.words]
    notes = sum(word.family == Family.NOTE for word in words)
    return Counter(words=len(words), tokens=len(to_remi(words)), written=notes)


def loss_of(played: Score, vocabulary: Vocabulary) -> Counter[str]:
    """What the grid does to the notes of one stretch."""
    kept = {(note.start, note.pitch): note for note in quantise(played, vocabulary).notes}
    counts = Counter(played=len(played.notes), merged=len(played.notes) - len(kept))
    for note in played.notes:
        (alone,) = quantise(in_four((note,), end=played.end), vocabulary).notes  # no other note cuts it
        among = kept[alone.start, alone.pitch]
        milliseconds = 1000 * abs(played.seconds_at(alone.start) - played.seconds_at(note.start))
        change = abs((among.end - among.start) - (note.end - note.start))
        counts["microseconds"] += round(1000 * milliseconds)
        counts["moved"] += milliseconds > HEARD_MS
        counts["cut"] += among.end < alone.end
        counts["changed"] += change > vocabulary.ticks_per_position / 2
    return counts


def row(name: str, counts: Counter[str]) -> Iterable[str]:
    played, songs = counts["played"], counts["songs"]
    yield name
    yield str(songs)
    yield f"{counts['moved'] / played:.1%}"
    yield f"{counts['microseconds'] / played / 1000:.1f}"
    yield from (f"{counts[what] / played:.1%}" for what in ("merged", "cut", "changed"))
    yield from (f"{counts[what] / songs:.0f}" for what in ("words", "tokens"))
    yield f"{counts['tokens'] / counts['words']:.2f}"
    yield f"{counts['written'] / counts['words']:.2f}"


if __name__ == "__main__":
    main()
