"""`segue probe`, which `segue doctor` asks."""

from __future__ import annotations

from pathlib import Path

from composer.cli.options import Device
from composer.places import DEFAULT_CHECKPOINT


def probe(checkpoint: Path = DEFAULT_CHECKPOINT, device: Device = Device.auto) -> None:
    """Load a checkpoint and say where it would run; `segue doctor` asks it."""
    from composer.cli import wiring

    print(wiring.probe(checkpoint, device))
