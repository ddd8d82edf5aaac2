"""`segue audition --long`: pieces longer than songs, against whole songs. Do they lock into a loop, or drift away?"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from composer.audition.audition import Plan
from composer.audition.bootstrap import mean_interval, told, wilson
from composer.audition.comparison import mean
from composer.audition.grid import Floats, Notes, notes_of
from composer.audition.metrics import FEWEST_NOTES, Figures, bar_sets, measure
from composer.audition.openings import OPENING_BARS, Song, openings_of_corpus, spread
from composer.audition.trials import Candidate, compose_all
from composer.engine.checkpoint import load_checkpoint
from composer.errors import SettingsError
from composer.music.repetition import MOST_ALIKE, Repetition, distinct

LEAST_BARS = 40  # of a song, its opening included, that says how long pieces should be
LEAST_DIFFERENT, MOST_DIFFERENT = 0.5, 0.95  # of the bars, as in real songs of that length
HEADER = (
    *("", "pieces", "bars", "different bars", "longest equal run"),
    *("H4, last quarter against first", "density, the same", "neither stuck nor wandering"),
)


def long_figures(notes: Notes) -> Figures:
    """Of what follows an opening.

    different      share of different bars among those with notes
    equal_run      bars in a row that equal those a period of up to 40 before
    H4, notes_bar  of the whole; H4_first, H4_last, notes_bar_first, notes_bar_last: of a quarter of its bars
    sound          1 if the first two are within what real songs have
    """
    bars = bar_sets(notes)
    different, equal_run = distinct(bars), Repetition(bars).longest
    quarter = notes.bars // 4
    parts = {"": notes, "_first": notes.part(0, quarter), "_last": notes.part(notes.bars - quarter, notes.bars)}
    measured = {end: measure(part, structure=False) for end, part in parts.items() if len(part) >= FEWEST_NOTES}
    return {
        "bars": notes.bars,
        "different": different,
        "equal_run": equal_run,
        "sound": float(LEAST_DIFFERENT <= different <= MOST_DIFFERENT and equal_run <= MOST_ALIKE),
        **{name + end: found[name] for end, found in measured.items() for name in ("H4", "notes_bar")},
    }


def long_audition(plan: Plan, device: torch.device) -> Iterator[str]:
    """Lines of a Markdown table for each corpus: its whole songs, and what each candidate makes of some openings.

    Raises:
        SettingsError: there is no corpus, or none of its songs is whole.
    """
    if not plan.corpora:
        raise SettingsError("Long pieces are held against whole songs. Give --corpus FOLDER.")
    for folder in plan.corpora:
        yield from _of_corpus(plan, folder, device)


def _of_corpus(plan: Plan, folder: Path, device: torch.device) -> Iterator[str]:
    songs = openings_of_corpus(folder, None, LEAST_BARS - OPENING_BARS, whole=True)
    whole = [song.original.written for song in songs if song.original is not None]
    real = [[long_figures(notes.part(OPENING_BARS, notes.bars))] for notes in whole]
    yield f"{folder.resolve().name}: {plan.order.bars} bars behind each opening, beside whole songs"
    yield ""
    yield f"| {' | '.join(HEADER)} |"
    yield "| --- " * len(HEADER) + "|"
    yield _row("whole songs", real, real)
    asked = spread(songs, plan.openings_count)
    for candidate in plan.candidates:
        yield _row(candidate.name, _composed(plan, candidate, asked, device), real)
    yield ""


Rows = Sequence[Sequence[Figures]]  # by opening, by take


def _composed(plan: Plan, candidate: Candidate, songs: Sequence[Song], device: torch.device) -> Rows:
    order = replace(plan.order, sampling=candidate.sampling)
    checkpoint = load_checkpoint(candidate.folder)
    with tqdm(total=len(songs) * order.takes * order.bars, unit="bar", desc=candidate.name) as progress:

        def on_bars(done: int) -> None:
            progress.update(done - progress.n)

        takes = compose_all(checkpoint, songs, order, plan.slots, device, plan.whole, on_bars)
    end = OPENING_BARS + order.bars
    return [[long_figures(notes_of(take.score).part(OPENING_BARS, end)) for take in song] for song in takes]


def _row(name: str, rows: Rows, real: Rows) -> str:
    cells = [name, str(sum(map(len, rows))), f"{mean(_by_opening(rows, lambda row: row['bars'])):.0f}"]
    cells += [_cell(rows, lambda row: row["different"]), _cell(rows, lambda row: row["equal_run"], 1)]
    cells += [_cell(rows, _shift("H4", real)), _cell(rows, _shift("notes_bar", real))]
    sound = _by_opening(rows, lambda row: row["sound"])
    return f"| {' | '.join([*cells, told(mean(sound), wilson(float(sound.sum()), len(sound)), 2)])} |"


def _shift(name: str, real: Rows) -> Callable[[Figures], float]:
    """From the first quarter to the last, in deviations of the whole songs."""
    deviation = float(np.nanstd([row.get(name, math.nan) for song in real for row in song])) or math.nan
    return lambda row: (row.get(f"{name}_last", math.nan) - row.get(f"{name}_first", math.nan)) / deviation


def _by_opening(rows: Rows, value: Callable[[Figures], float]) -> Floats:
    return np.array([mean([value(row) for row in song]) for song in rows])


def _cell(rows: Rows, value: Callable[[Figures], float], digits: int = 2) -> str:
    values = _by_opening(rows, value)
    return told(mean(values), mean_interval(values), digits)
