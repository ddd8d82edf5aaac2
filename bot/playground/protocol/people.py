"""Accounts and roles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .loop import LoopThread
from .permissions import Permission
from .posts import Json

if TYPE_CHECKING:
    from .state import World


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
