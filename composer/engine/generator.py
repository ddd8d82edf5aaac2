"""The loop: admit, read, step, watch, retire. Many pieces in one batch, each as if it were alone."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import numpy as np
import torch

from composer.engine.anchors import BARS_BEFORE, UNKNOWN, Row, anchors_of, begun, end_in
from composer.engine.checkpoint import Checkpoint
from composer.engine.guards import Watch
from composer.engine.native.steps import NativeSteps
from composer.engine.scheduler import Piece, Scheduler
from composer.engine.steps import PREFILL_WORDS, Drawn, Steps
from composer.engine.torch_steps import TorchSteps
from composer.errors import PieceError
from composer.request import Composed, Request
from composer.words import Family


class Generator:
    """Composes with one checkpoint in a fixed number of slots.

    A piece joins and leaves between any two steps. What it goes on from is read in chunks, one between two steps, so
    that a long opening holds nobody up. A piece is the same, bit for bit on the CPU, whoever its neighbours are; where
    one breaks off, it ends with its error, and they do not notice.

    whole: weights in float32 on a CPU, where else int8 is taken, if it is faster   drawn: words, of all pieces
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        slots: int,
        device: torch.device | None = None,
        steps: Steps | None = None,
        whole: bool = False,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.checkpoint = checkpoint
        self.scheduler = Scheduler(slots)
        self.steps = steps or _fastest(checkpoint, slots, self.device, whole)
        self.drawn = 0
        self._unread: deque[Piece] = deque()  # in the order in which they came into their slots

    def submit(self, request: Request) -> Piece:
        """Put a request into the line. Its piece fills with words as `step` is called."""
        return self.scheduler.submit(request)

    def cancel(self, piece: Piece) -> None:
        self.scheduler.cancel(piece)
        self._forget(piece)

    def compose(self, requests: Iterable[Request]) -> Iterator[list[Piece]]:
        """The pieces of the requests, all of them after every step, until the last has ended."""
        pieces = [self.submit(request) for request in requests]
        while not self.scheduler.idle:
            self.step()
            yield pieces

    def composed(self, piece: Piece, seconds: float) -> Composed:
        """The answer to the request of a piece that has ended. Raises its PieceError if it has broken off."""
        if piece.error is not None:
            raise piece.error
        assert piece.watch is not None
        return Composed(
            words=tuple(piece.words),
            checkpoint=self.checkpoint.name,
            digest=self.checkpoint.digest,
            device=self.device.type,
            arithmetic=self.steps.arithmetic,
            seconds=seconds,
            nats=sum(piece.nats) / max(1, len(piece.words) - 1),
            watched=piece.watch.watched,
        )

    def step(self) -> list[Piece]:
        """A chunk for one piece that is still to be read, and a word for every other.

        Returns those that have ended, those that have broken off among them.
        """
        for piece in self.scheduler.admit():
            self._by_itself(piece, self._begin)
        if self._unread:
            self._by_itself(self._unread[0], self._read)
        ready = [piece for piece in self.scheduler.running if not piece.unread and not piece.ended]
        if ready:
            drawn = self.steps.step([piece.slot for piece in ready], [piece.drawn for piece in ready])
            self.drawn += len(ready)
            for piece, one in zip(ready, drawn, strict=True):
                self._by_itself(piece, partial(self._take, drawn=one))
        return self.scheduler.retire()

    def _by_itself(self, piece: Piece, act: Callable[[Piece], None]) -> None:
        """Do what concerns one piece alone: whatever goes wrong in it ends that piece and no other."""
        try:
            act(piece)
        except Exception as error:
            piece.error = error if isinstance(error, PieceError) else PieceError(f"{type(error).__name__}, {error}")
            piece.error.__cause__ = error if error is not piece.error else None
            self._forget(piece)

    def _forget(self, piece: Piece) -> None:
        """There is nothing more to read for it."""
        if piece in self._unread:
            self._unread.remove(piece)

    def _take(self, piece: Piece, drawn: Drawn) -> None:
        if not math.isfinite(drawn.nats):
            raise PieceError("what the model gives for its next word is no numbers")
        piece.append(*drawn)
        self._look_after(piece)

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
                self._unread.append(piece)
                piece.unread = self._known(piece)
        self.steps.warm(piece.slot, piece.warm_bars > 0)
        self.steps.pull(piece.slot, piece.watch.pull)

    def _begin(self, piece: Piece) -> None:
        request = piece.request
        piece.watch = Watch(request, self.checkpoint.vocabulary, self.checkpoint.runs)
        piece.anchors = anchors_of(request.words, self.checkpoint.vocabulary)
        self.steps.start(piece.slot, request.sampling, request.seed, piece.anchors, request.ending)
        self._unread.append(piece)
        piece.unread = self._known(piece)

    def _known(self, piece: Piece) -> int:
        """How many words stand before the bar word that the piece goes on from."""
        return len(piece.request.words) + len(piece.words) - 1

    def _read(self, piece: Piece) -> None:
        """Read the next chunk of the opening, and of what there is of the piece, into the slot."""
        known = [*piece.request.words, *piece.words]
        done = self._known(piece) - piece.unread
        chunk = slice(done, min(done + PREFILL_WORDS, self._known(piece)))
        self.steps.read(piece.slot, known[chunk], self._told(piece)[chunk], first=done == 0)
        piece.unread -= chunk.stop - chunk.start
        if not piece.unread:
            self._unread.popleft()
            left = piece.request.bars - 1 - piece.bars_done
            self.steps.go(piece.slot, piece.words[-1], piece.bars_before, left)

    def _told(self, piece: Piece) -> list[Row]:
        """What is told with each word. The opening's own are told where they stand and say the rest themselves."""
        request = piece.request
        opened = np.cumsum([word.family == Family.BAR for word in [*request.words, *piece.words]])
        before, opening = begun(opened - 1), len(request.words)
        left = np.full_like(before, UNKNOWN)
        if request.ending:
            left[opening:] = end_in(request.bars + opened[opening - 1] - opened[opening:])
        said = [(UNKNOWN,) * BARS_BEFORE] * opening + [piece.anchors[:BARS_BEFORE]] * len(piece.words)
        return [(*row, *two) for row, two in zip(said, np.stack([before, left], axis=1).tolist(), strict=True)]


def why_slow(checkpoint: Checkpoint, device: torch.device) -> str | None:
    """Why composing will be slower than it could be, as a sentence that ends in what can be done; None if it is not."""
    return NativeSteps.missing(checkpoint.model) if device.type == "cpu" else None


def _fastest(checkpoint: Checkpoint, slots: int, device: torch.device, whole: bool) -> Steps:
    """step.cpp on a CPU, if it is compiled and knows the model, else torch."""
    if device.type == "cpu" and NativeSteps.missing(checkpoint.model) is None:
        return NativeSteps(checkpoint.model, slots, whole=whole)
    return TorchSteps(checkpoint, slots, device)
