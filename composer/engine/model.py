"""The Compound Word Transformer: words in, the distribution of the next word out, attribute by attribute.

Hsiao, Liu, Yeh, Yang: Compound Word Transformer, AAAI 2021. As there, each attribute has its own embedding and its
own head, and the family is predicted first. Beyond it, an attribute may be predicted given those before it
(`heads="chained"`), and attention is the full softmax with relative positions.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from composer.engine.anchors import FIELDS, Anchors
from composer.engine.attention import LayerCache, SelfAttention, sinusoids
from composer.engine.returns import PLACES_PER_POSITION, Copying, Returns, hint_count
from composer.engine.shape import Heads, Positions, Shape
from composer.music.words import ATTRIBUTES, IGNORE

# Attributes of one stage are predicted at once, given those of the stages before. No word uses two attributes of a
# chained stage, so chaining costs four more stages, not eight: a note is role, then pitch, then duration, then
# velocity; a position is followed by its chord and its tempo.
STAGES: Mapping[Heads, tuple[tuple[str, ...], ...]] = {
    "chained": (("family",), ("meter", "position", "role"), ("chord", "pitch"), ("tempo", "duration"), ("velocity",)),
    # The paper's, but for what the grammar needs first: a pitch lies below the one before it of its role.
    "parallel": (
        ("family",),
        ("meter", "position", "role"),
        ("pitch", "velocity", "duration", "chord", "tempo"),
    ),
}

# Embedding widths: half of the paper's, for a model half as wide.
EMBEDDING_DIMS: Mapping[str, int] = {
    "family": 16,
    "position": 32,
    "pitch": 256,
    "velocity": 64,
    "duration": 64,
    "chord": 128,
    "tempo": 64,
    "meter": 32,
    "role": 32,
}

SEGMENTS = 4  # what a word is to the model: HEARD, GIVEN in advance, DRAWN into a hole, or heard BEHIND that hole
HEARD, GIVEN, DRAWN, BEHIND = range(SEGMENTS)


@dataclass(frozen=True)
class ModelConfig(Shape):
    """Everything that decides the shapes of the weights, and the dropout of training."""

    sizes: Mapping[str, int]  # ids an attribute, in the order of a word's columns (Vocabulary.sizes)
    copying: float = 1.0  # times what training found, the hints count: set by ear and measure when all is learned
    styles: tuple[str, ...] = ()  # that it may be told of beside the anchors
    segments: bool = False  # each word is told what it is to the model

    def __post_init__(self) -> None:
        object.__setattr__(self, "lags", tuple(self.lags))  # a list, where it comes from JSON
        object.__setattr__(self, "styles", tuple(self.styles))
        predicted = {name for stage in STAGES.get(self.head_order, ()) for name in stage}
        if tuple(self.sizes) != ATTRIBUTES or set(self.sizes) != predicted:
            raise ValueError(f"sizes are those of {', '.join(ATTRIBUTES)}, in this order, and as head_order has them")
        if min(self.dim, self.layers, self.heads, self.kv_heads, self.window) < 1:
            raise ValueError("dim, layers, heads, kv_heads and window have to be at least 1")
        if self.dim % (2 * self.heads) or self.heads % self.kv_heads:
            raise ValueError("dim has to be a multiple of 2 * heads, and heads of kv_heads")
        if self.positions not in get_args(Positions):
            raise ValueError(f"positions are one of {get_args(Positions)}")
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout has to lie from 0 up to 1")

    @property
    def past(self) -> int:
        """How many words before a new one decide what it is told: `memory`, and the notes above them."""
        return self.memory + PLACES_PER_POSITION if self.lags or self.farthest else 0

    @property
    def attributes(self) -> tuple[str, ...]:
        """The columns of a word."""
        return tuple(self.sizes)

    @property
    def fields(self) -> int:
        """How many anchors a word is told."""
        return len(FIELDS) + bool(self.styles)

    @property
    def stages(self) -> tuple[tuple[str, ...], ...]:
        return STAGES[self.head_order]


class SquaredRelu(nn.Module):
    """max(x, 0)^2 (Primer, So et al. 2021): two cheap passes where GELU needs a tanh."""

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x).square()


class Block(nn.Module):
    """Attention and a feed-forward net, each behind a norm and beside a residual path."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention_norm = nn.RMSNorm(config.dim)
        self.attention = SelfAttention(
            config.dim, config.heads, config.kv_heads, config.window, config.positions, config.alibi
        )
        self.feed_norm = nn.RMSNorm(config.dim)
        self.feed = nn.Sequential(
            nn.Linear(config.dim, 4 * config.dim, bias=False),
            SquaredRelu(),
            nn.Linear(4 * config.dim, config.dim, bias=False),
        )
        self.dropout = nn.Dropout(config.dropout)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.dropout(self.attention(self.attention_norm(x)))
        x = x + self.dropout(self.feed(self.feed_norm(x)))
        return x

    def cached(self, x: Tensor, positions: Tensor, cache: LayerCache) -> Tensor:
        x = x + self.attention.cached(self.attention_norm(x), positions, cache)
        x = x + self.feed(self.feed_norm(x))
        return x


@dataclass(frozen=True)
class Context:
    """What is known after a word: the model's view, and the words that past bars hint at (None without returns)."""

    vector: Tensor  # (..., dim)
    hinted: Tensor | None  # (..., hints, attributes)
    trust: Tensor | None = None  # (...), how much they count, times the strength of copying; None for 1

    def __getitem__(self, index: Any) -> Context:
        hinted, trust = (None if part is None else part[index] for part in (self.hinted, self.trust))
        return Context(self.vector[index], hinted, trust)


class Stage(nn.Module):
    """The heads of the attributes that are predicted at once, given the context and the attributes before them."""

    def __init__(self, config: ModelConfig, index: int) -> None:
        super().__init__()
        self.names = config.stages[index]
        self.given = [name for stage in config.stages[:index] for name in stage]
        self.sizes = [config.sizes[name] for name in self.names]
        self.embeddings = nn.ModuleDict({name: nn.Embedding(config.sizes[name], config.dim) for name in self.given})
        self.mix = nn.Linear(config.dim, config.dim)
        self.norm = nn.RMSNorm(config.dim)
        self.heads = nn.Linear(config.dim, sum(self.sizes))
        hints = hint_count(config.lags, config.farthest)
        self.copying = Copying(config.dim, self.names, self.given, hints, config.copying) if hints else None

    def forward(self, context: Context, word: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Logits for each attribute of this stage.

        context: (...)   word: ids (...,) of the attributes of earlier stages -> {name: (..., ids)}
        """
        mixed = self.mix(context.vector)
        for name, embedding in self.embeddings.items():
            mixed = mixed + embedding(word[name])
        hidden = self.norm(context.vector + F.gelu(mixed, approximate="tanh"))
        logits = dict(zip(self.names, self.heads(hidden).split(self.sizes, dim=-1), strict=True))
        if self.copying is not None and context.hinted is not None:
            self.copying(logits, hidden, context.hinted, word, context.trust)
        return logits


@dataclass
class Cache:
    """What the model keeps of the words before: keys and values of each layer, and the last words themselves.

    past: (slots, words, attributes), the newest last, IGNORE where there is none yet; None if the model has no use
    """

    layers: list[LayerCache]
    past: Tensor | None

    def row(self, slot: int) -> Cache:
        """The one slot, as views: what is written there stands in the whole cache."""
        past = None if self.past is None else self.past[slot : slot + 1]
        return Cache([layer.row(slot) for layer in self.layers], past)

    def remember(self, words: Tensor, positions: Tensor, active: Tensor | None = None) -> Tensor:
        """Take new words behind the past and return both. A slot at position 0 begins with an empty past.

        active: (slots,), whose words are taken; all if it is not said
        """
        if self.past is None:
            return words
        self.past.masked_fill_((positions == 0)[:, None, None], IGNORE)
        known = torch.cat([self.past, words], dim=1)
        newest = known[:, words.shape[1] :]
        self.past.copy_(newest if active is None else torch.where(active[:, None, None], newest, self.past))
        return known


class CompoundWordTransformer(nn.Module):
    """Words are (batch, length, attributes) of ids, columns in the order of ATTRIBUTES."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = nn.ModuleList(nn.Embedding(size, EMBEDDING_DIMS[name]) for name, size in config.sizes.items())
        self.project = nn.Linear(sum(EMBEDDING_DIMS[name] for name in config.sizes), config.dim)
        self.returns = (
            Returns(list(config.sizes.values()), config.dim, config.lags, config.farthest, config.memory)
            if config.past
            else None
        )
        self.anchors = Anchors(config.dim, len(config.styles)) if config.anchors else None
        self.segments = nn.Embedding(SEGMENTS, config.dim) if config.segments else None
        self.dropout = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.dim)
        self.stages = nn.ModuleList(Stage(config, index) for index in range(len(config.stages)))
        self.apply(_initialise)
        if self.returns is not None:
            nn.init.zeros_(self.returns.project.weight)
        if self.anchors is not None:
            for table in self.anchors.parameters():
                nn.init.zeros_(table)
        if self.segments is not None:
            nn.init.zeros_(self.segments.weight)
        for stage in self.stages:
            assert isinstance(stage, Stage)
            if stage.copying is not None:
                nn.init.zeros_(stage.copying.gates.weight)
                nn.init.ones_(stage.copying.gates.bias)  # below 0 a gate would not learn
        for name, weight in self.named_parameters():
            if name.endswith(("attention.out.weight", "feed.2.weight")):
                # The residual path keeps its scale with depth (GPT-2, Radford et al. 2019).
                nn.init.normal_(weight, std=0.02 / (2 * config.layers) ** 0.5)
            if name.startswith("stages.") and ".embeddings." in name:
                # A stage starts out as if it knew the context alone, and learns what the earlier attributes tell it.
                nn.init.normal_(weight, std=0.02)

    def forward(
        self, words: Tensor, past: int = 0, anchors: Tensor | None = None, segments: Tensor | None = None
    ) -> Context:
        """The context after each word behind the first `past`, for a whole sequence at once.

        words: (batch, past + length, attributes)   anchors: (batch, length, fields), unknown where there are none
        segments: (batch, length), HEARD where it is not said; nothing comes back from what is GIVEN
        Returns (batch, length). The past is remembered, not attended to.
        """
        new = words[:, past:]
        places = torch.arange(new.shape[1], device=words.device).expand(new.shape[:2])
        known = words if segments is None else torch.cat([words[:, :past], _remembered(new, segments)], dim=1)
        x, hinted = self._embed(new, places, known, anchors, segments)
        x = self.dropout(x)
        for block in self.blocks:
            x = block(x)
        return Context(self.norm(x), hinted)

    def cached(
        self,
        words: Tensor,
        positions: Tensor,
        cache: Cache,
        anchors: Tensor | None = None,
        active: Tensor | None = None,
        segments: Tensor | None = None,
    ) -> Context:
        """The context after each of some new words, which join the cache.

        words: (slots, new, attributes)   positions: (slots,), how many words each slot has seen before
        anchors: (slots, new, fields), unknown where there are none   active: (slots,), whose words are meant; what the
        others leave in the cache is overwritten by the next words that they are given at the same positions
        segments: (slots, new), HEARD where it is not said
        Returns (slots, new): what forward gives for the same words behind the same past.
        """
        places = positions[:, None] + torch.arange(words.shape[1], device=words.device)
        known = cache.remember(words if segments is None else _remembered(words, segments), positions, active)
        x, hinted = self._embed(words, places, known, anchors, segments)
        for block, layer in zip(self.blocks, cache.layers, strict=True):
            assert isinstance(block, Block)
            x = block.cached(x, positions, layer)
        return Context(self.norm(x), hinted)

    def logits(self, context: Context, word: Tensor) -> dict[str, Tensor]:
        """Logits of every attribute of the next word, given its own attributes: for training, where they are known.

        context: (...)   word: (..., attributes), the word that follows -> {name: (..., ids)}
        """
        known = dict(zip(self.config.attributes, word.unbind(-1), strict=True))
        return {name: logits for stage in self.stages for name, logits in stage(context, known).items()}

    def new_cache(self, slots: int, new: int) -> Cache:
        """An empty cache for `slots` sequences that take at most `new` words at once, on the model's device."""
        weight, config = self.project.weight, self.config
        shape = (slots, config.kv_heads, config.window + new - 1, config.dim // config.heads)
        caches = []
        for block in self.blocks:
            assert isinstance(block, Block)
            distance_keys = block.attention.distance_keys(config.window)
            caches.append(LayerCache(weight.new_zeros(shape), weight.new_zeros(shape), distance_keys))
        past = torch.zeros(slots, config.past, len(config.sizes), dtype=torch.long, device=weight.device)
        return Cache(caches, past if config.past else None)

    def _embed(
        self, words: Tensor, places: Tensor, known: Tensor, anchors: Tensor | None, segments: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """words: (batch, new, attributes)   known: what is remembered of them, behind the past
        anchors: (batch, new, fields)   segments: (batch, new)"""
        parts = [embedding(ids) for embedding, ids in zip(self.embeddings, words.unbind(-1), strict=True)]
        x: Tensor = self.project(torch.cat(parts, dim=-1))
        if self.config.positions == "sinusoidal":
            x = x + sinusoids(places, self.config.dim).to(x.dtype)
        if self.anchors is not None:
            x = x + self.anchors(words.new_zeros(*words.shape[:2], self.config.fields) if anchors is None else anchors)
        if self.segments is not None and segments is not None:
            x = x + self.segments(segments)
        if self.returns is None:
            return x, None
        hints = self.returns(known, words.shape[1])
        return x + hints.vector, hints.words


def _remembered(words: Tensor, segments: Tensor) -> Tensor:
    """Nothing comes back from what is given. words: (batch, new, attributes)   segments: (batch, new)"""
    return words.masked_fill((segments == GIVEN)[..., None], IGNORE)


def loss_by_attribute(logits: Mapping[str, Tensor], word: Tensor) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
    """For each attribute: summed nats, count of words that use it, count of those whose likeliest id is right.

    logits: {name: (..., ids)}   word: (..., attributes), IGNORE where it is not to be learned
    A word that does not use an attribute adds nothing to it.
    """
    result = {}
    for name, truth in zip(ATTRIBUTES[: word.shape[-1]], word.unbind(-1), strict=True):
        used = truth != IGNORE
        wanted, given = truth[used], logits[name][used].float()
        nats = F.cross_entropy(given, wanted, reduction="sum")
        result[name] = (nats, used.sum(), (given.argmax(-1) == wanted).sum())
    return result


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.5)
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)
