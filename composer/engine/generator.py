"""The loop: admit, prefill, step, draw, retire. Many pieces in one batch, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from composer.engine.anchors import BARS_LEFT, FIELDS, anchors_of, end_in
from composer.engine.checkpoint import Checkpoint
from composer.engine.draw import Drawer
from composer.engine.grammar import Grammar
from composer.engine.guards import LoopGuard
from composer.engine.model import Context
from composer.engine.scheduler import Piece, Scheduler
from composer.request import Request
from composer.words import ATTRIBUTES, IGNORE, Word

PREFILL_WORDS = 128  # an opening goes through the model in chunks of so many words


class Generator:
    """Composes with one checkpoint in a fixed number of slots.

    Every step runs all slots, occupied or not: its shapes never change, so neither does the arithmetic of a row, and a
    piece is the same, bit for bit on the CPU, whoever its neighbours are.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        slots: int,
        device: torch.device | None = None,
        guard_loops: bool = True,
        ending: bool = False,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.model = checkpoint.model.to(self.device)
        self.scheduler = Scheduler(slots)
        self.grammar = Grammar(checkpoint.vocabulary, slots, self.device)
        self.drawer = Drawer(slots, self.device)
        self.cache = self.model.new_cache(slots, PREFILL_WORDS)
        self.guards: list[LoopGuard | None] = [None] * slots
        self.guard_loops = guard_loops
        self.ending = ending
        self.vocabulary = checkpoint.vocabulary
        self.anchors = torch.zeros(slots, len(FIELDS), dtype=torch.long, device=self.device)
        self.words = torch.zeros(slots, len(ATTRIBUTES), dtype=torch.long, device=self.device)  # the last of each slot
        self.positions = torch.zeros(slots, dtype=torch.long, device=self.device)  # how many came before it

    def submit(self, request: Request) -> Piece:
        """Put a request into the line. Its piece fills with words as `step` is called."""
        return self.scheduler.submit(request)

    def cancel(self, piece: Piece) -> None:
        self.scheduler.cancel(piece)

    def compose(self, requests: Iterable[Request]) -> Iterator[list[Piece]]:
        """The pieces of the requests, all of them after every step, until the last has ended."""
        pieces = [self.submit(request) for request in requests]
        while not self.scheduler.idle:
            self.step()
            yield pieces

    @torch.inference_mode()
    def step(self) -> list[Piece]:
        """One word for every piece in a slot. Returns the pieces that have ended with it."""
        for piece in self.scheduler.admit():
            self._prefill(piece)
        self.anchors[:, BARS_LEFT] = end_in(self.grammar.state.bars_left) * self.ending
        context = self.model.cached(self.words[:, None], self.positions, self.cache, self.anchors[:, None])[:, 0]
        context = self._without_hints(context)
        drawn = [piece.drawn if piece else 1 for piece in self.scheduler.slots]
        self.words = self.drawer.draw_word(self.model, self.grammar, context, drawn)
        self.grammar.advance(self.words)
        self.positions += 1
        rows = self.words.tolist()
        for piece in self.scheduler.running:
            word = Word(*rows[piece.slot])
            piece.append(word)
            if guard := self.guards[piece.slot]:
                guard.read(word)
        return self.scheduler.retire()

    def _without_hints(self, context: Context) -> Context:
        """A slot that is stuck in a loop is not told what came before, until it is out."""
        free = [slot for slot, guard in enumerate(self.guards) if guard is not None and guard.free_bars]
        if context.hinted is None or not free:
            return context
        hinted = context.hinted.clone()
        hinted[free] = IGNORE
        return Context(context.vector, hinted)

    def _prefill(self, piece: Piece) -> None:
        """Read the opening into the slot's cache; the bar word behind it is what the next step goes on from."""
        slot, request = piece.slot, piece.request
        opening = torch.tensor(request.words, dtype=torch.long, device=self.device).view(1, -1, len(ATTRIBUTES))
        row = self.cache.row(slot)
        done = torch.zeros(1, dtype=torch.long, device=self.device)
        for chunk in opening.split(PREFILL_WORDS, dim=1):
            self.model.cached(chunk, done, row)
            done = done + chunk.shape[1]
        self.guards[slot] = LoopGuard([*request.words, piece.words[0]]) if self.guard_loops else None
        self.anchors[slot] = torch.tensor(anchors_of(request.words, self.vocabulary), device=self.device)
        self.words[slot] = torch.tensor(piece.words[0], device=self.device)
        self.positions[slot] = len(request.words)
        self.grammar.start(slot, bars_left=request.bars - 1)
        self.drawer.start(slot, request.sampling, request.seed)
