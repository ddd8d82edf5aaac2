"""What Discord would remember: people, guilds, channels, interactions."""

from __future__ import annotations

import base64
import mimetypes
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .channels import DM, FORUM, GROUP, MEDIA, MIB, TEXT, THREADS, VOICE, Channel
from .clock import Clock, Snowflakes, iso
from .interactions import Interaction
from .loop import LoopThread, in_thread
from .people import Person, Role
from .permissions import EVERY, MEMBER, Permission, permissions
from .posts import Attachment, Json, Message, StoredFile

if TYPE_CHECKING:
    from .user import User

mimetypes.add_type("audio/flac", ".flac")  # Python itself knows it only where the system does

FIRST_GUILD = 157_766_400_000 << 22  # a moment of 2020; guilds lie one shard step apart


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
        everyone = Role(self.id, "@everyone", MEMBER)
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
