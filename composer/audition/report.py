"""All that an audition found, and its JSON. The page is made from the same by composer.audition.page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from composer.audition.choice import RULE, Choice, Summary, summarise
from composer.audition.comparison import columns_of, gap, mean, overlapping_area
from composer.audition.openings import Group
from composer.audition.trials import Judged, Result
from composer.audition.votes import (
    Preference,
    Vote,
    by_checkpoint,
    by_settings,
    checkpoint_name,
    preferences,
    settings_name,
)
from composer.engine.runs import RunIndex
from composer.order import Order

Row = Mapping[str, str]


@dataclass(frozen=True)
class Report:
    """real: summaries of the songs' own continuations, by group and by name   curves: of the run, perhaps none
    steps: of each candidate's checkpoint; None where it has no place on the curves
    searched: training corpora in which copies were looked for   not_searched: those that the run was trained on besides
    """

    run: str
    command: str
    order: Order
    groups: Sequence[Group]
    results: Sequence[Result]
    choice: Choice
    real: Mapping[str, Mapping[str, Summary]]
    curves: Sequence[Row]
    steps: Sequence[int | None]
    searched: Sequence[str]
    not_searched: Sequence[str]
    runs: RunIndex | None  # of the searched corpora: what a promoted checkpoint takes along
    votes: Sequence[Vote] = ()  # of people, for takes that the bot has composed

    @property
    def chosen(self) -> Result:
        return self.results[self.choice.chosen]

    @cached_property
    def summaries(self) -> list[dict[str, Summary]]:
        """Of all openings, by candidate and group."""
        return [
            {group.name: summarise(result.pieces[group.name], group.reference) for group in self.groups}
            for result in self.results
        ]

    @cached_property
    def preferred(self) -> dict[str, list[Preference]]:
        """What people preferred, by what it is counted by."""
        return {"checkpoint": preferences(self.votes, by_checkpoint), "settings": preferences(self.votes, by_settings)}

    def preference(self, place: int) -> Preference | None:
        """That of a candidate: of its checkpoint, or where all have the same one, of its settings."""
        result = self.results[place]
        if len({each.digest for each in self.results}) > 1:
            by, name = "checkpoint", checkpoint_name(result.candidate.folder.resolve().name, result.digest)
        else:
            by, name = "settings", settings_name(result.candidate.sampling)
        return next((found for found in self.preferred[by] if found.name == name), None)

    def to_json(self) -> dict[str, Any]:
        """Ready for json.dumps; what is NaN becomes None."""
        found = {
            "run": self.run,
            "command": self.command,
            "bars": self.order.bars,
            "first_seed": self.order.seed,
            "takes": self.order.takes,
            "rule": RULE,
            "recommended": {
                "name": self.chosen.candidate.name,
                "by": self.choice.by,
                "passes_the_gates": self.choice.passed,
                "chosen_on_half_of_the_openings": self.choice.halved,
            },
            "copies_searched_in": list(self.searched),
            "trained_on_but_not_searched": list(self.not_searched),
            "preferred": {by: [one.to_json() for one in found] for by, found in self.preferred.items()},
            "groups": {group.name: self._group(group) for group in self.groups},
            "candidates": [self._candidate(place) for place in range(len(self.results))],
        }
        cleaned: dict[str, Any] = _without_nan(found)
        return cleaned

    def _group(self, group: Group) -> dict[str, Any]:
        return {
            "reference": {"name": group.reference.name, "origin": group.reference.origin, "bars": group.reference.bars},
            "openings": [song.name for song in group.songs],
            "real": {name: asdict(summary) for name, summary in self.real[group.name].items()},
        }

    def _candidate(self, place: int) -> dict[str, Any]:
        result, preference = self.results[place], self.preference(place)
        return {
            "name": result.candidate.name,
            "checkpoint": {
                "name": result.candidate.folder.resolve().name,
                "digest": result.digest,
                "step": self.steps[place],
            },
            "settings": result.candidate.sampling.to_json(),
            "preferred": preference and preference.to_json(),
            "words_a_second": result.words_a_second,
            "arithmetic": result.arithmetic,
            "groups": {
                group.name: {
                    "all": asdict(self.summaries[place][group.name]),
                    "seen_by_the_rule": asdict(self.choice.seen[place][group.name]),
                    "unseen_by_the_rule": asdict(self.choice.unseen[place][group.name]),
                    "metrics": self.metrics(place, group),
                    "pieces": [
                        _piece(song.name, piece)
                        for song, takes in zip(group.songs, result.pieces[group.name], strict=True)
                        for piece in takes
                    ],
                }
                for group in self.groups
            },
        }

    def metrics(self, place: int, group: Group) -> dict[str, dict[str, float]]:
        """Every figure of a candidate's pieces beside that of real music."""
        rows = [piece.figures for song in self.results[place].pieces[group.name] for piece in song]
        real = group.reference.figures
        return {
            name: {
                "mean": mean(values),
                "std": float(np.nanstd(values)) if not np.isnan(values).all() else math.nan,
                "real": mean(real[name]),
                "real_std": float(np.nanstd(real[name])),
                "gap": gap(values, real[name]),
                "overlap": overlapping_area(values, real[name]),
            }
            for name, values in columns_of(rows).items()
            if name in real
        }


def _piece(song: str, piece: Judged) -> dict[str, Any]:
    return {
        "song": song,
        "seed": piece.take.request.seed if piece.take else None,
        "figures": piece.figures,
        "copying": asdict(piece.copying) if piece.copying else None,
        "broken": piece.broken,
    }


def _without_nan(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(inner) for key, inner in value.items()}
    return [_without_nan(inner) for inner in value] if isinstance(value, list | tuple) else value
