"""Which ids may follow: a word that breaks the bar cannot be drawn, so nothing has to be repaired afterwards.

    bar       any time while bars are left to open
    metrical  at a position after the last one of the bar
    note      below the last note of the position, so the highest comes first
    end       when every bar is open; it takes the place that another bar word would have

A model that would rather end early opens another bar, and one that would rather go on ends: the number of bars is
exact. All methods work on every slot at once, without branches and without the host.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.words import ATTRIBUTES, FAMILY_OF, IGNORE, Family, Vocabulary


@dataclass
class State:
    """Where each slot stands. All (slots,) of int64, changed in place by Grammar.advance."""

    position: Tensor  # id of the last position in this bar, 0 before the first
    pitch: Tensor  # id of the last note at this position; one above the highest before the first; 0 before a position
    bars_left: Tensor  # bar words that are still to come


class Grammar:
    def __init__(self, vocabulary: Vocabulary, slots: int, device: torch.device) -> None:
        sizes = vocabulary.sizes
        self.last_position, self.pitch_count = sizes["position"] - 1, sizes["pitch"]
        self.ids = {name: torch.arange(size, device=device) for name, size in sizes.items()}
        # (families, attributes): which attributes a family uses, the family itself included.
        uses = [[name == "family" or FAMILY_OF[name] == family for name in ATTRIBUTES] for family in Family]
        self.uses = torch.tensor(uses, device=device)
        self.state = State(*(torch.zeros(slots, dtype=torch.long, device=device) for _ in range(3)))

    def start(self, slot: int, bars_left: int) -> None:
        """Put a slot behind the bar word that opens its first new bar."""
        self.state.position[slot] = IGNORE
        self.state.pitch[slot] = IGNORE
        self.state.bars_left[slot] = bars_left

    def family(self, logits: Tensor) -> Tensor:
        """(slots, families) -> the same with -inf where a family may not follow."""
        state, masked = self.state, torch.full_like(logits, -math.inf)
        # What the model gives to "this bar is over", by another bar or by the end, goes to the one that is due.
        over = torch.logaddexp(logits[:, Family.BAR], logits[:, Family.END])
        masked[:, Family.BAR] = over.masked_fill(state.bars_left <= 0, -math.inf)
        masked[:, Family.END] = over.masked_fill(state.bars_left > 0, -math.inf)
        masked[:, Family.METRICAL] = logits[:, Family.METRICAL].masked_fill(
            state.position >= self.last_position, -math.inf
        )
        masked[:, Family.NOTE] = logits[:, Family.NOTE].masked_fill(state.pitch <= 1, -math.inf)
        return masked

    def attribute(self, name: str, logits: Tensor, family: Tensor) -> Tensor:
        """(slots, ids) of an attribute other than the family -> the same with -inf where an id may not follow.

        A row whose family (slots,) has no use for the attribute is left with IGNORE alone.
        """
        ids, state = self.ids[name], self.state
        hidden = (ids == IGNORE)[None]
        if name == "position":
            hidden = hidden | (ids <= state.position[:, None])
        if name == "pitch":
            hidden = hidden | (ids >= state.pitch[:, None])
        used = self.uses[family, ATTRIBUTES.index(name)][:, None]
        return logits.masked_fill(torch.where(used, hidden, ids != IGNORE), -math.inf)

    def advance(self, words: Tensor) -> None:
        """Take the drawn words into the state. words: (slots, attributes), all IGNORE where none was drawn"""
        state = self.state
        family, position, pitch = words[:, :3].unbind(1)
        bar, metrical = family == Family.BAR, family == Family.METRICAL
        state.position.copy_(torch.where(bar, IGNORE, torch.where(metrical, position, state.position)))
        pitch_now = torch.where(family == Family.NOTE, pitch, state.pitch)
        state.pitch.copy_(torch.where(bar, IGNORE, torch.where(metrical, self.pitch_count, pitch_now)))
        state.bars_left -= bar.long()
