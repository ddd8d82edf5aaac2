"""Whether critics that choose among candidates make what is kept more like real music.

    ./run bench critic CHECKPOINT CORPUS [CORPUS ...] [--taught 150] [--openings 40] [--save]

Of each corpus a critic (composer.audition.critic) learns from training songs: how they go on, and what the checkpoint
makes of their openings. Then eight candidates go on from each of the openings of validation songs, which it has never
seen. Prints, of each corpus that an audition has figures of, what it would say of the first candidate and of those that
are kept of two, four and eight, with 95 % intervals over the openings; the last column is how that moves the overlap.
Critics go by figures that an audition compares by, but for structureness; the songs that judge have no part in them.
--save keeps the critics beside the checkpoint: from then on they choose.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from bench.machine import threads
from composer.audition.bootstrap import interval, told
from composer.audition.choice import DRAWS, POINTS, summarise
from composer.audition.comparison import (
    COMPARED,
    Reference,
    columns_of,
    load_reference,
    mean,
    overlap_by_rows,
    reference_names,
)
from composer.audition.critic import BARS, Critic, Critics, Features, features
from composer.audition.grid import Ints, notes_of
from composer.audition.metrics import judge
from composer.audition.openings import OPENING_BARS, Song, openings_of_corpus, songs_of, spread
from composer.audition.trials import Judged, compose_all
from composer.candidates import choose
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.music.encoding import decode, to_words
from composer.music.words import Vocabulary, Word
from composer.order import Order
from composer.piece import Take
from composer.training.corpora import collection_of
from composer.training.sources import find_sources

SLOTS = 16
KEPT_OF = (2, 4, 8)
TOLD = ("gap", "overlap", "auc", "echo", "key_kept")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("corpora", type=Path, nargs="+")
    parser.add_argument("--taught", type=int, default=150, help="training songs of each corpus")
    parser.add_argument("--openings", type=int, default=40)
    parser.add_argument("--save", action="store_true", help="from then on they choose")
    options = parser.parse_args()
    checkpoint = replace(load_checkpoint(options.checkpoint), critics=None)
    with threads(1):
        by_style = {
            collection_of(folder, "").style: taught(checkpoint, folder, options.taught) for folder in options.corpora
        }
        critics = Critics(by_style)
        if options.save:
            critics.save(options.checkpoint)
        print(f"| corpus, kept | openings | {' | '.join(TOLD)} | overlap, from the first on |")
        print("| --- " * (len(TOLD) + 3) + "|")
        for folder in options.corpora:
            if (name := folder.resolve().name) in reference_names():
                table(checkpoint, critics, openings_of_corpus(folder, options.openings, BARS), load_reference(name))


def taught(checkpoint: Checkpoint, folder: Path, count: int) -> Critic:
    """By so many training songs of a corpus, each with a seed of its own."""
    sources = [source for source in find_sources(folder) if source.split == "train"]
    songs = spread(songs_of(spread(sources, 3 * count), BARS), count)
    takes = compose_all(checkpoint, songs, Order(BARS, seed=1, ending=False, candidates=1), SLOTS)
    vocabulary = checkpoint.vocabulary
    composed = [found for (take,) in takes if (found := features_of(words_of(take), vocabulary))]
    real = [
        found
        for song in songs
        if song.original and (found := features_of(to_words(song.original.played, vocabulary), vocabulary))
    ]
    return Critic.taught(composed, real)


def words_of(take: Take) -> list[Word]:
    return [*take.request.words, *take.composed.words]


def features_of(words: Sequence[Word], vocabulary: Vocabulary) -> Features | None:
    return features(notes_of(decode(words, vocabulary)), OPENING_BARS)


def table(checkpoint: Checkpoint, critics: Critics, songs: Sequence[Song], reference: Reference) -> None:
    order = Order(BARS, max(KEPT_OF), seed=10_000, ending=False, candidates=1)
    takes = compose_all(checkpoint, songs, order, SLOTS)
    judged = [[judged_of(take) for take in each] for each in takes]
    first = [each[0] for each in judged]
    print(f"| {reference.name}, the first | {row(first, first, reference)} |", flush=True)
    for count in KEPT_OF:
        kept = [
            pieces[kept_of(each[:count], checkpoint.vocabulary, critics)]
            for each, pieces in zip(takes, judged, strict=True)
        ]
        print(f"| {reference.name}, of {count} | {row(kept, first, reference)} |", flush=True)


def kept_of(takes: Sequence[Take], vocabulary: Vocabulary, critics: Critics) -> int:
    return choose(takes[0].request, [take.composed for take in takes], vocabulary, critics)[0]


def judged_of(take: Take) -> Judged:
    notes = notes_of(take.score)
    return Judged(notes.part(OPENING_BARS, notes.bars), judge(notes, OPENING_BARS), None, take=take)


def row(pieces: Sequence[Judged], first: Sequence[Judged], reference: Reference) -> str:
    found = summarise([[piece] for piece in pieces], reference)
    cells = [str(len(pieces)), *(told(getattr(found, name), found.intervals[name]) for name in TOLD)]
    ours, theirs = (_overlap(one, reference) for one in (pieces, first))
    low, high = interval(lambda rows: ours(rows) - theirs(rows), len(pieces), DRAWS)
    return " | ".join([*cells, f"[{low:+.3f} {high:+.3f}]"])


def _overlap(pieces: Sequence[Judged], reference: Reference) -> Callable[[Ints], float]:
    columns = columns_of([piece.figures or dict.fromkeys(COMPARED, math.nan) for piece in pieces])
    areas = [overlap_by_rows(columns[name], reference.figures[name], POINTS) for name in COMPARED]
    return lambda rows: mean([area(rows) for area in areas])


if __name__ == "__main__":
    main()
