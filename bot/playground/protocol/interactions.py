"""What a person did that the bot has to answer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .channels import Channel
from .permissions import APP_IN_BOT_DM, APP_IN_PRIVATE, Permission
from .posts import Json, Message

if TYPE_CHECKING:
    from .state import World
    from .user import User


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
