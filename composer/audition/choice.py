"""What the pieces of a candidate come to, and which candidate is recommended: RULE, and nothing else."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from composer.audition.bootstrap import UNKNOWN, Interval, interval
from composer.audition.comparison import (
    COMPARED,
    Reference,
    columns_of,
    compare,
    gap,
    mean,
    overlap_by_rows,
    told_apart,
)
from composer.audition.grid import Floats, Ints
from composer.audition.metrics import bar_sets
from composer.audition.openings import Group
from composer.audition.trials import Judged, Pieces, Result

SPOILT_ONE_IN = 20  # pieces: copies, and as many that are stuck
FEWEST_TO_FORGIVE = 10  # pieces; of fewer none may be spoilt
FEWEST_OPENINGS_TO_HALVE = 2
DRAWS, POINTS = 200, 128  # of an interval: openings are drawn so often, and densities compared at so many places
RULE = (
    "Among the candidates that pass the gates (no broken grammar, no piece without notes, at most one piece in twenty "
    "a copy, at most one in twenty stuck in a loop; of ten pieces and more one may be), the one with the lowest AUC, "
    "counted from 0.5 up; the higher OA where two have the same. Where there are too few pieces for an AUC, the one "
    "with the highest OA. Over groups of openings the mean counts, and the gates take all together. The rule sees "
    "every other opening; what it chose is reported on those that it has not seen."
)


@dataclass(frozen=True)
class Summary:
    """Of one candidate's pieces from some openings. NaN where there are too few of them, or nothing was looked for."""

    pieces: int
    silent: int  # pieces with too few notes to be judged
    gap: float
    overlap: float
    frechet: float
    auc: float  # 0.5 where they cannot be told from real pieces, 1 where always
    echo: float
    irregularity: float
    key_kept: float
    looping_bars: float  # share of the bars
    stuck: float  # share of the pieces with a loop
    shared_runs: float  # mean share of 16-note runs that stand in a training song
    longest_run: float  # notes; all of it in training songs
    longest_common: float  # notes; in one training song as a whole
    copied_song: str  # the one
    copies: float  # share of the pieces that are copies
    broken: int  # words against the grammar
    spread: float  # how much the seeds differ: 0 alike, 1 nothing in common
    intervals: Mapping[str, Interval]  # 95 %, over the openings: of gap, overlap, auc, echo and key_kept


def failed_gates(summaries: Iterable[Summary]) -> list[str]:
    """By which gates the pieces fail, all groups together. What was not looked for fails nothing.

    Of ten pieces and more one may be spoilt, or one in twenty: real music has such pieces too.
    """
    summaries = list(summaries)
    pieces = sum(summary.pieces for summary in summaries)
    allowed = max(pieces // SPOILT_ONE_IN, int(pieces >= FEWEST_TO_FORGIVE))
    copied = sum(round(summary.copies * summary.pieces) for summary in summaries if not math.isnan(summary.copies))
    gates = {
        "grammar": any(summary.broken for summary in summaries),
        "copying": copied > allowed,
        "loops": sum(round(summary.stuck * summary.pieces) for summary in summaries) > allowed,
        "silence": any(summary.silent for summary in summaries),
    }
    return [name for name, failed in gates.items() if failed]


def summarise(pieces: Pieces, reference: Reference) -> Summary:
    """All takes together, but for the AUC, which is the mean of each take's: with takes of one opening on both sides of
    a fold, the discriminant would know the pieces that it judges by their sisters.
    """
    judged = [piece for song in pieces for piece in song]
    rows = [piece.figures for piece in judged]
    closeness = compare(rows, reference.figures)
    columns = columns_of(rows)
    copying = [piece.copying for piece in judged if piece.copying is not None]
    apart = _told_apart(pieces, reference)
    worst = max(copying, key=lambda found: found.common, default=None)
    return Summary(
        pieces=len(judged),
        silent=sum(not row for row in rows),
        **asdict(closeness),
        auc=_auc(apart),
        echo=mean(columns.get("echo", [])),
        irregularity=mean(columns.get("CPI", [])),
        key_kept=mean(columns.get("c_key_match", [])),
        looping_bars=mean(columns.get("loop", [])),
        stuck=mean([float(piece.is_stuck) for piece in judged]),
        shared_runs=mean([found.share for found in copying]),
        longest_run=max((found.longest for found in copying), default=math.nan),
        longest_common=worst.common if worst else math.nan,
        copied_song=worst.song if worst else "",
        copies=mean([float(found.is_copy) for found in copying]),
        broken=sum(piece.broken for piece in judged),
        spread=mean([distance for song in pieces for distance in _distances(song)]),
        intervals=_intervals(pieces, reference, apart),
    )


def _told_apart(pieces: Pieces, reference: Reference) -> Floats:
    """Of each piece, as comparison.told_apart: (openings, takes). NaN for those that have too few notes."""
    shares = np.full((len(pieces), len(pieces[0]) if pieces else 0), math.nan)
    for number, take in enumerate(zip(*pieces, strict=True)):
        judged = [bool(piece.figures) for piece in take]
        shares[judged, number] = told_apart(columns_of([piece.figures for piece in take]), reference.figures)
    return shares


def _auc(apart: Floats) -> float:
    return mean([mean(take) for take in apart.T])


def _intervals(pieces: Pieces, reference: Reference, apart: Floats) -> dict[str, Interval]:
    """Over the openings: the takes of one are drawn together."""
    real = reference.figures
    owners = np.array([number for number, song in enumerate(pieces) for piece in song if piece.figures], dtype=int)
    rows_of = [np.flatnonzero(owners == number) for number in range(len(pieces))]
    columns = columns_of([piece.figures for song in pieces for piece in song])
    compared = [name for name in COMPARED if name in columns and name in real]
    areas = [overlap_by_rows(columns[name], real[name], POINTS) for name in compared]

    def over_openings(statistic: Callable[[Ints], float], biased: bool = False) -> Interval:
        def of(songs: Ints) -> float:
            return statistic(np.concatenate([rows_of[song] for song in songs]))

        return interval(of, len(pieces), DRAWS, biased)

    def over_column(name: str) -> Interval:
        return over_openings(lambda rows: mean(columns[name][rows])) if name in columns else UNKNOWN

    return {
        "gap": over_openings(lambda rows: mean([gap(columns[name][rows], real[name]) for name in compared]), True),
        "overlap": over_openings(lambda rows: mean([area(rows) for area in areas]), True),
        "auc": interval(lambda songs: _auc(apart[songs]), len(pieces), DRAWS),
        "echo": over_column("echo"),
        "key_kept": over_column("c_key_match"),
    }


def _distances(takes: Sequence[Judged]) -> Iterator[float]:
    """1 - the mean overlap of equal bars, for every two takes of one opening."""
    for one, other in itertools.combinations([bar_sets(take.follows) for take in takes], 2):
        both = zip(one, other, strict=False)  # a bar that only one has, since the other ends in silence, does not count
        overlaps = [len(bar & twin) / len(bar | twin) for bar, twin in both if bar or twin]
        if overlaps:
            yield 1 - mean(overlaps)


# ------------------------------------------------------------------ the choice


@dataclass(frozen=True)
class Choice:
    """seen, unseen: a summary for each group, of the half that the rule saw and of the other one, by candidate."""

    chosen: int  # the candidate's place
    by: str  # "AUC" or "OA"
    passed: bool  # whether the chosen one passes the gates: if not, none does
    seen: Sequence[Mapping[str, Summary]]
    unseen: Sequence[Mapping[str, Summary]]
    halved: bool  # whether there were enough openings for two halves


def choose(results: Sequence[Result], groups: Sequence[Group]) -> Choice:
    """By RULE. Where nobody passes the gates, the one that fails the fewest, and is the best among those."""
    halved = all(len(group.songs) >= FEWEST_OPENINGS_TO_HALVE for group in groups)
    seen = [_summaries(result, groups, slice(0, None, 2 if halved else 1)) for result in results]
    unseen = [_summaries(result, groups, slice(1, None, 2) if halved else slice(None)) for result in results]
    measured = all(not math.isnan(summary.auc) for by_group in seen for summary in by_group.values())
    by = "AUC" if measured else "OA"
    places = range(len(results))
    failures = [len(failed_gates(by_group.values())) for by_group in seen]
    chosen = min(places, key=lambda place: (failures[place], *_rank(seen[place].values(), by)))
    return Choice(chosen, by, failures[chosen] == 0, seen, unseen, halved)


def _summaries(result: Result, groups: Sequence[Group], half: slice) -> dict[str, Summary]:
    return {group.name: summarise(result.pieces[group.name][half], group.reference) for group in groups}


def _rank(summaries: Iterable[Summary], by: str) -> tuple[float, float]:
    """Lower is better; what could not be measured is the worst."""
    summaries = list(summaries)
    auc = mean([max(summary.auc, 0.5) for summary in summaries]) if by == "AUC" else 0.0
    overlap = mean([summary.overlap for summary in summaries])
    return auc, math.inf if math.isnan(overlap) else -overlap
