"""Logs that a program can read, and, when asked for, metrics and a health check on loopback. No torch.

A secret is never logged: whatever is bound under a name like those in SECRETS is left out, and so is the value of any
secret that `configure_logging` was told, wherever in a line it turns up, and of every address of an interaction, whose
token lets anybody answer in the bot's name. What libraries log below INFO is never logged: it holds whole messages and
rows of tables.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Literal

import structlog
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.registry import Collector
from structlog.typing import EventDict, Processor

from composer.errors import SettingsError

SECRETS = ("token", "password", "authorization", "secret", "database_url")
HIDDEN = "[hidden]"
OF_AN_INTERACTION = re.compile(r"(/(?:webhooks|interactions)/[0-9]+/)[^/?#\s'\"]+")
LOOPBACK = "127.0.0.1"

LogFormat = Literal["json", "console"]


def configure_logging(form: LogFormat, level: str = "INFO", secrets: Iterable[str] = ()) -> None:
    """Send every log of this process, those of libraries too, to stderr: a JSON object a line, or lines for people."""
    hidden = [form for secret in secrets if secret for form in (secret, repr(secret)[1:-1])]  # as it is, and quoted
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        lambda _, __, event: _without_secrets(event, hidden),
    ]
    for_people = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    renderer: Processor = structlog.processors.JSONRenderer() if form == "json" else for_people
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.ExtraAdder(), *shared],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.addFilter(lambda record: record.levelno >= logging.INFO or isinstance(record.msg, dict))  # a dict is ours
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for talkative in ("alembic", "discord"):
        logging.getLogger(talkative).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )


def _without_secrets(event: EventDict, hidden: list[str]) -> EventDict:
    for name, value in list(event.items()):
        if name.startswith("_"):  # structlog's own
            continue
        if any(secret in name.lower() for secret in SECRETS):
            event[name] = HIDDEN
        elif not isinstance(value, (int, float, bool)) and value is not None:
            text = str(value)
            for secret in hidden:
                text = text.replace(secret, HIDDEN)
            event[name] = OF_AN_INTERACTION.sub(rf"\1{HIDDEN}", text)
    return event


class Exposition:
    """What Prometheus reads, and whether the process is well.

    refresh: awaited before each reading, for numbers that have to be asked for
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.refresh: Callable[[], Awaitable[object]] | None = None

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self.registry).set_function(value)

    def counter(self, name: str, text: str, value: Callable[[], float]) -> None:
        """A count that is kept elsewhere and only rises."""
        self.registry.register(_Count(name, text, value))

    def counted(self, name: str, text: str, labels: Iterable[str] = ()) -> Counter:
        """A count that is kept here."""
        return Counter(name, text, list(labels), registry=self.registry)

    def histogram(self, name: str, text: str, buckets: Iterable[float]) -> Histogram:
        return Histogram(name, text, buckets=list(buckets), registry=self.registry)

    @asynccontextmanager
    async def served(self, port: int | None, healthy: Callable[[], bool] = lambda: True) -> AsyncIterator[None]:
        """Serve /metrics and /healthz (200 or 503) on loopback as long as the context lasts; None: do not.

        Raises SettingsError if the port cannot be had.
        """
        if port is None:
            yield
            return
        from aiohttp import web  # a fifth of a second, and most processes serve nothing

        async def metrics(_: web.Request) -> web.Response:
            if self.refresh is not None:
                await self.refresh()
            return web.Response(body=generate_latest(self.registry), headers={"Content-Type": CONTENT_TYPE_LATEST})

        async def health(_: web.Request) -> web.Response:
            return web.Response(text="ok\n") if healthy() else web.Response(text="not well\n", status=503)

        app = web.Application()
        app.add_routes([web.get("/metrics", metrics), web.get("/healthz", health)])
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        try:
            try:
                await web.TCPSite(runner, LOOPBACK, port).start()
            except OSError as error:
                raise SettingsError(f"Port {port} for metrics is taken or not allowed. Choose another one.") from error
            yield
        finally:
            await runner.cleanup()


class _Count(Collector):
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name, self._text, self._value = name, text, value

    def collect(self) -> Iterable[CounterMetricFamily]:
        yield CounterMetricFamily(self._name, self._text, value=self._value())
