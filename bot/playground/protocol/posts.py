"""Messages and the files in them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .clock import iso
from .errors import RefusedError
from .loop import PATIENCE, LoopThread, in_thread
from .voice import Recorded

if TYPE_CHECKING:
    from .channels import Channel
    from .interactions import Interaction
    from .people import Person
    from .state import World

ATTACHMENT_URL_SECONDS = 24 * 3600.0
EPHEMERAL, LOADING, VOICE, SNAPSHOT = 1 << 6, 1 << 7, 1 << 13, 1 << 14  # message flags

Json = dict[str, Any]


@dataclass(frozen=True)
class Attachment:
    """A file as a person chooses it.

    size: what Discord tells the bot, where it shall not be the data's length
    """

    name: str
    data: bytes
    content_type: str | None = None
    description: str | None = None
    size: int | None = None


@dataclass(eq=False, repr=False)
class StoredFile:
    """A file that Discord keeps."""

    world: World
    id: int
    name: str
    title: str | None
    data: bytes
    size: int
    content_type: str | None
    description: str | None
    folder: str  # "attachments" what people bring, "cdn" what the bot uploads
    voice: Recorded | None = None  # of a voice message

    def url(self) -> str:
        """Where the file can be read for a day."""
        until = f"{int(self.world.clock.now() + ATTACHMENT_URL_SECONDS):x}"
        return f"{self.world.base}/{self.folder}/{self.id}/{self.name}?ex={until}"

    def payload(self, ephemeral: bool = False) -> Json:
        payload: Json = {"id": str(self.id), "filename": self.name, "size": self.size}
        payload |= {"url": self.url(), "proxy_url": self.url()}
        optional = {"title": self.title, "content_type": self.content_type, "description": self.description}
        payload |= {key: value for key, value in optional.items() if value is not None}
        if self.voice is not None:
            payload |= {"duration_secs": self.voice.seconds, "waveform": self.voice.waveform}
        return payload | ({"ephemeral": True} if ephemeral else {})


@dataclass(frozen=True)
class Pings:
    """Who a message really notified."""

    users: frozenset[int] = frozenset()
    roles: frozenset[int] = frozenset()
    everyone: bool = False

    def __bool__(self) -> bool:
        return bool(self.users or self.roles or self.everyone)


@dataclass(frozen=True)
class Version:
    """A message as it once was. at: seconds since 1970 by the stand-in's clock; via: the route that wrote it."""

    at: float
    via: str
    content: str
    embeds: list[Json]
    components: list[Json]
    files: tuple[str, ...]
    loading: bool


@dataclass(frozen=True)
class Button:
    label: str | None
    custom_id: str | None
    style: int
    disabled: bool
    emoji: str | None
    url: str | None
    row: int


@dataclass(eq=False, repr=False)
class Message:
    """A message as it is now; `versions` holds how it was from the start, `edits` all but the first."""

    world: World
    id: int
    channel: Channel
    author: Person
    content: str = ""
    embeds: list[Json] = field(default_factory=list)
    components: list[Json] = field(default_factory=list)
    attachments: list[StoredFile] = field(default_factory=list)
    flags: int = 0
    type: int = 0
    nonce: str | None = None
    reference: Message | None = None
    forwarded: Message | None = None  # stands in it as a snapshot, as it was then
    snapshot: Json = field(default_factory=dict)
    shown_to: Person | None = None  # ephemeral: only this person sees it
    interaction: Interaction | None = None
    allowed_mentions: Json | None = None
    mentioned: Pings = Pings()  # what stands highlighted in it
    pings: Pings = Pings()  # whom it notified
    deleted: bool = False
    versions: list[Version] = field(default_factory=list)

    def __repr__(self) -> str:
        marks = [mark for mark in ("loading", "ephemeral", "deleted") if getattr(self, mark)]
        parts = [*marks, repr(self.content), f"files {list(self.files)}", f"buttons {[b.label for b in self.buttons]}"]
        embeds = [embed.get("title") or embed.get("description") for embed in self.embeds]
        return f"<message {', '.join(parts)}, embeds {embeds}>"

    @property
    def thread(self) -> LoopThread:
        return self.world.thread

    @property
    def ephemeral(self) -> bool:
        return self.shown_to is not None

    @property
    def loading(self) -> bool:
        """Whether it still says "... is thinking"."""
        return bool(self.flags & LOADING)

    @property
    def edits(self) -> list[Version]:
        return self.versions[1:]

    @property
    def files(self) -> dict[str, bytes]:
        return {file.name: file.data for file in self.attachments}

    @property
    def buttons(self) -> list[Button]:
        return [
            Button(
                c.get("label"),
                c.get("custom_id"),
                c.get("style", 1),
                bool(c.get("disabled")),
                (c.get("emoji") or {}).get("name"),
                c.get("url"),
                number,
            )
            for number, row in enumerate(self.components)
            for c in row.get("components", [])
            if c["type"] == 2
        ]

    def button(self, label_or_custom_id: str) -> Button:
        """The one button with that label or custom_id. Raises RefusedError without or with several."""
        found = [b for b in self.buttons if label_or_custom_id in (b.label, b.custom_id)]
        if len(found) != 1:
            raise RefusedError(f"{len(found)} buttons {label_or_custom_id!r} among {[b.label for b in self.buttons]}")
        return found[0]

    async def until(self, predicate: Callable[[Message], Any], timeout: float = PATIENCE) -> Message:
        """Wait until the message fulfils `predicate`. Raises TimeoutError with what it is by then."""
        try:
            await self.thread.run(self.thread.until(lambda: predicate(self), timeout))
        except TimeoutError:
            raise TimeoutError(f"after {timeout} s the message is still {self!r}") from None
        return self

    @in_thread
    def delete(self) -> None:
        """A moderator deletes it."""
        self.deleted = True

    def save_version(self, via: str) -> None:
        files = tuple(file.name for file in self.attachments)
        now = self.world.clock.now()
        self.versions.append(
            Version(now, via, self.content, list(self.embeds), list(self.components), files, self.loading)
        )

    def as_snapshot(self) -> Json:
        """What a message that forwards this one tells of it: not who wrote it."""
        kept = ("type", "content", "mentions", "mention_roles", "attachments", "embeds", "timestamp")
        whole = self.payload(nested=True)
        return {key: whole[key] for key in (*kept, "edited_timestamp", "flags", "components")}

    def payload(self, nested: bool = False, hidden: bool = False) -> Json:
        """nested: without the message it answers; hidden: as a bot without the message content intent sees it."""
        mentioned = [self.world.people[id_].payload() for id_ in self.mentioned.users if id_ in self.world.people]
        message: Json = {"id": str(self.id), "channel_id": str(self.channel.id), "author": self.author.payload()}
        message |= {"content": self.content, "embeds": self.embeds, "components": self.components}
        message |= {"attachments": [file.payload(self.ephemeral) for file in self.attachments]}
        if hidden:
            message |= {"content": "", "embeds": [], "components": [], "attachments": []}
        edited = iso(self.edits[-1].at) if self.edits else None
        message |= {"timestamp": iso(self.versions[0].at), "edited_timestamp": edited, "tts": False, "pinned": False}
        message |= {"mention_everyone": self.mentioned.everyone, "mentions": mentioned, "type": self.type}
        message |= {"mention_roles": [str(role) for role in self.mentioned.roles], "flags": self.flags}
        if self.nonce is not None:
            message["nonce"] = self.nonce
        if self.reference is not None:
            message["message_reference"] = {
                "type": 0,
                "message_id": str(self.reference.id),
                "channel_id": str(self.reference.channel.id),
            }
            if not nested:
                gone = self.reference.deleted
                message["referenced_message"] = None if gone else self.reference.payload(nested=True, hidden=hidden)
        if self.forwarded is not None:
            origin = {"message_id": str(self.forwarded.id), "channel_id": str(self.forwarded.channel.id)}
            message["message_reference"] = {"type": 1, **origin}
            message["message_snapshots"] = [] if hidden else [{"message": self.snapshot}]
        if self.interaction is not None:
            message["webhook_id"] = message["application_id"] = str(self.world.bot.id)
            message["interaction_metadata"] = self.interaction.metadata()
        return message
