"""Where people and the bot write."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .clock import iso
from .errors import RefusedError
from .loop import LoopThread, in_thread
from .people import Person
from .permissions import DIRECT, EVERY, Permission, permissions
from .posts import Json, Message

if TYPE_CHECKING:
    from .state import Guild, World

MIB = 1024 * 1024
ATTACHMENT_SIZE_LIMIT = 10 * MIB
TEXT, DM, VOICE, GROUP, THREAD, PRIVATE_THREAD, FORUM, MEDIA = 0, 1, 2, 3, 11, 12, 15, 16  # channel types
THREADS = (THREAD, PRIVATE_THREAD)
OF_POSTS = (FORUM, MEDIA)  # channels that hold nothing but threads


@dataclass(eq=False, repr=False)
class Channel:
    """A channel of a guild, a thread, direct messages or a group."""

    world: World
    id: int
    type: int
    name: str = ""
    guild: Guild | None = None
    parent: Channel | None = None
    recipients: list[Person] = field(default_factory=list)
    members: set[int] = field(default_factory=set)  # of a private thread
    denied: dict[int, Permission] = field(default_factory=dict)  # person -> taken from them here
    archived: bool = False
    locked: bool = False
    deleted: bool = False
    everything: dict[int, Message] = field(default_factory=dict)  # deleted messages too

    def __repr__(self) -> str:
        return f"<channel {self.name or self.recipients}>"

    @property
    def thread(self) -> LoopThread:
        return self.world.thread

    @property
    def messages(self) -> list[Message]:
        """The messages that stand in the channel, oldest first; ephemeral ones too."""
        return [message for message in self.everything.values() if not message.deleted]

    @in_thread
    def open_thread(self, name: str = "thread", *members: Person) -> Channel:
        """A new thread in the channel: a private one for these members, or else a public one."""
        if self.guild is None:
            raise RefusedError("threads are for guilds")
        type_ = PRIVATE_THREAD if members else THREAD
        thread = Channel(self.world, self.world.ids.next(), type_, name, guild=self.guild, parent=self)
        thread.members = {member.id for member in members}
        self.guild.channels.append(thread)
        self.world.channels[thread.id] = thread
        if thread.open_to(self.world.bot):
            self.world.dispatch("THREAD_CREATE", thread.payload(), guild=self.guild)
        return thread

    @in_thread
    def forbid_bot(self, *names: str) -> None:
        """Take permissions from the bot in this channel (and its threads), named as discord.py does."""
        self.forbid(self.world.bot, *names)

    @in_thread
    def allow_bot(self, *names: str) -> None:
        """Give back what forbid_bot took."""
        bot = self.world.bot.id
        self.denied[bot] = self.denied.get(bot, Permission(0)) & ~permissions(*names)
        self._updated()

    @in_thread
    def forbid(self, person: Person, *names: str) -> None:
        self.denied[person.id] = self.denied.get(person.id, Permission(0)) | permissions(*names)
        self._updated()

    @in_thread
    def archive(self, locked: bool = False) -> None:
        self.archived, self.locked = True, locked

    @in_thread
    def lock(self) -> None:
        """Nobody but those who manage threads writes in it any more."""
        self.locked = True

    @in_thread
    def delete(self) -> None:
        self.deleted = True
        if self.guild is not None:
            kind = "THREAD_DELETE" if self.type in THREADS else "CHANNEL_DELETE"
            self.world.dispatch(kind, self.payload(), guild=self.guild)

    def _updated(self) -> None:
        if self.guild is not None and self.type not in THREADS:
            self.world.dispatch("CHANNEL_UPDATE", self.payload(), guild=self.guild)

    def permissions_of(self, person: Person) -> Permission:
        if self.guild is None:
            return DIRECT if person in self.recipients else Permission(0)
        held = self.guild.permissions_of(person)
        for channel in (self, self.parent):
            if channel is not None and not (held == EVERY and person is self.guild.owner):
                held &= ~channel.denied.get(person.id, Permission(0))
        return held

    def open_to(self, person: Person) -> bool:
        """Whether a person can look into it at all. What is asked beside View Channel, permissions do not tell."""
        held = self.permissions_of(person)
        if self.type == VOICE and Permission.CONNECT not in held:
            return False
        if self.type == PRIVATE_THREAD and person.id not in self.members and Permission.MANAGE_THREADS not in held:
            return False
        return Permission.VIEW_CHANNEL in held

    def writable_by(self, person: Person) -> bool:
        """Whether a person can write there; in an archived thread that wakes it."""
        held = self.permissions_of(person)
        needed = Permission.SEND_MESSAGES_IN_THREADS if self.type in THREADS else Permission.SEND_MESSAGES
        shut = self.type in OF_POSTS or (self.locked and Permission.MANAGE_THREADS not in held)
        return self.open_to(person) and needed in held and not shut

    @property
    def attachment_size_limit(self) -> int:
        return self.guild.attachment_size_limit if self.guild is not None else ATTACHMENT_SIZE_LIMIT

    def payload(self, person: Person | None = None) -> Json:
        """person: whose permissions are told, as interactions do."""
        last = str(max(self.everything)) if self.everything else None
        payload: Json = {"id": str(self.id), "type": self.type, "last_message_id": last, "flags": 0}
        if self.type in (DM, GROUP):
            others = [p for p in self.recipients if p is not self.world.bot]
            if self.type == GROUP:
                payload |= {"name": self.name or None, "owner_id": str(others[0].id), "icon": None}
            if self.type == GROUP or person is None:  # an interaction from direct messages does not tell with whom
                payload |= {"recipients": [p.payload() for p in others]}
            return payload
        assert self.guild is not None
        payload |= {"guild_id": str(self.guild.id), "name": self.name, "rate_limit_per_user": 0}
        payload |= {"parent_id": str(self.parent.id) if self.parent else None}
        if self.type in THREADS:
            count = len(self.messages)
            metadata: Json = {"archived": self.archived, "locked": self.locked, "auto_archive_duration": 1440}
            metadata |= {"archive_timestamp": iso(self.world.clock.now())}
            payload |= {"owner_id": str(self.guild.owner.id), "thread_metadata": metadata, "member_count": 2}
            payload |= {"message_count": count, "total_message_sent": count}
        else:
            if self.type == VOICE:
                payload |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
            denied = [{"id": str(p), "type": 1, "allow": "0", "deny": str(int(d))} for p, d in self.denied.items()]
            payload |= {"position": 0, "permission_overwrites": denied, "nsfw": False, "topic": None}
        if person is not None:
            payload["permissions"] = str(int(self.permissions_of(person)))
        return payload
