"""The REST routes."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, web

from .commands import check_commands
from .contract import Contract
from .errors import (
    DiscordError,
    Form,
    TooManyError,
    archived,
    missing_access,
    missing_permissions,
    no_such_route,
    unauthorized,
    unknown,
)
from .faults import Faults, Kind, Log, Request
from .gateway import Gateway
from .limits import OLD_SECONDS, Limits, refused
from .messages import Upload, check_modal, check_rights, edit_message, thinking, write_message
from .permissions import Permission
from .posts import EPHEMERAL, Json, Message, StoredFile
from .state import DM, MIB, OF_POSTS, THREADS, Channel, Interaction, Person, World
from .timing import Timing

CREATES_A_DAY = 200
FOLLOW_UPS = 5  # an interaction, of an app that only its user has installed
LARGEST_REQUEST = 25 * MIB
MESSAGE, DEFERRED, DEFERRED_UPDATE, UPDATE, AUTOCOMPLETE, MODAL = 4, 5, 6, 7, 8, 9
# The interaction's type -> the answers it may get.
ANSWERS = {2: (4, 5, 9), 3: (4, 5, 6, 7, 9), 4: (8,), 5: (4, 5, 6, 7)}


@dataclass(frozen=True)
class Call:
    """A request taken apart for its handler. body: the JSON, or a form's payload_json."""

    parameters: dict[str, str]
    query: dict[str, str]
    body: Any
    files: dict[int, Upload]

    def number(self, name: str) -> int:
        value = self.parameters[name]
        if not value.isdigit():
            form = Form()
            form.wrong((name,), "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
            form.finish()
        return int(value)


Answer = tuple[int, Any]  # status and JSON; None for no body
Handler = Callable[["Rest", Call], Answer]


class Route(NamedTuple):
    method: str
    template: str  # "/channels/{channel}/messages"
    pattern: re.Pattern[str]
    handler: Handler
    token: bool  # whether the bot's token has to be in the header


ROUTES: list[Route] = []


def route(method: str, template: str, token: bool = True) -> Callable[[Handler], Handler]:
    """Register a handler."""
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", template) + "$")

    def register(handler: Handler) -> Handler:
        ROUTES.append(Route(method, template, pattern, handler, token))
        return handler

    return register


class Rest:
    """Answers requests below /api/v10."""

    def __init__(
        self, world: World, gateway: Gateway, faults: Faults, log: Log, timing: Timing, contract: Contract
    ) -> None:
        self.world, self.gateway, self.faults, self.log, self.timing = world, gateway, faults, log, timing
        self.contract = contract
        self.limits = Limits(world.clock, timing)

    # ---- the way of a request

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Log a request, count it, let the faults have their way with it, and carry it out."""
        path = "/" + request.match_info["path"]
        body, files = await read_body(request)
        found = next((r for r in ROUTES if r.method == request.method and r.pattern.match(path)), None)
        entry = Request(
            method=request.method,
            path=path,
            route=found.template if found is not None else "",
            query=dict(request.query),
            token=request.headers.get("Authorization"),
            body=body,
            files={file.name: file.data for file in files.values()},
            numbers=tuple(files),
            at=self.world.clock.now(),
        )
        self.log.add(entry)
        headers, too_many = self.count(found, entry)
        if too_many is not None:
            return self.done(entry, 429, too_many, headers)
        fault = self.faults.take(entry)
        self.world.thread.changed()
        if fault is not None and fault.kind is Kind.ANSWER:
            return self.done(entry, fault.status, fault.body, headers | fault.headers)
        if fault is not None and fault.kind is Kind.HANG:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(fault.released.wait(), fault.seconds)
        carried_out = (0, None) if fault is not None and fault.kind is Kind.CUT else self.carry_out(found, entry, files)
        if fault is not None and fault.kind in (Kind.CUT, Kind.CARRY_OUT_AND_CUT):
            if request.transport is not None:
                request.transport.abort()
            self.done(entry, 0, None)
            return web.Response()  # to nobody
        status, answer = carried_out
        if status == 429:
            headers |= refused(answer["retry_after"])[0]
        return self.done(entry, status, answer, headers)

    def count(self, found: Route | None, entry: Request) -> tuple[dict[str, str], Json | None]:
        """The headers that tell how many more requests are taken; with a body, this one is not."""
        match = found.pattern.match(entry.path) if found is not None else None
        if found is None or match is None:
            return {}, None
        return self.limits.take(found.method, found.template, match.groupdict(), found.token)

    def carry_out(self, found: Route | None, entry: Request, files: dict[int, Upload]) -> Answer:
        try:
            if found is None:
                raise no_such_route()
            if found.token and entry.token != f"Bot {self.gateway.token}":
                raise unauthorized()
            if sum(len(file.data) for file in files.values()) > LARGEST_REQUEST:
                raise DiscordError(413, 40005, "Request entity too large")
            match = found.pattern.match(entry.path)
            assert match is not None
            return found.handler(self, Call(match.groupdict(), entry.query, entry.body, files))
        except DiscordError as error:
            return error.status, error.body
        except Exception as error:
            self.world.failures.append(error)
            return 500, {"code": 0, "message": f"the stand-in failed: {error!r}"}

    def done(self, entry: Request, status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
        """Note in the log how a request ended, and give the answer."""
        entry.status, entry.done_at = status, self.world.clock.now()
        entry.code = body.get("code") if status >= 400 and isinstance(body, dict) else None
        self.contract.exchange(entry, body)
        self.world.thread.changed()
        return reply(status or 500, body, headers)

    # ---- finding things

    def channel(self, call: Call, *needed: Permission) -> Channel:
        """The channel of the path, seen with the bot's eyes. Raises DiscordError."""
        channel = self.world.channels.get(call.number("channel"))
        if channel is None or channel.deleted:
            raise unknown("Channel")
        held = channel.permissions_of(self.world.bot)
        if not channel.open_to(self.world.bot):
            raise missing_access()
        for permission in needed:
            if permission is Permission.SEND_MESSAGES and channel.type in THREADS:
                permission = Permission.SEND_MESSAGES_IN_THREADS
            if permission not in held:
                raise missing_access() if permission is Permission.READ_MESSAGE_HISTORY else missing_permissions()
        return channel

    def message(self, channel: Channel, number: int) -> Message:
        """A message that the bot's token reaches: ephemeral ones it does not."""
        message = channel.everything.get(number)
        if message is None or message.deleted or message.ephemeral:
            raise unknown("Message")
        return message

    def webhook(self, call: Call) -> Interaction:
        """The interaction of a token that was answered and still lives. Raises DiscordError."""
        interaction = self.world.interactions.get(call.parameters["token"])
        if interaction is None or call.number("application") != self.world.bot.id:
            raise unknown("Webhook")
        if self.world.clock.now() > interaction.created_at + self.timing.token_seconds:
            raise DiscordError(401, 50027, "Invalid Webhook Token")
        if interaction.answered_at is None or interaction.type == 4:
            raise unknown("Webhook")
        if interaction.channel.deleted:
            raise unknown("Channel")
        return interaction

    def webhook_message(self, call: Call) -> Message:
        interaction = self.webhook(call)
        if call.parameters["message"] == "@original":
            message = interaction.original
        else:
            number = call.number("message")
            own = [interaction.original, *interaction.followups]
            message = next((m for m in own if m is not None and m.id == number), None)
        if message is None or message.deleted:
            raise unknown("Message")
        return message

    def as_bot(self, message: Message) -> Json:
        """A message as the bot reads it, without the intent for what others write in guilds."""
        foreign = message.author is not self.world.bot and message.channel.guild is not None
        hidden = foreign and self.world.bot.id not in message.mentioned.users
        return message.payload(hidden=hidden)

    def application(self) -> Json:
        bot = self.world.bot
        owner = Person(self.world, bot.id - 1, "owner").payload()
        application: Json = {"id": str(bot.id), "name": bot.name, "description": "", "icon": None, "flags": 0}
        application |= {"bot_public": True, "bot_require_code_grant": False, "owner": owner, "team": None}
        application |= {"type": None, "flags_new": "0", "redirect_uris": [], "interactions_endpoint_url": None}
        application |= {"role_connections_verification_url": None, "approximate_user_install_count": 0}
        application |= {"approximate_guild_count": len(self.world.guilds), "approximate_user_authorization_count": 0}
        application |= {"explicit_content_filter": 0, "eligible_oauth2_scopes": []}
        application |= {"integration_types_config": {str(kind): {} for kind in sorted(self.world.installs)}}
        return application | {"verify_key": "0" * 64, "summary": "", "bot": bot.payload()}

    # ---- who and where

    @route("GET", "/users/@me")
    def me(self, _: Call) -> Answer:
        return 200, self.world.bot.payload() | {"mfa_enabled": False, "verified": True, "locale": "en-US", "flags": 0}

    @route("GET", "/users/{user}")
    def user(self, call: Call) -> Answer:
        person = self.world.people.get(call.number("user"))
        if person is None:
            raise unknown("User")
        return 200, person.payload()

    @route("GET", "/oauth2/applications/@me")
    @route("GET", "/applications/@me")
    def own_application(self, _: Call) -> Answer:
        return 200, self.application()

    @route("GET", "/applications/{application}")
    def any_application(self, call: Call) -> Answer:
        if call.number("application") != self.world.bot.id:
            raise unknown("Application")
        return 200, self.application()

    @route("GET", "/gateway", token=False)
    def gateway_url(self, _: Call) -> Answer:
        return 200, {"url": self.gateway.url}

    @route("GET", "/gateway/bot")
    def gateway_bot(self, _: Call) -> Answer:
        left = 1000 - len(self.gateway.identifies)
        limit = {"total": 1000, "remaining": left, "reset_after": 86_400_000}
        limit |= {"max_concurrency": self.gateway.max_concurrency}
        return 200, {"url": self.gateway.url, "shards": self.gateway.shards, "session_start_limit": limit}

    @route("GET", "/guilds/{guild}")
    def guild(self, call: Call) -> Answer:
        guild = self.world.guilds.get(call.number("guild"))
        if guild is None:
            raise unknown("Guild")
        if not guild.has_bot:
            raise missing_access()
        return 200, guild.payload()

    @route("GET", "/guilds/{guild}/members/{user}")
    def member(self, call: Call) -> Answer:
        self.guild(call)
        person = self.world.people.get(call.number("user"))
        if person is None:
            raise unknown("Member")
        return 200, self.world.guilds[call.number("guild")].member(person)

    # ---- commands

    @route("GET", "/applications/{application}/commands")
    @route("GET", "/applications/{application}/guilds/{guild}/commands")
    def commands(self, call: Call) -> Answer:
        return 200, self.world.commands.get(self._scope(call), [])

    @route("GET", "/applications/{application}/commands/{command}")
    @route("GET", "/applications/{application}/guilds/{guild}/commands/{command}")
    def command(self, call: Call) -> Answer:
        for command in self.world.commands.get(self._scope(call), []):
            if command["id"] == call.parameters["command"]:
                return 200, command
        raise unknown("application command")

    @route("PUT", "/applications/{application}/commands")
    @route("PUT", "/applications/{application}/guilds/{guild}/commands")
    def overwrite_commands(self, call: Call) -> Answer:
        """Replace all commands of a scope; those whose name and type stay keep their id and are no creates."""
        scope = self._scope(call)
        check_commands(call.body, self.world.installs)
        old = {(command["type"], command["name"]): command for command in self.world.commands.get(scope, [])}
        new = [(command.get("type") or 1, command["name"]) for command in call.body]
        creates = self.world.command_creates.get(scope, 0) + sum(key not in old for key in new)
        if creates > CREATES_A_DAY:
            message = "Max number of daily application command creates has been reached (200)"
            raise DiscordError(400, 30034, message)
        self.world.command_creates[scope] = creates
        self.world.commands[scope] = [
            self._registered(command, old.get(key), scope) for command, key in zip(call.body, new, strict=True)
        ]
        return 200, self.world.commands[scope]

    def _scope(self, call: Call) -> int | None:
        if call.number("application") != self.world.bot.id:
            raise unknown("Application")
        if "guild" not in call.parameters:
            return None
        guild = self.world.guilds.get(call.number("guild"))
        if guild is None or not guild.has_bot:
            raise missing_access()
        return guild.id

    def _registered(self, command: Json, old: Json | None, scope: int | None) -> Json:
        whole: Json = {"type": 1, "description": "", "nsfw": False, "dm_permission": True, "contexts": None}
        whole |= {"integration_types": sorted(self.world.installs), "default_member_permissions": None}
        whole |= {"name_localizations": None, "description_localizations": None}
        whole |= {key: value for key, value in command.items() if value is not None}
        if whole["default_member_permissions"] is not None:
            whole["default_member_permissions"] = str(whole["default_member_permissions"])
        whole |= {"id": old["id"] if old else str(self.world.ids.next()), "application_id": str(self.world.bot.id)}
        return whole | {"version": str(self.world.ids.next())} | ({"guild_id": str(scope)} if scope else {})

    # ---- interactions

    @route("POST", "/interactions/{interaction}/{token}/callback", token=False)
    def callback(self, call: Call) -> Answer:
        interaction = self.world.interactions.get(call.parameters["token"])
        if interaction is None or interaction.id != call.number("interaction"):
            raise unknown("Interaction")
        if interaction.answered_at is not None:
            raise DiscordError(400, 40060, "Interaction has already been acknowledged.")
        if self.world.clock.now() > interaction.created_at + self.timing.response_seconds:
            raise unknown("Interaction")
        kind, data = call.body.get("type"), call.body.get("data") or {}
        form = Form()
        form.choice(("type",), kind, ANSWERS[interaction.type])
        if kind in (DEFERRED_UPDATE, UPDATE) and interaction.source is None:
            form.wrong(("type",), "INTERACTION_INVALID_TYPE", "There is no message to update")
        form.finish()
        self._carry_out(interaction, kind, data, call.files)
        interaction.answer, interaction.answered_at = kind, self.world.clock.now()
        if call.query.get("with_response") not in ("1", "true"):
            return 204, None
        return 200, callback_response(interaction)

    def _carry_out(self, interaction: Interaction, kind: int, data: Json, files: dict[int, Upload]) -> None:
        if kind == MESSAGE:
            interaction.original = self.respond(interaction, data, files, "callback", **interaction.shape())
        elif kind == DEFERRED:
            interaction.original = thinking(interaction, self.hidden_from_others(interaction, data))
            interaction.awaits_first_followup = True
        elif kind == DEFERRED_UPDATE:
            interaction.original = interaction.source
        elif kind == UPDATE:
            assert interaction.source is not None
            self.change(interaction, interaction.source, data, files, "callback")
            interaction.original = interaction.source
        elif kind == AUTOCOMPLETE:
            interaction.choices = checked_choices(data)
        elif kind == MODAL:
            check_modal(data)
            interaction.modal = data

    def hidden_from_others(self, interaction: Interaction, data: Json) -> Person | None:
        """The person who alone sees the answer, if it is ephemeral.

        So it is too where a person uses an app of their own in a guild that does not allow that.
        """
        held = interaction.channel.permissions_of(interaction.user)
        own = interaction.channel.guild is not None and "0" not in interaction.owners
        forced = own and Permission.USE_EXTERNAL_APPS not in held
        return interaction.user if forced or int(data.get("flags") or 0) & EPHEMERAL else None

    def respond(self, interaction: Interaction, data: Json, files: dict[int, Upload], via: str, **more: Any) -> Message:
        check_rights(interaction.app_permissions, data, files)
        if interaction.channel.archived and interaction.channel.locked:
            raise archived()
        shown_to = self.hidden_from_others(interaction, data)
        more |= {"shown_to": shown_to, "interaction": interaction}
        more |= {"flags": EPHEMERAL if shown_to is not None else 0}
        return write_message(self.world, interaction.channel, self.world.bot, data, files, via, **more)

    def change(
        self, interaction: Interaction, message: Message, data: Json, files: dict[int, Upload], via: str
    ) -> None:
        """An edit by an interaction's token, with what the app may do there. Raises DiscordError."""
        check_rights(interaction.app_permissions, data, files)
        if message.channel.archived:
            raise archived()
        edit_message(message, data, files, via)

    @route("POST", "/webhooks/{application}/{token}", token=False)
    def follow_up(self, call: Call) -> Answer:
        interaction = self.webhook(call)
        waiting = interaction.original
        if interaction.awaits_first_followup and waiting is not None and waiting.loading and not waiting.deleted:
            # Discord's old habit: the first follow-up after a deferred answer fills that answer.
            self.change(interaction, waiting, call.body, call.files, "followup")
            return 200, waiting.payload()
        if "0" not in interaction.owners and len(interaction.followups) >= FOLLOW_UPS:
            raise DiscordError(400, 40094, "This interaction has hit the maximum number of follow up messages")
        more = {"reference": interaction.original} if interaction.original is not None else {}
        message = self.respond(interaction, call.body, call.files, "followup", **more)
        interaction.followups.append(message)
        return 200, message.payload()

    @route("GET", "/webhooks/{application}/{token}/messages/{message}", token=False)
    def get_webhook_message(self, call: Call) -> Answer:
        return 200, self.webhook_message(call).payload()

    @route("PATCH", "/webhooks/{application}/{token}/messages/{message}", token=False)
    def edit_webhook_message(self, call: Call) -> Answer:
        message = self.webhook_message(call)
        self.change(self.webhook(call), message, call.body, call.files, "webhook")
        return 200, message.payload()

    @route("DELETE", "/webhooks/{application}/{token}/messages/{message}", token=False)
    def delete_webhook_message(self, call: Call) -> Answer:
        self.webhook_message(call).deleted = True
        return 204, None

    # ---- channels and messages

    @route("POST", "/users/@me/channels")
    def create_dm(self, call: Call) -> Answer:
        person = self.world.people.get(int(call.body["recipient_id"]))
        if person is None:
            raise unknown("User")
        return 200, self.world.direct_messages(person, self.world.bot).payload()

    @route("GET", "/channels/{channel}")
    def get_channel(self, call: Call) -> Answer:
        return 200, self.channel(call).payload()

    @route("POST", "/channels/{channel}/typing")
    def typing(self, call: Call) -> Answer:
        self.channel(call, Permission.SEND_MESSAGES)
        return 204, None

    @route("POST", "/channels/{channel}/messages")
    def send(self, call: Call) -> Answer:
        channel, bot, body = self.channel(call, Permission.SEND_MESSAGES), self.world.bot, call.body
        if channel.type == DM and not all(p.accepts_dms for p in channel.recipients):
            raise DiscordError(403, 50007, "Cannot send messages to this user")
        if channel.type in OF_POSTS:
            raise DiscordError(400, 50008, "Cannot send messages in a non-text channel")
        if channel.locked and not channel.writable_by(bot):
            raise archived() if channel.archived else DiscordError(400, 160005, "Thread is locked")
        if body.get("nonce") is not None and body.get("enforce_nonce"):
            earliest = self.world.clock.now() - self.timing.nonce_seconds
            first = self.world.nonces.get(str(body["nonce"]))
            if first is not None and first.versions[0].at > earliest:
                if first.deleted:
                    raise unknown("Message")
                return 200, first.payload()
        check_rights(channel.permissions_of(bot), body, call.files)
        more = self._reference(channel, body)
        message = write_message(self.world, channel, bot, body, call.files, "channel", **more)
        if message.nonce is not None:
            self.world.nonces[message.nonce] = message
        return 200, message.payload()

    def _reference(self, channel: Channel, body: Json) -> Json:
        reference = body.get("message_reference")
        if reference is None:
            return {}
        if Permission.READ_MESSAGE_HISTORY not in channel.permissions_of(self.world.bot):
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
    def list_messages(self, call: Call) -> Answer:
        """Newest first, from `before` or `after` on."""
        channel = self.channel(call)
        if Permission.READ_MESSAGE_HISTORY not in channel.permissions_of(self.world.bot):
            return 200, []
        before, after = int(call.query.get("before", 2**63)), int(call.query.get("after", 0))
        messages = [m for m in channel.messages if after < m.id < before and not m.ephemeral]
        limit = int(call.query.get("limit", 50))
        chosen = messages[:limit] if "after" in call.query else messages[-limit:]
        return 200, [self.as_bot(message) for message in reversed(chosen)]

    @route("GET", "/channels/{channel}/messages/{message}")
    def get_message(self, call: Call) -> Answer:
        channel = self.channel(call, Permission.READ_MESSAGE_HISTORY)
        return 200, self.as_bot(self.message(channel, call.number("message")))

    @route("PATCH", "/channels/{channel}/messages/{message}")
    def edit(self, call: Call) -> Answer:
        channel = self.channel(call)
        message = self.message(channel, call.number("message"))
        if message.author is not self.world.bot:
            raise DiscordError(403, 50005, "Cannot edit a message authored by another user")
        if channel.archived:
            raise archived()
        check_rights(channel.permissions_of(self.world.bot), call.body, call.files)
        old = self.world.clock.now() - message.versions[0].at > OLD_SECONDS
        if old and (wait := self.limits.old_edit(channel.id)):
            what = "Maximum number of edits to messages older than 1 hour reached. Try again later"
            raise TooManyError(30046, what, wait)
        edit_message(message, call.body, call.files, "channel")
        return 200, message.payload()

    @route("DELETE", "/channels/{channel}/messages/{message}")
    def delete(self, call: Call) -> Answer:
        channel = self.channel(call)
        message = self.message(channel, call.number("message"))
        may = Permission.MANAGE_MESSAGES in channel.permissions_of(self.world.bot) and channel.guild is not None
        if message.author is not self.world.bot and not may:
            raise missing_permissions()
        message.deleted = True
        return 204, None

    # ---- files

    async def serve(self, request: web.Request) -> web.Response:
        """A stored file, until its link runs out."""
        stored: StoredFile | None = self.world.stored.get(int(request.match_info["file"]))
        until = int(request.query.get("ex", "0"), 16)
        if stored is None or stored.name != request.match_info["name"] or until < self.world.clock.now():
            return web.Response(status=404, text="This content is no longer available.")
        return web.Response(body=stored.data, content_type=stored.content_type or "application/octet-stream")


def callback_response(interaction: Interaction) -> Json:
    about: Json = {"id": str(interaction.id), "type": interaction.type}
    if interaction.original is not None:
        original = interaction.original
        about |= {"response_message_id": str(original.id), "response_message_loading": original.loading}
        about |= {"response_message_ephemeral": original.ephemeral}
    if interaction.original is None or interaction.answer not in (MESSAGE, UPDATE):
        return {"interaction": about}  # a deferral's message is had from GET @original
    return {
        "interaction": about,
        "resource": {"type": interaction.answer, "message": interaction.original.payload()},
    }


def checked_choices(data: Json) -> list[Json]:
    """The suggestions of an autocomplete answer. Raises DiscordError."""
    form, choices = Form(), data.get("choices") or []
    form.length(("data", "choices"), choices, 0, 25)
    for number, choice in enumerate(choices):
        form.length(("data", "choices", number, "name"), choice.get("name"), 1, 100)
        if isinstance(choice.get("value"), str):
            form.length(("data", "choices", number, "value"), choice["value"], 1, 100)
    form.finish()
    return choices


async def read_body(request: web.Request) -> tuple[Any, dict[int, Upload]]:
    """The JSON of a request and its files by number."""
    if not request.content_type.startswith("multipart/"):
        text = await request.read()
        return (json.loads(text) if text and request.content_type == "application/json" else None), {}
    body: Any = None
    files: dict[int, Upload] = {}
    async for part in await request.multipart():
        if not isinstance(part, BodyPartReader):
            continue
        data = bytes(await part.read(decode=True))
        if part.name == "payload_json":
            body = json.loads(data)
        elif number := re.fullmatch(r"files\[(\d+)\]", part.name or ""):
            files[int(number[1])] = Upload(part.filename or "unknown", data)
    return body or {}, files


def reply(status: int, body: Any, headers: dict[str, str] | None = None) -> web.Response:
    """An answer with exactly application/json, without a charset."""
    if body is None:
        return web.Response(status=status, headers=headers)
    data = json.dumps(body).encode()
    return web.Response(status=status, body=data, content_type="application/json", headers=headers)
