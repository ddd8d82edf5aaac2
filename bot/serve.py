"""The bot as a whole: services, connection, deliveries, workers, metrics, until it is asked to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Coroutine

import structlog

from bot.app import point_at, stay_connected
from bot.services import Services, open_services
from bot.settings import Settings
from bot.workers import keep_workers
from composer.errors import SegueError
from composer.telemetry import configure_logging

SWEEP_SECONDS = 6 * 3600.0

log = structlog.get_logger("bot")


async def serve(settings: Settings) -> None:
    """Run the bot and its workers until SIGTERM or SIGINT. Raises SegueError for what has to be mended."""
    secrets = (settings.discord_token.get_secret_value(), settings.database_url.get_secret_value())
    configure_logging(settings.log_format, settings.log_level, secrets)
    point_at(settings)
    asked_to_stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    async with open_services(settings) as services:
        _expose(services)
        async with services.exposition.served(settings.metrics_port, lambda: _is_well(services)):
            await _until(
                asked_to_stop,
                stay_connected(services),
                services.attendance.run(),
                keep_workers(settings),
                _sweep(services),
            )
    log.info("stopped")


async def _until(stop: asyncio.Event, *work: Coroutine[object, object, None]) -> None:
    """Do all of it until told to stop, or until one of them breaks; then end them all."""
    tasks = [asyncio.create_task(part) for part in (stop.wait(), *work)]
    done, rest = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)
    for task in done:
        task.result()


def _is_well(services: Services) -> bool:
    """Connected. That a client is ready says only that it once was."""
    client = services.delivery.client
    if client is None or not client.is_ready() or client.is_closed():
        return False
    return not any(shard.is_closed() for shard in client.shards.values())


def _expose(services: Services) -> None:
    """What Prometheus sees of the line, the workers and the deliveries."""
    numbers = {"queued": 0.0, "running": 0.0, "undelivered": 0.0, "oldest": 0.0, "workers": 0.0, "slots": 0.0}
    numbers["listeners"] = 0.0

    async def refresh() -> None:
        with contextlib.suppress(SegueError):
            found = await services.jobs.statistics()
            numbers.update(queued=found.queued, running=found.running, undelivered=found.undelivered)
            numbers.update(oldest=found.oldest_wait_seconds or 0, workers=found.workers, slots=found.slots)
            numbers.update(listeners=found.listeners)

    exposition = services.exposition
    exposition.refresh = refresh
    for name, text in (
        ("queued", "Pieces in line."),
        ("running", "Pieces that are being composed."),
        ("undelivered", "Pieces that have ended and were not brought to their owner yet."),
        ("workers", "Workers that are alive."),
        ("slots", "Slots of those workers."),
        ("listeners", "Workers that transcribe, alive."),
    ):
        exposition.gauge(f"segue_{name}", text, lambda name=name: numbers[name])  # type: ignore[misc]
    exposition.gauge("segue_oldest_wait_seconds", "How long the oldest in line has waited.", lambda: numbers["oldest"])
    exposition.gauge("segue_attended", "Pieces that this bot attends to.", lambda: services.attendance.attended)
    exposition.counter("segue_edits", "Messages written.", lambda: services.delivery.edits)


async def _sweep(services: Services) -> None:
    """Forget what is older than it is kept for."""
    days = services.settings.keep_days
    while True:
        with contextlib.suppress(SegueError):
            await services.storage.sweep(days)
            await services.jobs.sweep(days)
        await asyncio.sleep(SWEEP_SECONDS)
