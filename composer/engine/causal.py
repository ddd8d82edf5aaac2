"""Causal attention over whole sequences, by blocks of queries, with a backward pass of its own.

A block's logits are computed over the keys up to its last query, used and forgotten, and computed again on the way
back (FlashAttention, Dao et al. 2022): half of the square is never touched, and what is lies in a CPU's cache.
`./run bench attention` holds it against the whole square.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

BLOCK = 128  # queries


def causal_attention(
    content: Tensor, keys: Tensor, values: Tensor, distance: Tensor, by_distance: Tensor | None, bias: Tensor
) -> Tensor:
    """The values' weighted sum for each query, which sees the keys up to its own.

    content, distance: (heads, length, head_dim), scaled queries for keys and for distances
    keys, values: (heads, length, head_dim)   by_distance: (heads, length, head_dim), the farthest first; None for none
    bias: (heads or a divisor of it, BLOCK, length + BLOCK), added to the logits of `block_distances`
    Returns (heads, length, head_dim). `heads` may be those of several sequences, one after the other.
    """
    result: Tensor = _Causal.apply(content, keys, values, distance, by_distance, bias)  # type: ignore[no-untyped-call]
    return result


def block_distances(length: int, device: torch.device) -> Tensor:
    """How far each key is behind each query of a block, for all blocks: (BLOCK, length + BLOCK).

    Column `length` is the key beside the block's first query; keys ahead have negative distances.
    """
    queries, keys = torch.arange(BLOCK, device=device), torch.arange(-length, BLOCK, device=device)
    return queries[:, None] - keys


class _Causal(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        content: Tensor,
        keys: Tensor,
        values: Tensor,
        distance: Tensor,
        by_distance: Tensor | None,
        bias: Tensor,
    ) -> Tensor:
        mixed = torch.empty_like(values)
        for first in range(0, content.shape[1], BLOCK):
            block, seen = _block(content, first)
            weights = _weights(content, keys, distance, by_distance, bias, first)
            mixed[:, block] = weights @ values[:, seen]
        ctx.save_for_backward(content, keys, values, distance, by_distance, bias, mixed)
        return mixed

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        content, keys, values, distance, by_distance, bias, mixed = ctx.saved_tensors
        (of_mixed,) = gradients
        of_content, of_keys, of_values = torch.empty_like(content), torch.zeros_like(keys), torch.zeros_like(values)
        of_distance, of_by_distance = (
            (None, None) if by_distance is None else (torch.empty_like(distance), torch.zeros_like(by_distance))
        )
        # The softmax's part: each row's sum of weight times gradient, which is that of its outcome.
        rows = (of_mixed * mixed).sum(-1, keepdim=True)
        for first in range(0, content.shape[1], BLOCK):
            block, seen = _block(content, first)
            weights = _weights(content, keys, distance, by_distance, bias, first)
            of_values[:, seen].baddbmm_(weights.transpose(1, 2), of_mixed[:, block])
            held, of_logits = _before_nothing(weights)
            torch.bmm(of_mixed[:, block], values[:, seen].transpose(1, 2), out=of_logits)
            of_logits.sub_(rows[:, block]).mul_(weights)
            of_content[:, block] = of_logits @ keys[:, seen]
            of_keys[:, seen].baddbmm_(of_logits.transpose(1, 2), content[:, block])
            if of_distance is not None and of_by_distance is not None:
                near = slice(by_distance.shape[1] - seen.stop, None)
                of_distances = _by_distance(held, *weights.shape)
                of_distance[:, block] = of_distances @ by_distance[:, near]
                of_by_distance[:, near].baddbmm_(of_distances.transpose(1, 2), distance[:, block])
        return of_content, of_keys, of_values, of_distance, of_by_distance, None


def _block(content: Tensor, first: int) -> tuple[slice, slice]:
    """The queries of a block and the keys that it may see."""
    stop = min(first + BLOCK, content.shape[1])
    return slice(first, stop), slice(0, stop)


def _weights(
    content: Tensor, keys: Tensor, distance: Tensor, by_distance: Tensor | None, bias: Tensor, first: int
) -> Tensor:
    """What each query of a block gives each key that it may see: (heads, queries, keys)."""
    block, seen = _block(content, first)
    heads, queries, count = len(content), block.stop - first, seen.stop
    logits = content[:, block] @ keys[:, seen].transpose(1, 2)
    if by_distance is not None:
        by_key = distance[:, block] @ by_distance[:, -count:].transpose(1, 2)
        # From a row a distance to a row a key (the skew of Music Transformer, Huang et al. 2019) by another stride
        # over the same numbers: each row begins one further left. What comes from the next row is ahead of the query.
        logits += by_key.as_strided((heads, queries, count), (queries * count, count - 1, 1), queries - 1)
    columns = slice(bias.shape[2] - BLOCK - first, bias.shape[2] - BLOCK - first + count)
    logits.unflatten(0, (-1, len(bias))).add_(bias[:, :queries, columns])
    return logits.softmax(dim=-1, dtype=torch.float32).to(content.dtype)


def _before_nothing(weights: Tensor) -> tuple[Tensor, Tensor]:
    """Memory for as many numbers, each head's behind as many zeros as there are queries: all of it, and their part."""
    heads, queries, keys = weights.shape
    held = weights.new_zeros(heads, queries * (keys + 1))
    return held, held.as_strided((heads, queries, keys), (held.shape[1], keys, 1), queries)


def _by_distance(held: Tensor, heads: int, queries: int, keys: int) -> Tensor:
    """The skew back: rows a distance of what lies in the memory of _before_nothing as rows a key.

    Distances that no key has read the zeros in front, or the end of the row above, which is ahead of its query and 0.
    """
    return held.as_strided((heads, queries, keys), (held.shape[1], keys + 1, 1), 1)
