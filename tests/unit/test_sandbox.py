"""What every child gets that looks at a stranger's file, MIDI's, ffmpeg's and the ear's: variables, limits, an end."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import alive

from composer.sandbox import Limits, run, start

PATIENCE = 60.0  # seconds that no test needs
TELL_LIMITS = ("sh", "-c", "ulimit -v; ulimit -d; ulimit -t; ulimit -f")
LIMITS = Limits(memory=2**30, data=2**29, cpu=7, file=2**20)


def until_gone(pid: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while alive(pid):
        assert time.monotonic() < deadline, f"{pid} lives on"
        time.sleep(0.02)


def test_a_child_has_the_limits_that_it_is_given_and_this_process_keeps_its_own() -> None:
    before = resource.getrlimit(resource.RLIMIT_CPU)
    assert run(TELL_LIMITS, b"", LIMITS, PATIENCE).stdout.split() == [b"1048576", b"524288", b"7", b"2048"]
    assert resource.getrlimit(resource.RLIMIT_CPU) == before


def test_limits_that_hold_already_are_not_raised_and_break_nothing() -> None:
    """In a process of its own, for what a limit is lowered to it stays."""
    asked = (
        "import resource, sys; from composer.sandbox import Limits, run\n"
        "resource.setrlimit(resource.RLIMIT_DATA, (2**28, 2**28)); resource.setrlimit(resource.RLIMIT_CPU, (5, 5))\n"
        f"sys.stdout.buffer.write(run({TELL_LIMITS!r}, b'', {LIMITS!r}, {PATIENCE}).stdout)"
    )
    told = subprocess.run([sys.executable, "-c", asked], capture_output=True, check=True).stdout
    assert told.split() == [b"1048576", b"262144", b"5", b"2048"]


def test_a_child_knows_where_programs_are_and_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("DATABASE_URL", "DISCORD_TOKEN", "A_SECRET"):
        monkeypatch.setenv(name, "hidden")
    told = run(["env"], b"", LIMITS, PATIENCE, variables={"TMPDIR": "/nowhere"}).stdout
    assert f"PATH={os.environ['PATH']}\n".encode() in told
    assert b"TMPDIR=/nowhere\n" in told
    assert b"hidden" not in told


def test_a_child_that_computes_without_end_is_killed() -> None:
    done = run([sys.executable, "-c", "while True: pass"], b"", Limits(cpu=1), PATIENCE)
    assert done.returncode < 0


def test_a_child_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    """What it started holds its output open, and would be waited for."""
    told = tmp_path / "pid"
    with pytest.raises(subprocess.TimeoutExpired):
        run(["sh", "-c", f"sleep {PATIENCE} & echo $! > {told}; wait"], b"", LIMITS, 5.0)
    until_gone(int(told.read_text()))


def test_what_a_child_leaves_behind_is_killed() -> None:
    done = run(["sh", "-c", f"sleep {PATIENCE} >/dev/null 2>&1 & echo $!"], b"", LIMITS, PATIENCE)
    until_gone(int(done.stdout))


async def test_a_child_that_stays_is_limited_too() -> None:
    process = await start(TELL_LIMITS, LIMITS, 2**16)
    told, _ = await process.communicate()
    assert told.split() == [b"1048576", b"524288", b"7", b"2048"]
