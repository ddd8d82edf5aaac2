"""What came back before: for each word, what stood at the same place some bars earlier.

Music repeats by the bar, and attention alone takes long to learn where a bar ago was. So a word is told what followed
its own place in the bar 1, 2, 4 ... bars back, and in the bar whose past is most like its own: the words that would
come next if that bar were heard again. What to do with them is the model's to learn.

A place is one number that rises through a piece: the bar, the position in it, the role, and the pitch, highest first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from composer.music.words import COLUMN, IGNORE, Family

PLACES_PER_POSITION = 128
PLACES_PER_BAR = 2**15
ROLE = COLUMN["role"]  # where words have one
ROLES = 8  # so many times more places then
ALIKE_WORDS = 32  # two pasts are compared over so many words
HINT_DIM = 64


class Places(NamedTuple):
    """Of each word: its place, whether there is a word at all, and the word in full."""

    key: Tensor  # (batch, words), rising
    real: Tensor  # (batch, words)
    full: Tensor  # (batch, words, attributes): notes carry the position and the chord that hold for them


def places_of(words: Tensor) -> Places:
    """words: (batch, words, attributes), IGNORE in front of and behind a piece."""
    family, position, pitch = (words[..., COLUMN[name]] for name in ("family", "position", "pitch"))
    opens = (family == Family.BAR) | (family == Family.END)
    has_roles = words.shape[-1] > ROLE
    bar = opens.long().cumsum(1)
    place = bar * places_per_bar(words) + position * PLACES_PER_POSITION * (ROLES if has_roles else 1)
    key = place.where(opens | (family == Family.METRICAL), 0).cummax(1).values
    below = PLACES_PER_POSITION - pitch
    if has_roles:
        below = below + words[..., ROLE] * PLACES_PER_POSITION
    key = (key + below.where(family == Family.NOTE, 0)).cummax(1).values
    index = torch.arange(words.shape[1], device=words.device).expand_as(family)
    metrical = index.where(opens | (family == Family.METRICAL), 0).cummax(1).values
    full = words.clone()
    for name in ("position", "chord"):
        column = COLUMN[name]
        full[..., column] = words[..., column].gather(1, metrical)
    return Places(key, family != IGNORE, full)


def places_per_bar(words: Tensor) -> int:
    return PLACES_PER_BAR * (ROLES if words.shape[-1] > ROLE else 1)


def followers(places: Places, last: int, bars: Tensor, memory: int) -> tuple[Tensor, Tensor, Tensor]:
    """For each of the last words: which word followed the same place so many bars back.

    bars: (lags,) of int64

    Returns (batch, last, lags) three times: its index, whether it is there and less than `memory` words back, and
    whether a word stood at the very same place. An index is never ahead of the word that asks.
    """
    device, words = places.key.device, places.key.shape[1]
    wanted = places.key[:, -last:, None] - bars * places_per_bar(places.full)
    index = torch.searchsorted(places.key, wanted.flatten(1), right=True).view_as(wanted)
    before = (index - 1).clamp(min=0).flatten(1)
    near = torch.arange(words - last, words, device=device)[:, None] - index < memory
    there = near & (index > 0) & places.real.gather(1, before).view_as(wanted)
    same = places.key.gather(1, before).view_as(wanted) == wanted
    return index.clamp(max=words - 1), there, same & there


class Hints(NamedTuple):
    """What a word is told: a vector that joins its embedding, and the words that would come next."""

    vector: Tensor  # (batch, words, dim)
    words: Tensor  # (batch, words, hints, attributes); IGNORE where there is none


class Returns(nn.Module):
    """Hints for every word. Their vector begins as 0."""

    def __init__(self, sizes: Sequence[int], dim: int, lags: Sequence[int], farthest: int, memory: int) -> None:
        super().__init__()
        self.lags, self.farthest, self.memory = tuple(lags), farthest, memory
        self.embeddings = nn.ModuleList(nn.Embedding(size, HINT_DIM) for size in sizes)
        hints = hint_count(self.lags, farthest)
        self.alike = nn.Embedding(ALIKE_WORDS + 1, HINT_DIM) if farthest else None
        self.distance = nn.Embedding(farthest + 1, HINT_DIM) if farthest else None
        self.project = nn.Linear(hints * (HINT_DIM + 1), dim, bias=False)
        self.lag_bars: Tensor
        self.bars_back: Tensor
        self.register_buffer("lag_bars", torch.tensor(self.lags, dtype=torch.long), persistent=False)
        self.register_buffer("bars_back", torch.arange(1, farthest + 1), persistent=False)

    def forward(self, words: Tensor, last: int) -> Hints:
        """words: (batch, all, attributes), the past included -> the hints of the last ones."""
        places = places_of(words)
        index, there, same = followers(places, last, self.lag_bars, self.memory)
        if self.alike is not None and self.distance is not None:
            best, count, best_index, best_same = self._most_alike(places, last)
            index, same = torch.cat([index, best_index], dim=2), torch.cat([same, best_same], dim=2)
            there = torch.cat([there, count > 0], dim=2)
        hints = self._embedded(places.full, index, there)
        if self.alike is not None and self.distance is not None:
            known = self.alike(count.clamp(min=0)) + self.distance((best + 1).where(count > 0, 0))
            hints = torch.cat([hints[:, :, :-1], hints[:, :, -1:] + known], dim=2)
        hints = torch.cat([hints, same[..., None].to(hints.dtype)], dim=-1)
        return Hints(self.project(hints.flatten(2)), _taken(words, index, there))

    def _embedded(self, words: Tensor, index: Tensor, there: Tensor) -> Tensor:
        """The hinted words as vectors: (batch, last, hints, HINT_DIM), 0 where there is none."""
        few = index[0].numel() < words.shape[1]  # in a step: only what is asked for is embedded
        ids = _taken(words, index, there) if few else words
        parts = [embedding(column) for embedding, column in zip(self.embeddings, ids.unbind(-1), strict=True)]
        embedded = torch.stack(parts).sum(0)
        return embedded * there[..., None] if few else _taken(embedded, index, there)

    def _most_alike(self, places: Places, last: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Of all bars up to the farthest the one after which most of the latest words came as they did here.

        Returns (batch, last, 1) four times: how many bars back it is, less one; how many words came alike; which word
        follows there; and whether the latest word itself came alike.
        """
        reach = min(places.key.shape[1], last + ALIKE_WORDS - 1)
        index, there, same = followers(places, reach, self.bars_back, self.memory)
        heard = F.pad(same.long().cumsum(1), (0, 0, ALIKE_WORDS, 0))
        alike = (heard[:, ALIKE_WORDS:] - heard[:, :-ALIKE_WORDS])[:, -last:]
        count, best = alike.masked_fill(~there[:, -last:], -1).max(-1, keepdim=True)
        return best, count, index[:, -last:].gather(-1, best), same[:, -last:].gather(-1, best)


def _taken(rows: Tensor, index: Tensor, there: Tensor) -> Tensor:
    """rows: (batch, all, n)   index, there: (batch, last, hints) -> (batch, last, hints, n), 0 where nothing is."""
    wanted = index.flatten(1)[..., None].expand(-1, -1, rows.shape[-1])
    taken = rows.gather(1, wanted).view(*index.shape, -1)
    return taken * there[..., None]


def hint_count(lags: Sequence[int], farthest: int) -> int:
    return len(lags) + (1 if farthest else 0)


class Copying(nn.Module):
    """Raises the logits of the ids that the hints have, each by as much as the context says."""

    def __init__(self, dim: int, names: Sequence[str], given: Sequence[str], hints: int, strength: float) -> None:
        super().__init__()
        self.names, self.hints, self.strength = tuple(names), hints, strength
        self.given = [name for name in ("family", "position", "role", "pitch") if name in given]
        self.gates = nn.Linear(dim, len(self.names) * hints)

    def forward(
        self,
        logits: dict[str, Tensor],
        hidden: Tensor,
        hinted: Tensor,
        word: Mapping[str, Tensor],
        trust: Tensor | None = None,
    ) -> None:
        """Change the logits of a stage in place of their names.

        logits: {name: (..., ids)}   hidden: (..., dim)   hinted: (..., hints, attributes)
        word: ids (...,) of the attributes of earlier stages. A hint that they contradict is not heard any more.
        trust: (...), times the strength, the hints count
        """
        strength = self.strength if trust is None else self.strength * trust[..., None]
        gates = (strength * self.gates(hidden)).unflatten(-1, (len(self.names), self.hints))
        heard = hinted[..., 0] != IGNORE
        for name in self.given:  # in training `word` holds the later attributes too
            heard = heard & (hinted[..., COLUMN[name]] == word[name][..., None])
        for i, name in enumerate(self.names):
            ids = hinted[..., COLUMN[name]]
            raised = (gates[..., i, :] * (heard & (ids != IGNORE))).to(logits[name].dtype)
            # The most certain hint counts: that many bars agree says little, for a loop agrees with all of them.
            logits[name] = logits[name] + torch.zeros_like(logits[name]).scatter_reduce(-1, ids, raised, "amax")
