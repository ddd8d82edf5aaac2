"""The report as one HTML page: nothing is fetched, nothing runs; sound, pictures and charts are in the page."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

from composer.audition.choice import RULE, Summary, failed_gates
from composer.audition.copying import MOST_SHARED
from composer.audition.openings import OPENING_BARS, Group, Song
from composer.audition.plot import COLOURS, Level, Line, Mark, Point, chart
from composer.audition.report import Report
from composer.audition.trials import Judged
from composer.engine.runs import LONGEST_COMMON, RUN
from composer.rendering.audio import render_mp3
from composer.rendering.piano_roll import draw_piano_roll
from composer.score import Score
from composer.training.train import VALIDATION_WHOLE
from composer.words import ATTRIBUTES

STYLE = Path(__file__).with_name("page.css")
BITRATE = "64k"  # a column of three openings is 2 MB
LISTENED = 3


class Column(NamedTuple):
    """A column of the tables: what it is called, how it is read from a summary, and which value is best."""

    title: str
    explanation: str
    value: Callable[[Summary], float]
    digits: int = 3
    best: Callable[[Iterable[float]], float] | None = None


COLUMNS = (
    Column(
        "AUC",
        "How well a linear test tells them from real pieces, mean over the seeds: .5 not at all, 1 always.",
        lambda s: s.auc,
        3,
        min,
    ),
    Column("OA", "Overlapping area with real music, mean over 21 figures: 1 is the same.", lambda s: s.overlap, 3, max),
    Column("gap", "How many standard deviations its mean is away, mean over 21 figures.", lambda s: s.gap, 3, min),
    Column("echo", "How much of each bar an earlier bar had: low wanders, high repeats.", lambda s: s.echo),
    Column("irregular", "Different among all progressions of three chords: high floats.", lambda s: s.irregularity),
    Column("key kept", "Share of the pieces that go on in the key of the opening.", lambda s: s.key_kept),
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


def page(report: Report, audio: bool = True, on_rendered: Callable[[], object] | None = None) -> str:
    """The whole page. audio: whether to make MP3s.   on_rendered: called after each piece that was rendered

    Raises RenderingError where there is audio to make and something for it is missing.
    """
    title = f"Audition of {escape(report.run)}"
    sections = [
        f"<h1>{title}</h1>",
        f'<p class="soft">{_what_was_done(report)}</p>',
        _recommendation(report),
        "<h2>Beside the real music</h2>",
        *(_group_table(report, group) for group in report.groups),
        _by_step(report),
        *_listening(report, audio, on_rendered or (lambda: None)),
        _curves(report),
        _all_metrics(report),
        _explanations(report),
    ]
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{title}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>\n{STYLE.read_text()}</style>\n'
        "</head>\n<body>\n" + "\n".join(section for section in sections if section) + "\n</body>\n</html>\n"
    )


def _what_was_done(report: Report) -> str:
    order = report.order
    openings = ", ".join(f"{len(group.songs)} openings of {escape(group.name)}" for group in report.groups)
    seeds = f"{order.takes} seeds" if order.takes > 1 else "one seed"
    return f"{_count(len(report.results), 'candidate')}, {openings}, {order.bars} bars added to each, from {seeds}."


# ------------------------------------------------------------------ the recommendation


def _recommendation(report: Report) -> str:
    choice, name = report.choice, escape(report.chosen.candidate.name)
    passes = (
        '<span class="passes">It passes the gates.</span>'
        if choice.passed
        else '<span class="fails">No candidate passes the gates; this one fails the fewest.</span>'
    )
    halves = (
        f"Chosen by {choice.by} on every other opening; below, what it measures on those that the rule has not seen."
        if choice.halved
        else f"Chosen by {choice.by} on all openings, too few for two halves, and reported on the same."
    )
    rows = []
    for group in report.groups:
        unseen = choice.unseen[choice.chosen][group.name]
        rows.append(_row(f"{report.chosen.candidate.name}, {group.name}", unseen))
        rows.append(_row(f"real music, {group.name}", _real_music(group), "real"))
    return (
        f'<section class="card"><h2>Recommended: {name}</h2>\n<p>{passes} {halves}</p>\n'
        f"{_table(['', *(column.title for column in COLUMNS)], rows)}\n"
        f'<details><summary>The rule, and how all candidates stand by it</summary><p class="soft">{escape(RULE)}</p>'
        f"{_standings(report)}</details></section>"
    )


def _standings(report: Report) -> str:
    """Every candidate on the half that the rule saw."""
    rows = []
    for place, result in enumerate(report.results):
        for group in report.groups:
            summary = report.choice.seen[place][group.name]
            failed = ", ".join(failed_gates(report.choice.seen[place].values()))
            gates = f'<td class="fails">{escape(failed)}</td>' if failed else '<td class="passes">passes</td>'
            kind = ' class="chosen"' if place == report.choice.chosen else ""
            cells = f"<td>{escape(result.candidate.name)}</td><td>{escape(group.name)}</td>"
            figures = f"<td>{_number(summary.auc)}</td><td>{_number(summary.overlap)}</td><td>{summary.pieces}</td>"
            rows.append(f"<tr{kind}>{cells}{figures}{gates}</tr>")
    return _table(["candidate", "openings", "AUC", "OA", "pieces", "gates"], rows)


# ------------------------------------------------------------------ the tables


def _group_table(report: Report, group: Group) -> str:
    """One row a candidate, above them what real music measures."""
    summaries = [by_group[group.name] for by_group in report.summaries]
    rows = [_row("real music (reference)", _real_music(group), "real")]
    rows += [_row(name, summary, "real") for name, summary in report.real[group.name].items()]
    best = {column.title: column.best(map(column.value, summaries)) for column in COLUMNS if column.best}
    for place, (result, summary) in enumerate(zip(report.results, summaries, strict=True)):
        rows.append(_row(result.candidate.name, summary, "chosen" if place == report.choice.chosen else "", best))
    heading = f"<h3>{escape(group.name)} <span class='soft'>against {escape(group.reference.name)}</span></h3>"
    return heading + _caution(report, group) + _table(["", *(column.title for column in COLUMNS)], rows)


def _caution(report: Report, group: Group) -> str:
    """Figures of pieces that are shorter or longer than the reference are not quite like its own."""
    reference = group.reference
    behind = {song.opening.bars for song in group.songs}
    if report.order.bars == reference.bars and behind == {reference.opening_bars}:
        return ""
    return (
        f"<p class='fails'>The reference has {reference.bars} bars behind openings of {reference.opening_bars}. "
        "Figures that depend on length (echo, irregularity, structure, loops) cannot be compared exactly here.</p>"
    )


def _row(name: str, summary: Summary, kind: str = "", best: Mapping[str, float] | None = None) -> str:
    failed = failed_gates([summary]) if kind != "real" else []
    cells = [f"<td>{escape(name)}</td>"]
    for column in COLUMNS:
        value = column.value(summary)
        is_best = best is not None and value == best.get(column.title)
        kind_of_cell = "fails" if GATES.get(column.title) in failed else "best" if is_best else ""
        hint = summary.copied_song if column.title == "longest" else ""
        cells.append(f'<td class="{kind_of_cell}" title="{escape(hint)}">{_number(value, column.digits)}</td>')
    return f'<tr class="{kind}">{"".join(cells)}</tr>'


def _real_music(group: Group) -> Summary:
    """What the reference has of the columns; it is what the others are compared with."""
    reference = group.reference
    nothing = math.nan
    return Summary(
        pieces=len(reference.songs), silent=0, gap=nothing, overlap=nothing, frechet=nothing, auc=nothing,
        echo=reference.mean("echo"), irregularity=reference.mean("CPI"), key_kept=reference.mean("c_key_match"),
        looping_bars=reference.mean("loop"), stuck=reference.looping, shared_runs=nothing, longest_run=nothing,
        longest_common=nothing, copied_song="", copies=nothing, broken=0, spread=nothing,
    )  # fmt: skip


def _table(header: Sequence[str], rows: Sequence[str]) -> str:
    hints = {column.title: column.explanation for column in COLUMNS}
    cells = "".join(f'<th title="{escape(hints.get(name, ""))}">{escape(name)}</th>' for name in header)
    return f'<div class="scroll"><table><thead><tr>{cells}</tr></thead>\n<tbody>{"".join(rows)}</tbody></table></div>'


def _all_metrics(report: Report) -> str:
    """Every figure: its mean, and how far from real music."""
    tables = []
    for group in report.groups:
        by_candidate = [report.metrics(place, group) for place in range(len(report.results))]
        names = dict.fromkeys(name for metrics in by_candidate for name in metrics)
        rows = []
        for name in names:
            real = next(metrics[name] for metrics in by_candidate if name in metrics)
            cells = [escape(name), f"{_number(real['real'])} ± {_number(real['real_std'])}"]
            cells += [
                f"{_number(found['mean'])} ({_number(found['gap'], 2)})" if found else NOT_KNOWN
                for found in (metrics.get(name) for metrics in by_candidate)
            ]
            rows.append("<tr>" + "".join(f"<td>{cell}</td>" for cell in cells) + "</tr>")
        header = ["figure", "real", *(result.candidate.name for result in report.results)]
        tables.append(f"<h3>{escape(group.name)}</h3>{_table(header, rows)}")
    return (
        "<h2>Every figure</h2><details><summary>Means, and in brackets the gap in real music's standard deviations"
        f"</summary>{''.join(tables)}</details>"
    )


# ------------------------------------------------------------------ the charts


def _by_step(report: Report) -> str:
    """How the figures move from checkpoint to checkpoint; nothing for settings of one."""
    steps = [step for step in report.steps if step is not None]
    if len(steps) < len(report.results) or len(set(steps)) < max(2, len(steps)):
        return ""
    charts = []
    for column in COLUMNS:
        lines = [Line(group.name, _points(report, steps, group, column), at) for at, group in enumerate(report.groups)]
        levels = [
            Level(column.value(_real_music(group)), f"real, {group.name}", at) for at, group in enumerate(report.groups)
        ]
        if any(len({point.y for point in line.points}) > 1 for line in lines):  # what is the same in all is no chart
            charts.append(chart(column.title, lines, _marks(report), levels))
    return f"<h2>From checkpoint to checkpoint</h2>{_legend(lines)}<div class='charts'>{''.join(charts)}</div>"


def _points(report: Report, steps: Sequence[int], group: Group, column: Column) -> list[Point]:
    values = [column.value(by_group[group.name]) for by_group in report.summaries]
    return [Point(step, value) for step, value in zip(steps, values, strict=True)]


def _curves(report: Report) -> str:
    """Loss and accuracy over steps, in total and by attribute, checkpoints marked."""
    if not report.curves:
        return "<h2>Curves</h2><p class='soft'>The checkpoint is in no run's folder, so there are none.</p>"
    names = dict.fromkeys(row["split"] for row in report.curves)
    splits = [name for name in names if not name.startswith(VALIDATION_WHOLE)]  # that is one point, at the end
    rows = []
    for kind, unit in (("loss", ", nats"), ("accuracy", "")):
        charts = [
            chart(f"{kind}, {label}{unit}", _lines(report, splits, name), _marks(report))
            for label, name in _names(kind)
        ]
        rows.append(f"<div class='charts'>{''.join(charts)}</div>")
    return (
        "<h2>Curves</h2><p class='soft'>Over optimiser steps; upright lines are the candidates, the bright one is the "
        "recommended. Loss in total is nats a word, by attribute nats a use; accuracy in total is the mean over the "
        f"attributes.</p>{_legend(_lines(report, splits, 'loss'))}{''.join(rows)}"
    )


def _names(kind: str) -> list[tuple[str, str]]:
    return [("total", kind), *((name, f"{kind}_{name}") for name in ATTRIBUTES)]


def _lines(report: Report, splits: Sequence[str], name: str) -> list[Line]:
    return [
        Line(split, [Point(int(row["step"]), _value(row, name)) for row in report.curves if row["split"] == split], at)
        for at, split in enumerate(splits)
    ]


def _value(row: Mapping[str, str], name: str) -> float:
    if name == "accuracy":
        return sum(float(row[f"accuracy_{attribute}"]) for attribute in ATTRIBUTES) / len(ATTRIBUTES)
    return float(row[name])


def _marks(report: Report) -> list[Mark]:
    return [
        Mark(step, result.candidate.name, place == report.choice.chosen)
        for place, (step, result) in enumerate(zip(report.steps, report.results, strict=True))
        if step is not None
    ]


def _legend(lines: Sequence[Line]) -> str:
    entries = [(f"var(--c{line.colour % COLOURS})", line.name) for line in lines]
    spans = (f'<span><i style="background:{colour}"></i>{escape(name)}</span>' for colour, name in entries)
    return f'<div class="legend">{"".join(spans)}</div>'


# ------------------------------------------------------------------ listening


def listened(report: Report) -> list[tuple[Group, int]]:
    """Which openings are in the page: those that the rule has not seen first, from all groups in turn."""
    turns = [
        [(group, place) for first in (1, 0) for place in range(first, len(group.songs), 2)] for group in report.groups
    ]
    in_turn = itertools.chain.from_iterable(itertools.zip_longest(*turns))
    return [one for one in in_turn if one is not None][:LISTENED]


def renderings(report: Report) -> int:
    """How many pieces the page shows."""
    songs = [group.songs[place] for group, place in listened(report)]
    return len(songs) * len(report.results) + sum(song.original is not None for song in songs)


def _listening(report: Report, audio: bool, on_rendered: Callable[[], object]) -> Iterator[str]:
    yield (
        "<h2>Listen</h2><p class='soft'>The same opening and seed in every column: blue is given, warm colours are "
        "composed. A picture opens with a click and closes with another.</p>"
    )
    for group, place in listened(report):
        song = group.songs[place]
        parts = []
        if song.original is not None:
            parts.append(_take("as the song goes on", "", song.original.played, song, "", audio))
            on_rendered()
        for at, result in enumerate(report.results):
            piece = result.pieces[group.name][place][0]
            kind = "chosen" if at == report.choice.chosen else ""
            score = piece.take.score if piece.take else song.opening.score
            parts.append(_take(result.candidate.name, _note(piece), score, song, kind, audio))
            on_rendered()
        heading = f"<h3>{escape(song.name)} <span class='soft'>{escape(group.name)}</span></h3>"
        yield f"{heading}<div class='takes'>{''.join(parts)}</div>"


def _take(name: str, note: str, score: Score, song: Song, kind: str, audio: bool) -> str:
    label = escape(f"{song.name}, {name}")
    picture = _data_uri("image/png", draw_piano_roll(score, song.opening.bars))
    player = ""
    if audio:
        sound = _data_uri("audio/mpeg", render_mp3(score, title=f"{song.name}, {name}", bitrate=BITRATE))
        player = f'<audio controls preload="none" aria-label="{label}" src="{sound}"></audio>'
    return (
        f'<div class="take {kind}"><h4>{escape(name)}</h4><p class="soft">{escape(note) or "&nbsp;"}</p>{player}'
        f'<label class="zoom"><input type="checkbox" aria-label="enlarge {label}">'
        f'<img alt="piano roll of {label}" src="{picture}"></label></div>'
    )


def _note(piece: Judged) -> str:
    """What is worth knowing of one piece."""
    if not piece.figures:
        return "too few notes to be judged"
    told = [f"echo {piece.figures['echo']:.2f}", f"{piece.figures['notes_bar']:.0f} notes a bar"]
    if "c_key_match" in piece.figures:
        told.append("key kept" if piece.figures["c_key_match"] else "key left")
    if piece.is_stuck:
        told.append(f"stuck for {piece.figures['loop_max']:.0f} bars")
    if piece.copying and piece.copying.common:
        told.append(f"{piece.copying.common} notes as in {piece.copying.song}")
    return ", ".join(told)


def _data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


# ------------------------------------------------------------------ what it all means


def _explanations(report: Report) -> str:
    columns = "".join(f"<dt>{escape(c.title)}</dt><dd>{escape(c.explanation)}</dd>" for c in COLUMNS)
    origins = "".join(f"<p>{escape(group.reference.origin)}</p>" for group in report.groups)
    searched = (
        f"Copies were looked for in the training songs of {escape(', '.join(report.searched))}."
        if report.searched
        else "Copies were not looked for: no training corpus was given (--training)."
    )
    if report.not_searched:
        searched += f" <span class='fails'>The run was trained on {escape(', '.join(report.not_searched))} too.</span>"
    return (
        f"<h2>How to read it</h2><dl>{columns}</dl>{origins}<p>{searched} “The songs themselves” are the openings' own "
        f"continuations; “the songs in words” are the same after the model's vocabulary, which is as near to the "
        f"reference as a perfect model could come. Openings from songs have {OPENING_BARS} bars.</p>"
        f"<p>Made by <code>{escape(report.command)}</code></p>"
    )


def _number(value: float, digits: int = 3) -> str:
    if not math.isfinite(value):
        return NOT_KNOWN
    text = f"{value:.{digits}f}"
    return text[1:] if text.startswith("0.") else text


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + "s" * (number != 1)
