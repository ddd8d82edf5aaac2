"""What the bot remembers of one piece: where the answer goes, what was asked for, what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.messages import Language, Stranger
from composer.music.score import NOTHING_LOST, Lost
from composer.sampling import SamplingParams
from composer.transcription.synchronise import Listening

MAX_TITLE = 60  # characters


@dataclass(frozen=True, slots=True)
class Place:
    """Where the answer to a request goes, and by which way it can get there.

    Attributes:
        application: whose webhook the interaction has.
        token: of the interaction, good for 15 minutes.
        private: whether only the person sees the message.
        reachable: whether the bot itself may write in the channel.
        filesize_limit: bytes that one file may have.
        message: the one that tells how far the piece is and in the end holds it; None: there is none yet.
        by_webhook: whether the interaction's webhook made the message; it sees no others.
    """

    guild: int | None
    channel: int
    application: int
    token: str | None
    private: bool
    reachable: bool
    filesize_limit: int
    language: Language
    message: int | None = None
    by_webhook: bool = False

    @property
    def writable(self) -> bool:
        """Whether the bot itself may send a message there, to be seen by all."""
        return self.reachable and not self.private


@dataclass(frozen=True, slots=True)
class Hearing:
    """What a recording is to become.

    Attributes:
        takes: to compose.
        seeded: whether the seed was asked for; if not, each go has one of its own.
        go: compose at once, without asking whether it was heard right.
        listening: how its notes are put into bars.
    """

    takes: int = 1
    seeded: bool = False
    go: bool = False
    listening: Listening = field(default_factory=Listening)


@dataclass(frozen=True, slots=True)
class Piece:
    """One row of `pieces`, its blobs left in the table.

    Attributes:
        parent: the piece that this one continues or varies.
        bars: that are composed.
        task: what was asked for, as composer.order.Order.task.
        heard: what was found in an opening that was played, as bot.workshop.Card tells it.
        hearing: of a recording.
        loves: hearts that people have given it.
        as_written: whether its file is kept on its own beats too, for others were found in it.
        lost: what of its file could not be read.
    """

    id: int
    owner: int
    parent: int | None
    title: Stranger
    opening_bars: int
    bars: int
    seed: int
    program: int
    sampling: SamplingParams
    place: Place
    asked_at: float
    receipt: Mapping[str, Any] | None
    posting_at: float | None
    deleted: bool
    heard: Mapping[str, Any] | None = None
    hearing: Hearing | None = None
    task: Mapping[str, Any] = field(default_factory=dict)
    loves: int = 0
    as_written: bool = False
    lost: Lost = NOTHING_LOST

    @property
    def all_bars(self) -> int:
        """Of the finished piece."""
        within = "redo" in self.task or "accompany" in self.task
        return self.opening_bars + (0 if within else self.bars)

    @property
    def first_new(self) -> int:
        """Number of the first bar that was composed, from 0."""
        if redo := self.task.get("redo"):
            return int(redo[0]) - 1
        return 0 if "accompany" in self.task else self.opening_bars

    @property
    def link(self) -> str | None:
        """To its message in the channel, where there is one that others can open."""
        if self.deleted or self.place.message is None or self.place.private:
            return None
        return f"https://discord.com/channels/{self.place.guild or '@me'}/{self.place.channel}/{self.place.message}"
