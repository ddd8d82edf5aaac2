"""The rows of the page's tables: candidates, and above them what real music measures."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

from composer.audition.choice import Summary, failed_gates
from composer.audition.copying import MOST_SHARED
from composer.audition.openings import Group
from composer.audition.report import Report
from composer.engine.runs import LONGEST_COMMON, RUN


class Column(NamedTuple):
    """A column of the tables: what it is called, how it is read from a summary, and which value is best.

    interval: which of the summary's stands beside it
    """

    title: str
    explanation: str
    value: Callable[[Summary], float]
    digits: int = 3
    best: Callable[[Iterable[float]], float] | None = None
    interval: str = ""


COLUMNS = (
    Column(
        "AUC",
        "How well a linear test tells them from real pieces, mean over the seeds: .5 not at all, 1 always.",
        lambda s: s.auc,
        3,
        min,
        "auc",
    ),
    Column(
        "OA",
        "Overlapping area with real music, mean over 21 figures: 1 is the same.",
        lambda s: s.overlap,
        3,
        max,
        "overlap",
    ),
    Column(
        "gap", "How many standard deviations its mean is away, mean over 21 figures.", lambda s: s.gap, 3, min, "gap"
    ),
    Column(
        "echo",
        "How much of each bar an earlier bar had: low wanders, high repeats.",
        lambda s: s.echo,
        interval="echo",
    ),
    Column("irregular", "Different among all progressions of three chords: high floats.", lambda s: s.irregularity),
    Column(
        "key kept",
        "Share of the pieces that go on in the key of the opening.",
        lambda s: s.key_kept,
        interval="key_kept",
    ),
    Column("stuck", "Share of the pieces with a loop: the same bars for eight or more.", lambda s: s.stuck),
    Column(
        "runs shared", f"Mean share of runs of {RUN} notes that stand in a training song.", lambda s: s.shared_runs, 4
    ),
    Column("longest", "Notes of the longest stretch that stands in one training song.", lambda s: s.longest_common, 0),
    Column(
        "copies",
        f"Share of the pieces that copy: over {MOST_SHARED:.1%} of the runs shared, or over {LONGEST_COMMON} notes in "
        "a row with one song, as real pieces hardly ever do.",
        lambda s: s.copies,
    ),
    Column("broken", "Words against the grammar; there can be none.", lambda s: s.broken, 0),
    Column("spread", "How much two seeds differ: 0 alike, 1 nothing in common.", lambda s: s.spread),
)
GATES = {"copies": "copying", "stuck": "loops", "broken": "grammar"}  # the gate that a column shows
NOT_KNOWN = "\N{EN DASH}"


class Cell(NamedTuple):
    """hint: what it tells when it is pointed at"""

    text: str
    kind: str = ""
    hint: str = ""


class Row(NamedTuple):
    """kind: real, chosen or nothing"""

    cells: list[Cell]
    kind: str = ""


def recommended(report: Report) -> list[Row]:
    """The recommended candidate on the half that the rule has not seen, beside real music, group by group."""
    rows = []
    for group in report.groups:
        unseen = report.choice.unseen[report.choice.chosen][group.name]
        rows.append(_row(f"{report.chosen.candidate.name}, {group.name}", unseen))
        rows.append(_row(f"real music, {group.name}", real_music(group), "real"))
    return rows


def standings(report: Report) -> list[Row]:
    """Every candidate on the half that the rule saw."""
    rows = []
    for place, result in enumerate(report.results):
        failed = ", ".join(failed_gates(report.choice.seen[place].values()))
        for group in report.groups:
            summary = report.choice.seen[place][group.name]
            texts = [result.candidate.name, group.name, _number(summary.auc), _number(summary.overlap)]
            gates = Cell(failed, "fails") if failed else Cell("passes", "passes")
            cells = [*map(Cell, [*texts, str(summary.pieces)]), gates]
            rows.append(Row(cells, "chosen" if place == report.choice.chosen else ""))
    return rows


def compared(report: Report, group: Group) -> list[Row]:
    """One row a candidate, above them what real music measures."""
    summaries = [by_group[group.name] for by_group in report.summaries]
    rows = [_row("real music (reference)", real_music(group), "real")]
    rows += [_row(name, summary, "real") for name, summary in report.real[group.name].items()]
    best = {column.title: column.best(map(column.value, summaries)) for column in COLUMNS if column.best}
    for place, (result, summary) in enumerate(zip(report.results, summaries, strict=True)):
        rows.append(_row(result.candidate.name, summary, "chosen" if place == report.choice.chosen else "", best))
    return rows


def preferred(report: Report) -> list[Row]:
    """What people preferred, a row a checkpoint and one for all settings; the candidates' own stand out."""
    mine = {found.name for place in range(len(report.results)) if (found := report.preference(place))}
    return [
        Row([Cell(one.name), Cell(by), Cell(str(one))], "chosen" if one.name in mine else "")
        for by, found in report.preferred.items()
        for one in found
    ]


def every_figure(report: Report, group: Group) -> tuple[list[str], list[Row]]:
    """The header and the rows of all figures: a candidate's mean, and how far from real music."""
    by_candidate = [report.metrics(place, group) for place in range(len(report.results))]
    rows = []
    for name in dict.fromkeys(name for metrics in by_candidate for name in metrics):
        real = next(metrics[name] for metrics in by_candidate if name in metrics)
        texts = [name, f"{_number(real['real'])} ± {_number(real['real_std'])}"]
        texts += [
            f"{_number(found['mean'])} ({_number(found['gap'], 2)})" if found else NOT_KNOWN
            for found in (metrics.get(name) for metrics in by_candidate)
        ]
        rows.append(Row([Cell(text) for text in texts]))
    return ["figure", "real", *(result.candidate.name for result in report.results)], rows


def real_music(group: Group) -> Summary:
    """What the reference has of the columns; it is what the others are compared with."""
    reference = group.reference
    nothing = math.nan
    return Summary(
        pieces=len(reference.songs), silent=0, gap=nothing, overlap=nothing, frechet=nothing, auc=nothing,
        echo=reference.mean("echo"), irregularity=reference.mean("CPI"), key_kept=reference.mean("c_key_match"),
        looping_bars=reference.mean("loop"), stuck=reference.looping, shared_runs=nothing, longest_run=nothing,
        longest_common=nothing, copied_song="", copies=nothing, broken=0, spread=nothing, intervals={},
    )  # fmt: skip


def _row(name: str, summary: Summary, kind: str = "", best: Mapping[str, float] | None = None) -> Row:
    failed = failed_gates([summary]) if kind != "real" else []
    cells = [Cell(name)]
    for column in COLUMNS:
        value = column.value(summary)
        is_best = best is not None and value == best.get(column.title)
        kind_of_cell = "fails" if GATES.get(column.title) in failed else "best" if is_best else ""
        hint = summary.copied_song if column.title == "longest" else ""
        text = _number(value, column.digits)
        if (found := summary.intervals.get(column.interval)) and math.isfinite(found.low):
            text += f" [{_number(found.low, 2)} {_number(found.high, 2)}]"
        cells.append(Cell(text, kind_of_cell, hint))
    return Row(cells, kind)


def _number(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return NOT_KNOWN
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text
