"""How close a set of pieces is to real music: gap, overlapping area, Frechet distance, and whether a test tells them
apart. The references are figures of real songs, in references/: no note of them is there.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from composer.audition.grid import Floats, Ints
from composer.audition.metrics import Figures
from composer.errors import UnknownNameError

FOLDER = Path(__file__).parent / "references"

# What a set of pieces is judged by. The other figures are reported alone.
COMPARED = (
    *("notes_bar", "onsets_bar", "polyphony", "pitch_std", "pitches", "dur_beats"),
    *("H1", "H4", "in_key", "in_key8", "key_clarity"),
    *("GS", "chords_bar", "CPI"),
    *("echo", "near", "far", "zip", "SI_short", "SI_mid", "SI_long"),
)
FEWEST_TO_OVERLAP, FEWEST_FOR_FRECHET = 3, 4  # pieces on either side
FOLDS = 5
SHRINKAGE = 0.1  # of the discriminant's covariance: there are few pieces for so many figures

Columns = Mapping[str, Floats]


@dataclass(frozen=True)
class Reference:
    """The figures of real continuations, a row a song. bars: how long they are, behind openings of opening_bars."""

    name: str
    origin: str
    opening_bars: int
    bars: int
    songs: tuple[str, ...]
    figures: dict[str, Floats]

    def mean(self, name: str) -> float:
        return mean(self.figures[name])

    @cached_property
    def looping(self) -> float:
        """The share of songs that have a loop."""
        return float((self.figures["loop"] > 0).mean())


def load_reference(name: str) -> Reference:
    """Raises UnknownNameError where there is none of that name."""
    if name not in reference_names():
        raise UnknownNameError("reference", name, reference_names())
    data = json.loads((FOLDER / f"{name}.json").read_text())
    figures = {key: np.array(values, dtype=np.float64) for key, values in data["figures"].items()}  # null is NaN
    return Reference(name, data["origin"], data["opening_bars"], data["bars"], tuple(data["songs"]), figures)


def reference_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in FOLDER.glob("*.json")))


@dataclass(frozen=True)
class Closeness:
    """gap: mean over COMPARED of |mean - real mean| / real deviation.   overlap: mean overlapping area, 1 is best.
    frechet: distance of two Gaussians, 0 is best. NaN where there are too few pieces.
    """

    gap: float
    overlap: float
    frechet: float


def compare(rows: Sequence[Figures], real: Columns) -> Closeness:
    """rows: the figures of each piece; those without any are left out."""
    composed = columns_of(rows)
    names = [name for name in COMPARED if name in composed and name in real]
    gaps = [gap(composed[name], real[name]) for name in names]
    overlaps = [overlapping_area(composed[name], real[name]) for name in names]
    return Closeness(mean(gaps), mean(overlaps), frechet_distance(composed, real))


def columns_of(rows: Sequence[Figures]) -> dict[str, Floats]:
    """A column for every figure that any row has, NaN where a row lacks it. Rows without figures are left out."""
    rows = [row for row in rows if row]
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: np.array([row.get(name, math.nan) for row in rows], dtype=np.float64) for name in names}


def mean(values: Sequence[float] | Floats) -> float:
    """Of those that are not NaN; NaN where none is."""
    known = _known(np.asarray(values, dtype=np.float64))
    return float(known.mean()) if len(known) else math.nan


def gap(composed: Floats, real: Floats) -> float:
    """How many of the real music's standard deviations the means are apart."""
    composed, real = _known(composed), _known(real)
    if not len(composed) or not len(real) or real.std() <= 1e-6:
        return math.nan
    return float(abs(composed.mean() - real.mean()) / real.std())


def overlapping_area(composed: Floats, real: Floats, points: int = 512) -> float:
    """Of the two densities, estimated with Gaussian kernels by Scott's rule (Yang and Lerch 2020)."""
    return overlap_by_rows(composed, real, points)(np.arange(len(composed)))


def overlap_by_rows(composed: Floats, real: Floats, points: int) -> Callable[[Ints], float]:
    """The overlapping area of some of the composed pieces, each as often as it is named."""
    real, known = _known(real), _known(composed)
    if min(len(known), len(real)) < FEWEST_TO_OVERLAP:
        return lambda _: math.nan
    both = np.concatenate([known, real])
    spread = float(np.ptp(both))
    margin = 0.25 * spread + 1e-6
    line = np.linspace(both.min() - margin, both.max() + margin, points)

    def density(values: Floats) -> Floats:
        width = max(values.std(ddof=1) * len(values) ** -0.2, 1e-3 * spread + 1e-9)
        kernels = np.exp(-0.5 * ((line[:, None] - values) / width) ** 2)
        result: Floats = kernels.mean(axis=1) / (width * math.sqrt(2 * math.pi))
        return result

    theirs = density(real)

    def area(rows: Ints) -> float:
        ours = _known(composed[rows])
        if len(ours) < FEWEST_TO_OVERLAP:
            return math.nan
        return float(np.minimum(density(ours), theirs).sum() * (line[1] - line[0]))

    return area


def frechet_distance(composed: Columns, real: Columns) -> float:
    """Of two Gaussians over all compared figures (Heusel et al. 2017), in the real music's deviations."""
    generated, actual = (rows[_complete(rows)] for rows in _matrices(composed, real))
    if min(len(generated), len(actual)) < FEWEST_FOR_FRECHET:
        return math.nan
    centre, scale = actual.mean(axis=0), actual.std(axis=0) + 1e-9
    generated, actual = (generated - centre) / scale, (actual - centre) / scale
    one, other = np.cov(generated.T), np.cov(actual.T)
    values, vectors = np.linalg.eigh(one)
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    both = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ other @ root), 0)).sum()
    apart = ((generated.mean(axis=0) - actual.mean(axis=0)) ** 2).sum()
    return float(apart + np.trace(one) + np.trace(other) - 2 * both)


def tell_apart(composed: Columns, real: Columns, seed: int = 0) -> float:
    """As separability, by the compared figures."""
    return mean(told_apart(composed, real, seed))


def told_apart(composed: Columns, real: Columns, seed: int = 0) -> Floats:
    """Of each composed piece, the share of real ones that look less composed; NaN for those that lack a figure.

    Their mean is the AUC.
    """
    generated, actual = _matrices(composed, real)
    shares = np.full(len(generated), math.nan)
    judged = _complete(generated)
    shares[judged] = _shares(generated[judged], actual[_complete(actual)], seed)
    return shares


def separability(generated: Floats, actual: Floats, seed: int = 0) -> float:
    """The AUC of a shrunken linear discriminant, each fold judged by what the others taught. NaN for too few rows.

    generated, actual: (things, features)
    """
    return mean(_shares(generated, actual, seed))


def _shares(generated: Floats, actual: Floats, seed: int) -> Floats:
    if min(len(generated), len(actual)) < 2 * FOLDS:
        return np.full(len(generated), math.nan)
    rows = np.concatenate([generated, actual])
    is_composed = np.arange(len(rows)) < len(generated)
    fold = np.random.default_rng(seed).permutation(len(rows)) % FOLDS
    scores = np.zeros(len(rows))
    for held_out in (fold == number for number in range(FOLDS)):
        learned, taught = rows[~held_out], is_composed[~held_out]
        centre, scale = learned.mean(axis=0), learned.std(axis=0) + 1e-9
        scores[held_out] = _discriminate((learned - centre) / scale, taught, (rows[held_out] - centre) / scale)
    ours, theirs = scores[is_composed, None], scores[~is_composed]
    shares: Floats = (ours > theirs).mean(axis=1) + 0.5 * (ours == theirs).mean(axis=1)
    return shares


def _discriminate(rows: Floats, is_composed: np.ndarray, judged: Floats) -> Floats:
    """How composed each judged row looks, by a linear discriminant fitted to the rows."""
    one, other = rows[is_composed], rows[~is_composed]
    middle = (one.mean(axis=0) + other.mean(axis=0)) / 2
    covariance = (np.cov(one.T) + np.cov(other.T)) / 2 + SHRINKAGE * np.eye(rows.shape[1])
    weights = np.linalg.solve(covariance, one.mean(axis=0) - other.mean(axis=0))
    scores: Floats = (judged - middle) @ weights
    return scores


def _matrices(composed: Columns, real: Columns) -> tuple[Floats, Floats]:
    """The compared figures that both have, a row a piece."""
    names = [name for name in COMPARED if name in composed and name in real]
    if not names:
        return np.zeros((0, 0)), np.zeros((0, 0))
    one, other = (np.stack([columns[name] for name in names], axis=1) for columns in (composed, real))
    return one, other


def _complete(rows: Floats) -> npt.NDArray[np.bool_]:
    """Those that lack nothing."""
    complete: npt.NDArray[np.bool_] = ~np.isnan(rows.sum(axis=1))
    return complete


def _known(values: Floats) -> Floats:
    return values[~np.isnan(values)]
