"""A stand-in for Discord on loopback, to which an unmodified discord.py client connects over real sockets.

    with Standin() as standin:
        channel = standin.guild().channel("music")
        ann = standin.user("ann", locale="en-US")
        # a bot in another process: its environment gets standin.environment and standin.token;
        # a bot in this one: `with standin.patched():` around its start
        await standin.ready()
        reply = await ann.command("/compose bars:8", channel, opening=Attachment("opening.mid", data))
        message = await reply.until(lambda message: "piece.mid" in message.files)
        await ann.click(message, "Vary")
        hummed = ann.speak(channel, opus)
        await ann.message_menu("Continue this", hummed)
        assert [edit.at for edit in message.edits] ...

It is as strict as Discord: requests are limited, and permissions count. What is not there: sound in voice channels,
reactions, polls, stickers, components of version 2, webhooks other than interactions', message events of the gateway,
member lists.
"""

from .channels import MIB, Channel
from .errors import DidNotRespondError, RefusedError, StandinError
from .loop import PATIENCE
from .people import Person, Role
from .permissions import BOT, EVERY, INVITE, MEMBER, Permission, permissions
from .posts import Attachment, Button, Message, Pings, Version
from .replies import Choice, Field, Modal, Reply
from .server import Standin
from .state import Guild
from .user import User
from .watch import Outcome, Request, Watch

__all__ = [
    "BOT",
    "EVERY",
    "INVITE",
    "MEMBER",
    "MIB",
    "PATIENCE",
    "Attachment",
    "Button",
    "Channel",
    "Choice",
    "DidNotRespondError",
    "Field",
    "Guild",
    "Message",
    "Modal",
    "Outcome",
    "Permission",
    "Person",
    "Pings",
    "RefusedError",
    "Reply",
    "Request",
    "Role",
    "Standin",
    "StandinError",
    "User",
    "Version",
    "Watch",
    "permissions",
]
