"""The REST routes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from aiohttp import BodyPartReader, web

from .channels import MIB, THREADS, Channel
from .commands import check_commands
from .errors import (
    DiscordError,
    Form,
    missing_access,
    missing_permissions,
    no_such_route,
    unauthorized,
    unknown,
)
from .gateway import Gateway
from .interactions import Interaction
from .limits import Limits, refused
from .messages import Upload
from .people import Person
from .permissions import Permission
from .posts import Json, Message, StoredFile
from .state import World
from .timing import Timing
from .watch import Outcome, Request, Watch

CREATES_A_DAY = 200
LARGEST_REQUEST = 25 * MIB
# Whatever somebody has uploaded, it is shown and not run.
HARMLESS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox"}


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

    def __init__(self, world: World, gateway: Gateway, watch: Watch, timing: Timing) -> None:
        self.world, self.gateway, self.watch, self.timing = world, gateway, watch, timing
        self.limits = Limits(world.clock, timing)

    # ---- the way of a request

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Count a request and carry it out; whoever looks on may step in."""
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
        self.watch.arrived(entry)
        headers, too_many = self.count(found, entry)
        if too_many is not None:
            return self.done(entry, Outcome(429, too_many, headers))
        outcome = await self.watch.carry_out(entry, lambda: self.carry_out(found, entry, files))
        if outcome.status == 0 and request.transport is not None:
            request.transport.abort()
        return self.done(entry, outcome._replace(headers=headers | outcome.headers))

    def count(self, found: Route | None, entry: Request) -> tuple[dict[str, str], Json | None]:
        """The headers that tell how many more requests are taken; with a body, this one is not."""
        match = found.pattern.match(entry.path) if found is not None else None
        if found is None or match is None:
            return {}, None
        return self.limits.take(found.method, found.template, match.groupdict(), found.token)

    def carry_out(self, found: Route | None, entry: Request, files: dict[int, Upload]) -> Outcome:
        try:
            if found is None:
                raise no_such_route()
            if found.token and entry.token != f"Bot {self.gateway.token}":
                raise unauthorized()
            if sum(len(file.data) for file in files.values()) > LARGEST_REQUEST:
                raise DiscordError(413, 40005, "Request entity too large")
            match = found.pattern.match(entry.path)
            assert match is not None
            return Outcome(*found.handler(self, Call(match.groupdict(), entry.query, entry.body, files)))
        except DiscordError as error:
            more = refused(error.body["retry_after"])[0] if error.status == 429 else {}
            return Outcome(error.status, error.body, more)
        except Exception as error:
            self.world.failures.append(error)
            return Outcome(500, {"code": 0, "message": f"the stand-in failed: {error!r}"})

    def done(self, entry: Request, outcome: Outcome) -> web.Response:
        """Note how a request ended, and give the answer; where the connection is broken, to nobody."""
        status, body = outcome.status, outcome.body
        entry.status, entry.done_at = status, self.world.clock.now()
        entry.code = body.get("code") if status >= 400 and isinstance(body, dict) else None
        self.watch.answered(entry, body)
        self.world.thread.changed()
        return reply(status or 500, body, outcome.headers)

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

    # ---- files

    async def serve(self, request: web.Request) -> web.Response:
        """A stored file, or the part of it that is asked for, until its link runs out."""
        stored: StoredFile | None = self.world.stored.get(int(request.match_info["file"]))
        until = int(request.query.get("ex", "0"), 16)
        if stored is None or stored.name != request.match_info["name"] or until < self.world.clock.now():
            return web.Response(status=404, text="This content is no longer available.")
        wanted, headers = request.http_range, {"Accept-Ranges": "bytes", **HARMLESS}
        data, status = stored.data[wanted], 200
        if wanted.start is not None and data:
            first = wanted.start % len(stored.data)
            headers["Content-Range"] = f"bytes {first}-{first + len(data) - 1}/{len(stored.data)}"
            status = 206
        kind = stored.content_type or "application/octet-stream"
        return web.Response(status=status, body=data, content_type=kind, headers=headers)


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
