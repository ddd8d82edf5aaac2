"""The worker processes that the bot starts beside itself, and starts again when they die."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from collections.abc import Mapping

import structlog

from bot.settings import Settings
from composer.pauses import Pauses

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds before a worker that died is started again; each time twice as long
STEADY_SECONDS = 300.0  # a worker that lived so long begins with the first pause again
GRACE_SECONDS = 30.0  # for a worker that was asked to stop: its own 20, and what it needs to hand back the rest

log = structlog.get_logger("workers")


async def keep_workers(settings: Settings) -> None:
    """Keep settings.workers workers running until cancelled; then ask them to stop, and wait for it."""
    if not settings.workers:
        await asyncio.Event().wait()  # they run elsewhere
    await asyncio.gather(*(_keep_worker(settings, number) for number in range(settings.workers)))


async def _keep_worker(settings: Settings, number: int) -> None:
    pauses = Pauses(FIRST_PAUSE, LONGEST_PAUSE)
    while True:
        began = time.monotonic()
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "composer.cli", "worker", "--attached"),
            stdin=asyncio.subprocess.PIPE,  # it ends when this process does, even by kill -9
            start_new_session=True,  # Ctrl-C is for the bot, which then asks its workers to stop
            env=_environment(settings, number),
        )
        log.info("worker started", number=number, pid=process.pid)
        try:
            status = await process.wait()
        finally:
            await asyncio.shield(_stop(process))
        if time.monotonic() - began > STEADY_SECONDS:
            pauses.reset()
        pause = pauses.next()
        log.error("worker died", number=number, status=status, pause=pause)
        await asyncio.sleep(pause)


def _environment(settings: Settings, number: int) -> Mapping[str, str]:
    """What a worker is told. Not by its arguments: every user of the machine can read those."""
    told = {
        "DATABASE_URL": settings.database_url.get_secret_value(),
        "CHECKPOINT": str(settings.checkpoint),
        "SLOTS": str(settings.slots),
        "DEVICE": settings.device,
        "TRANSCRIBE": str(settings.transcribe),
        "LEASE_SECONDS": str(settings.lease_seconds),
        "LOG_FORMAT": settings.log_format,
    }
    if settings.threads is not None:
        told["THREADS"] = str(settings.threads)
    if settings.worker_metrics_port is not None:
        told["WORKER_METRICS_PORT"] = str(settings.worker_metrics_port + number)
    inherited = {name: value for name, value in os.environ.items() if name != "DISCORD_TOKEN"}
    return inherited | told


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.send_signal(signal.SIGTERM)
    try:
        await asyncio.wait_for(process.wait(), GRACE_SECONDS)
    except TimeoutError:
        process.kill()
        await process.wait()
