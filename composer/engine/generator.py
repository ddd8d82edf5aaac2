"""The loop: admit, prefill, step, draw, watch, retire. Many pieces in one batch, each as if it were alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch

from composer.engine.anchors import BARS_LEFT, FIELDS, UNKNOWN, anchors_of, end_in
from composer.engine.checkpoint import Checkpoint
from composer.engine.draw import Drawer
from composer.engine.grammar import Grammar
from composer.engine.guards import Watch
from composer.engine.model import Context
from composer.engine.scheduler import Piece, Scheduler
from composer.request import Composed, Request
from composer.words import ATTRIBUTES, IGNORE, Family, Word

PREFILL_WORDS = 128  # an opening goes through the model in chunks of so many words


class Generator:
    """Composes with one checkpoint in a fixed number of slots.

    Every step runs all slots, occupied or not: its shapes never change, so neither does the arithmetic of a row, and a
    piece is the same, bit for bit on the CPU, whoever its neighbours are.
    """

    def __init__(self, checkpoint: Checkpoint, slots: int, device: torch.device | None = None) -> None:
        self.device = device or torch.device("cpu")
        self.checkpoint = checkpoint
        self.model = checkpoint.model.to(self.device)
        self.scheduler = Scheduler(slots)
        self.grammar = Grammar(checkpoint.vocabulary, slots, self.device)
        self.drawer = Drawer(slots, self.device)
        self.cache = self.model.new_cache(slots, PREFILL_WORDS)
        self.words = torch.zeros(slots, len(ATTRIBUTES), dtype=torch.long, device=self.device)  # the last of each slot
        self.positions = torch.zeros(slots, dtype=torch.long, device=self.device)  # how many came before it
        self.anchors = torch.zeros(slots, len(FIELDS), dtype=torch.long, device=self.device)
        self.endings = torch.zeros(slots, dtype=torch.bool, device=self.device)  # who is told how many bars are left

    def submit(self, request: Request) -> Piece:
        """Put a request into the line. Its piece fills with words as `step` is called."""
        piece = self.scheduler.submit(request)
        piece.watch = Watch(request, self.checkpoint.vocabulary, self.checkpoint.runs)
        return piece

    def cancel(self, piece: Piece) -> None:
        self.scheduler.cancel(piece)

    def compose(self, requests: Iterable[Request]) -> Iterator[list[Piece]]:
        """The pieces of the requests, all of them after every step, until the last has ended."""
        pieces = [self.submit(request) for request in requests]
        while not self.scheduler.idle:
            self.step()
            yield pieces

    def composed(self, piece: Piece, seconds: float) -> Composed:
        """The answer to the request of a piece that has ended."""
        assert piece.watch is not None
        return Composed(
            words=tuple(piece.words),
            checkpoint=self.checkpoint.name,
            digest=self.checkpoint.digest,
            device=self.device.type,
            seconds=seconds,
            nats=sum(piece.nats) / max(1, len(piece.words) - 1),
            watched=piece.watch.watched,
        )

    @torch.inference_mode()
    def step(self) -> list[Piece]:
        """One word for every piece in a slot. Returns the pieces that have ended with it."""
        for piece in self.scheduler.admit():
            self._begin(piece)
        self.anchors[:, BARS_LEFT] = torch.where(self.endings, end_in(self.grammar.state.bars_left), UNKNOWN)
        context = self.model.cached(self.words[:, None], self.positions, self.cache, self.anchors[:, None])[:, 0]
        context = self._without_hints(context)
        drawn = [piece.drawn if piece else 1 for piece in self.scheduler.slots]
        self.words, nats = self.drawer.draw_word(self.model, self.grammar, context, drawn)
        self.grammar.advance(self.words)
        self.positions += 1
        rows = self.words.tolist()
        surprises = nats.tolist()
        for piece in self.scheduler.running:
            piece.append(Word(*rows[piece.slot]), surprises[piece.slot])
            self._look_after(piece)
        return self.scheduler.retire()

    def _look_after(self, piece: Piece) -> None:
        """Let the guard rails hear the newest word; where a bar has ended, let it cool down, and do what they say."""
        assert piece.watch is not None
        verdict = piece.watch.read(piece.words[-1], piece.bars_done)
        if piece.words[-1].family not in (Family.BAR, Family.END):
            return
        piece.warm_bars = max(0, piece.warm_bars - 1)
        if verdict:
            piece.warm_bars = verdict.warm
            if verdict.back:
                piece.give_up(verdict.back)
                piece.watch.go_back(piece.words)
                self._read(piece)
        self.drawer.warmed[piece.slot] = piece.warm_bars > 0
        self.drawer.pull(piece.slot, piece.watch.pull)

    def _without_hints(self, context: Context) -> Context:
        """A slot that is being warmed is not told what came before."""
        if context.hinted is None or not any(piece.warm_bars for piece in self.scheduler.running):
            return context
        return Context(context.vector, context.hinted.masked_fill(self.drawer.warmed[:, None, None], IGNORE))

    def _begin(self, piece: Piece) -> None:
        slot, request = piece.slot, piece.request
        self.anchors[slot] = torch.tensor(anchors_of(request.words, self.checkpoint.vocabulary), device=self.device)
        self.endings[slot] = request.ending
        self.drawer.start(slot, request.sampling, request.seed)
        self._read(piece)

    def _read(self, piece: Piece) -> None:
        """Read the opening, and what there is of the piece, into the slot's cache.

        The bar word that the piece ends with is what the next step goes on from.
        """
        slot, request = piece.slot, piece.request
        known, last = [*request.words, *piece.words[:-1]], piece.words[-1]
        words = torch.tensor(known, dtype=torch.long, device=self.device).view(1, -1, len(ATTRIBUTES))
        anchors = self.anchors[slot].repeat(1, len(known), 1)
        opens = words[0, len(request.words) :, 0] == Family.BAR
        left = request.bars - opens.cumsum(0)
        anchors[0, len(request.words) :, BARS_LEFT] = torch.where(self.endings[slot], end_in(left), UNKNOWN)
        anchors[:, : len(request.words)] = UNKNOWN  # as in training: what the bars say is told behind them
        row = self.cache.row(slot)
        done = torch.zeros(1, dtype=torch.long, device=self.device)
        for chunk, told in zip(words.split(PREFILL_WORDS, dim=1), anchors.split(PREFILL_WORDS, dim=1), strict=True):
            self.model.cached(chunk, done, row, told)
            done = done + chunk.shape[1]
        self.words[slot] = torch.tensor(last, device=self.device)
        self.positions[slot] = len(known)
        self.grammar.start(slot, bars_left=request.bars - 1 - piece.bars_done)
