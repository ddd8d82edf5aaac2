"""What Discord would remember: people, guilds, channels, interactions."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .clock import Clock, Snowflakes, iso
from .errors import RefusedError
from .loop import LoopThread, in_thread
from .permissions import APP_IN_BOT_DM, APP_IN_PRIVATE, DIRECT, EVERY, EVERYONE, MEMBER, Permission, permissions
from .posts import Attachment, Json, Message, StoredFile

if TYPE_CHECKING:
    from .user import User

MIB = 1024 * 1024
ATTACHMENT_SIZE_LIMIT = 10 * MIB
TEXT, DM, VOICE, GROUP, THREAD, PRIVATE_THREAD, FORUM, MEDIA = 0, 1, 2, 3, 11, 12, 15, 16  # channel types
THREADS = (THREAD, PRIVATE_THREAD)
OF_POSTS = (FORUM, MEDIA)  # channels that hold nothing but threads
FIRST_GUILD = 157_766_400_000 << 22  # a moment of 2020; guilds lie one shard step apart


@dataclass(eq=False, repr=False)
class Person:
    """A user's account, or the bot's."""

    world: World
    id: int
    name: str
    locale: str = "en-US"
    is_bot: bool = False
    accepts_dms: bool = True
    installed: bool = False  # the app is among the person's own apps

    def __repr__(self) -> str:
        return f"<{self.name}>"

    @property
    def thread(self) -> LoopThread:
        return self.world.thread

    @property
    def mention(self) -> str:
        return f"<@{self.id}>"

    def payload(self) -> Json:
        payload: Json = {"id": str(self.id), "username": self.name, "discriminator": "0", "global_name": None}
        return payload | {"avatar": None, "bot": self.is_bot, "public_flags": 0, "flags": 0, "primary_guild": None}


@dataclass(eq=False)
class Role:
    id: int
    name: str
    permissions: Permission
    mentionable: bool = False

    def payload(self) -> Json:
        payload = {"id": str(self.id), "name": self.name, "color": 0, "hoist": False, "icon": None, "position": 0}
        payload |= {"colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None}}
        payload |= {"permissions": str(int(self.permissions)), "managed": False, "mentionable": self.mentionable}
        return payload | {"unicode_emoji": None, "flags": 0}


@dataclass(eq=False, repr=False)
class Guild:
    """A server. Everybody who acts in one of its channels is a member."""

    world: World
    id: int
    name: str
    owner: Person
    locale: str
    attachment_size_limit: int
    has_bot: bool
    bot_role: Role
    channels: list[Channel] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    granted: dict[int, Permission] = field(default_factory=dict)
    forbidden: dict[int, Permission] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"<guild {self.name}>"

    @property
    def thread(self) -> LoopThread:
        return self.world.thread

    @in_thread
    def channel(self, name: str = "general") -> Channel:
        """A new text channel."""
        return self._add(TEXT, name)

    @in_thread
    def voice(self, name: str = "hall") -> Channel:
        """A new voice channel, in which can be written too."""
        return self._add(VOICE, name)

    @in_thread
    def forum(self, name: str = "forum") -> Channel:
        """A new channel of posts, each of which is a thread (`User.open_post`)."""
        return self._add(FORUM, name)

    @in_thread
    def media(self, name: str = "media") -> Channel:
        """The same for posts that show something."""
        return self._add(MEDIA, name)

    def _add(self, type_: int, name: str) -> Channel:
        channel = Channel(self.world, self.world.ids.next(), type_, name, guild=self)
        self.channels.append(channel)
        self.world.channels[channel.id] = channel
        self.world.dispatch("CHANNEL_CREATE", channel.payload(), guild=self)
        return channel

    @in_thread
    def role(self, name: str, mentionable: bool = False) -> Role:
        role = Role(self.world.ids.next(), name, Permission(0), mentionable)
        self.roles.append(role)
        return role

    @in_thread
    def grant(self, person: Person, *names: str) -> None:
        """Give a member permissions, named as discord.py does ("manage_guild")."""
        self.granted[person.id] = self.granted.get(person.id, Permission(0)) | permissions(*names)

    @in_thread
    def forbid(self, person: Person, *names: str) -> None:
        """Take permissions from a member again."""
        self.forbidden[person.id] = self.forbidden.get(person.id, Permission(0)) | permissions(*names)

    @in_thread
    def kick_bot(self) -> None:
        self.world.dispatch("GUILD_DELETE", {"id": str(self.id)}, guild=self)
        self.has_bot = False

    @in_thread
    def invite_bot(self) -> None:
        self.has_bot = True
        self.world.dispatch("GUILD_CREATE", self.payload(), guild=self)

    def permissions_of(self, person: Person) -> Permission:
        if person is self.world.bot:
            return self.bot_role.permissions if self.has_bot else Permission(0)
        held = MEMBER | self.granted.get(person.id, Permission(0))
        if person is self.owner or Permission.ADMINISTRATOR in held:
            return EVERY
        return held & ~self.forbidden.get(person.id, Permission(0))

    def member(self, person: Person) -> Json:
        roles = [str(self.bot_role.id)] if person is self.world.bot else []
        member: Json = {
            "user": person.payload(),
            "roles": roles,
            "nick": None,
            "avatar": None,
            "banner": None,
            "flags": 0,
        }
        member |= {"joined_at": iso(1.6e9), "premium_since": None, "deaf": False, "mute": False, "pending": False}
        return member | {"communication_disabled_until": None}

    def payload(self) -> Json:
        """The body of GUILD_CREATE and of GET /guilds/{id}."""
        tier = 3 if self.attachment_size_limit >= 100 * MIB else 2 if self.attachment_size_limit >= 50 * MIB else 0
        everyone = Role(self.id, "@everyone", EVERYONE)
        guild: Json = {"id": str(self.id), "name": self.name, "owner_id": str(self.owner.id), "icon": None}
        guild |= {"roles": [role.payload() for role in (everyone, self.bot_role, *self.roles)]}
        threads = [c for c in self.channels if c.type in THREADS and not c.archived and c.open_to(self.world.bot)]
        guild |= {"channels": [c.payload() for c in self.channels if c.type not in THREADS]}
        guild |= {"threads": [c.payload() for c in threads]}
        guild |= {"members": [self.member(self.world.bot)], "joined_at": iso(1.6e9), "member_count": 2}
        for empty in ("emojis", "stickers", "features", "voice_states", "presences", "stage_instances"):
            guild[empty] = []
        guild |= {"preferred_locale": self.locale, "premium_tier": tier, "large": False}
        guild |= dict.fromkeys(("verification_level", "default_message_notifications", "explicit_content_filter"), 0)
        guild |= dict.fromkeys(("mfa_level", "nsfw_level", "system_channel_flags", "premium_subscription_count"), 0)
        guild |= {"afk_timeout": 300, "region": "deprecated", "max_presences": None, "max_members": 500_000}
        guild |= {"max_stage_video_channel_users": 50, "max_video_channel_users": 25, "incidents_data": None}
        guild |= dict.fromkeys(("widget_enabled", "premium_progress_bar_enabled", "nsfw"), False)
        guild |= dict.fromkeys(("description", "home_header", "splash", "discovery_splash", "banner"))
        guild |= dict.fromkeys(("application_id", "afk_channel_id", "system_channel_id", "widget_channel_id"))
        guild |= dict.fromkeys(("vanity_url_code", "rules_channel_id", "safety_alerts_channel_id"))
        guild |= {"public_updates_channel_id": None}
        return guild


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


@dataclass(eq=False, repr=False)
class Interaction:
    """What a person did that the bot has to answer, and what came of it."""

    world: World
    id: int
    token: str
    type: int  # 2 command, 3 component, 4 autocomplete, 5 modal
    user: User
    channel: Channel
    data: Json
    owners: dict[str, str]
    context: int
    source: Message | None = None  # the message whose button was clicked
    opened_by: Interaction | None = None  # what was answered with the modal
    created_at: float = 0.0
    answered_at: float | None = None
    answer: int | None = None  # the type of the callback
    original: Message | None = None
    followups: list[Message] = field(default_factory=list)
    modal: Json | None = None
    choices: list[Json] = field(default_factory=list)
    awaits_first_followup: bool = False

    def __repr__(self) -> str:
        return f"<interaction of {self.user} {self.data}>"

    def shape(self) -> Json:
        """What marks a message as the answer to this: its type, and the message it refers to."""
        if self.source is not None:
            return {"type": 19, "reference": self.source}
        return {"type": 20 if self.type != 2 or self.data["type"] == 1 else 23}

    def metadata(self) -> Json:
        metadata: Json = {"id": str(self.id), "type": self.type, "user": self.user.payload()}
        metadata |= {"authorizing_integration_owners": self.owners}
        if self.type == 3 and self.source is not None:
            metadata["interacted_message_id"] = str(self.source.id)
        if self.opened_by is not None:
            metadata["triggering_interaction_metadata"] = self.opened_by.metadata()
        return metadata

    @property
    def app_permissions(self) -> Permission:
        """What the app may do where it was called: what the bot may, or, where it came along with its person, they."""
        if self.channel.guild is None:
            return APP_IN_BOT_DM if self.world.bot in self.channel.recipients else APP_IN_PRIVATE
        return self.channel.permissions_of(self.world.bot if "0" in self.owners else self.user)

    def payload(self) -> Json:
        """The body of INTERACTION_CREATE."""
        guild, bot = self.channel.guild, self.world.bot
        body: Json = {"id": str(self.id), "application_id": str(bot.id), "type": self.type, "token": self.token}
        body |= {"version": 1, "data": self.data, "locale": self.user.locale, "context": self.context}
        body |= {"channel_id": str(self.channel.id), "channel": self.channel.payload(self.user)}
        body |= {"authorizing_integration_owners": self.owners, "entitlements": []}
        body |= {"attachment_size_limit": self.channel.attachment_size_limit}
        body |= {"app_permissions": str(int(self.app_permissions))}
        if guild is not None:
            member = guild.member(self.user) | {"permissions": str(int(self.channel.permissions_of(self.user)))}
            body |= {"guild_id": str(guild.id), "guild_locale": guild.locale, "member": member}
            body |= {"guild": {"id": str(guild.id), "locale": guild.locale, "features": []}}
        else:
            body |= {"user": self.user.payload()}
        if self.source is not None:
            body |= {"message": self.source.payload()}
        return body


@dataclass(repr=False)
class World:
    """Everything that there is. failures: exceptions of the stand-in itself, which end the test."""

    thread: LoopThread
    clock: Clock
    ids: Snowflakes
    base: str = ""  # http://127.0.0.1:port
    people: dict[int, Person] = field(default_factory=dict)
    guilds: dict[int, Guild] = field(default_factory=dict)
    channels: dict[int, Channel] = field(default_factory=dict)
    stored: dict[int, StoredFile] = field(default_factory=dict)
    interactions: dict[str, Interaction] = field(default_factory=dict)  # by token
    installs: set[int] = field(default_factory=lambda: {0, 1})  # 0 in guilds, 1 among a person's own apps
    commands: dict[int | None, list[Json]] = field(default_factory=dict)  # guild or None for global
    command_creates: dict[int | None, int] = field(default_factory=dict)
    nonces: dict[str, Message] = field(default_factory=dict)  # of the bot's messages, whatever their channel
    failures: list[Exception] = field(default_factory=list)
    dispatcher: Callable[[str, Json, int | None], bool] = lambda *_: False

    def __post_init__(self) -> None:
        self.bot = Person(self, self.ids.next(), "Segue", is_bot=True)
        self.people[self.bot.id] = self.bot

    def dispatch(self, event: str, body: Json, guild: Guild | None = None) -> bool:
        """Send an event to the bot; True when a session takes it, now or on resuming."""
        if guild is not None and not guild.has_bot and event != "INTERACTION_CREATE":
            return False
        return self.dispatcher(event, body, guild.id if guild is not None else None)

    def add_guild(self, name: str, owner: Person, locale: str, limit: int, has_bot: bool, bot: Permission) -> Guild:
        number = FIRST_GUILD + (len(self.guilds) << 22)
        role = Role(self.ids.next(), self.bot.name, bot)
        guild = Guild(self, number, name, owner, locale, limit, has_bot, role)
        self.guilds[guild.id] = guild
        if has_bot:
            self.dispatch("GUILD_CREATE", guild.payload(), guild)
        return guild

    def direct_messages(self, *people: Person) -> Channel:
        """The channel between two people (one may be the bot), or a group of more."""
        wanted = set(people)
        for channel in self.channels.values():
            if channel.guild is None and set(channel.recipients) == wanted:
                return channel
        channel = Channel(self, self.ids.next(), DM if len(wanted) == 2 else GROUP, recipients=list(people))
        self.channels[channel.id] = channel
        return channel

    def store(self, file: Attachment, folder: str) -> StoredFile:
        """Keep a file under the name that Discord would give it."""
        stem = file.name.replace(" ", "_")
        name = re.sub(r"[^A-Za-z0-9._-]", "", stem).lstrip(".") or "unknown"
        title = file.name.rpartition(".")[0] or file.name if name != file.name else None
        kind = file.content_type or mimetypes.guess_type(name)[0]
        size = len(file.data) if file.size is None else file.size
        about = (size, kind, file.description, folder)
        stored = StoredFile(self, self.ids.next(), name, title, file.data, *about)
        self.stored[stored.id] = stored
        return stored

    def new_interaction(self, type_: int, user: User, channel: Channel, data: Json, **more: Any) -> Interaction:
        number = self.ids.next()
        token = base64.urlsafe_b64encode(f"interaction:{number}:{'x' * 80}".encode()).decode().rstrip("=")
        interaction = Interaction(self, number, token, type_, user, channel, data, **more, created_at=self.clock.now())
        self.interactions[token] = interaction
        return interaction
