"""How pieces go on in the meter that they are in, on songs that the model was not trained on.

    ./run bench corpora ../shared/data                          # once
    ./run bench meters CHECKPOINT [--songs 40] [--only kept close offbeats]

kept: whether meter, bars and grammar are, in each meter. close: 32 bars behind the first 8, as near to the songs' own
as the audition measures it, and beside it how near one half of the songs is to the other. offbeats: of openings in
triplets, the share of the onsets off the beat that stand on triplets, against the songs' own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from bench.tasks import ASKED_BARS, HEARD_BARS, Bars, Tried, interval, run, words_of
from composer.audition.comparison import columns_of, compare
from composer.audition.grid import TICKS_PER_STEP, on_grid
from composer.audition.metrics import Figures, judge
from composer.music.encoding import decode
from composer.music.grid import POSITIONS_PER_QUARTER
from composer.music.meter import Meter
from composer.music.words import COLUMN, Family, Word
from composer.request import Request
from composer.rules import broken_rules
from composer.training.lessons import Song
from composer.training.tasks import split_bars

FOLLOWING = 32  # bars that are compared
METERS = ("4/4", "3/4", "2/4", "6/8", "3/8", "9/8", "12/8", "5/4", "6/4", "7/8")
TRIPLET_SHARE = 0.5  # of the onsets off the beat of an opening that is in triplets
TERNARY = (POSITIONS_PER_QUARTER // 3, 2 * POSITIONS_PER_QUARTER // 3)
BINARY = tuple(POSITIONS_PER_QUARTER * at // 4 for at in (1, 2, 3))


def songs_in(tried: Tried, meter: str, bars: int) -> list[tuple[Song, Bars]]:
    """Held-out songs whose first bars are all of a meter, evenly taken."""
    wanted = tried.vocabulary.meters.index(meter) + 1
    found = []
    for song in tried.lessons.validation:
        parts = split_bars(song.words.astype(np.int64))
        if len(parts) >= bars and {int(part[0, COLUMN["meter"]]) for part in parts[:bars]} == {wanted}:
            found.append((song, parts[:bars]))
    return found[:: max(1, len(found) // tried.most)][: tried.most]


def kept(tried: Tried) -> Iterator[str]:
    for meter in METERS:
        songs = songs_in(tried, meter, HEARD_BARS)
        if not songs:
            continue
        requests = [
            Request(words_of(bars), ASKED_BARS, number, style=tried.style(song))
            for number, (song, bars) in enumerate(songs)
        ]
        pieces = tried.compose(requests)
        broken = sum(any(broken_rules(words, tried.vocabulary, ASKED_BARS)) for words in pieces)
        wanted = requests[0].words[0].meter
        same = sum({word.meter for word in words if word.family == Family.BAR} == {wanted} for words in pieces)
        yield f"{meter:5} {len(pieces):3} pieces  meter and bars kept {same}  rules broken {broken}"


def figures_of(tried: Tried, words: Sequence[Word], meter: str) -> Figures:
    steps = Meter.parse(meter).ticks // TICKS_PER_STEP
    return judge(on_grid(decode(words, tried.vocabulary).notes, steps), HEARD_BARS)


def close(tried: Tried) -> Iterator[str]:
    for meter in ("3/4", "2/4", "6/8", "4/4"):
        songs = songs_in(tried, meter, HEARD_BARS + FOLLOWING)
        openings = [words_of(bars[:HEARD_BARS]) for _, bars in songs]
        requests = [
            Request(words, FOLLOWING, number, ending=False, style=tried.style(song))
            for number, ((song, _), words) in enumerate(zip(songs, openings, strict=True))
        ]
        pieces = tried.compose(requests)
        ours = [figures_of(tried, [*words, *new[:-1]], meter) for words, new in zip(openings, pieces, strict=True)]
        real = [figures_of(tried, words_of(bars), meter) for _, bars in songs]
        found = compare(ours, columns_of(real))
        halves = compare(real[::2], columns_of(real[1::2]))
        yield (
            f"{meter:5} {len(pieces):3} songs  gap {found.gap:.3f}  OA {found.overlap:.3f}  "
            f"(one half of the songs against the other: {halves.gap:.3f}, {halves.overlap:.3f})"
        )


def triplets(words: Sequence[Word]) -> tuple[int, int]:
    """Onsets on triplets, and all that are off the beat."""
    places = [
        (word.position - 1) % POSITIONS_PER_QUARTER
        for word, following in pairwise(words)
        if word.family == Family.METRICAL and following.family == Family.NOTE
    ]
    ternary = sum(place in TERNARY for place in places)
    return ternary, ternary + sum(place in BINARY for place in places)


def offbeats(tried: Tried) -> Iterator[str]:
    requests, real = [], []
    for song in tried.lessons.validation:
        bars = split_bars(song.words.astype(np.int64))
        opening = words_of(bars[:HEARD_BARS])
        ternary, all_off = triplets(opening)
        if len(bars) < HEARD_BARS + ASKED_BARS or not all_off or ternary / all_off < TRIPLET_SHARE:
            continue
        meters = tuple(int(bar[0, COLUMN["meter"]]) for bar in bars[HEARD_BARS : HEARD_BARS + ASKED_BARS])
        number = len(requests)
        requests.append(Request(opening, ASKED_BARS, number, ending=False, meters=meters, style=tried.style(song)))
        real.append(triplets(words_of(bars[HEARD_BARS : HEARD_BARS + ASKED_BARS])))
    if not requests:
        yield "no held-out song begins in triplets"
        return
    ours = [triplets(words) for words in tried.compose(requests)]
    shares = [interval(*map(list, zip(*rows, strict=True))) for rows in (ours, real)]
    told = f"of the onsets off the beat on triplets {shares[0]}, of the songs' {shares[1]}"
    yield f"{len(requests)} openings in triplets: {told}"


MEASURES = {"kept": kept, "close": close, "offbeats": offbeats}


def main() -> None:
    run(__doc__, MEASURES)


if __name__ == "__main__":
    main()
