"""Causal self-attention over a window, with relative positions, in two forms that give the same result.

Parallel: all words of a sequence at once, for training. Cached: some new words after those in a ring of keys and
values, for prefill and for the step. The distance of a query from a key is the count of words between them, 0 for
itself; keys at a distance of `window` or more are out of sight in both forms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from composer.engine.causal import BLOCK, block_distances, causal_attention
from composer.engine.shape import Positions


@dataclass
class LayerCache:
    """The last keys and values of one layer: a ring of `size` places, the word at index i lies in place i % size.

    It is larger than the window by what is read at once: new words may take their places before they attend, for
    whatever they overwrite is out of sight already.

    keys, values: (slots, kv_heads, size, head_dim)
    distance_keys: (heads, window, head_dim), see SelfAttention.distance_keys; the weights stand still while a cache
    lives, so they are computed once and not in every step
    """

    keys: Tensor
    values: Tensor
    distance_keys: Tensor | None

    def row(self, slot: int) -> LayerCache:
        """The one slot, as views: what is written there stands in the whole cache."""
        return LayerCache(self.keys[slot : slot + 1], self.values[slot : slot + 1], self.distance_keys)


def alibi_slopes(heads: int) -> Tensor:
    """How fast each head forgets: 2^-(8/heads), 2^-(16/heads), ... (Press et al. 2022). (heads,)"""
    return torch.tensor([2.0 ** (-8.0 * (head + 1) / heads) for head in range(heads)])


def sinusoids(distances: Tensor, dim: int) -> Tensor:
    """Sines and cosines of each distance at dim / 2 wavelengths from 2 pi to 10000 * 2 pi. (..., dim)"""
    frequencies = torch.exp(torch.arange(0, dim, 2, device=distances.device) * (-math.log(10000.0) / dim))
    angles = distances[..., None].float() * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def rotate(x: Tensor, positions: Tensor) -> Tensor:
    """Turn pairs of dimensions by an angle that grows with the position (RoFormer, Su et al. 2021).

    x: (batch, heads, length, dim)   positions: (batch, length)
    """
    sin, cos = sinusoids(positions, x.shape[-1])[:, None].to(x.dtype).chunk(2, dim=-1)
    a, b = x.chunk(2, dim=-1)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


class SelfAttention(nn.Module):
    """Multi-head attention with few key and value heads (grouped queries, Ainslie et al. 2023)."""

    def __init__(self, dim: int, heads: int, kv_heads: int, window: int, positions: Positions, alibi: bool) -> None:
        super().__init__()
        self.heads, self.kv_heads, self.head_dim = heads, kv_heads, dim // heads
        self.window, self.positions = window, positions
        self.queries = nn.Linear(dim, dim, bias=False)
        self.keys_values = nn.Linear(dim, 2 * kv_heads * self.head_dim, bias=False)
        self.out = nn.Linear(dim, dim, bias=False)
        self.slopes: Tensor | None
        self.register_buffer("slopes", alibi_slopes(heads) if alibi else None, persistent=False)
        if positions == "relative":  # Transformer-XL (Dai et al. 2019): content and distance each have a bias
            self.distance_projection = nn.Linear(dim, dim, bias=False)
            self.content_bias = nn.Parameter(torch.zeros(heads, 1, self.head_dim))
            self.distance_bias = nn.Parameter(torch.zeros(heads, 1, self.head_dim))
        if positions == "music":  # a learned vector for each head and distance
            self.distance_table = nn.Parameter(torch.randn(heads, window, self.head_dim) * self.head_dim**-0.5)

    def forward(self, x: Tensor) -> Tensor:
        """Parallel form. x: (batch, length, dim) -> (batch, length, dim)."""
        batch, length, _ = x.shape
        q, k, v = self._project(x, torch.arange(length, device=x.device).expand(batch, -1))
        k, v = (part.repeat_interleave(self.heads // self.kv_heads, dim=1) for part in (k, v))
        bias = self._bias(block_distances(length, x.device)).to(q.dtype).view(-1, BLOCK, length + BLOCK)
        content, distance = self._content_queries(q), self._distance_queries(q)
        # On a CPU one sequence at a time, so that a block's logits stay in its cache.
        together = 1 if x.device.type == "cpu" else batch
        by_distance = self.distance_keys(length)
        if by_distance is not None:
            by_distance = by_distance.to(q.dtype).flip(1).repeat(together, 1, 1)
        parts = ([part.flatten(0, 1) for part in whole.split(together)] for whole in (content, k, v, distance))
        mixed = [
            causal_attention(queries, keys, values, for_distances, by_distance, bias)
            for queries, keys, values, for_distances in zip(*parts, strict=True)
        ]
        return self._out(torch.cat(mixed).view(batch, self.heads, length, self.head_dim))

    def cached(self, x: Tensor, positions: Tensor, cache: LayerCache) -> Tensor:
        """Cached form: new words take their places in the ring, then attend to it.

        x: (slots, new, dim), new <= size of the ring - window + 1
        positions: (slots,), the index of each slot's first new word
        """
        size = cache.keys.shape[2]
        places = positions[:, None] + torch.arange(x.shape[1], device=x.device)
        q, k, v = self._project(x, places)
        where = (places % size)[:, None, :, None].expand_as(k)
        cache.keys.scatter_(2, where, k)
        cache.values.scatter_(2, where, v)

        # The ring's places hold the words up to the last new one; a negative index is a place not written yet.
        last = places[:, -1:]
        key_places = last - (last - torch.arange(size, device=x.device)) % size
        distances = places[:, :, None] - key_places[:, None, :]
        distances = distances.masked_fill(key_places[:, None, :] < 0, -1)[:, None]
        logits = self._content_logits(q, cache.keys)
        if cache.distance_keys is not None:
            index = distances.clamp(0, self.window - 1).expand(-1, self.heads, -1, -1)
            logits = logits + self._distance_logits(q, cache.distance_keys).gather(-1, index)
        return self._mix(logits + self._bias(distances), cache.values)

    def distance_keys(self, length: int) -> Tensor | None:
        """One vector for each head and each distance 0 .. length - 1: (heads, length, head_dim), or None."""
        if self.positions == "music":
            # Beyond the window there is no vector, and none is needed: _bias hides those keys.
            return F.pad(self.distance_table, (0, 0, 0, max(0, length - self.window)))[:, :length]
        if self.positions == "relative":
            distances = torch.arange(length, device=self.out.weight.device)
            waves = sinusoids(distances, self.heads * self.head_dim).to(self.out.weight.dtype)
            projected: Tensor = self.distance_projection(waves)
            return projected.view(length, self.heads, self.head_dim).transpose(0, 1)
        return None

    def _project(self, x: Tensor, places: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Scaled queries (batch, heads, length, head_dim), keys and values (batch, kv_heads, length, head_dim)."""
        batch, length, _ = x.shape
        q = self.queries(x).view(batch, length, self.heads, self.head_dim).transpose(1, 2)
        k, v = self.keys_values(x).view(batch, length, 2 * self.kv_heads, self.head_dim).transpose(1, 2).chunk(2, dim=1)
        if self.positions == "rotary":
            q, k = rotate(q, places), rotate(k, places)
        return q * self.head_dim**-0.5, k, v

    def _content_queries(self, q: Tensor) -> Tensor:
        return q + self.content_bias.to(q.dtype) if self.positions == "relative" else q

    def _distance_queries(self, q: Tensor) -> Tensor:
        return q + self.distance_bias.to(q.dtype) if self.positions == "relative" else q

    def _content_logits(self, q: Tensor, k: Tensor) -> Tensor:
        """(batch, heads, queries, keys). The heads of a group share their keys: one product a group, no copies."""
        q = self._content_queries(q)
        batch, _, length, _ = q.shape
        grouped = q.reshape(batch, self.kv_heads, -1, self.head_dim) @ k.transpose(-1, -2)
        return grouped.view(batch, self.heads, length, k.shape[2])

    def _distance_logits(self, q: Tensor, by_distance: Tensor) -> Tensor:
        """by_distance: (heads, distances, head_dim) -> (batch, heads, queries, distances)."""
        q = self._distance_queries(q)
        batch, heads, length, dim = q.shape
        # One product a head for the whole batch: broadcasting would copy the distances for every row.
        product = q.transpose(0, 1).reshape(heads, -1, dim) @ by_distance.transpose(1, 2)
        return product.view(heads, batch, length, -1).transpose(0, 1)

    def _bias(self, distances: Tensor) -> Tensor:
        """-inf where a key is ahead or out of sight, else the ALiBi slope times the distance (or 0).

        distances: (queries, keys) or (batch, 1, queries, keys) -> (..., heads or 1, queries, keys)
        """
        hidden = (distances < 0) | (distances >= self.window)
        if self.slopes is None:
            return torch.zeros_like(distances, dtype=torch.float).masked_fill(hidden, -math.inf)
        return (distances * -self.slopes.float()[:, None, None]).masked_fill(hidden, -math.inf)

    def _mix(self, logits: Tensor, v: Tensor) -> Tensor:
        """Softmax over the keys, the values' weighted sum, and the heads brought together again."""
        batch, heads, length, keys = logits.shape
        weights = logits.softmax(dim=-1).to(v.dtype).view(batch, self.kv_heads, -1, keys)
        return self._out((weights @ v).view(batch, heads, length, self.head_dim))

    def _out(self, mixed: Tensor) -> Tensor:
        """(batch, heads, length, head_dim) -> (batch, length, dim)"""
        result: Tensor = self.out(mixed.transpose(1, 2).flatten(2))
        return result
