"""Who composes and who waits. It knows requests and slots, not tensors."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from composer.engine.guards import Watch
from composer.engine.prompt import Known, Prompt
from composer.errors import PieceError
from composer.music.words import Family, Word
from composer.request import Request


@dataclass(eq=False)  # two pieces of one request are two pieces
class Piece:
    """A request on its way: the words so far. The bar word that opens the first new bar is not drawn."""

    request: Request
    slot: int = -1  # while it composes
    words: list[Word] = field(default_factory=list)  # none before it composes
    nats: list[float] = field(default_factory=list)  # how unlikely the model found each word
    bars_done: int = 0  # new bars that are complete
    drawn: int = 0  # words, those that were given up again included
    watch: Watch | None = None  # once it composes
    prompt: Prompt | None = None  # once it composes
    error: PieceError | None = None  # why it has broken off
    warm_bars: int = 0  # that are still to be drawn warmer
    unread: deque[Known] = field(default_factory=deque)  # what stands before its last word, and its slot has not read
    anew: bool = False  # whether its slot forgets what it has read before

    @property
    def finished(self) -> bool:
        return bool(self.words) and self.words[-1].family == Family.END

    @property
    def ended(self) -> bool:
        """Nothing follows: it is finished, or has broken off."""
        return self.finished or self.error is not None

    @property
    def so_far(self) -> list[Word]:
        """The words of the new bars that are complete. It may be asked for in any thread."""
        words = list(self.words)
        lines = [at for at, word in enumerate(words) if word.family in (Family.BAR, Family.END)]
        return words[: lines[-1]] if lines else []

    def append(self, word: Word, nats: float = 0.0) -> None:
        self.words.append(word)
        self.nats.append(nats)
        self.drawn += 1
        self.bars_done += word.family in (Family.BAR, Family.END)

    def give_up(self, bars: int) -> None:
        """Take the last complete bars back: the piece ends with the bar word that opens the first of them."""
        lines = [at for at, word in enumerate(self.words) if word.family in (Family.BAR, Family.END)]
        end = lines[-1 - bars] + 1
        del self.words[end:], self.nats[end:]
        self.bars_done -= bars


class Scheduler:
    """A waiting line and a fixed number of slots. First come, first served."""

    def __init__(self, slots: int) -> None:
        self.slots: list[Piece | None] = [None] * slots
        self.waiting: deque[Piece] = deque()

    @property
    def running(self) -> list[Piece]:
        return [piece for piece in self.slots if piece is not None]

    @property
    def idle(self) -> bool:
        return not self.waiting and not self.running

    def submit(self, request: Request) -> Piece:
        piece = Piece(request)
        self.waiting.append(piece)
        return piece

    def admit(self) -> list[Piece]:
        """Move pieces from the line into the free slots, and return them."""
        admitted = []
        for slot, occupant in enumerate(self.slots):
            if occupant is None and self.waiting:
                piece = self.waiting.popleft()
                piece.slot, self.slots[slot] = slot, piece
                admitted.append(piece)
        return admitted

    def retire(self) -> list[Piece]:
        """Free the slots of the pieces that have ended, and return those."""
        ended = [piece for piece in self.running if piece.ended]
        for piece in ended:
            self._free(piece)
        return ended

    def cancel(self, piece: Piece) -> None:
        """Take a piece out of the line or out of its slot; nothing happens if it has left already."""
        if piece.slot >= 0:
            self._free(piece)
        elif piece in self.waiting:
            self.waiting.remove(piece)

    def _free(self, piece: Piece) -> None:
        self.slots[piece.slot] = None
        piece.slot = -1
