"""The report as one HTML page: nothing is fetched, nothing runs; sound, pictures and charts are in the page.

    rows          a Report -> the rows of the tables
    plot          points -> a chart as SVG
    page          all of it, and the pieces to listen to -> page.html

Where all stands, says page.html; how it looks, page.css.
"""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from composer.audition.choice import RULE
from composer.audition.openings import OPENING_BARS, Group, Song
from composer.audition.plot import COLOURS, Level, Line, Mark, Point, chart
from composer.audition.report import Report
from composer.audition.rows import (
    COLUMNS,
    Column,
    compared,
    every_figure,
    preferred,
    real_music,
    recommended,
    standings,
)
from composer.audition.trials import Judged
from composer.music.score import Score
from composer.rendering.audio import render_mp3
from composer.rendering.piano_roll import draw_piano_roll
from composer.training.train import VALIDATION_WHOLE, attributes_in

FOLDER = Path(__file__).parent
TEMPLATE, STYLE = "page.html", "page.css"
BITRATE = "64k"  # a column of three openings is 2 MB
LISTENED = 3


class Charts(NamedTuple):
    """lines: what a legend has to name"""

    lines: Sequence[Line]
    charts: Sequence[Markup] | Sequence[Sequence[Markup]]


class Shown(NamedTuple):
    """A piece to listen to. picture, sound: data URIs; no sound where none is made"""

    name: str
    note: str
    kind: str
    picture: str
    sound: str


def page(report: Report, audio: bool = True, on_rendered: Callable[[], object] | None = None) -> str:
    """The whole page.

    Args:
        report: what it shows.
        audio: whether to make MP3s.
        on_rendered: called after each piece that was rendered.

    Returns:
        HTML.

    Raises:
        RenderingError: there is audio to make and something for it is missing.
    """
    return template(TEMPLATE).render(
        report=report,
        choice=report.choice,
        rule=RULE,
        titles=[column.title for column in COLUMNS],
        explanations={column.title: column.explanation for column in COLUMNS},
        recommended=recommended(report),
        standings=standings(report),
        tables=[(group, _compared_exactly(report, group), compared(report, group)) for group in report.groups],
        preferred=preferred(report),
        steps=_by_step(report),
        listening=list(_listening(report, audio, on_rendered or (lambda: None))),
        curves=_curves(report),
        figures=[(group, *every_figure(report, group)) for group in report.groups],
        opening_bars=OPENING_BARS,
    )


def template(name: str) -> Template:
    """One of this folder, with the style of all its pages."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"count": _count, "colour": _colour}
    environment.globals["style"] = Markup((FOLDER / STYLE).read_text())
    return environment.get_template(name)


def _compared_exactly(report: Report, group: Group) -> bool:
    """Figures of pieces that are shorter or longer than the reference are not quite like its own."""
    reference = group.reference
    behind = {song.opening.bars for song in group.songs}
    return report.order.bars == reference.bars and behind == {reference.opening_bars}


# ------------------------------------------------------------------ the charts


def _by_step(report: Report) -> Charts | None:
    """How the figures move from checkpoint to checkpoint; nothing for settings of one."""
    steps = [step for step in report.steps if step is not None]
    if len(steps) < len(report.results) or len(set(steps)) < max(2, len(steps)):
        return None
    charts = []
    for column in COLUMNS:
        lines = [Line(group.name, _points(report, steps, group, column), at) for at, group in enumerate(report.groups)]
        levels = [
            Level(column.value(real_music(group)), f"real, {group.name}", at) for at, group in enumerate(report.groups)
        ]
        if any(len({point.y for point in line.points}) > 1 for line in lines):  # what is the same in all is no chart
            charts.append(Markup(chart(column.title, lines, _marks(report), levels)))
    return Charts(lines, charts)


def _points(report: Report, steps: Sequence[int], group: Group, column: Column) -> list[Point]:
    values = [column.value(by_group[group.name]) for by_group in report.summaries]
    return [Point(step, value) for step, value in zip(steps, values, strict=True)]


def _curves(report: Report) -> Charts | None:
    """Loss and accuracy over steps, in total and by attribute, checkpoints marked; nothing where there is no run."""
    if not report.curves:
        return None
    names = dict.fromkeys(row["split"] for row in report.curves)
    splits = [name for name in names if not name.startswith(VALIDATION_WHOLE)]  # that is one point, at the end
    charts = [
        [
            Markup(chart(f"{kind}, {label}{unit}", _lines(report, splits, name), _marks(report)))
            for label, name in _names(report, kind)
        ]
        for kind, unit in (("loss", ", nats"), ("accuracy", ""))
    ]
    return Charts(_lines(report, splits, "loss"), charts)


def _names(report: Report, kind: str) -> list[tuple[str, str]]:
    return [("total", kind), *((name, f"{kind}_{name}") for name in attributes_in(report.curves))]


def _lines(report: Report, splits: Sequence[str], name: str) -> list[Line]:
    return [
        Line(split, [Point(int(row["step"]), _value(row, name)) for row in report.curves if row["split"] == split], at)
        for at, split in enumerate(splits)
    ]


def _value(row: Mapping[str, str], name: str) -> float:
    if name == "accuracy":
        found = [float(row[f"accuracy_{attribute}"]) for attribute in attributes_in([row])]
        return sum(found) / len(found)
    return float(row[name])


def _marks(report: Report) -> list[Mark]:
    return [
        Mark(step, result.candidate.name, place == report.choice.chosen)
        for place, (step, result) in enumerate(zip(report.steps, report.results, strict=True))
        if step is not None
    ]


def _colour(number: int) -> str:
    return f"var(--c{number % COLOURS})"


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


def _listening(
    report: Report, audio: bool, on_rendered: Callable[[], object]
) -> Iterator[tuple[Group, Song, list[Shown]]]:
    for group, place in listened(report):
        song = group.songs[place]
        shown = []
        if song.original is not None:
            shown.append(_shown("as the song goes on", "", song.original.played, song, "", audio))
            on_rendered()
        for at, result in enumerate(report.results):
            piece = result.pieces[group.name][place][0]
            kind = "chosen" if at == report.choice.chosen else ""
            score = piece.take.score if piece.take else song.opening.score
            shown.append(_shown(result.candidate.name, _note(piece), score, song, kind, audio))
            on_rendered()
        yield group, song, shown


def _shown(name: str, note: str, score: Score, song: Song, kind: str, audio: bool) -> Shown:
    picture = data_uri("image/png", draw_piano_roll(score, song.opening.bars))
    mp3 = render_mp3(score, title=f"{song.name}, {name}", bitrate=BITRATE) if audio else b""
    return Shown(name, note, kind, picture, data_uri("audio/mpeg", mp3) if audio else "")


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


def data_uri(kind: str, content: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + "s" * (number != 1)
