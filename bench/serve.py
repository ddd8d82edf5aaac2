"""What users get who ask at the same time: pieces a minute, how long they wait, whether the line is fair.

    ./run bench serve [--users 1,4,16,64] [--each 2] [--bars 4] [--slots 16] [--minutes 0] [--quick]

The real table of jobs on SQLite and the real worker in a process of its own, with the default checkpoint. So many users
ask at once for so many pieces each, of the example; last come as many as there are slots of whom one asks before the
others, and for more than there are slots. Prints a row for each crowd:

    pieces/min          of all, from the first submit to the last words
    p50, p95            of the pieces, from submit to words, by the database's clock
    over fair share     the longest that a piece waited over its fair share: when it would be done if those who ask had
                        equal parts of the worker from the start, or the time that it took in its slot, if that is more

and the worker's memory before and after. With --minutes 64 users keep asking for so long, each for the next piece when
they have one, and the worker's memory is told on the way: --minutes 60 shows whether it is flat over an hour.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from itertools import count

from bench.machine import machine, resident_mb
from bench.music import example_words
from bench.report import Table, Value, report
from bench.service import finished, submit, table, working
from composer.engine.checkpoint import load_checkpoint
from composer.line.jobs import Jobs
from composer.line.schema import Draft, Job, State
from composer.music.words import Vocabulary
from composer.places import DEFAULT_CHECKPOINT
from composer.request import Request

STEADY_USERS = 64
SAMPLES = 12  # of the memory while users keep asking


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", default="1,4,16,64")
    parser.add_argument("--each", type=int, default=2, help="pieces of one user, asked for at once")
    parser.add_argument("--bars", type=int, default=4, help="of a piece")
    parser.add_argument("--slots", type=int, default=16)
    parser.add_argument("--minutes", type=float, default=0.0, help="that users keep asking")
    parser.add_argument("--quick", action="store_true", help="to see that it works: few users, short pieces")
    options = parser.parse_args()
    if options.quick:
        options.users, options.bars, options.slots = "1,4", 1, 4
    described = machine()
    report("serve", described, asyncio.run(measure(options)))


async def measure(options: argparse.Namespace) -> list[Table]:
    asking = Asking(options.bars)
    crowds = [{f"user {n}": options.each for n in range(int(users))} for users in options.users.split(",")]
    async with table() as (jobs, url), working(url, SLOTS=options.slots, DEVICE="cpu") as worker:
        before = resident_mb(worker.pid)
        rows = [row(f"{len(crowd)} at once", await asking.crowd(jobs, crowd)) for crowd in crowds]
        greedy = {"greedy": 2 * options.slots, **{f"user {n}": 1 for n in range(options.slots - 1)}}
        name = f"{len(greedy) - 1} behind one who asks for {greedy['greedy']}"
        rows.append(row(name, await asking.crowd(jobs, greedy)))
        after = resident_mb(worker.pid)
        memory: list[dict[str, Value]] = [
            {"worker": "ready", "resident MB": before},
            {"worker": "after these", "resident MB": after},
        ]
        tables = [
            Table(f"{options.each} pieces a user, {options.bars} bars each, {options.slots} slots", rows),
            Table("Memory", memory),
        ]
        if options.minutes:
            samples = await asking.steadily(jobs, worker.pid, 60 * options.minutes)
            tables.append(Table(f"{STEADY_USERS} users who keep asking", samples))
    return tables


class Asking:
    """Those who ask, and what for: the example, from a new seed each time."""

    def __init__(self, bars: int) -> None:
        self.vocabulary: Vocabulary = load_checkpoint(DEFAULT_CHECKPOINT).vocabulary
        self.words, self.bars = example_words(self.vocabulary), bars
        self.seeds = count()

    def draft(self, user: str) -> Draft:
        seed = next(self.seeds)
        payload = Request(self.words, self.bars, seed).to_json()
        return Draft(f"piece {seed}", user, self.vocabulary.digest, payload, self.bars)

    async def crowd(self, jobs: Jobs, pieces: Mapping[str, int]) -> list[Job]:
        """Each user asks for so many pieces, the first user first; returned when all are done."""
        submitted: list[Job] = []
        for user, number in pieces.items():
            submitted += await submit(jobs, [self.draft(user) for _ in range(number)])
        return await finished(jobs, submitted)

    async def steadily(self, jobs: Jobs, pid: int, seconds: float) -> list[dict[str, Value]]:
        """Users who ask for the next piece when they have one; the worker's memory on the way."""
        began = time.monotonic()
        samples: list[dict[str, Value]] = []
        done = 0
        waiting = {job.id for n in range(STEADY_USERS) for job in await submit(jobs, [self.draft(f"user {n}")])}
        async with jobs.database.changes() as changes:
            while (passed := time.monotonic() - began) < seconds or len(samples) <= SAMPLES:
                if passed >= len(samples) * seconds / SAMPLES:
                    samples.append({"minutes": passed / 60, "pieces": done, "resident MB": resident_mb(pid)})
                progress = await jobs.progress(waiting)
                for ended in (each for each in progress.values() if each.state is State.DONE):
                    job = await jobs.get(ended.id)
                    assert job is not None
                    waiting.remove(ended.id)
                    waiting |= {job.id for job in await submit(jobs, [self.draft(job.owner)])}
                    done += 1
                await changes.wait(1.0)
        return samples


def row(crowd: str, done: Sequence[Job]) -> dict[str, Value]:
    waits = sorted(wait(job) for job in done)
    return {
        "users": crowd,
        "pieces": len(done),
        "pieces/min": 60 * len(done) / makespan(done),
        "p50, s": statistics.median(waits),
        "p95, s": waits[min(len(waits) - 1, int(0.95 * len(waits)))],
        "over fair share": max(wait(job) / share for job, share in fair_shares(done)),
    }


def fair_shares(done: Sequence[Job]) -> list[tuple[Job, float]]:
    """Each piece and the seconds from submit to words that are its fair share; the pieces are equally long.

    With equal parts for all who still wait, everybody's k-th piece is done when each has k pieces or all of theirs
    (generalised processor sharing). No piece can be done sooner than it takes in its slot.
    """
    by_owner: dict[str, list[Job]] = {}
    for job in sorted(done, key=ended_at):
        by_owner.setdefault(job.owner, []).append(job)
    seconds_a_piece = makespan(done) / len(done)
    shares = []
    for pieces in by_owner.values():
        for place, job in enumerate(pieces, start=1):
            before = sum(min(len(others), place) for others in by_owner.values())
            assert job.started_at is not None
            shares.append((job, max(before * seconds_a_piece, ended_at(job) - job.started_at)))
    return shares


def makespan(done: Sequence[Job]) -> float:
    """Seconds from the first submit to the last words."""
    return max(map(ended_at, done)) - min(job.submitted_at for job in done)


def wait(job: Job) -> float:
    return ended_at(job) - job.submitted_at


def ended_at(job: Job) -> float:
    assert job.finished_at is not None
    return job.finished_at


if __name__ == "__main__":
    main()
