from __future__ import annotations

import math

import numpy as np
import pytest

from composer.audition.comparison import (
    COMPARED,
    columns_of,
    compare,
    gap,
    load_reference,
    mean,
    overlapping_area,
    reference_names,
    tell_apart,
)
from composer.audition.metrics import Figures
from composer.errors import UnknownNameError


def rows(count: int, seed: int, shift: float = 0.0) -> list[Figures]:
    draw = np.random.default_rng(seed)
    return [{name: float(draw.normal() + shift) for name in COMPARED} for _ in range(count)]


def test_the_gap_counts_real_deviations() -> None:
    real = np.array([1.0, 3.0])
    assert gap(np.array([5.0, 5.0]), real) == 3
    assert gap(np.array([2.0, math.nan]), real) == 0
    assert math.isnan(gap(np.array([2.0]), np.array([4.0, 4.0])))


def test_areas_overlap_from_not_at_all_to_wholly() -> None:
    draw = np.random.default_rng(1).normal(size=300)
    assert overlapping_area(draw, draw) == pytest.approx(1, abs=1e-3)
    assert overlapping_area(draw, draw + 100) < 1e-3
    assert 0.5 < overlapping_area(draw, draw + 0.5) < 0.95
    assert math.isnan(overlapping_area(draw[:2], draw))


def test_what_is_alike_cannot_be_told_apart() -> None:
    real = columns_of(rows(200, 0))
    close, far = rows(200, 1), rows(200, 2, shift=2)
    alike, apart = compare(close, real), compare(far, real)
    assert alike.gap < 0.15
    assert 0.4 < tell_apart(columns_of(close), real) < 0.6
    assert alike.overlap > 0.85
    assert apart.gap == pytest.approx(2, abs=0.2)
    assert tell_apart(columns_of(far), real) > 0.99
    assert apart.frechet > 10 * alike.frechet


def test_too_few_pieces_are_not_judged() -> None:
    real = columns_of(rows(50, 0))
    assert math.isnan(tell_apart(columns_of(rows(9, 1)), real))
    nothing = compare([{}, {}], real)
    assert all(map(math.isnan, (nothing.gap, nothing.overlap, nothing.frechet, tell_apart(columns_of([{}, {}]), real))))
    assert math.isnan(mean([math.nan]))


@pytest.mark.parametrize("name", ["pop909_aligned", "pop1k7"])
def test_the_references_hold_what_is_compared(name: str) -> None:
    reference = load_reference(name)
    assert reference.opening_bars == 8
    assert reference.bars == 32
    assert set(COMPARED) < set(reference.figures)
    assert {len(values) for values in reference.figures.values()} == {len(reference.songs)}
    assert 0.7 < reference.mean("c_key_match") < 0.9
    assert 0 < reference.looping < 0.05


def test_real_music_is_close_to_real_music() -> None:
    reference = load_reference("pop1k7")
    half = [{name: float(values[at]) for name, values in reference.figures.items()} for at in range(0, 385, 2)]
    rest = {name: values[1::2] for name, values in reference.figures.items()}
    found = compare(half, rest)
    assert found.gap < 0.2
    assert found.overlap > 0.9
    assert tell_apart(columns_of(half), rest) < 0.65


def test_an_unknown_reference_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="pop1k7"):
        load_reference("pop1k")
    assert reference_names() == ("pop1k7", "pop909_aligned")
