"""Critics: how likely it is that music was not composed by one checkpoint, by figures of it and of its opening.

One a style, each a logistic regression, taught by training songs: how they go on, against what the checkpoint makes of
their openings. They lie beside the checkpoint as critics.json, and say which of several candidates is kept
(composer.candidates). `./run bench critic` teaches them, and tells whether what they choose is more like real music.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from composer.audition.comparison import COMPARED
from composer.audition.grid import Floats, Notes
from composer.audition.metrics import FEWEST_NOTES, Figures, measure
from composer.engine.checkpoint import CRITICS

OPENING_BARS, BARS = 8, 32  # what they look at on either side of where the new bars begin, as they were taught
# How far an opening may be from those that taught a critic, in mean squared deviations; one in ten of theirs is farther
FARTHEST = 2.0
PENALTY = 10.0  # on the squared weights
STEPS = 30  # of Newton's method; it has converged long before

# Those that an audition compares by, but for structureness, which takes several times as long as all others.
FIGURES = tuple(name for name in COMPARED if not name.startswith("SI_"))
# By these its style is told, and what follows is held against them. Eight bars have none eight bars back.
OF_OPENING = ("pitch_mean", "vel_mean", "vel_std", *(name for name in FIGURES if name != "far"))
NAMES = (*FIGURES, *(f"{name} - opening" for name in OF_OPENING))


@dataclass(frozen=True, eq=False)
class Features:
    """What critics go by; NaN for what music lacks.

    Attributes:
        opening: (OF_OPENING,), figures of the opening.
        new: (NAMES,), figures of what follows, and how far they are from the opening's.
    """

    opening: Floats
    new: Floats


def features(notes: Notes, first: int) -> Features | None:
    """Those of a piece.

    Args:
        notes: all of it.
        first: number of its first new bar.

    Returns:
        None where there is too little to judge.
    """
    opening, new = notes.part(max(0, first - OPENING_BARS), first), notes.part(first, min(first + BARS, notes.bars))
    if min(len(opening), len(new)) < FEWEST_NOTES:
        return None
    before, after = measure(opening, structure=False), measure(new, structure=False)
    held = _row(before, OF_OPENING)
    return Features(held, np.concatenate([_row(after, FIGURES), _row(after, OF_OPENING) - held]))


def _row(figures: Figures, names: Sequence[str]) -> Floats:
    return np.array([figures.get(name, math.nan) for name in names])


@dataclass(frozen=True, eq=False)
class Spread:
    """centre and scale of some rows, by column."""

    centre: Floats
    scale: Floats

    @classmethod
    def of(cls, rows: Floats) -> Spread:
        return cls(np.nan_to_num(np.nanmean(rows, axis=0)), np.nan_to_num(np.nanstd(rows, axis=0)) + 1e-6)

    def scaled(self, row: Floats) -> Floats:
        """What it lacks is as in the mean."""
        result: Floats = np.nan_to_num((row - self.centre) / self.scale)
        return result

    def distance(self, row: Floats) -> float:
        """The mean square of what a row has, in deviations."""
        return float(np.nanmean(((row - self.centre) / self.scale) ** 2))

    def likelihood(self, row: Floats) -> float:
        """Of a row, in nats, as if its figures had nothing to do with each other."""
        return float(-(self.scaled(row) ** 2 / 2 + np.log(self.scale)).sum())


@dataclass(frozen=True, eq=False)
class Critic:
    """Knows by what composed music of one style differs from real music.

    Attributes:
        weights: (1 + NAMES,), the first of them for a 1 in front.
        new: what the features are scaled by.
        openings: of the songs that it was taught by.
    """

    weights: Floats
    new: Spread
    openings: Spread

    @classmethod
    def taught(cls, composed: Sequence[Features], real: Sequence[Features]) -> Critic:
        """By music of either kind."""
        rows = np.array([one.new for one in (*real, *composed)])
        spread = Spread.of(rows)
        inputs = np.stack([_with_one(spread.scaled(row)) for row in rows])
        truth = np.arange(len(rows)) < len(real)
        weights = np.zeros(inputs.shape[1])
        for _ in range(STEPS):
            said = 1 / (1 + np.exp(-inputs @ weights))
            slope = inputs.T @ (said - truth) + PENALTY * weights
            curve = (inputs.T * (said * (1 - said))) @ inputs + PENALTY * np.eye(len(weights))
            weights -= np.linalg.solve(curve, slope)
        return cls(weights, spread, Spread.of(np.array([one.opening for one in real])))

    def real(self, piece: Features) -> float:
        """The odds that it is real music, in nats."""
        return float(_with_one(self.new.scaled(piece.new)) @ self.weights)


def _with_one(row: Floats) -> Floats:
    return np.concatenate([[1.0], row])


@dataclass(frozen=True, eq=False)
class Critics:
    """Those of a checkpoint, by style."""

    by_style: Mapping[str, Critic]

    def critic_of(self, piece: Features, style: str = "") -> Critic | None:
        """That of the style that is asked for, or of the songs that begin most like the piece.

        Returns:
            None where none was taught that style, or by songs that begin at all like it.
        """
        if style:
            return self.by_style.get(style)
        likeliest = max(self.by_style.values(), key=lambda critic: critic.openings.likelihood(piece.opening))
        return likeliest if likeliest.openings.distance(piece.opening) <= FARTHEST else None

    def save(self, checkpoint: Path) -> None:
        told = {
            style: {
                "weights": list(critic.weights),
                "new": {name: list(values) for name, values in vars(critic.new).items()},
                "openings": {name: list(values) for name, values in vars(critic.openings).items()},
            }
            for style, critic in self.by_style.items()
        }
        (checkpoint / CRITICS).write_text(json.dumps({"features": NAMES, "styles": told}, indent=1) + "\n")

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> Critics | None:
        """Of what stands in their file; None if they were taught by other features, or there are none."""
        if told.get("features") != list(NAMES) or not told["styles"]:
            return None
        return cls(
            {
                style: Critic(np.array(one["weights"]), _spread(one["new"]), _spread(one["openings"]))
                for style, one in told["styles"].items()
            }
        )


def _spread(told: Mapping[str, Sequence[float]]) -> Spread:
    return Spread(np.array(told["centre"]), np.array(told["scale"]))
