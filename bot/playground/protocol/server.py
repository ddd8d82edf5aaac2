"""The stand-in as a test holds it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar

from aiohttp import web

from . import answering, conversing  # noqa: F401 - their routes
from .channels import ATTACHMENT_SIZE_LIMIT, MIB, Channel
from .clock import Clock, Snowflakes
from .gateway import Gateway
from .loop import PATIENCE, LoopThread, in_thread
from .people import Person
from .permissions import BOT, Permission
from .posts import Json
from .rest import Rest
from .state import Guild, World
from .timing import Timing
from .user import User
from .watch import Watch

T = TypeVar("T")
LARGEST_BODY = 512 * MIB


class Standin:
    """Discord on loopback: a gateway and the REST API, in a thread of its own.

    A context manager, with `with` as well as with `async with`. All its methods may be called from anywhere, and what
    can be awaited from any event loop.

    api, gateway   the URLs that a bot is given instead of Discord's, also as `environment`
    token          the bot's
    clock          `clock.advance(seconds)`
    timing         how long Discord waits
    connections    the gateway's side: shards, drops, resumes
    bot            the bot's account
    """

    def __init__(self, token: str = "stand-in-token", shards: int = 1, max_concurrency: int = 1) -> None:
        self.thread = LoopThread()
        self.clock = Clock(self.thread.changed)
        self.world = World(self.thread, self.clock, Snowflakes(self.clock))
        self.token = token
        self.timing = Timing()
        self.watch = self._watch()
        self.connections = Gateway(self.world, token, shards=shards, max_concurrency=max_concurrency, watch=self.watch)
        self._rest = Rest(self.world, self.connections, self.watch, self.timing)

    def _watch(self) -> Watch:
        return Watch()

    # ---- starting and ending

    def __enter__(self) -> Self:
        self.thread.start()
        self.thread.submit(self._start()).result()
        return self

    def __exit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        """Stop; where the test went well, raise what went wrong in the stand-in itself."""
        self.thread.submit(self._stop()).result()
        self.thread.stop()
        if kind is None and self.world.failures:
            raise self.world.failures[0]

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(self, kind: type[BaseException] | None = None, *_: object) -> None:
        self.__exit__(kind)

    async def _start(self) -> None:
        app = web.Application(client_max_size=LARGEST_BODY)
        app.router.add_get("/gateway", self.connections.handle)
        app.router.add_get("/{folder:attachments|cdn}/{file:[0-9]+}/{name}", self._rest.serve)
        app.router.add_route("*", "/api/v10/{path:.*}", self._rest.handle)
        self._add_routes(app.router)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        host, port = self._runner.addresses[0]
        self.world.base = f"http://{host}:{port}"
        self.connections.url = self.gateway

    def _add_routes(self, router: web.UrlDispatcher) -> None:
        """What else is served."""

    async def _stop(self) -> None:
        self.connections.drop()
        await self._runner.cleanup()

    # ---- where it is

    @property
    def api(self) -> str:
        return f"{self.world.base}/api/v10"

    @property
    def gateway(self) -> str:
        return f"{self.world.base.replace('http', 'ws', 1)}/gateway"

    @property
    def environment(self) -> dict[str, str]:
        """What a bot in another process is told."""
        return {"DISCORD_API": self.api, "DISCORD_GATEWAY": self.gateway}

    @contextmanager
    def patched(self) -> Iterator[None]:
        """Turn discord.py in this process to the stand-in."""
        import yarl

        with warnings.catch_warnings():  # on Python 3.11 and 3.12 discord.py imports audioop, which 3.13 left out
            warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
            import discord.gateway
            import discord.http

        route, socket = discord.http.Route, discord.gateway.DiscordWebSocket
        before = route.BASE, socket.DEFAULT_GATEWAY
        route.BASE, socket.DEFAULT_GATEWAY = self.api, yarl.URL(self.gateway)
        try:
            yield
        finally:
            route.BASE, socket.DEFAULT_GATEWAY = before

    # ---- what is in it

    @property
    def bot(self) -> Person:
        return self.world.bot

    @in_thread
    def user(self, name: str = "ann", locale: str = "en-US", installed: bool = False) -> User:
        """A new person; installed: they have the app among their own."""
        user = User(self.world, self.world.ids.next(), name, locale, installed=installed, timing=self.timing)
        self.world.people[user.id] = user
        return user

    @in_thread
    def guild(
        self,
        name: str = "Guild",
        owner: Person | None = None,
        locale: str = "en-US",
        attachment_size_limit: int = ATTACHMENT_SIZE_LIMIT,
        has_bot: bool = True,
        bot_permissions: Permission = BOT,
    ) -> Guild:
        """A new guild. The n-th one made belongs to shard n % shards, beginning with 0."""
        owner = owner or self.user(f"owner of {name}")
        return self.world.add_guild(name, owner, locale, attachment_size_limit, has_bot, bot_permissions)

    @in_thread
    def private(self, *people: Person) -> Channel:
        """The direct messages between two people, or a group of more; the bot is not in it."""
        return self.world.direct_messages(*people)

    @in_thread
    def tick(self, guild: bool = True, user: bool = True) -> None:
        """How the application may be installed, as its owner ticks it in the portal."""
        self.world.installs = {kind for kind, ticked in enumerate((guild, user)) if ticked}

    def commands(self, guild: Guild | None = None) -> list[Json]:
        """What the bot has registered, globally or in a guild."""
        return self.world.commands.get(guild.id if guild is not None else None, [])

    def command_creates(self, guild: Guild | None = None) -> int:
        """How many commands were new; Discord allows 200 a day."""
        return self.world.command_creates.get(guild.id if guild is not None else None, 0)

    # ---- waiting

    async def until(self, predicate: Callable[[], T], timeout: float = PATIENCE) -> T:
        """Wait until `predicate()`, called in the stand-in's thread, is true; give its value. Raises TimeoutError."""
        return await self.thread.run(self.thread.until(predicate, timeout))

    async def ready(self, shards: int = 1, timeout: float = PATIENCE) -> None:
        """Wait until that many shards of a bot are connected. Raises TimeoutError."""
        await self.until(lambda: len(self.connections.connected) >= shards, timeout)

    async def gone(self, timeout: float = PATIENCE) -> None:
        """Wait until no bot is connected. Raises TimeoutError."""
        await self.until(lambda: not self.connections.connections, timeout)
