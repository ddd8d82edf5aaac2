"""Which ids may follow: a word that breaks the bar cannot be drawn, so nothing has to be repaired afterwards.

    bar       any time while bars are left to open, of the meter that is due
    metrical  at a position of the bar after the last one, with the chord that is asked for there
    note      behind the last note of the position: in a later role, or in its role below it
    end       when every bar is open; it takes the place that another bar word would have

A model that would rather end early opens another bar, and one that would rather go on ends: the number of bars is
exact. All methods work on every slot at once, without branches and without the host.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from composer.engine.prompt import OpenBar
from composer.music.words import COLUMN, FAMILY_OF, IGNORE, Family, Vocabulary


@dataclass
class State:
    """Where each slot stands. All (slots,) of int64 but for the last two, changed in place."""

    position: Tensor  # id of the last position in this bar, 0 before the first
    role: Tensor  # id of the last note's at this position, 0 before the first; above all of them before a position
    pitch: Tensor  # id of the last note there; one above the highest before the first; 0 before a position
    length: Tensor  # as in OpenBar
    last: Tensor
    following: Tensor
    chords: Tensor  # (slots, positions + 1), OpenBar.chords by position
    roles: Tensor  # (slots, roles) of bool, which may be drawn


class Grammar:
    """The state of every slot and the masks that follow from it."""

    def __init__(self, vocabulary: Vocabulary, slots: int, device: torch.device) -> None:
        sizes = vocabulary.sizes
        self.pitch_count, self.role_count = sizes["pitch"], sizes.get("role", 1)
        self.ids = {name: torch.arange(size, device=device) for name, size in sizes.items()}
        # (families, attributes): which attributes a family uses, the family itself included.
        uses = [[name == "family" or FAMILY_OF[name] == family for name in sizes] for family in Family]
        self.uses = torch.tensor(uses, device=device)

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(slots, *shape, dtype=torch.long, device=device)

        chords, roles = zeros(sizes["position"]), zeros(self.role_count).bool()
        self.state = State(zeros(), zeros(), zeros(), zeros(), zeros(), zeros(), chords, roles)

    def start(self, slot: int, roles: Sequence[int]) -> None:
        """A new piece, in whose bars these roles (ids) play."""
        self.state.roles[slot] = False
        self.state.roles[slot, list(roles)] = True

    def open(self, slot: int, bar: OpenBar) -> None:
        """Put a slot behind a bar word."""
        state = self.state
        state.position[slot] = state.pitch[slot] = IGNORE
        state.role[slot] = self.role_count
        state.length[slot], state.last[slot], state.following[slot] = bar.length, bar.last, bar.following
        state.chords[slot] = IGNORE
        if bar.chords:
            state.chords[slot, 1 : 1 + len(bar.chords)] = torch.tensor(bar.chords, device=state.chords.device)

    def family(self, logits: Tensor) -> Tensor:
        """(slots, families) -> the same with -inf where a family may not follow."""
        state, masked = self.state, torch.full_like(logits, -math.inf)
        # What the model gives to "this bar is over", by another bar or by the end, goes to the one that is due.
        over = torch.logaddexp(logits[:, Family.BAR], logits[:, Family.END])
        masked[:, Family.BAR] = over.masked_fill(state.last > 0, -math.inf)
        masked[:, Family.END] = over.masked_fill(state.last == 0, -math.inf)
        masked[:, Family.METRICAL] = logits[:, Family.METRICAL].masked_fill(state.position >= state.length, -math.inf)
        masked[:, Family.NOTE] = logits[:, Family.NOTE].masked_fill(~self._roles().any(1), -math.inf)
        return masked

    def attribute(self, name: str, logits: Tensor, word: Mapping[str, Tensor]) -> Tensor:
        """(slots, ids) of an attribute other than the family -> the same with -inf where an id may not follow.

        word: ids (slots,) of the attributes of earlier stages. A row whose family has no use for the attribute is left
        with IGNORE alone.
        """
        ids, state = self.ids[name], self.state
        hidden = (ids == IGNORE)[None]
        if name == "meter":
            hidden = hidden | _other_than(state.following, ids)
        if name == "position":
            hidden = hidden | (ids <= state.position[:, None]) | (ids > state.length[:, None])
        if name == "chord" and "position" in word:
            hidden = hidden | _other_than(state.chords.gather(1, word["position"][:, None])[:, 0], ids)
        if name == "role":
            hidden = hidden | ~self._roles()
        if name == "pitch":
            below = ids >= state.pitch[:, None]
            hidden = hidden | (below & (word["role"] == state.role)[:, None] if "role" in word else below)
        used = self.uses[word["family"], COLUMN[name]][:, None]
        return logits.masked_fill(torch.where(used, hidden, ids != IGNORE), -math.inf)

    def _roles(self) -> Tensor:
        """Which roles may play the next note. (slots, roles)"""
        state, roles = self.state, torch.arange(self.role_count, device=self.state.role.device)
        last = state.role[:, None]
        return state.roles & ((roles > last) | ((roles == last) & (state.pitch > 1)[:, None]))

    def advance(self, words: Tensor) -> None:
        """Take the drawn words into the state; a bar word has to be opened. words: (slots, attributes), all IGNORE
        where none was drawn"""
        state = self.state
        family, position, pitch = words[:, :3].unbind(1)
        role = words[:, COLUMN["role"]] if self.role_count > 1 else torch.zeros_like(family)
        metrical, note = family == Family.METRICAL, family == Family.NOTE
        state.position.copy_(torch.where(metrical, position, state.position))
        state.role.copy_(torch.where(metrical, IGNORE, torch.where(note, role, state.role)))
        state.pitch.copy_(torch.where(metrical, self.pitch_count, torch.where(note, pitch, state.pitch)))


def _other_than(asked: Tensor, ids: Tensor) -> Tensor:
    """(slots, ids), which ids are not what is asked for; none where nothing is. asked: (slots,)"""
    return (asked != IGNORE)[:, None] & (ids != asked[:, None])
