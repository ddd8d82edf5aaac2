"""What one person sees, as the changes that their page has to be told of."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .drawing import Drawing, seen
from .protocol import Channel, Message, User
from .protocol.channels import DM, GROUP, THREADS
from .protocol.gateway import Gateway
from .protocol.posts import Json

PAGE = Path(__file__).parent / "page"
WORDS: dict[str, Json] = json.loads((PAGE / "words.json").read_text(encoding="utf-8"))
MOMENT_SECONDS = 10.0  # so often "a minute ago" is looked at again


@dataclass
class View:
    """Of one tab. Used in the thread of the stand-in alone."""

    user: User
    gateway: Gateway
    place: Json = field(default_factory=dict)
    marks: dict[int, Any] = field(default_factory=dict)  # of each message: what its looks depended on

    def news(self) -> list[Json]:
        """What has changed since this was last called."""
        place = self._place()
        told: list[Json] = [place] if place != self.place else []
        self.place = place
        there: set[int] = set()
        for channel in self.channels():
            for message, before in seen(channel, self.user):
                there.add(message.id)
                told += self._message(message, before)
        for number in self.marks.keys() - there:
            del self.marks[number]
            told.append({"kind": "gone", "id": str(number)})
        return told

    def channels(self) -> Iterator[Channel]:
        for channel in self.user.world.channels.values():
            mine = self.user in channel.recipients if channel.guild is None else channel.open_to(self.user)
            if mine and not channel.deleted:
                yield channel

    def _place(self) -> Json:
        """Everything beside the messages."""
        people = [person for person in self.user.world.people.values() if isinstance(person, User)]
        return {
            "kind": "place",
            "me": {"id": str(self.user.id), "name": self.user.name, "locale": self.user.locale},
            "people": [{"id": str(person.id), "name": person.name} for person in people],
            "channels": [self._channel(channel) for channel in self.channels()],
            "bot": {"name": self.user.world.bot.name, "there": bool(self.gateway.connected)},
            "words": WORDS[self.user.locale],
            "languages": {locale: words["name"] for locale, words in WORDS.items()},
        }

    def _channel(self, channel: Channel) -> Json:
        kind = "direct" if channel.type in (DM, GROUP) else "thread" if channel.type in THREADS else "channel"
        others = ", ".join(person.name for person in channel.recipients if person is not self.user)
        about = {"id": str(channel.id), "name": channel.name or others, "is": kind, "type": channel.type}
        return about | {"commands": self.user.offered(channel)}

    def _message(self, message: Message, before: Message | None) -> Iterator[Json]:
        aging = "<t:" in message.content and message.world.clock.now() // MOMENT_SECONDS
        answered = message.reference is not None and message.reference.deleted
        mark = (len(message.versions), before, self.user.locale, aging, answered)
        if self.marks.get(message.id) == mark:
            return
        self.marks[message.id] = mark
        yield {
            "kind": "message",
            "id": str(message.id),
            "channel": str(message.channel.id),
            "author": message.author.name,
            "mine": message.author is self.user,
            "menu": not message.ephemeral,
            "html": Drawing(self.user).message(message, before),
        }
