"""Where a stranger's file is looked at: a child with few variables, none of ours, under limits, that can be ended.

    run      one that is given a file and answers once: MIDI's and ffmpeg
    start    one that stays to be asked again: the ear

Each is a session of its own: Ctrl-C is not for it, and it ends with all that it has started.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from subprocess import PIPE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio

# Where programs, libraries and folders for their own files are found, and how many threads they take. Neither the bot's
# token nor the database's address is among them.
PASSED_ON = (
    "CUDA_VISIBLE_DEVICES",
    "HOME",
    "LANG",
    "LC_ALL",
    "LD_LIBRARY_PATH",
    "OMP_NUM_THREADS",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
    "PATH",
    "PYTHONDONTWRITEBYTECODE",
    "PYTHONPATH",
    "PYTHONSAFEPATH",
    "TMPDIR",
    "XDG_CACHE_HOME",
)


@dataclass(frozen=True)
class Limits:
    """What a child may take at most; None leaves it as it is for this process."""

    memory: int | None = None  # bytes of address space
    data: int | None = None  # bytes of that which are its own
    cpu: int | None = None  # seconds; then it is killed
    file: int | None = None  # bytes of any file that it writes


def environment() -> dict[str, str]:
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def run(
    command: Sequence[str],
    data: bytes,
    limits: Limits,
    wall_seconds: float,
    folder: str | None = None,
    variables: dict[str, str] | None = None,
) -> subprocess.CompletedProcess[bytes]:
    """What the command makes of `data` on its standard input. Blocks.

    folder: where it runs   variables: that it gets beside those of `environment`   A returncode below 0 is the signal
    that ended it, where a limit was met for instance. Raises TimeoutExpired, and nothing of it is left then.
    """
    child = subprocess.Popen(
        _limited(command, limits),
        stdin=PIPE,
        stdout=PIPE,
        stderr=PIPE,
        cwd=folder,
        env=environment() | (variables or {}),
        start_new_session=True,
    )
    with child:
        try:
            out, err = child.communicate(data, wall_seconds)
        finally:
            end(child.pid)
    return subprocess.CompletedProcess(command, child.returncode, out, err)


async def start(command: Sequence[str], limits: Limits, longest_line: int) -> asyncio.subprocess.Process:
    """The command, with pipes for its input and output: the one ends when this process does, even by kill -9.

    longest_line: bytes of what it may say   Who starts it ends it.
    """
    import asyncio  # a sixth of the time of a child that reads MIDI, which imports this file too

    return await asyncio.create_subprocess_exec(
        *_limited(command, limits),
        stdin=PIPE,
        stdout=PIPE,
        env=environment(),
        limit=longest_line,
        start_new_session=True,
    )


def end(child: int) -> None:
    """Kill what `run` or `start` has started, and all that it has started itself outside a sandbox of its own."""
    with contextlib.suppress(ProcessLookupError):  # it has ended by itself
        os.killpg(child, signal.SIGKILL)


def _limited(command: Sequence[str], limits: Limits) -> list[str]:
    """By a shell, so that the limits of this process stay as they are, whatever threads it has."""
    return ["sh", "-c", " && ".join([*_ulimits(limits), 'exec "$@"']), "sh", *command]


def _ulimits(limits: Limits) -> Iterator[str]:
    """No limit above one that holds already: it could not be set, or would give more than is meant to be given."""
    for what, option, unit, most in (
        (resource.RLIMIT_AS, "-v", 1024, limits.memory),
        (resource.RLIMIT_DATA, "-d", 1024, limits.data),
        (resource.RLIMIT_CPU, "-t", 1, limits.cpu),
        (resource.RLIMIT_FSIZE, "-f", 512, limits.file),
    ):
        if most is not None:
            _, hard = resource.getrlimit(what)
            yield f"ulimit {option} {(most if hard == resource.RLIM_INFINITY else min(most, hard)) // unit}"
