from __future__ import annotations

import math
from typing import get_args

import pytest
import torch
from engine_models import random_checkpoint, random_words
from torch import Tensor

from composer.engine.attention import SelfAttention
from composer.engine.causal import BLOCK, block_distances, causal_attention
from composer.engine.shape import Positions
from composer.music.words import default_vocabulary

VOCABULARY = default_vocabulary()


def square(
    content: Tensor, keys: Tensor, values: Tensor, distance: Tensor | None, by_distance: Tensor | None, slopes: Tensor
) -> Tensor:
    """Attention over the whole square at once, each distance looked up: what the blocks have to give."""
    places = torch.arange(content.shape[1])
    behind = places[:, None] - places
    logits = content @ keys.transpose(1, 2)
    if distance is not None and by_distance is not None:
        logits = logits + (distance @ by_distance.flip(1).transpose(1, 2)).gather(2, behind.clamp(0).expand_as(logits))
    logits = logits - slopes.repeat(len(content) // len(slopes))[:, None, None] * behind
    return logits.masked_fill(behind < 0, -math.inf).softmax(-1) @ values


@pytest.mark.parametrize("length", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK + 40])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("sequences", [1, 2])
def test_blocks_give_what_the_whole_square_gives_and_its_gradients(length: int, relative: bool, sequences: int) -> None:
    torch.manual_seed(length)
    slopes = torch.tensor([0.5, 0.0625])
    shape = (2 * sequences, length, 8)
    inputs = [torch.randn(shape, dtype=torch.double, requires_grad=True) for _ in range(5 if relative else 3)]
    tensors = [*inputs, *[None] * (5 - len(inputs))]
    distances = block_distances(length, torch.device("cpu"))
    bias = (-slopes.double()[:, None, None] * distances).masked_fill(distances < 0, -math.inf)
    upstream = torch.randn(shape, dtype=torch.double)
    ours, plain = causal_attention(*tensors, bias), square(*tensors, slopes)
    torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)
    gradients = (torch.autograd.grad(mixed, inputs, upstream) for mixed in (ours, plain))
    for ours, plain in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, plain, atol=1e-5, rtol=1e-4)


def plain_music_attention(layer: SelfAttention, x: torch.Tensor) -> torch.Tensor:
    """Relative attention as Shaw et al. 2018 and Huang et al. 2019 define it, one query and one key at a time."""
    batch, length, dim = x.shape
    group = layer.heads // layer.kv_heads
    q = layer.queries(x).view(batch, length, layer.heads, -1)
    k, v = layer.keys_values(x).view(batch, length, 2, layer.kv_heads, -1).unbind(2)
    result = torch.zeros(batch, length, layer.heads, layer.head_dim)
    for row in range(batch):
        for head in range(layer.heads):
            for i in range(length):
                seen = range(max(0, i - layer.window + 1), i + 1)
                logits = []
                for j in seen:
                    query, key = q[row, i, head], k[row, j, head // group]
                    logit = query @ (key + layer.distance_table[head, i - j]) / math.sqrt(layer.head_dim)
                    slope = 0.0 if layer.slopes is None else float(layer.slopes[head])
                    logits.append(logit - slope * (i - j))
                weights = torch.stack(logits).softmax(0)
                result[row, i, head] = sum(w * v[row, j, head // group] for w, j in zip(weights, seen, strict=True))
    return layer.out(result.reshape(batch, length, dim))


@pytest.mark.parametrize("alibi", [True, False])
@pytest.mark.parametrize("window", [32, 5])
def test_relative_attention_is_the_plain_definition(alibi: bool, window: int) -> None:
    torch.manual_seed(1)
    layer = SelfAttention(dim=16, heads=4, kv_heads=2, window=window, positions="music", alibi=alibi)
    x = torch.randn(2, 11, 16)
    with torch.no_grad():
        torch.testing.assert_close(layer(x), plain_music_attention(layer, x), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", get_args(Positions))
@pytest.mark.parametrize("chunks", [(40,), (1,) * 40, (17, 1, 1, 20, 1)])
def test_the_cached_form_gives_what_the_parallel_form_gives(positions: str, chunks: tuple[int, ...]) -> None:
    """Also where the words run past the window and the ring has gone round."""
    model = random_checkpoint(positions=positions, window=12).model
    words = random_words(VOCABULARY, batch=3, length=sum(chunks))
    cache, done, parts = model.new_cache(slots=3, new=max(chunks)), torch.zeros(3, dtype=torch.long), []
    for chunk in words.split(list(chunks), dim=1):
        parts.append(model.cached(chunk, done, cache).vector)
        done = done + chunk.shape[1]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(words).vector, atol=2e-5, rtol=1e-4)


def test_slots_at_different_places_do_not_mix() -> None:
    """Two slots that have seen 5 and 30 words go on in one step as each would alone."""
    model = random_checkpoint(window=12).model
    words = random_words(VOCABULARY, batch=2, length=31)
    cache = model.new_cache(slots=2, new=30)
    seen = torch.tensor([5, 30])
    for slot in (0, 1):
        model.cached(words[slot : slot + 1, : seen[slot]], torch.zeros(1, dtype=torch.long), cache.row(slot))
    following = torch.stack([words[0, 5], words[1, 30]])[:, None]
    together = model.cached(following, seen, cache).vector[:, 0]
    alone = torch.stack([model(words[:1, :6]).vector[0, -1], model(words[1:, :31]).vector[0, -1]])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("positions", get_args(Positions))
def test_a_word_depends_on_no_later_word_and_on_none_out_of_the_window(positions: str) -> None:
    model = random_checkpoint(positions=positions, window=8, layers=1).model
    words = random_words(VOCABULARY, batch=1, length=30)
    context = model(words).vector
    later = words.clone()
    later[0, 20:] = random_words(VOCABULARY, 1, 10, seed=5)[0]
    torch.testing.assert_close(model(later).vector[0, :20], context[0, :20])
    assert not torch.allclose(model(later).vector[0, 20:], context[0, 20:])
    earlier = words.clone()
    earlier[0, :12] = random_words(VOCABULARY, 1, 12, seed=6)[0]
    # One layer: the word at 19 sees 12..19, the one at 18 sees 11 too.
    torch.testing.assert_close(model(earlier).vector[0, 19:], context[0, 19:])
    assert not torch.allclose(model(earlier).vector[0, 18], context[0, 18])
