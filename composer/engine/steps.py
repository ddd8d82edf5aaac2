"""The model over a fixed number of slots, a step at a time: what the generator's loop asks of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from composer.engine.guards import Pull
from composer.engine.prompt import Known, OpenBar
from composer.music.words import Word
from composer.sampling import SamplingParams

PREFILL_WORDS = 128  # are read at once; between two such chunks the others go on


class Drawn(NamedTuple):
    """A word, and the nats that the model gives it, neither pulled nor warmed.

    NaN where what the model says is no numbers: then the word means nothing, and the slot has to be started anew.
    """

    word: Word
    nats: float


class Steps(Protocol):
    """Each slot holds a piece: first `start`, then `read` until all before its last word is read, `go`, and `step`s.

    A piece's words depend on what these were told of its slot and on nothing else, and so does what goes wrong.

    Attributes:
        arithmetic: what weights are held in: "int8", "float32" or "bfloat16".
        description: that and what runs the step.
    """

    arithmetic: str
    description: str

    def start(self, slot: int, sampling: SamplingParams, seed: int, roles: Sequence[int]) -> None:
        """A new piece. roles: ids of those that may be drawn"""

    def read(self, slot: int, known: Sequence[Known], first: bool) -> None:
        """Take the next words of what the piece goes on from, at most PREFILL_WORDS.

        first: whether the slot forgets what it has read before
        """

    def go(self, slot: int, word: Word) -> None:
        """The bar word that the next step goes on from. Then it has to be opened."""

    def open(self, slot: int, bar: OpenBar) -> None:
        """The slot's last word is a bar word, and this holds for its bar."""

    def warm(self, slot: int, warmed: bool) -> None:
        """From now on the slot's pitches are drawn warmer or not, and it is not or is told what may be copied."""

    def pull(self, slot: int, pull: Pull) -> None:
        """From now on the slot's words are pulled so."""

    def step(self, slots: Sequence[int], drawn: Sequence[int]) -> list[Drawn]:
        """The next word of each of these slots. drawn: how many words each piece has drawn before"""
