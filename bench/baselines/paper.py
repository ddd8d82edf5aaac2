"""The paper's model and its way of decoding, written from its description and its published code.

Hsiao, Liu, Yeh, Yang: Compound Word Transformer, AAAI 2021. 12 layers, 512 wide, 8 heads, feed-forward nets of 2048;
linear attention (Katharopoulos et al. 2020), which at inference is a recurrence over a state of fixed size; the family
is drawn first and the others given the family; temperature and nucleus in numpy, one attribute after the other, with a
transfer for each. One piece at a time. Where the published code is slow for no reason of its way (queries, keys and
values apart, loops over ids), this is not. Its weights are random: how fast it is does not depend on them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from composer.music.words import Vocabulary, Word

# Embedding widths and settings of sampling as in the published code, which calls position bar-beat and family type.
EMBEDDING_DIMS: Mapping[str, int] = {
    "meter": 32,  # the paper has neither this nor the next
    "role": 32,
    "family": 32,
    "position": 64,
    "pitch": 512,
    "velocity": 128,
    "duration": 128,
    "chord": 256,
    "tempo": 128,
}
TEMPERATURES: Mapping[str, float] = {"position": 1.2, "duration": 2.0, "tempo": 1.2}  # 1 elsewhere
TOP_P: Mapping[str, float] = {
    "family": 0.9,
    "pitch": 0.9,
    "velocity": 0.9,
    "duration": 0.9,
    "chord": 0.99,
    "tempo": 0.9,
}


@dataclass(frozen=True)
class PaperConfig:
    """The shapes of the paper's model; dim has to be a multiple of 2 * heads."""

    dim: int = 512
    layers: int = 12
    heads: int = 8
    feed: int = 2048


@dataclass
class State:
    """What linear attention keeps of all words before. matrix: (heads, head_dim, head_dim)   norm: (heads, head_dim)"""

    matrix: Tensor
    norm: Tensor


class LinearAttention(nn.Module):
    """Attention with elu(x) + 1 in place of the softmax, as a recurrence: a word costs the same wherever it stands."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads, self.head_dim = heads, dim // heads
        self.queries_keys_values = nn.Linear(dim, 3 * dim)
        self.out = nn.Linear(dim, dim)

    def new_state(self) -> State:
        weight = self.out.weight
        return State(
            weight.new_zeros(self.heads, self.head_dim, self.head_dim), weight.new_zeros(self.heads, self.head_dim)
        )

    def forward(self, x: Tensor, state: State) -> Tensor:
        """x: (dim,), the next word -> (dim,). The word joins the state, which is changed in place."""
        q, k, v = self.queries_keys_values(x).view(3, self.heads, self.head_dim).unbind()
        q, k = F.elu(q) + 1, F.elu(k) + 1
        state.norm += k
        state.matrix.baddbmm_(k[:, :, None], v[:, None, :])
        seen = (q[:, None, :] @ state.matrix)[:, 0] / ((q * state.norm).sum(1, keepdim=True) + 1e-6)
        mixed: Tensor = self.out(seen.flatten())
        return mixed


class PaperBlock(nn.Module):
    """Attention and a feed-forward net, each behind a residual path and before a norm."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.attention = LinearAttention(config.dim, config.heads)
        self.attention_norm = nn.LayerNorm(config.dim)
        self.widen, self.narrow = nn.Linear(config.dim, config.feed), nn.Linear(config.feed, config.dim)
        self.feed_norm = nn.LayerNorm(config.dim)

    def forward(self, x: Tensor, state: State) -> Tensor:
        x = self.attention_norm(x + self.attention(x, state))
        x = self.feed_norm(x + self.narrow(F.gelu(self.widen(x))))
        return x


class PaperModel(nn.Module):
    """Words in, one at a time, the distributions of the next word's attributes out."""

    def __init__(self, vocabulary: Vocabulary, config: PaperConfig | None = None) -> None:
        super().__init__()
        config = config or PaperConfig()
        self.dim = config.dim
        sizes = vocabulary.sizes
        self.embeddings = nn.ModuleList(nn.Embedding(sizes[name], EMBEDDING_DIMS[name]) for name in sizes)
        self.project = nn.Linear(sum(EMBEDDING_DIMS.values()), config.dim)
        self.blocks = nn.ModuleList(PaperBlock(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.family = nn.Linear(config.dim, sizes["family"])
        self.with_family = nn.Linear(config.dim + EMBEDDING_DIMS["family"], config.dim)
        self.heads = nn.ModuleDict({name: nn.Linear(config.dim, sizes[name]) for name in sizes if name != "family"})

    def new_states(self) -> list[State]:
        return [block.attention.new_state() for block in self.blocks]  # type: ignore[operator, union-attr]

    def forward(self, word: Tensor, place: int, states: list[State]) -> Tensor:
        """The context behind a word. word: (attributes,)   place: how many words came before -> (dim,)"""
        parts = [embedding(column) for embedding, column in zip(self.embeddings, word, strict=True)]
        x: Tensor = self.project(torch.cat(parts)) + _sinusoids(place, self.dim).to(word.device)
        for block, state in zip(self.blocks, states, strict=True):
            x = block(x, state)
        context: Tensor = self.norm(x)
        return context


class Paper:
    """One piece, from its opening on, a word a call."""

    def __init__(self, model: PaperModel, opening: Iterable[Word], seed: int = 0) -> None:
        self.model = model.eval().requires_grad_(False)
        self.device = model.project.weight.device
        self.random = np.random.default_rng(seed)
        self.states = model.new_states()
        self.place = 0
        for word in opening:
            self._read(word)

    @torch.inference_mode()
    def draw(self) -> Word:
        """The next word, which joins the piece."""
        family = self._sample("family", self.model.family(self.context))
        known = torch.cat([self.context, self.model.embeddings[0](torch.tensor(family, device=self.device))])
        context = self.model.with_family(known)
        rest = {name: self._sample(name, head(context)) for name, head in self.model.heads.items()}
        word = Word(family, **rest)
        self._read(word)
        return word

    @torch.inference_mode()
    def _read(self, word: Word) -> None:
        ids = torch.tensor(word[: len(self.model.embeddings)], device=self.device)
        self.context = self.model(ids, self.place, self.states)
        self.place += 1

    def _sample(self, name: str, logits: Tensor) -> int:
        return sample(logits.cpu().numpy(), TEMPERATURES.get(name, 1.0), TOP_P.get(name, 1.0), self.random)


def sample(logits: npt.NDArray[np.float32], temperature: float, top_p: float, random: np.random.Generator) -> int:
    """An id drawn from the likeliest that together reach top_p (Holtzman et al. 2020). logits: (ids,)"""
    weights = np.exp((logits - logits.max()) / temperature)
    probabilities = weights / weights.sum()
    order = np.argsort(-probabilities)
    reached = np.cumsum(probabilities[order])
    kept = order[: int(np.searchsorted(reached, top_p)) + 1]
    return int(random.choice(kept, p=probabilities[kept] / probabilities[kept].sum()))


def _sinusoids(place: int, dim: int) -> Tensor:
    """Vaswani et al. 2017. (dim,)"""
    angles = place * torch.exp(torch.arange(0, dim, 2) * (-math.log(10000.0) / dim))
    return torch.stack([angles.sin(), angles.cos()], dim=1).flatten()
