"""Who composes and who waits. No torch: it knows requests and slots, not tensors."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from composer.request import Request
from composer.words import BAR, Family, Word


@dataclass(eq=False)  # two pieces of one request are two pieces
class Piece:
    """A request on its way: the words drawn so far. The bar word that opens the first new bar is given, not drawn."""

    request: Request
    slot: int = -1  # while it composes
    words: list[Word] = field(default_factory=lambda: [BAR])
    bars_done: int = 0  # new bars that are complete

    @property
    def drawn(self) -> int:
        return len(self.words) - 1

    @property
    def finished(self) -> bool:
        return self.words[-1].family == Family.END

    def append(self, word: Word) -> None:
        self.words.append(word)
        self.bars_done += word.family in (Family.BAR, Family.END)


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
        ended = [piece for piece in self.running if piece.finished]
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
