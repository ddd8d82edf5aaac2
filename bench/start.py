"""How long it takes until something is there, and how much memory: fresh processes, by turns.

    ./run bench start [--rounds 5] [--quick]

Prints, as the medians of so many processes each, milliseconds from the start of the process and its memory then:

    python              the interpreter itself, which is part of all others
    import bot          what `segue bot` has imported before it connects (bot.serve)
    segue --help        until it has answered
    segue compose       on the example, until the first word is drawn
    segue worker        until it says that it is ready: the database made, the model loaded and warmed up
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench.machine import machine, resident_mb
from bench.report import Table, Value, report
from bench.service import table, working

# What a process is told to run: it says that it has got there, and waits to be looked at and killed.
THERE = "import sys; print('there', flush=True); sys.stdin.read()"
PYTHON = THERE
IMPORT_BOT = f"import bot.serve; {THERE}"
HELP = f"""
import contextlib, io, sys
from composer.cli import main
sys.argv = ["segue", "--help"]
with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO())):
    main()
{THERE}
"""
FIRST_WORD = f"""
import sys
from composer.cli import main
from composer.engine.generator import Generator
step = Generator.step
def first_step(generator):
    step(generator)
    {THERE}
Generator.step = first_step
sys.argv = ["segue", "compose", "--out", sys.argv[1]]
main()
"""


@dataclass(frozen=True)
class Start:
    """From the start of a process until it was there: seconds, and MiB resident then and at most before."""

    seconds: float
    resident: float
    peak: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="to see that it works: one round")
    options = parser.parse_args()
    described = machine()
    starts: dict[str, Callable[[], Start]] = {
        "python": lambda: started(PYTHON),
        "import bot": lambda: started(IMPORT_BOT),
        "segue --help": lambda: started(HELP),
        "segue compose, first word": lambda: started(FIRST_WORD),
        "segue worker, ready": lambda: asyncio.run(worker_started()),
    }
    found: dict[str, list[Start]] = {name: [] for name in starts}
    for _ in range(1 if options.quick else options.rounds):
        for name, start in starts.items():
            found[name].append(start())
    rows: list[dict[str, Value]] = [
        {
            "what": name,
            "ms": 1000 * statistics.median(start.seconds for start in each),
            "resident MB": statistics.median(start.resident for start in each),
            "at most MB": statistics.median(start.peak for start in each),
        }
        for name, each in found.items()
    ]
    report("start", described, [Table("Start-up", rows)])


def started(program: str) -> Start:
    """Run a program in a process of its own until it says that it is there."""
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", program, folder],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        with process:
            assert process.stdout is not None
            said = process.stdout.readline()
            seconds = time.perf_counter() - began
            if said != b"there\n":
                raise RuntimeError(f"a program that should have started ended with {process.wait()}:\n{program}")
            start = Start(seconds, resident_mb(process.pid), resident_mb(process.pid, peak=True))
            process.kill()
    return start


async def worker_started() -> Start:
    async with table() as (_, url), working(url, DEVICE="cpu") as worker:
        return Start(worker.ready, resident_mb(worker.pid), resident_mb(worker.pid, peak=True))


if __name__ == "__main__":
    main()
