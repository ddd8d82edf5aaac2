from __future__ import annotations

import math

import numpy as np
import pytest

from composer.audition.bootstrap import interval, mean_interval, wilson


def test_the_interval_of_a_mean_is_that_of_its_standard_error() -> None:
    values = np.random.default_rng(3).normal(size=100)
    low, high = mean_interval(values)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 10, rel=0.1)
    assert low < values.mean() < high


def test_that_of_a_biased_figure_is_moved_to_it() -> None:
    """The variance of what is drawn is less than that of all: the interval must not be."""
    values = np.random.default_rng(3).normal(size=6)
    low, high = interval(lambda rows: float(values[rows].var()), 6, biased=True)
    assert (low + high) / 2 == pytest.approx(values.var(), rel=0.2)


def test_a_share_of_all_is_not_sure() -> None:
    assert wilson(10, 10) == pytest.approx((0.722, 1), abs=1e-3)
    assert wilson(0, 10) == pytest.approx((0, 0.278), abs=1e-3)
    assert wilson(7, 20) == pytest.approx((0.181, 0.567), abs=1e-3)
    assert all(map(math.isnan, wilson(0, 0)))


def test_there_is_none_of_nothing() -> None:
    assert all(map(math.isnan, mean_interval([])))
    assert all(map(math.isnan, mean_interval([math.nan])))
    assert all(map(math.isnan, interval(lambda _: math.nan, 3)))
    assert mean_interval([2.0, math.nan, 2.0]) == (2, 2)


def test_one_alone_says_nothing_of_others() -> None:
    assert all(map(math.isnan, mean_interval([2.0, math.nan])))
