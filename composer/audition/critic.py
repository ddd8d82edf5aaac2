"""A critic: how likely it is that music was not composed by one checkpoint, by the figures that auditions compare by.

A logistic regression, taught by training songs: how they go on, against what the checkpoint makes of their openings. It
lies beside the checkpoint as critic.json, and chooses among the takes of `segue compose --spare`. `./run bench critic`
teaches it, and says whether what it chooses is more like real music.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from composer.audition.comparison import COMPARED
from composer.audition.grid import Floats, notes_of
from composer.audition.metrics import FEWEST_NOTES, Figures, measure
from composer.engine.checkpoint import CRITIC
from composer.piece import Take

BARS = 32  # behind an opening: what it is taught by, and as much of a piece as it looks at
PENALTY = 1.0  # on the squared weights
STEPS = 30  # of Newton's method; it has converged long before


class Critic:
    """Attributes: weights, the first of them for a 1 in front; centre and scale of the figures."""

    def __init__(self, weights: Floats, centre: Floats, scale: Floats) -> None:
        self.weights, self.centre, self.scale = weights, centre, scale

    @classmethod
    def taught(cls, composed: Sequence[Figures], real: Sequence[Figures]) -> Critic:
        rows = np.array([_features(row) for row in (*real, *composed)])
        width = rows.shape[1] + 1
        critic = cls(np.zeros(width), np.nanmean(rows, axis=0), np.nanstd(rows, axis=0) + 1e-9)
        inputs = np.stack([critic._scaled(row) for row in rows])
        truth = np.arange(len(rows)) < len(real)
        for _ in range(STEPS):
            said = 1 / (1 + np.exp(-inputs @ critic.weights))
            slope = inputs.T @ (said - truth) + PENALTY * critic.weights
            curve = (inputs.T * (said * (1 - said))) @ inputs + PENALTY * np.eye(width)
            critic.weights = critic.weights - np.linalg.solve(curve, slope)
        return critic

    def real(self, figures: Figures) -> float:
        """Its odds, in nats. What is too short to be measured is nothing like it."""
        return float(self._scaled(_features(figures)) @ self.weights) if figures else -math.inf

    def real_take(self, take: Take) -> float:
        """Of the first BARS that were composed."""
        notes = notes_of(take.score).part(take.first, take.first + BARS)
        return self.real(measure(notes) if len(notes) >= FEWEST_NOTES else {})

    def save(self, checkpoint: Path) -> None:
        told = {"figures": COMPARED, **{name: list(values) for name, values in vars(self).items()}}
        (checkpoint / CRITIC).write_text(json.dumps(told, indent=1) + "\n")

    @classmethod
    def read(cls, told: Mapping[str, Any] | None) -> Critic | None:
        """That of a checkpoint; None where it has none, or one that was taught by other figures."""
        if told is None or told.get("figures") != list(COMPARED):
            return None
        return cls(*(np.array(told[name], dtype=np.float64) for name in ("weights", "centre", "scale")))

    def _scaled(self, row: Floats) -> Floats:
        """With a 1 in front; what a piece lacks is as in the mean of all."""
        return np.concatenate([[1.0], np.nan_to_num((row - self.centre) / self.scale)])


def _features(figures: Figures) -> Floats:
    return np.array([figures.get(name, math.nan) for name in COMPARED])
