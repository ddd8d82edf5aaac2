from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from engine_models import TINY, random_checkpoint
from scores import arpeggios

from composer.audition.comparison import COMPARED
from composer.audition.critic import Critic
from composer.audition.metrics import Figures
from composer.composing import compose
from composer.engine.checkpoint import CRITIC, load_checkpoint, save_checkpoint
from composer.errors import CheckpointError
from composer.opening import Opening
from composer.order import Order


def rows(count: int, seed: int, shift: float) -> list[Figures]:
    draw = np.random.default_rng(seed)
    return [{name: float(draw.normal() + shift) for name in COMPARED} for _ in range(count)]


CRITIC_OF_ROWS = Critic.taught(composed=rows(40, 1, shift=0.4), real=rows(40, 2, shift=0.0))


def test_the_critic_prefers_what_is_like_the_songs_that_taught_it() -> None:
    composed, real = ([CRITIC_OF_ROWS.real(row) for row in rows(40, seed, shift)] for seed, shift in ((3, 0.4), (4, 0)))
    assert np.mean([one > other for one in real for other in composed]) > 0.8
    assert CRITIC_OF_ROWS.real({}) == -math.inf, "silence is no music"
    assert math.isfinite(CRITIC_OF_ROWS.real({"H1": 2.0})), "what a piece lacks is as in the mean"


def test_a_checkpoint_brings_its_critic_along_and_takes_are_chosen_by_it(tmp_path: Path) -> None:
    made = random_checkpoint(seed=9, **TINY)
    save_checkpoint(tmp_path, made.model, made.vocabulary)
    CRITIC_OF_ROWS.save(tmp_path)
    checkpoint = load_checkpoint(tmp_path)
    critic = Critic.read(checkpoint.critic)
    assert critic is not None
    row = rows(1, 5, 0.0)[0]
    assert critic.real(row) == CRITIC_OF_ROWS.real(row)

    opening = Opening(arpeggios(60, 2))
    kept = compose(opening, checkpoint, Order(bars=6, takes=3, spare=3))
    assert len(kept) == 3
    likes = [(take.keeps_key, critic.real_take(take)) for take in kept]
    assert likes == sorted(likes, reverse=True)
    drawn = compose(opening, checkpoint, Order(bars=6, takes=6))
    assert likes[0] == max((take.keeps_key, critic.real_take(take)) for take in drawn)


def test_a_critic_of_other_figures_is_not_asked_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    made = random_checkpoint(seed=9, **TINY)
    save_checkpoint(tmp_path, made.model, made.vocabulary)
    assert Critic.read(load_checkpoint(tmp_path).critic) is None
    (tmp_path / CRITIC).write_text(json.dumps({"figures": ["H1"], "weights": [], "centre": [], "scale": []}))
    assert Critic.read(load_checkpoint(tmp_path).critic) is None
    (tmp_path / CRITIC).write_text("{")
    with pytest.raises(CheckpointError, match=CRITIC):
        load_checkpoint(tmp_path)
