"""What words keep of real songs, and how many there are: the cost of the grid, and compound words beside REMI tokens.

    ./run bench words CORPUS [CORPUS ...] [--songs 100]

CORPUS is a folder as composer.training.sources finds it. Measured are the first songs by name, the bars that a model is
trained on. Prints a Markdown table:

    onsets moved      notes that start more than 10 ms from where they were played, and the mean of all notes
    merged            notes that become one with another, of the same pitch and part on the same position
    cut               notes that end early on the grid, because their pitch starts again in their part
    length changed    notes whose length is off by more than half a sixteenth: cut, merged, very short or very long
    words, REMI       a song; the end word counts
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from bench.baselines.remi import to_remi
from composer.errors import OpeningError
from composer.music.encoding import quantise, to_words
from composer.music.grid import snap
from composer.music.meter import TICKS_PER_BEAT
from composer.music.midi import parse_midi
from composer.music.score import Score
from composer.music.words import Family, Vocabulary, default_vocabulary
from composer.order import STYLES
from composer.training.corpora import collection_of, stretches_of
from composer.training.sources import find_sources, read_sources

HEARD_MS = 10.0  # a smaller shift is below what listeners notice between two onsets
COLUMNS = (
    *("corpus", "songs", "onsets moved > 10 ms", "mean ms", "merged", "cut", "length changed"),
    *("words", "REMI tokens", "REMI / words", "notes a word"),
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
    corpus = collection_of(folder, STYLES[0])
    sources = find_sources(folder, corpus.tiers)[:most]
    counts: Counter[str] = Counter()
    for _, data in read_sources(sources):
        try:
            score = parse_midi(data, corpus.roles).without_drums()
        except OpeningError:
            continue
        counts["songs"] += 1
        for first, behind in stretches_of(score, vocabulary):
            played = score.excerpt(first, behind)
            if played.notes:
                counts += length_of(played, vocabulary) + loss_of(played, vocabulary)
    return counts


def length_of(played: Score, vocabulary: Vocabulary) -> Counter[str]:
    words = to_words(played, vocabulary)
    notes = sum(word.family == Family.NOTE for word in words)
    return Counter(words=len(words), tokens=len(to_remi(words)), written=notes)


def loss_of(played: Score, vocabulary: Vocabulary) -> Counter[str]:
    """What the grid does to the notes of one stretch."""
    notes = [(part.role, note) for part in played.pitched for note in part.notes]
    starts = snap([note.start for _, note in notes], played.bars).tolist()
    kept = {(p.role, n.start, n.pitch): n for p in quantise(played, vocabulary).parts for n in p.notes}
    counts = Counter(played=len(notes), merged=len(notes) - len(kept))
    again: dict[tuple[int, int], list[int]] = {}
    for (role, note), start in zip(notes, starts, strict=True):
        again.setdefault((role, note.pitch), []).append(start)
    for (role, note), start in zip(notes, starts, strict=True):
        among = kept.get((role, start, note.pitch))
        if among is None:  # off the piano, or behind the last line
            continue
        milliseconds = 1000 * abs(played.seconds_at(start) - played.seconds_at(note.start))
        following = min((other for other in again[role, note.pitch] if other > start), default=note.end + start)
        counts["microseconds"] += round(1000 * milliseconds)
        counts["moved"] += milliseconds > HEARD_MS
        counts["cut"] += following < start + note.end - note.start
        counts["changed"] += abs((among.end - among.start) - (note.end - note.start)) > TICKS_PER_BEAT / 8
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
