"""How sure a figure is: its 95 % interval, by drawing the openings anew (bootstrap: Efron 1979)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from composer.audition.grid import Floats, Ints

DRAWS = 1000
FEWEST = 2  # things: one alone says nothing of others
TAILS = (0.025, 0.975)
NORMAL = 1.96  # deviations of a normal distribution that hold 95 %


class Interval(NamedTuple):
    low: float
    high: float


UNKNOWN = Interval(math.nan, math.nan)  # where there is too little to draw from


def interval(statistic: Callable[[Ints], float], things: int, draws: int = DRAWS, biased: bool = False) -> Interval:
    """Of a figure of some things.

    Args:
        statistic: the figure of these of them, each as often as it is named.
        things: how many there are.
        draws: how often as many are drawn from them.
        biased: whether the figure is another where there are fewer things, as in what is drawn, some of it twice: then
            the interval is moved to where the figure is.

    Returns:
        What 95 of 100 draws lie in. Those that have no figure (NaN) are left out.
    """
    if things < FEWEST:
        return UNKNOWN
    drawn = np.random.default_rng(0).integers(things, size=(draws, things))
    found = np.array([statistic(rows) for rows in drawn])
    found = found[~np.isnan(found)]
    if not len(found):
        return UNKNOWN
    off = found.mean() - statistic(np.arange(things)) if biased else 0.0
    low, high = np.quantile(found, TAILS) - off
    return Interval(float(low), float(high))


def wilson(successes: float, trials: int) -> Interval:
    """Of the share of successes (Wilson 1927). Where all are, or none, drawing them anew would tell nothing."""
    if not trials:
        return UNKNOWN
    share, square = successes / trials, NORMAL**2 / trials
    centre = (share + square / 2) / (1 + square)
    width = NORMAL / (1 + square) * math.sqrt(share * (1 - share) / trials + square / trials / 4)
    return Interval(centre - width, centre + width)


def told(value: float, interval: Interval, digits: int = 3) -> str:
    """A figure for a table of text, and its interval; a dash for what is not known."""
    if not math.isfinite(value):
        return "-"
    text = f"{value:.{digits}f}"
    return f"{text} [{interval.low:.{digits}f} {interval.high:.{digits}f}]" if math.isfinite(interval.low) else text


def mean_interval(values: Sequence[float] | Floats) -> Interval:
    """Of the mean of those that are not NaN."""
    known = np.asarray(values, dtype=np.float64)
    known = known[~np.isnan(known)]
    return interval(lambda rows: float(known[rows].mean()), len(known))
