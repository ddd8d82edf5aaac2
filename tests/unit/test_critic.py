from __future__ import annotations

import math

import numpy as np

from bench.critic import Critic
from composer.audition.comparison import COMPARED
from composer.audition.metrics import Figures


def rows(count: int, seed: int, shift: float) -> list[Figures]:
    draw = np.random.default_rng(seed)
    return [{name: float(draw.normal() + shift) for name in COMPARED} for _ in range(count)]


def test_the_critic_prefers_what_is_like_the_songs_that_taught_it() -> None:
    critic = Critic(rows(40, 1, shift=0.4), rows(40, 2, shift=0.0))
    unseen = [[critic.real(row) for row in rows(40, seed, shift)] for seed, shift in ((3, 0.4), (4, 0.0))]
    wins = np.mean([real > composed for composed in unseen[0] for real in unseen[1]])
    assert wins > 0.8
    assert critic.real({}) == -math.inf, "silence is no music"
    assert math.isfinite(critic.real({"H1": 2.0})), "what a piece lacks is as in the mean"
