"""`segue worker`: composes what is asked for in the table of jobs."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from composer.cli.options import Device
from composer.places import DEFAULT_CHECKPOINT

DEFAULT_DATABASE = "sqlite+aiosqlite:///segue.db"


class LogFormat(StrEnum):
    json = "json"
    console = "console"


def worker(
    database: Annotated[
        str,
        typer.Option(envvar="DATABASE_URL", help="Of the table of jobs. It may hold a password: say it there."),
    ] = DEFAULT_DATABASE,
    checkpoint: Annotated[Path, typer.Option(envvar="CHECKPOINT", help="The folder of a trained model.")] = (
        DEFAULT_CHECKPOINT
    ),
    slots: Annotated[int, typer.Option(envvar="SLOTS", min=1, max=256, help="Pieces composed at once.")] = 16,
    device: Annotated[Device, typer.Option(envvar="DEVICE", help="auto takes a GPU if there is one.")] = Device.auto,
    threads: Annotated[
        int | None,
        typer.Option(envvar="THREADS", min=1, help="At most, on a CPU; one a core if it is not said."),
    ] = None,
    lease: Annotated[
        float,
        typer.Option(envvar="LEASE_SECONDS", min=0.2, help="Seconds until a dead worker's work is taken over."),
    ] = 15.0,
    metrics_port: Annotated[
        int | None,
        typer.Option(envvar="WORKER_METRICS_PORT", help="Loopback port for /metrics and /healthz."),
    ] = None,
    log_format: Annotated[LogFormat, typer.Option(envvar="LOG_FORMAT")] = LogFormat.json,
    attached: Annotated[
        bool, typer.Option(help="Stop when standard input ends: with the process that gave it.")
    ] = False,
    transcribe: Annotated[
        bool, typer.Option(envvar="TRANSCRIBE", help="Transcribe recordings too, if the extra `audio` is installed.")
    ] = True,
) -> None:
    """Compose what is asked for in the table of jobs, many pieces in one batch. Stops cleanly on SIGTERM.

    The bot starts one itself unless WORKERS=0; any number of them, on any machines, may work on one table.
    """
    from composer.cli import wiring

    wiring.work(
        database,
        checkpoint,
        slots,
        device,
        threads=threads,
        lease=lease,
        metrics_port=metrics_port,
        log_format=log_format.value,
        attached=attached,
        transcribe=transcribe,
    )
