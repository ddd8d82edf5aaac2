from __future__ import annotations

import math

import numpy as np
import pytest

from composer.audition.bootstrap import interval, mean_interval


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(3).normal(size=100)
    low, high = mean_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert low < values.mean() < high


def test_it_is_put_around_the_figure_itself() -> None:
    """The variance of what is drawn is less than that of all: the interval must not be."""
    values = np.random.default_rng(3).normal(size=6)
    low, high = interval(lambda rows: float(values[rows].var()), 6)
    assert (low + high) / 2 == pytest.approx(values.var(), rel=0.2)


def test_there_is_none_of_nothing() -> None:
    assert all(map(math.isnan, mean_interval([])))
    assert all(map(math.isnan, mean_interval([math.nan])))
    assert all(map(math.isnan, interval(lambda _: math.nan, 3)))
    assert mean_interval([2.0, math.nan]) == (2, 2)
