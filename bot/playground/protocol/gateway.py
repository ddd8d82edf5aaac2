"""The gateway: websockets, sessions and shards."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web

from .loop import LoopThread, in_thread
from .posts import Json
from .state import World
from .watch import Watch

DISPATCH, HEARTBEAT, IDENTIFY, RESUME, RECONNECT, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 0, 1, 2, 6, 7, 9, 10, 11
AUTHENTICATION_FAILED, INVALID_SHARD, DISALLOWED_INTENTS, NOT_AUTHENTICATED = 4004, 4010, 4014, 4003
PRIVILEGED_INTENTS = 1 << 1 | 1 << 8 | 1 << 15  # members, presences, message content
IDENTIFY_SECONDS = 5.0  # in which max_concurrency shards may identify


class Connection:
    """One websocket. What is sent goes out in order, through one deflate stream if so asked."""

    def __init__(self, request: web.Request, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._transport = request.transport
        self._deflate = zlib.compressobj() if request.query.get("compress") == "zlib-stream" else None
        self._queue: asyncio.Queue[Json | int] = asyncio.Queue()
        self.session: Session | None = None

    def send(self, payload: Json) -> None:
        self._queue.put_nowait(payload)

    def close(self, code: int) -> None:
        """Close with a code, after what was sent before."""
        self._queue.put_nowait(code)

    def drop(self) -> None:
        """Break the connection without a word."""
        if self._transport is not None:
            self._transport.abort()

    async def write(self) -> None:
        """Send what is queued, until closed."""
        while True:
            payload = await self._queue.get()
            try:
                if isinstance(payload, int):
                    await self.socket.close(code=payload)
                    return
                text = json.dumps(payload)
                if self._deflate is None:
                    await self.socket.send_str(text)
                else:
                    data = self._deflate.compress(text.encode()) + self._deflate.flush(zlib.Z_SYNC_FLUSH)
                    await self.socket.send_bytes(data)
            except ConnectionError:
                return


@dataclass(eq=False)
class Session:
    """What the gateway keeps of a shard, over several connections."""

    id: str
    shard: tuple[int, int]
    intents: int
    connection: Connection | None
    events: list[Json] = field(default_factory=list, repr=False)  # all dispatches; the n-th has s = n

    def dispatch(self, event: str, body: Any) -> None:
        payload = {"op": DISPATCH, "s": len(self.events) + 1, "t": event, "d": body}
        self.events.append(payload)
        if self.connection is not None:
            self.connection.send(payload)

    def has(self, guild: int | None) -> bool:
        """Is it the shard of that guild? Direct messages belong to shard 0."""
        number, count = self.shard
        return ((guild >> 22) % count if guild is not None else 0) == number


@dataclass(frozen=True)
class Identify:
    at: float
    shard: tuple[int, int]
    intents: int


@dataclass(eq=False)
class Gateway:
    """The gateway's side of all shards.

    identify_seconds: shards of one rate limit key that identify sooner than that after another are turned away
    (Discord: 5). max_concurrency: how many such keys there are.
    """

    world: World = field(repr=False)
    token: str
    url: str = ""
    shards: int = 1  # what GET /gateway/bot recommends
    max_concurrency: int = 1
    identify_seconds: float = 0.0
    heartbeat_seconds: float = 41.25
    allowed_intents: int = ~PRIVILEGED_INTENTS
    accept_resume: bool = True
    sessions: dict[str, Session] = field(default_factory=dict)
    connections: list[Connection] = field(default_factory=list)
    identifies: list[Identify] = field(default_factory=list)
    resumes: int = 0
    heartbeats: int = 0
    watch: Watch = field(default_factory=Watch, repr=False)

    def __post_init__(self) -> None:
        self.world.dispatcher = self.dispatch

    @property
    def thread(self) -> LoopThread:
        return self.world.thread

    # ---- for tests

    @property
    def connected(self) -> list[tuple[int, int]]:
        """The shards [id, count] that are connected now."""
        return sorted(c.session.shard for c in self.connections if c.session is not None)

    @in_thread
    def drop(self, shard: int | None = None) -> None:
        """Break the connections (of a shard), as a failing network does; they may be resumed."""
        for connection in self._of(shard):
            connection.drop()

    @in_thread
    def close(self, code: int, shard: int | None = None) -> None:
        """Close the connections (of a shard) with a code."""
        for connection in self._of(shard):
            connection.close(code)

    @in_thread
    def ask_to_reconnect(self, shard: int | None = None) -> None:
        for connection in self._of(shard):
            connection.send({"op": RECONNECT, "d": None})

    @in_thread
    def invalidate(self, shard: int | None = None) -> None:
        """End the sessions (of a shard): the bot has to identify again."""
        for connection in self._of(shard):
            if connection.session is not None:
                self.sessions.pop(connection.session.id, None)
            connection.send({"op": INVALID_SESSION, "d": False})

    def _of(self, shard: int | None) -> Iterator[Connection]:
        for connection in list(self.connections):
            if shard is None or (connection.session is not None and connection.session.shard[0] == shard):
                yield connection

    # ---- the protocol

    def dispatch(self, event: str, body: Json, guild: int | None) -> bool:
        """Send an event to every session of the guild's shard; False when there is none.

        A session without a connection gets it when it resumes.
        """
        sessions = [session for session in self.sessions.values() if session.has(guild)]
        for session in sessions:
            session.dispatch(event, body)
        self.watch.event(event, body)
        return bool(sessions)

    async def handle(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(compress=False, max_msg_size=0)
        await socket.prepare(request)
        connection = Connection(request, socket)
        self.connections.append(connection)
        writer = asyncio.create_task(connection.write())
        connection.send({"op": HELLO, "d": {"heartbeat_interval": self.heartbeat_seconds * 1000}})
        code = None
        try:
            while (message := await socket.receive()).type is WSMsgType.TEXT:
                self.receive(connection, json.loads(message.data))
                self.world.thread.changed()
            code = message.data if message.type is WSMsgType.CLOSE else None
        except Exception as error:
            self.world.failures.append(error)
            raise
        finally:
            writer.cancel()
            self.connections.remove(connection)
            self.ended(connection, code)
            self.world.thread.changed()
        return socket

    def ended(self, connection: Connection, code: int | None) -> None:
        """A session outlives its connection unless the bot itself closed it with 1000 or 1001."""
        session = connection.session
        if session is None or session.connection is not connection:
            return
        session.connection = None
        if code in (1000, 1001):
            self.sessions.pop(session.id, None)

    def receive(self, connection: Connection, payload: Json) -> None:
        match payload["op"]:
            case 1:
                self.heartbeats += 1
                connection.send({"op": HEARTBEAT_ACK})
            case 2:
                self.identify(connection, payload["d"])
            case 6:
                self.resume(connection, payload["d"])
            case _ if connection.session is None:
                connection.close(NOT_AUTHENTICATED)

    def identify(self, connection: Connection, body: Json) -> None:
        number, count = body.get("shard") or (0, 1)
        intents = body.get("intents", 0)
        if body["token"] != self.token:
            connection.close(AUTHENTICATION_FAILED)
        elif not 0 <= number < count:
            connection.close(INVALID_SHARD)
        elif intents & ~self.allowed_intents:
            connection.close(DISALLOWED_INTENTS)
        elif self._too_soon(number):
            connection.send({"op": INVALID_SESSION, "d": False})
        else:
            self.identifies.append(Identify(self.world.clock.now(), (number, count), intents))
            session = Session(f"session{len(self.identifies)}", (number, count), intents, connection)
            # A new session takes the place of one that nobody is connected to any more.
            for old in [s for s in self.sessions.values() if s.connection is None and s.shard == session.shard]:
                del self.sessions[old.id]
            self.sessions[session.id] = session
            connection.session = session
            self.greet(session)

    def _too_soon(self, shard: int) -> bool:
        earliest = self.world.clock.now() - self.identify_seconds
        key = shard % self.max_concurrency
        return any(i.at > earliest and i.shard[0] % self.max_concurrency == key for i in self.identifies)

    def greet(self, session: Session) -> None:
        guilds = [g for g in self.world.guilds.values() if g.has_bot and session.has(g.id)]
        bot = self.world.bot.payload() | {"mfa_enabled": False, "verified": True, "locale": "en-US", "flags": 0}
        ready: Json = {"v": 10, "user": bot, "session_id": session.id, "resume_gateway_url": self.url}
        ready |= {"guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds]}
        ready |= {"shard": list(session.shard), "application": {"id": str(self.world.bot.id), "flags": 0}}
        session.dispatch("READY", ready)
        self.watch.event("READY", ready)
        for guild in guilds:
            body = guild.payload() | {"unavailable": False}
            session.dispatch("GUILD_CREATE", body)
            self.watch.event("GUILD_CREATE", body)

    def resume(self, connection: Connection, body: Json) -> None:
        session = self.sessions.get(body["session_id"])
        if body["token"] != self.token:
            connection.close(AUTHENTICATION_FAILED)
        elif session is None or not self.accept_resume:
            self.sessions.pop(body["session_id"], None)
            connection.send({"op": INVALID_SESSION, "d": False})
        else:
            if session.connection is not None:
                session.connection.drop()
            session.connection = connection
            connection.session = session
            for payload in session.events[body["seq"] or 0 :]:
                connection.send(payload)
            session.dispatch("RESUMED", {})
            self.resumes += 1
