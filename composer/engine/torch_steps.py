"""The step in torch: on a GPU, and wherever step.cpp is not compiled or does not know the model."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from composer.engine.checkpoint import Checkpoint
from composer.engine.draw import Drawer
from composer.engine.grammar import Grammar
from composer.engine.guards import NO_PULL, Pull
from composer.engine.model import Context
from composer.engine.noise import Noise
from composer.engine.prompt import Known, OpenBar, trust_in
from composer.engine.steps import PREFILL_WORDS, Drawn
from composer.music.words import IGNORE, Word
from composer.sampling import SamplingParams

EAGER_STEPS = 3  # on a GPU, before the step is recorded: what is made once has to be made outside the recording


class TorchSteps:
    """Every step runs all slots, occupied or not: its shapes never change, so neither does the arithmetic of a row.

    On a GPU weights and cache are bfloat16, and after the first steps one step is one replay of a CUDA graph.
    """

    def __init__(self, checkpoint: Checkpoint, slots: int, device: torch.device) -> None:
        self.device = device
        dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
        self.arithmetic = str(dtype).removeprefix("torch.")
        self.description = f"by torch, weights in {self.arithmetic}"
        self.model = checkpoint.model.to(device, dtype)
        self.grammar = Grammar(checkpoint.vocabulary, slots, device)
        self.drawer = Drawer(checkpoint.vocabulary, slots, device)
        self.cache = self.model.new_cache(slots, PREFILL_WORDS)
        self._width = len(self.model.config.attributes)
        self._noise = Noise(slots, self._width)
        self._numbers = self._noise.numbers.to(device)  # a copy on a GPU, the very tensor on a CPU
        # What the recorded step reads and writes keeps its place in memory.
        self.words = torch.zeros(slots, self._width, dtype=torch.long, device=device)  # the last of each slot
        self.positions = torch.zeros(slots, dtype=torch.long, device=device)  # how many came before it
        self.anchors = torch.zeros(slots, self.model.config.fields, dtype=torch.long, device=device)
        self.segments = torch.zeros(slots, dtype=torch.long, device=device)
        self.trust = torch.ones(slots, device=device)
        self._active = torch.zeros(slots, dtype=torch.bool, device=device)  # who draws in this step
        self._places = torch.zeros(slots, dtype=torch.long, device=device)  # where in the noise
        self._nats = torch.zeros(slots, device=device)
        self._slots = torch.arange(slots, device=device)
        self._taken = 0
        self._graph: torch.cuda.CUDAGraph | None = None

    def start(self, slot: int, sampling: SamplingParams, seed: int, roles: Sequence[int]) -> None:
        self._noise.start(slot, seed)
        self.drawer.start(slot, sampling)
        self.grammar.start(slot, roles)
        self.warm(slot, False)
        self.pull(slot, NO_PULL)

    @torch.inference_mode()
    def read(self, slot: int, known: Sequence[Known], first: bool) -> None:
        if first:
            self.positions[slot] = 0
            for layer in self.cache.row(slot).layers:  # what is out of sight counts 0 times, and 0 times NaN is NaN
                layer.keys.zero_()
                layer.values.zero_()
        words, anchors, segments = (torch.tensor(rows, device=self.device)[None] for rows in zip(*known, strict=True))
        place, cache = self.positions[slot : slot + 1], self.cache.row(slot)
        self.model.cached(words[..., : self._width], place, cache, anchors, segments=segments)
        self.positions[slot] += len(known)

    def go(self, slot: int, word: Word) -> None:
        self.words[slot] = torch.tensor(word[: self._width], device=self.device)

    def open(self, slot: int, bar: OpenBar) -> None:
        self.grammar.open(slot, bar)
        self.anchors[slot] = torch.tensor(bar.anchors, device=self.device)
        self.segments[slot] = bar.segment
        self.trust[slot] = trust_in(bar, self.model.config.copying)

    def warm(self, slot: int, warmed: bool) -> None:
        self.drawer.warmed[slot] = warmed

    def pull(self, slot: int, pull: Pull) -> None:
        self.drawer.pulls[slot] = torch.tensor(pull, device=self.device)

    @torch.inference_mode()
    def step(self, slots: Sequence[int], drawn: Sequence[int]) -> list[Drawn]:
        for slot in self._noise.renew(slots, drawn):
            self._numbers[slot] = self._noise.numbers[slot].to(self.device)
        counts = dict(zip(slots, drawn, strict=True))
        order = range(len(self._slots))
        self._active.copy_(torch.tensor([slot in counts for slot in order]))
        self._places.copy_(torch.tensor([counts.get(slot, 0) % self._numbers.shape[1] for slot in order]))
        if self._graph is not None:
            self._graph.replay()
        elif self.device.type == "cuda" and self._taken == EAGER_STEPS:
            self._graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self._graph):
                self._step()
            self._graph.replay()  # recording has not run it
        else:
            self._step()
        self._taken += 1
        words, nats = self.words.tolist(), self._nats.tolist()
        return [Drawn(Word(*words[slot]), nats[slot]) for slot in slots]

    def _step(self) -> None:
        """All on the device, in place, without a branch and without the host."""
        context = self.model.cached(
            self.words[:, None],
            self.positions,
            self.cache,
            self.anchors[:, None],
            self._active,
            self.segments[:, None],
        )[:, 0]
        if context.hinted is not None:  # a slot that is being warmed is not told what came before
            hinted = context.hinted.masked_fill(self.drawer.warmed[:, None, None], IGNORE)
            context = Context(context.vector, hinted, self.trust)
        uniform = self._numbers[self._slots, self._places]
        words, nats = self.drawer.draw_word(self.model, self.grammar, context, uniform)
        self.words.copy_(_where(self._active, words, self.words))
        self.grammar.advance(_where(self._active, words, torch.zeros_like(words)))
        self.positions += self._active
        self._nats.copy_(nats)


def _where(rows: Tensor, these: Tensor, others: Tensor) -> Tensor:
    """rows: (slots,)   these, others: (slots, attributes)"""
    return torch.where(rows[:, None], these, others)
