"""Who transcribes, on both engines: the real listener, with a process that makes of a recording what stands in it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from job_line import ENDED, PATIENCE, begun, opened, until
from processes import alive

from composer.ear import Ear, EarError
from composer.errors import NothingPlayedError, RecordingTooLongError, from_reason, to_reason
from composer.line.jobs import Jobs
from composer.line.schema import PERCENT, PERFORMANCE, Draft, Job, Kind, State
from composer.line.schema import jobs as jobs_table
from composer.listener import Listener

CHILD = (sys.executable, str(Path(__file__).with_name("ear_standin.py")))
SLOW = {"share": [0.25], "sleep": PATIENCE}


@asynccontextmanager
async def listening(jobs: Jobs, name: str = "ear", **settings: float) -> AsyncIterator[Listener]:
    """A listener until the block ends, with nothing left behind."""
    grace = settings.pop("grace", 20.0)
    async with asyncio.TaskGroup() as group:
        listener = Listener(jobs, name, Ear(CHILD, **settings), grace)
        group.create_task(listener.run())
        try:
            yield listener
        finally:
            listener.stop()
            listener.stop()


def recording(wanted: dict[str, Any], key: object, owner: str = "ann") -> Draft:
    data = json.dumps(wanted).encode()
    return Draft(str(key), owner, PERFORMANCE, {}, PERCENT, Kind.TRANSCRIBE, recording=data)


async def submit(jobs: Jobs, *wanted: dict[str, Any]) -> list[Job]:
    async with jobs.database.write() as connection:
        return await jobs.submit(connection, [recording(each, number) for number, each in enumerate(wanted)])


def ended(job: Job) -> bool:
    return job.state in ENDED


async def test_recordings_are_heard_one_after_the_other_by_one_process(database_url: str) -> None:
    heard = {"performance": {"kind": "melody", "notes": [[0, 60, 500, 80]]}}
    async with opened(database_url) as jobs, listening(jobs) as listener:
        submitted = await submit(jobs, {"share": [0.1, 0.9], "answer": heard}, {}, {})
        finished = await until(jobs, submitted, ended)
        async with asyncio.timeout(PATIENCE):
            while listener.busy:  # the row tells the end first
                await asyncio.sleep(0.02)
        assert (await jobs.statistics()).listeners == 1
    assert [(job.state, job.bars_done, job.attempt) for job in finished] == [(State.DONE, PERCENT, 1)] * 3
    assert finished[0].result == heard["performance"]
    pids = {(job.result or {})["pid"] for job in finished[1:]}
    assert len(pids) == 1
    assert not alive(*pids)


async def test_how_far_it_is_is_told_and_how_long_it_takes_is_learned(database_url: str) -> None:
    async with opened(database_url) as jobs, listening(jobs) as listener:
        (slow,) = await submit(jobs, {"share": [0.2, 0.75], "sleep": 1.5})
        await until(jobs, [slow], lambda job: job.bars_done == 75)
        assert listener.busy
        seconds = (await jobs.progress([slow.id]))[slow.id].seconds
        assert seconds == pytest.approx(25 / listener.bars_per_second)
        before = listener.bars_per_second
        await until(jobs, [slow], ended)
        await until(jobs, [slow], lambda _: listener.bars_per_second != before)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_is_wrong_with_a_recording_is_its_jobs_reason(database_url: str) -> None:
    refusals = [NothingPlayedError("speech"), RecordingTooLongError(40)]
    async with opened(database_url) as jobs, listening(jobs):
        wanted = [{"answer": {"refused": to_reason(refusal)}} for refusal in refusals]
        failed = await until(jobs, await submit(jobs, *wanted, {}), ended)
    assert failed.pop().state is State.DONE
    assert {job.state for job in failed} == {State.FAILED}
    again = [from_reason(job.reason or "") for job in failed]
    assert [(type(error), vars(error)) for error in again] == [(type(error), vars(error)) for error in refusals]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_process_that_dies_breaks_or_hangs_costs_one_recording_and_no_more(database_url: str) -> None:
    async with opened(database_url) as jobs, listening(jobs, limit_seconds=2.0):
        wanted = [
            {"die": 9},
            {"say": "nonsense"},
            {"say": "[1]"},
            {"answer": {"broken": "memory"}},
            {"sleep": PATIENCE},
            {},
        ]
        *failed, well = await until(jobs, await submit(jobs, *wanted), ended)
    assert [(job.state, job.reason) for job in failed] == [
        *[(State.FAILED, "died")] * 3,
        (State.FAILED, "memory"),
        (State.FAILED, "time"),
    ]
    assert well.state is State.DONE


@pytest.mark.parametrize("how", ["cancel", "forget", "taken over"])
async def test_what_nobody_waits_for_is_stopped_and_its_process_ended(database_url: str, how: str) -> None:
    async with opened(database_url, lease_seconds=2.0) as jobs, listening(jobs):
        (first,) = await submit(jobs, {})
        (job,) = await until(jobs, [first], ended)
        pid = (job.result or {})["pid"]
        async with jobs.database.write() as connection:
            slow, _ = await jobs.submit(connection, [recording(SLOW, "slow", "bob"), recording({}, "next", "cleo")])
        await until(jobs, [slow], begun)
        assert alive(pid)
        if how == "cancel":
            assert await jobs.cancel(slow.id)
        else:
            async with jobs.database.write() as connection:
                if how == "forget":
                    await jobs.forget(connection, "bob")
                else:
                    theirs = sa.update(jobs_table).where(jobs_table.c.id == slow.id)
                    await connection.execute(theirs.values(worker="another", attempt=2))
        (after,) = await until(jobs, [_], ended)
        assert after.state is State.DONE
        assert (after.result or {})["pid"] != pid
        assert not alive(pid)
        found = await jobs.get(slow.id)
        expected = {"cancel": State.CANCELLED, "forget": None, "taken over": State.RUNNING}
        assert (found and found.state) == expected[how]


async def test_a_stop_waits_for_what_is_begun_and_hands_back_what_takes_too_long(database_url: str) -> None:
    async with opened(database_url) as jobs:
        async with listening(jobs, grace=PATIENCE) as listener:
            short, long = await submit(jobs, {"share": [0.5], "sleep": 1}, SLOW)
            await until(jobs, [short], begun)
            listener.stop()
            (finished,) = await until(jobs, [short], ended)
            assert finished.state is State.DONE
        async with listening(jobs, "heir", grace=0.2) as listener:
            await until(jobs, [long], begun)
            listener.stop()
            (waits,) = await until(jobs, [long], lambda job: job.state is State.QUEUED)
        assert (waits.attempt, waits.worker) == (0, None)
        assert await jobs.recording(waits) is not None
        assert (await jobs.statistics()).listeners == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_process_ends_when_it_has_had_nothing_to_do_for_a_while(database_url: str) -> None:
    async with opened(database_url) as jobs, listening(jobs, idle_seconds=0.2):
        (job,) = await until(jobs, await submit(jobs, {}), ended)
        pid = (job.result or {})["pid"]
        async with asyncio.timeout(PATIENCE):
            while alive(pid):
                await asyncio.sleep(0.02)
        async with jobs.database.write() as connection:
            (again,) = await jobs.submit(connection, [recording({}, "again")])
        (found,) = await until(jobs, [again], ended)
        assert (found.result or {})["pid"] != pid


async def test_the_process_does_not_outlive_whoever_asked_it() -> None:
    asking = (
        "import asyncio, json, sys; from composer.ear import Ear\n"
        f"slow = json.dumps({SLOW!r}).encode()\n"
        f"ear = Ear({CHILD!r})\n"
        "told = lambda share: print(ear._process.pid, file=sys.stderr, flush=True)\n"
        "asyncio.run(ear.hear(slow, told))"
    )
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", asking, stderr=asyncio.subprocess.PIPE)
    assert process.stderr is not None
    pid = int(await asyncio.wait_for(process.stderr.readline(), PATIENCE))
    assert alive(pid)
    os.kill(process.pid, 9)
    await process.wait()
    async with asyncio.timeout(PATIENCE):
        while alive(pid):
            await asyncio.sleep(0.02)


async def test_an_ear_that_is_no_longer_wanted_leaves_no_process() -> None:
    ear = Ear(CHILD)
    told = asyncio.Event()
    hearing = asyncio.create_task(ear.hear(json.dumps(SLOW).encode(), lambda _: told.set()))
    await asyncio.wait_for(told.wait(), PATIENCE)
    assert ear._process is not None
    pid = ear._process.pid
    hearing.cancel()
    await asyncio.wait([hearing])
    assert hearing.cancelled()
    assert not alive(pid)
    with pytest.raises(EarError, match="died"):
        await ear.hear(json.dumps({"die": 15}).encode(), lambda _: None)


async def test_what_hears_recordings_knows_neither_database_nor_token(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("DATABASE_URL", "DISCORD_TOKEN", "A_SECRET"):
        monkeypatch.setenv(name, "hidden")
    ear = Ear(CHILD)
    try:
        await ear.hear(json.dumps({}).encode(), lambda _: None)
        assert ear._process is not None
        variables = Path(f"/proc/{ear._process.pid}/environ").read_bytes()
        assert b"PATH=" in variables
        assert b"hidden" not in variables
    finally:
        await ear.close()


def test_the_ear_starts_where_less_memory_is_allowed_than_it_would_take() -> None:
    asking = (
        "import asyncio; from composer.ear import Ear\n"
        "async def main():\n"
        f"    ear = Ear({CHILD!r})\n"
        "    await ear.hear(b'{}', lambda _: None)\n"
        "    print(open(f'/proc/{ear._process.pid}/limits').read())\n"
        "    await ear.close()\n"
        "asyncio.run(main())"
    )
    lowered = ["sh", "-c", 'ulimit -d 2097152 && exec "$@"', "sh", sys.executable, "-c", asking]
    told = subprocess.run(lowered, capture_output=True, text=True, check=True).stdout
    assert re.search(rf"Max data size +{2**31} +{2**31} ", told), told
