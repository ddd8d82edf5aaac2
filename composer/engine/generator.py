"""The loop: admit, read, step, watch, retire. Many pieces in one batch, each as if it were alone."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import partial

import torch

from composer.engine.checkpoint import Checkpoint
from composer.engine.guards import Watch
from composer.engine.native.steps import NativeSteps
from composer.engine.prompt import Prompt
from composer.engine.scheduler import Piece, Scheduler
from composer.engine.steps import PREFILL_WORDS, Drawn, Steps
from composer.engine.torch_steps import TorchSteps
from composer.errors import PieceError
from composer.music.words import Family, Word
from composer.request import Composed, Request


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
        ready = [piece for piece in self.scheduler.running if piece not in self._unread and not piece.ended]
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
        """Let the guard rails hear the newest word; where a bar has ended, let it cool down, do what they say, and open
        the next one."""
        assert piece.watch is not None
        assert piece.prompt is not None
        word = piece.words[-1]
        verdict = piece.watch.read(word, piece.bars_done)
        if word.family not in (Family.BAR, Family.END):
            return
        piece.warm_bars = max(0, piece.warm_bars - 1)
        if verdict:
            piece.warm_bars = verdict.warm
        if verdict and verdict.back:
            piece.give_up(verdict.back)
            piece.watch.go_back(piece.words)
            self._read_anew(piece)
        elif word.family == Family.BAR:
            piece.unread.extend(piece.prompt.given(piece.bars_done))
            if piece.unread:
                self._unread.append(piece)
            else:
                self._open(piece)
        self.steps.warm(piece.slot, piece.warm_bars > 0)
        self.steps.pull(piece.slot, piece.watch.pull)

    def _begin(self, piece: Piece) -> None:
        request, vocabulary = piece.request, self.checkpoint.vocabulary
        piece.prompt = Prompt(request, vocabulary, self.checkpoint.model.config)
        piece.words, piece.nats = [Word(Family.BAR, meter=piece.prompt.meter(0))], [0.0]
        piece.watch = Watch(request, piece.words, vocabulary, self.checkpoint.runs)
        self.steps.start(piece.slot, request.sampling, request.seed, piece.prompt.roles)
        self._read_anew(piece)

    def _read_anew(self, piece: Piece) -> None:
        """Let the slot forget what it has read, and read all that stands before the last word, a bar word."""
        assert piece.prompt is not None
        piece.unread = deque(piece.prompt.known(piece.words))
        piece.anew = True
        if piece not in self._unread:
            self._unread.append(piece)

    def _read(self, piece: Piece) -> None:
        """Read the next chunk of what stands before a piece's last word, a bar word, and open the bar behind the last
        chunk."""
        chunk = [piece.unread.popleft() for _ in range(min(PREFILL_WORDS, len(piece.unread)))]
        if chunk:
            self.steps.read(piece.slot, chunk, first=piece.anew)
            piece.anew = False
        if not piece.unread:
            self._unread.popleft()
            self.steps.go(piece.slot, piece.words[-1])
            self._open(piece)

    def _open(self, piece: Piece) -> None:
        """Say what holds for the bar that the piece's last word has begun."""
        assert piece.prompt is not None
        self.steps.open(piece.slot, piece.prompt.opened(piece.bars_done, piece.words[-1]))


def why_slow(checkpoint: Checkpoint, device: torch.device) -> str | None:
    """Why composing will be slower than it could be, as a sentence that ends in what can be done; None if it is not."""
    return NativeSteps.missing(checkpoint.model) if device.type == "cpu" else None


def _fastest(checkpoint: Checkpoint, slots: int, device: torch.device, whole: bool) -> Steps:
    """step.cpp on a CPU, if it is compiled and knows the model, else torch."""
    if device.type == "cpu" and NativeSteps.missing(checkpoint.model) is None:
        return NativeSteps(checkpoint, slots, whole=whole)
    return TorchSteps(checkpoint, slots, device)
