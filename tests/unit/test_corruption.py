from __future__ import annotations

import torch
from test_returns import a_piece

from composer.engine.returns import places_of
from composer.training.corruption import corrupted
from composer.words import ATTRIBUTES, IGNORE, Family


def test_slips_change_notes_alone_and_keep_their_order() -> None:
    torch.manual_seed(0)
    words = a_piece().expand(8, -1, -1)
    slipped = corrupted(words, most=0.5)
    notes = words[..., 0] == Family.NOTE
    assert torch.equal(slipped[~notes], words[~notes])
    assert torch.equal(slipped == IGNORE, words == IGNORE)
    changed = {name for i, name in enumerate(ATTRIBUTES) if not torch.equal(slipped[..., i], words[..., i])}
    assert changed == {"pitch", "velocity", "duration"}
    assert (places_of(slipped).key.diff() > 0).all()


def test_the_words_themselves_are_left_alone() -> None:
    torch.manual_seed(0)
    words = a_piece()
    before = words.clone()
    corrupted(words, most=0.5)
    assert torch.equal(words, before)
