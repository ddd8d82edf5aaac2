"""The REST routes of channels and their messages, which the bot's own token opens."""

from __future__ import annotations

from .channels import DM, OF_POSTS, Channel
from .errors import DiscordError, Form, TooManyError, archived, missing_permissions, unknown
from .limits import OLD_SECONDS
from .messages import check_rights, edit_message, write_message
from .permissions import Permission
from .posts import Json
from .rest import Answer, Call, Rest, route


@route("POST", "/users/@me/channels")
def create_dm(rest: Rest, call: Call) -> Answer:
    person = rest.world.people.get(int(call.body["recipient_id"]))
    if person is None:
        raise unknown("User")
    return 200, rest.world.direct_messages(person, rest.world.bot).payload()


@route("GET", "/channels/{channel}")
def get_channel(rest: Rest, call: Call) -> Answer:
    return 200, rest.channel(call).payload()


@route("POST", "/channels/{channel}/typing")
def typing(rest: Rest, call: Call) -> Answer:
    rest.channel(call, Permission.SEND_MESSAGES)
    return 204, None


@route("POST", "/channels/{channel}/messages")
def send(rest: Rest, call: Call) -> Answer:
    channel, bot, body = rest.channel(call, Permission.SEND_MESSAGES), rest.world.bot, call.body
    if channel.type == DM and not all(p.accepts_dms for p in channel.recipients):
        raise DiscordError(403, 50007, "Cannot send messages to this user")
    if channel.type in OF_POSTS:
        raise DiscordError(400, 50008, "Cannot send messages in a non-text channel")
    if channel.locked and not channel.writable_by(bot):
        raise archived() if channel.archived else DiscordError(400, 160005, "Thread is locked")
    if body.get("nonce") is not None and body.get("enforce_nonce"):
        earliest = rest.world.clock.now() - rest.timing.nonce_seconds
        first = rest.world.nonces.get(str(body["nonce"]))
        if first is not None and first.versions[0].at > earliest:
            if first.deleted:
                raise unknown("Message")
            return 200, first.payload()
    check_rights(channel.permissions_of(bot), body, call.files)
    more = reference(rest, channel, body)
    message = write_message(rest.world, channel, bot, body, call.files, "channel", **more)
    if message.nonce is not None:
        rest.world.nonces[message.nonce] = message
    return 200, message.payload()


def reference(rest: Rest, channel: Channel, body: Json) -> Json:
    reference = body.get("message_reference")
    if reference is None:
        return {}
    if Permission.READ_MESSAGE_HISTORY not in channel.permissions_of(rest.world.bot):
        raise DiscordError(400, 160002, "Cannot reply without permission to read message history")
    message = channel.everything.get(int(reference["message_id"]))
    if message is not None and not message.deleted and not message.ephemeral:
        return {"reference": message, "type": 19}
    if reference.get("fail_if_not_exists", True):
        form = Form()
        form.wrong(("message_reference",), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        form.finish()
    return {}


@route("GET", "/channels/{channel}/messages")
def list_messages(rest: Rest, call: Call) -> Answer:
    """Newest first, from `before` or `after` on."""
    channel = rest.channel(call)
    if Permission.READ_MESSAGE_HISTORY not in channel.permissions_of(rest.world.bot):
        return 200, []
    before, after = int(call.query.get("before", 2**63)), int(call.query.get("after", 0))
    messages = [m for m in channel.messages if after < m.id < before and not m.ephemeral]
    limit = int(call.query.get("limit", 50))
    chosen = messages[:limit] if "after" in call.query else messages[-limit:]
    return 200, [rest.as_bot(message) for message in reversed(chosen)]


@route("GET", "/channels/{channel}/messages/{message}")
def get_message(rest: Rest, call: Call) -> Answer:
    channel = rest.channel(call, Permission.READ_MESSAGE_HISTORY)
    return 200, rest.as_bot(rest.message(channel, call.number("message")))


@route("PATCH", "/channels/{channel}/messages/{message}")
def edit(rest: Rest, call: Call) -> Answer:
    channel = rest.channel(call)
    message = rest.message(channel, call.number("message"))
    if message.author is not rest.world.bot:
        raise DiscordError(403, 50005, "Cannot edit a message authored by another user")
    if channel.archived:
        raise archived()
    check_rights(channel.permissions_of(rest.world.bot), call.body, call.files)
    old = rest.world.clock.now() - message.versions[0].at > OLD_SECONDS
    if old and (wait := rest.limits.old_edit(channel.id)):
        what = "Maximum number of edits to messages older than 1 hour reached. Try again later"
        raise TooManyError(30046, what, wait)
    edit_message(message, call.body, call.files, "channel")
    return 200, message.payload()


@route("DELETE", "/channels/{channel}/messages/{message}")
def delete(rest: Rest, call: Call) -> Answer:
    channel = rest.channel(call)
    message = rest.message(channel, call.number("message"))
    may = Permission.MANAGE_MESSAGES in channel.permissions_of(rest.world.bot) and channel.guild is not None
    if message.author is not rest.world.bot and not may:
        raise missing_permissions()
    message.deleted = True
    return 204, None
