from __future__ import annotations

import math

import pytest
import torch

from composer.engine.draw import draw, nucleus_filter

LOGITS = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()


def probabilities(temperature: float, top_p: float) -> list[float]:
    kept, ids = nucleus_filter(LOGITS[None], torch.tensor([temperature]), torch.tensor([top_p]))
    by_id = torch.zeros(4).scatter(0, ids[0], kept[0])
    return (by_id / by_id.sum()).tolist()


def test_the_nucleus_is_the_smallest_set_that_reaches_top_p() -> None:
    assert probabilities(1.0, 1.0) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=1e-6)
    assert probabilities(1.0, 0.79) == pytest.approx([0.625, 0.375, 0, 0], abs=1e-6)
    assert probabilities(1.0, 0.81) == pytest.approx([0.5 / 0.95, 0.3 / 0.95, 0.15 / 0.95, 0], abs=1e-6)
    assert probabilities(1.0, 1e-9) == [1, 0, 0, 0]


def test_temperature_divides_the_logits() -> None:
    squared = [p**2 for p in (0.5, 0.3, 0.15, 0.05)]
    assert probabilities(0.5, 1.0) == pytest.approx([p / sum(squared) for p in squared], abs=1e-6)
    assert probabilities(0.0, 1.0) == [1, 0, 0, 0]


def test_draws_follow_the_distribution_row_by_row() -> None:
    """Two rows of one batch with settings of their own; the uniform numbers are an even ladder, so counts are exact."""
    count = 10_000
    uniform = ((torch.arange(count) + 0.5) / count)[:, None].expand(-1, 2)
    logits = LOGITS.expand(count, 2, -1)
    temperature = torch.tensor([1.0, 0.0]).expand(count, 2)
    ids = draw(logits, temperature, torch.tensor([0.79, 1.0]).expand(count, 2), uniform)
    shares = torch.bincount(ids[:, 0], minlength=4) / count
    assert shares.tolist() == pytest.approx([0.625, 0.375, 0, 0], abs=2e-4)
    assert torch.equal(ids[:, 1], torch.zeros(count, dtype=torch.long))


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-24])
def test_what_is_masked_is_never_drawn(uniform: float) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(500, 40, generator=generator) * 3
    masked = torch.rand(500, 40, generator=generator) < 0.9
    masked[:, 7] = False
    logits[masked] = -math.inf
    for temperature in (0.0, 0.01, 1.0, 2.0):
        ids = draw(logits, torch.full((500,), temperature), torch.ones(500), torch.full((500,), uniform))
        assert not masked.gather(1, ids[:, None]).any()
