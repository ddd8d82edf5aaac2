"""The permission bits that matter here, and the sets that tests start from."""

from __future__ import annotations

from enum import IntFlag


class Permission(IntFlag):
    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    MANAGE_ROLES = 1 << 28
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40
    SEND_VOICE_MESSAGES = 1 << 46
    USE_EXTERNAL_APPS = 1 << 50


def permissions(*names: str) -> Permission:
    """The bits of permissions named as discord.py does ("send_messages")."""
    bits = Permission(0)
    for name in names:
        bits |= Permission[name.upper()]
    return bits


EVERY = Permission(sum(Permission))
INVITE = permissions("view_channel", "send_messages", "send_messages_in_threads", "attach_files", "embed_links")
# What a bot has where a test says nothing: mentioning everyone is in, so that a missing allowed_mentions shows.
BOT = INVITE | permissions("read_message_history", "mention_everyone", "add_reactions", "connect")
EVERYONE = permissions("use_application_commands", "use_external_apps")
MEMBER = EVERYONE | INVITE | permissions("read_message_history", "add_reactions", "send_voice_messages", "connect")
# In direct messages and groups: what people may do, and what an interaction tells of its app, which in those with the
# bot itself may use emojis from elsewhere, too.
DIRECT = MEMBER & ~permissions("connect") | permissions("mention_everyone")
APP_IN_PRIVATE = permissions("attach_files", "embed_links", "mention_everyone")
APP_IN_BOT_DM = APP_IN_PRIVATE | permissions("use_external_emojis")
