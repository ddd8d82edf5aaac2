"""What `segue audition` calls upon, put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from composer.cli.options import Device
from composer.cli.wiring import CHECKPOINTS, say_if_slow, torch_device
from composer.engine.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from composer.audition.audition import Plan


def audition(plan: Plan, device: Device, folder: Path, audio: bool, name: str | None) -> None:
    """Candidates -> a report in a folder. The recommended one is told.

    Args:
        plan: what is asked for.
        device: where the models run.
        folder: of the report.
        audio: whether to make MP3s.
        name: what to call the recommended one as a checkpoint of the project; None to leave it.

    Raises:
        SegueError: what the user can mend.
    """
    from composer.audition.audition import audition as audition_plan
    from composer.audition.audition import promote_chosen

    where = torch_device(device)
    say_if_slow(load_checkpoint(plan.checkpoints[0]), where)
    report = audition_plan(plan, where, folder, audio)
    print(f"recommended: {report.chosen.candidate.name}")
    if name is not None:
        print(promote_chosen(report, CHECKPOINTS / name))


def long_audition(plan: Plan, device: Device) -> None:
    """Print how candidates fare in pieces longer than the songs.

    Args:
        plan: what is asked for.
        device: where the models run.

    Raises:
        SegueError: what the user can mend.
    """
    from composer.audition.long import long_audition as lines

    where = torch_device(device)
    say_if_slow(load_checkpoint(plan.checkpoints[0]), where)
    for line in lines(plan, where):
        print(line, flush=True)


def blind_test(plan: Plan, device: Device, folder: Path) -> Path:
    """Write the page of a blind test.

    Args:
        plan: what is asked for.
        device: where the models run.
        folder: of the page.

    Returns:
        The page.

    Raises:
        SegueError: what the user can mend.
    """
    from composer.audition.blind import write_test

    where = torch_device(device)
    say_if_slow(load_checkpoint(plan.checkpoints[0]), where)
    return write_test(plan, where, folder)
