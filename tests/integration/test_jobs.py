"""The table of jobs, on both engines: what it promises to those who ask, who compose and who bring the answer."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import signal
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from job_line import opened
from processes import hear, start, tell

from composer.database import now
from composer.errors import CannotHearError, LineFullError, NotAudioError, NothingPlayedError, to_reason
from composer.line.asking import Limits
from composer.line.claiming import TOO_MANY_ATTEMPTS
from composer.line.jobs import Jobs
from composer.line.schema import DAY_SECONDS, PERCENT, PERFORMANCE, Draft, Job, Kind, State
from composer.line.schema import jobs as table
from composer.line.schema import recordings as recordings_table
from composer.line.schema import workers as workers_table
from composer.line.sweeping import Statistics

LEASE = 0.3  # seconds, where a lease has to run out while others watch
WORDS = "words"  # the vocabulary of all jobs here
UNLIMITED = Limits()


def draft(key: object, owner: str = "ann", **changes: Any) -> Draft:
    return replace(Draft(str(key), owner, WORDS, {"seed": 1}, bars=8), **changes)


def drafts(count: int, owner: str = "ann", **changes: Any) -> list[Draft]:
    return [draft(f"{owner} {number}", owner, **changes) for number in range(count)]


def asleep(jobs: Jobs) -> Jobs:
    """As a worker or tender sees the table whose leases always have run out already."""
    return Jobs(jobs.database, lease_seconds=-1.0, max_attempts=jobs.max_attempts)


async def submit(
    jobs: Jobs, wanted: Iterable[Draft], limits: Limits = UNLIMITED, tender: str | None = None
) -> list[Job]:
    async with jobs.database.write() as connection:
        return await jobs.submit(connection, list(wanted), limits, tender)


async def state(jobs: Jobs, job: Job) -> State | None:
    found = await jobs.get(job.id)
    return found.state if found else None


async def places(jobs: Jobs, wanted: Iterable[Job]) -> list[int]:
    wanted = list(wanted)
    found = await jobs.progress([job.id for job in wanted])
    return [found[job.id].place for job in wanted]


async def claim_one(jobs: Jobs, worker: str = "w") -> Job:
    (job,) = await jobs.claim(worker, WORDS, 1)
    return job


async def keys_in_line(jobs: Jobs) -> list[str]:
    """In the order in which a worker is given them; the line is empty afterwards."""
    return [job.key for job in await jobs.claim("drain", WORDS, 1000)]


async def age(jobs: Jobs, job: Job, seconds: float, *columns: str) -> None:
    """Make as if something had happened earlier."""
    async with jobs.database.write() as connection:
        earlier = {name: table.c[name] - seconds for name in columns}
        await connection.execute(sa.update(table).where(table.c.id == job.id).values(earlier))


# ---------------------------------------------------------------------- submitting


async def test_a_job_comes_back_as_it_was_asked_for(database_url: str) -> None:
    payload = {"words": [[1, 2], [3]], "title": "Ständchen \u0000 \U0001f3b9", "top_p": 0.1, "none": None}
    asked = Draft("k", "ann", WORDS, payload, bars=16, kind=Kind.TRANSCRIBE, scope="guild", priority=2)
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [asked])
        assert job == await jobs.get(job.id)
        kept = vars(asked).keys() - {"priority", "recording"}
        assert Draft(**{name: getattr(job, name) for name in kept}, priority=2) == asked
        assert (job.state, job.attempt, job.bars_done, job.result, job.worker) == (State.QUEUED, 0, 0, None, None)
        async with jobs.database.read() as connection:
            clock = await connection.scalar(sa.select(now()))
        assert clock is not None
        assert 0 <= clock - job.submitted_at < 60
        assert await jobs.get(job.id + 1) is None


async def test_the_same_key_is_the_same_job_whatever_became_of_it(database_url: str) -> None:
    async with opened(database_url) as jobs:
        first, twin, other = await submit(jobs, [draft("a"), draft("a"), draft("b")])
        assert first == twin
        assert other.id != first.id
        await jobs.finish(await claim_one(jobs), {"words": [1]})
        assert await submit(jobs, [draft("a"), draft("b")], Limits(0, 0, 0)) == [await jobs.get(first.id), other]


async def test_an_id_is_never_used_again(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (first,) = await submit(jobs, [draft("a")])
        async with jobs.database.write() as connection:
            assert await jobs.forget(connection, "ann") == [first.id]
        (second,) = await submit(jobs, [draft("a")])
        assert second.id > first.id


async def test_what_the_caller_rolls_back_was_never_submitted(database_url: str) -> None:
    async with opened(database_url) as jobs:
        with contextlib.suppress(KeyError):
            async with jobs.database.write() as connection:
                (job,) = await jobs.submit(connection, [draft("a")])
                raise KeyError
        assert await jobs.get(job.id) is None


# ---------------------------------------------------------------------- limits


async def test_an_owner_has_so_many_in_line_in_a_scope(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(in_line=2)
        first, second = await submit(jobs, drafts(2, scope="here"), limits)
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("c", scope="here")], limits)
        assert vars(full.value) == {"kind": "in_line", "limit": 2, "place": 1, "again_in_seconds": None}
        await submit(jobs, [draft("d", scope="there"), draft("e", "bob", scope="here")], limits)
        await jobs.claim("w", WORDS, 1)  # one that runs is still in line
        await jobs.enlist("w", 1, WORDS, 2.0)
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("c", scope="here")], limits)
        assert (full.value.place, full.value.again_in_seconds) == (0, 4.0)
        await jobs.cancel(second.id)
        await submit(jobs, [draft("c", scope="here")], limits)
        assert await state(jobs, first) == State.RUNNING


async def test_an_owner_has_so_many_a_day_in_a_scope(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(a_day=3)
        done, failed, untouched = await submit(jobs, drafts(3), limits)
        for job in (done, failed):
            claimed = await claim_one(jobs)
            assert claimed.id == job.id
            await (jobs.finish(claimed, {}) if job is done else jobs.fail(claimed, "ours"))
        await jobs.cancel(untouched.id)
        # Neither what failed nor what was cancelled before it began counts: two more can be had.
        fourth, fifth = await submit(jobs, [draft("4"), draft("5")], limits)
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("6")], limits)
        assert (full.value.kind, full.value.limit, full.value.place) == ("a_day", 3, None)
        assert 0 < DAY_SECONDS - (full.value.again_in_seconds or 0) < 60
        await submit(jobs, [draft("7", "bob"), draft("8", scope="elsewhere")], limits)

        await age(jobs, done, DAY_SECONDS - 1000, "submitted_at")
        await age(jobs, fourth, 5000, "submitted_at")
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("6"), draft("9")], limits)  # needs the two oldest gone
        assert 0 < DAY_SECONDS - 5000 - (full.value.again_in_seconds or 0) < 60
        await age(jobs, done, 1001, "submitted_at")
        await submit(jobs, [draft("6")], limits)
        assert await state(jobs, fifth) == State.QUEUED


async def test_whether_one_more_would_be_taken_can_be_asked_before(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(in_line=2, a_day_anywhere=3, table=4)
        for _ in range(2):
            await jobs.check("ann", "here", limits)  # which takes no place
        await submit(jobs, drafts(2, scope="here"), limits)
        await jobs.check("ann", "there", limits)
        await jobs.check("bob", "here", limits)
        with pytest.raises(LineFullError) as full:
            await jobs.check("ann", "here", limits)
        assert (full.value.kind, full.value.limit, full.value.place) == ("in_line", 2, 1)
        await submit(jobs, [draft("c", scope="there")], limits)
        with pytest.raises(LineFullError) as full:
            await jobs.check("ann", "elsewhere", limits)
        assert (full.value.kind, full.value.limit) == ("a_day", 3)
        await submit(jobs, [draft("d", "bob")], limits)
        with pytest.raises(LineFullError) as full:
            await jobs.check("cleo", "here", limits)
        assert full.value.kind == "table"


async def test_the_table_has_so_many_in_line(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(table=2)
        await submit(jobs, [draft("a"), draft("b", "bob")], limits)
        await jobs.enlist("w", 1, WORDS, 4.0)
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("c", "cem")], limits)
        assert vars(full.value) == {"kind": "table", "limit": 2, "place": 3, "again_in_seconds": None}
        await jobs.claim("w", WORDS, 1)  # leaves the line
        await submit(jobs, [draft("c", "cem")], limits)
        with pytest.raises(LineFullError) as full:
            await submit(jobs, [draft("d", "dora")], limits)
        assert full.value.again_in_seconds == 2.0


async def test_of_several_all_or_none_are_taken(database_url: str) -> None:
    async with opened(database_url) as jobs:
        with pytest.raises(LineFullError):
            await submit(jobs, drafts(3), Limits(in_line=2))
        with pytest.raises(LineFullError):
            await submit(jobs, drafts(3), Limits(a_day=2))
        assert (await jobs.statistics()).queued == 0


async def test_limits_hold_when_fifty_ask_at_once(database_url: str) -> None:
    async with opened(database_url) as here, opened(database_url) as there:
        limits = Limits(in_line=3, table=7)

        async def ask(number: int) -> str | None:
            owner = ("ann", "bob", "cem", "dora", "eve")[number % 5]
            try:
                await submit((here, there)[number % 2], [draft(number, owner)], limits)
            except LineFullError:
                return None
            return owner

        taken = Counter(await asyncio.gather(*map(ask, range(50))))
        del taken[None]
        assert taken.total() == 7
        assert max(taken.values()) <= 3
        assert (await here.statistics()).queued == 7


# ---------------------------------------------------------------------- the line


async def test_nobodys_tenth_stands_before_anothers_first(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(10, "ann"))
        await submit(jobs, drafts(2, "bob"))
        await submit(jobs, drafts(1, "cem"))
        line = await keys_in_line(jobs)
        assert line[:5] == ["ann 0", "bob 0", "cem 0", "ann 1", "bob 1"]
        assert line[5:] == [f"ann {number}" for number in range(2, 10)]


async def test_who_comes_later_does_not_catch_up_on_what_others_had_before(database_url: str) -> None:
    """A newcomer begins at the line's present turn, not at the beginning of time, and so does who has been away."""
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(6, "ann"))
        for _ in range(4):
            await jobs.finish(await claim_one(jobs), {})
        await submit(jobs, drafts(3, "bob"))
        assert await keys_in_line(jobs) == ["ann 4", "bob 0", "ann 5", "bob 1", "bob 2"]


async def test_priority_goes_before_turns(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("low", "ann", priority=-1), draft("usual", "bob"), draft("high", "cem", priority=1)])
        assert await keys_in_line(jobs) == ["high", "usual", "low"]


async def test_nobody_starves(database_url: str) -> None:
    """However much one asks for, and asks again as soon as it has been served, the other is next but one."""
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(20, "ann"))
        (bob,) = await submit(jobs, [draft("bob", "bob")])
        for number in range(2):
            claimed = await claim_one(jobs)
            await jobs.finish(claimed, {})
            await submit(jobs, [draft(f"more {number}", "ann")])
        assert await state(jobs, bob) == State.DONE


async def test_ones_first_place_in_line_only_goes_down(database_url: str) -> None:
    choose = random.Random(7)
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(6, "ann"))
        (bob,) = await submit(jobs, [draft("bob", "bob")])
        seen = await places(jobs, [bob])
        for number in range(25):
            if choose.random() < 0.6:
                await submit(jobs, [draft(number, choose.choice(["ann", "cem", "dora"]))])
            elif seen[-1] > 0:
                await jobs.finish(await claim_one(jobs), {})
            seen += await places(jobs, [bob])
        assert seen == sorted(seen, reverse=True)
        assert seen[0] == 2
        assert seen[-1] == 0


async def test_places_are_those_of_the_line(database_url: str) -> None:
    async with opened(database_url) as jobs:
        line = await submit(jobs, [*drafts(2, "ann"), draft("bob", "bob"), draft("cem", "cem", priority=3)])
        assert await places(jobs, line) == [2, 4, 3, 1]
        await jobs.claim("w", WORDS, 1)
        assert await places(jobs, line) == [1, 3, 2, 0]
        await jobs.cancel(line[0].id)
        assert await places(jobs, line) == [0, 2, 1, 0]
        assert await jobs.progress([]) == {}
        assert await jobs.progress([999]) == {}


async def test_the_forecast_counts_what_is_before_one(database_url: str) -> None:
    async with opened(database_url) as jobs:
        running, first, second = await submit(
            jobs, [draft("a", "ann", bars=10), draft("b", "bob", bars=8), draft("c", "cem", bars=6)]
        )
        ids = [running.id, first.id, second.id]

        async def seconds() -> list[float | None]:
            found = await jobs.progress(ids)
            return [found[job_id].seconds for job_id in ids]

        assert await seconds() == [None] * 3
        await jobs.enlist("silent", 4, WORDS, None)
        assert await seconds() == [None] * 3
        await jobs.enlist("slow", 1, WORDS, 1.0)
        await jobs.enlist("fast", 2, WORDS, 3.0)  # together 7 bars a second; a slot has 2 on average
        await claim_one(jobs)
        await jobs.beat("w", {running.id: 3})
        assert await seconds() == [7 / 2, 7 / 7 + 8 / 2, pytest.approx((7 + 8) / 7 + 6 / 2)]
        assert (await jobs.progress(ids))[running.id].bars_done == 3
        async with jobs.database.write() as connection:
            gone = sa.update(workers_table).where(workers_table.c.name == "fast")
            await connection.execute(gone.values(seen_at=now() - jobs.lease_seconds - 1))
        assert await seconds() == [7.0, 7 + 8.0, 7 + 8 + 6.0]
        await jobs.finish(await jobs.get(running.id) or running, {})
        assert await seconds() == [None, 8.0, 8 + 6.0]


# ---------------------------------------------------------------------- claiming and leases


async def test_a_worker_gets_only_what_it_can_speak(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("a", vocabulary="other"), draft("b", "bob"), draft("c", "cem")])
        assert [job.key for job in await jobs.claim("w", WORDS, 1)] == ["b"]
        assert [job.key for job in await jobs.claim("w", WORDS, 5)] == ["c"]
        assert [job.key for job in await jobs.claim("v", "other", 5)] == ["a"]
        assert await jobs.claim("w", WORDS, 5) == []


async def test_a_claimed_job_says_who_has_it(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        claimed = await claim_one(jobs, "w")
        assert claimed == await jobs.get(job.id)
        assert (claimed.state, claimed.worker, claimed.attempt) == (State.RUNNING, "w", 1)
        assert claimed.started_at is not None
        assert claimed.started_at >= job.submitted_at
        assert await jobs.finish(claimed, {"words": [[1]], "none": None})
        done = await jobs.get(job.id)
        assert done is not None
        assert (done.state, done.bars_done, done.result) == (State.DONE, 8, {"words": [[1]], "none": None})
        assert done.finished_at is not None
        assert done.finished_at >= claimed.started_at


async def test_many_claimers_never_get_the_same_job(database_url: str) -> None:
    async with opened(database_url) as here, opened(database_url) as there:
        await submit(here, [draft(number, f"owner {number % 4}") for number in range(30)])
        claims = [(here, there)[number % 2].claim(f"w {number}", WORDS, 3) for number in range(14)]
        given = [job.id for claimed in await asyncio.gather(*claims) for job in claimed]
        assert len(given) == len(set(given)) == 30


async def test_a_lease_that_ran_out_is_taken_over_and_the_sleeper_cannot_overwrite(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("a")])
        sleeper = await claim_one(asleep(jobs), "sleeper")
        heir = await claim_one(jobs, "heir")
        assert (heir.id, heir.worker, heir.attempt) == (sleeper.id, "heir", 2)
        assert await jobs.claim("third", WORDS, 1) == []
        assert await jobs.beat("sleeper", {sleeper.id: 8}) == {sleeper.id}
        assert not await jobs.finish(sleeper, {"by": "sleeper"})
        assert not await jobs.fail(sleeper, "tired")
        assert not await jobs.release(sleeper)
        assert not await jobs.drop(sleeper)
        assert await jobs.finish(heir, {"by": "heir"})
        assert not await jobs.finish(heir, {"by": "heir again"})
        done = await jobs.get(heir.id)
        assert done is not None
        assert done.result == {"by": "heir"}


async def test_a_worker_cannot_overwrite_its_own_later_attempt(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("a")])
        earlier = await claim_one(asleep(jobs), "w")
        later = await claim_one(jobs, "w")
        assert (earlier.attempt, later.attempt) == (1, 2)
        assert not await jobs.finish(earlier, {"attempt": 1})
        assert await jobs.finish(later, {"attempt": 2})


async def test_a_sleeper_that_nobody_missed_goes_on(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(2))
        first, second = await asleep(jobs).claim("w", WORDS, 2)
        assert await jobs.beat("w", {first.id: 2}) == set()
        assert [job.id for job in await jobs.claim("other", WORDS, 2)] == [second.id]  # was not named in the beat
        assert await jobs.finish(first, {})


async def test_beats_keep_a_lease(database_url: str) -> None:
    async with opened(database_url, lease_seconds=LEASE) as jobs:
        await submit(jobs, [draft("a")])
        job = await claim_one(Jobs(jobs.database, lease_seconds=15), "w")
        await asyncio.sleep(LEASE * 1.5)
        assert await jobs.claim("other", WORDS, 1) == []
        await jobs.beat("w", {job.id: 4})  # by its own measure, LEASE
        while not (taken := await jobs.claim("other", WORDS, 1)):
            await asyncio.sleep(LEASE / 4)
        assert (taken[0].id, taken[0].attempt, taken[0].bars_done) == (job.id, 2, 0)


async def test_what_there_is_so_far_is_kept_while_its_worker_has_the_job_and_no_longer(database_url: str) -> None:
    async with opened(database_url, lease_seconds=60) as jobs:
        await submit(jobs, [draft(name) for name in "abcdefg"])

        async def told(job: Job, words: bytes) -> Job:
            await jobs.beat("w", {job.id: 1}, {job.id: words})
            return job

        held = [await told(await claim_one(jobs), name.encode()) for name in "abcdefg"]
        first, failed, dropped, released, slept, abandoned, retired = held
        await told(first, b"more of it")
        await jobs.beat("w", {job.id: 2 for job in held})
        assert [await jobs.so_far(job.id) for job in held] == [b"more of it", b"b", b"c", b"d", b"e", b"f", b"g"]
        await jobs.beat("another", {first.id: 3}, {first.id: b"not its own"})
        assert await jobs.so_far(first.id) == b"more of it"

        assert await jobs.finish(first, {})
        assert await jobs.fail(failed, "why")
        await jobs.cancel(dropped.id)
        assert await jobs.drop(dropped)
        assert await jobs.release(released)
        for job in (slept, abandoned):
            await age(jobs, job, 99, "lease_until")
        assert await jobs.abandon(abandoned.id, "nobody")
        taken = [await claim_one(jobs, worker) for worker in ("another", "a third")]
        assert {job.id for job in taken} == {released.id, slept.id}
        kept = sa.select(table.c.id).where(table.c.so_far.is_not(None))
        async with jobs.database.read() as connection:
            assert list(await connection.scalars(kept)) == [retired.id]
        await jobs.retire("w")
        async with jobs.database.read() as connection:
            assert list(await connection.scalars(kept)) == []


async def test_a_job_on_which_all_workers_die_fails(database_url: str) -> None:
    async with opened(database_url, max_attempts=3) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        attempts = [await asleep(jobs).claim(f"w {number}", WORDS, 1) for number in range(4)]
        assert [[each.attempt for each in claimed] for claimed in attempts] == [[1], [2], [3], []]
        failed = await jobs.get(job.id)
        assert failed is not None
        assert (failed.state, failed.reason) == (State.FAILED, TOO_MANY_ATTEMPTS)
        assert failed.finished_at is not None
        assert not await jobs.finish(attempts[2][0], {})


async def test_a_worker_without_a_free_slot_still_buries_the_dead(database_url: str) -> None:
    async with opened(database_url, max_attempts=1) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        await asleep(jobs).claim("w", WORDS, 1)
        assert await jobs.claim("other", "another language", 0) == []
        assert await state(jobs, job) == State.FAILED


async def test_a_failure_keeps_its_reason(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("a")])
        assert await jobs.fail(await claim_one(jobs), "The checkpoint is gone.")
        failed = await jobs.get(1)
        assert failed is not None
        assert (failed.state, failed.reason, failed.result) == (State.FAILED, "The checkpoint is gone.", None)
        assert await jobs.claim("w", WORDS, 1) == []


# ---------------------------------------------------------------------- cancelling and giving back


async def test_cancelling_what_waits(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        assert await jobs.cancel(job.id)
        assert await jobs.claim("w", WORDS, 1) == []
        cancelled = await jobs.get(job.id)
        assert cancelled is not None
        assert (cancelled.state, cancelled.started_at) == (State.CANCELLED, None)
        assert cancelled.finished_at is not None
        assert not await jobs.cancel(job.id)
        assert not await jobs.cancel(999)


async def test_cancelling_what_runs(database_url: str) -> None:
    async with opened(database_url) as jobs:
        first, second = await submit(jobs, drafts(2))
        claimed, _ = await jobs.claim("w", WORDS, 2)
        assert await jobs.cancel(first.id)
        assert await state(jobs, first) == State.RUNNING
        assert await jobs.beat("w", {first.id: 3, second.id: 3}) == {first.id}
        assert await jobs.drop(claimed)
        assert await state(jobs, first) == State.CANCELLED
        assert await jobs.beat("w", {second.id: 4}) == set()


async def test_what_was_finished_before_the_worker_heard_is_done(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        claimed = await claim_one(jobs)
        await jobs.cancel(job.id)
        assert await jobs.finish(claimed, {})
        assert await state(jobs, job) == State.DONE
        assert not await jobs.cancel(job.id)


async def test_what_is_cancelled_and_loses_its_worker_is_cancelled(database_url: str) -> None:
    async with opened(database_url) as jobs:
        released, retired, ran_out = await submit(jobs, drafts(3))
        first, _ = await jobs.claim("w", WORDS, 2)
        await asleep(jobs).claim("sleeper", WORDS, 1)
        for job in (released, retired, ran_out):
            await jobs.cancel(job.id)
        await jobs.release(first)
        await jobs.retire("w")
        assert await jobs.claim("other", WORDS, 3) == []
        assert [await state(jobs, job) for job in (released, retired, ran_out)] == [State.CANCELLED] * 3


async def test_what_is_released_stands_where_it_stood_and_costs_no_attempt(database_url: str) -> None:
    async with opened(database_url, max_attempts=1) as jobs:
        first, _ = await submit(jobs, drafts(2))
        for _ in range(3):
            claimed = await claim_one(jobs)
            assert (claimed.id, claimed.attempt) == (first.id, 1)
            await jobs.beat("w", {claimed.id: 5})
            assert await jobs.release(claimed)
            back = await jobs.get(first.id)
            assert back is not None
            assert (back.state, back.worker, back.bars_done, back.attempt) == (State.QUEUED, None, 0, 0)


async def test_who_retires_leaves_nothing_behind(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, drafts(3))
        await jobs.enlist("w", 4, WORDS, 1.0)
        done, *_ = await jobs.claim("w", WORDS, 3)
        await jobs.finish(done, {})
        await jobs.retire("w")
        after = await jobs.statistics()
        assert (after.queued, after.running, after.workers) == (2, 0, 0)
        assert [job.attempt for job in await jobs.claim("other", WORDS, 3)] == [1, 1]
        assert await state(jobs, done) == State.DONE


async def test_who_is_forgotten_leaves_nothing_behind(database_url: str) -> None:
    async with opened(database_url) as jobs:
        mine = await submit(jobs, drafts(3, "ann"))
        (theirs,) = await submit(jobs, drafts(1, "bob"))
        running = await claim_one(jobs)
        async with jobs.database.write() as connection:
            assert await jobs.forget(connection, "ann") == [job.id for job in mine]
        assert not await jobs.finish(running, {})
        assert await jobs.beat("w", {running.id: 1}) == {running.id}
        assert [await state(jobs, job) for job in mine] == [None] * 3
        assert await state(jobs, theirs) == State.QUEUED
        async with jobs.database.write() as connection:
            assert await jobs.forget(connection, "ann") == []


# ---------------------------------------------------------------------- delivering


async def test_an_answer_is_delivered_once(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")], tender="bot")
        assert not await jobs.delivered(job.id, "bot")  # there is no answer yet
        await jobs.finish(await claim_one(jobs), {})
        assert not await jobs.delivered(job.id, "another")
        assert await jobs.delivered(job.id, "bot")
        assert not await jobs.delivered(job.id, "bot")
        assert await asleep(jobs).tend("another", 5) == []
        found = await jobs.get(job.id)
        assert found is not None
        assert found.delivered_at is not None
        assert found.state == State.DONE


async def test_who_tends_keeps_others_away_until_the_lease_runs_out(database_url: str) -> None:
    async with opened(database_url) as jobs:
        first, second = await submit(asleep(jobs), drafts(2), tender="dead")
        (held,) = await submit(jobs, [draft("held")], tender="bot")
        (nobodys,) = await submit(jobs, [draft("nobody's")])
        assert [job.id for job in await jobs.tend("heir", 2)] == [first.id, second.id]
        assert [job.id for job in await jobs.tend("heir", 5)] == [nobodys.id]
        assert await jobs.tend("third", 5) == []
        await asleep(jobs).hold("heir", [first.id, second.id, nobodys.id])
        assert [job.id for job in await jobs.tend("third", 5)] == [first.id, second.id, nobodys.id]
        everything = [first.id, second.id, nobodys.id]
        await asleep(jobs).hold("third", everything)
        await jobs.hold("third", [first.id])
        assert [job.id for job in await asleep(jobs).tend("third", 5)] == everything[1:], "what is not named lapses"
        await jobs.hold("third", everything)
        assert await jobs.tend("fourth", 5) == []
        await jobs.let_go("third")
        assert [job.id for job in await jobs.tend("fourth", 5)] == [first.id, second.id, nobodys.id]
        for job in (first, held):
            await jobs.cancel(job.id)
        assert not await jobs.delivered(first.id, "heir")  # it was asleep, and it is another's now
        assert await jobs.delivered(first.id, "fourth")
        assert await jobs.delivered(held.id, "bot")


async def test_two_tenders_at_once_share_what_there_is(database_url: str) -> None:
    async with opened(database_url) as here, opened(database_url) as there:
        expected = {job.id for job in await submit(asleep(here), drafts(20), tender="dead")}
        taken = await asyncio.gather(*((here, there)[n % 2].tend(f"tender {n % 2}", 4) for n in range(12)))
        ids = [job.id for batch in taken for job in batch]
        assert len(ids) == len(set(ids))
        assert set(ids) == expected


# ---------------------------------------------------------------------- for those who run it


async def test_statistics(database_url: str) -> None:
    async with opened(database_url) as jobs:
        none = {State.DONE: 0, State.FAILED: 0, State.CANCELLED: 0}
        assert await jobs.statistics() == Statistics(0, 0, 0, None, none, 0, 0, 0)
        done, failed, old, waits, _ = await submit(jobs, drafts(5), tender="bot")
        await jobs.finish(await claim_one(jobs), {})
        await jobs.fail(await claim_one(jobs), "why")
        await jobs.finish(await claim_one(jobs), {})
        await jobs.delivered(failed.id, "bot")
        await age(jobs, old, DAY_SECONDS + 1, "submitted_at", "started_at", "finished_at")
        await age(jobs, waits, 100, "submitted_at")
        await jobs.enlist("w", 8, WORDS, 1.0)
        await jobs.enlist("v", 4, WORDS, None)
        await asleep(jobs).enlist("w", 8, WORDS, 1.0)
        found = await jobs.statistics()
        assert 100 <= (found.oldest_wait_seconds or 0) < 160
        ended = {State.DONE: 1, State.FAILED: 1, State.CANCELLED: 0}
        assert replace(found, oldest_wait_seconds=None) == Statistics(2, 0, 2, None, ended, 2, 12, 0)
        await claim_one(jobs)
        assert (await jobs.statistics()).running == 1
        assert (await jobs.get(done.id)) is not None


async def test_a_sweep_takes_what_was_delivered_long_ago(database_url: str) -> None:
    async with opened(database_url) as jobs:
        old, new, undelivered = await submit(jobs, drafts(3), tender="bot")
        for job in (old, new, undelivered):
            await jobs.finish(await claim_one(jobs), {})
            await age(jobs, job, 40 * DAY_SECONDS, "submitted_at", "started_at", "finished_at")
        for job in (old, new):
            await jobs.delivered(job.id, "bot")
        await age(jobs, old, 8 * DAY_SECONDS, "delivered_at")
        await jobs.enlist("gone", 1, WORDS, None)
        async with jobs.database.write() as connection:
            await connection.execute(sa.update(workers_table).values(seen_at=now() - 2 * DAY_SECONDS))
        await jobs.enlist("here", 1, WORDS, None)
        assert await jobs.sweep(7) == 1
        assert [await state(jobs, job) for job in (old, new, undelivered)] == [None, State.DONE, State.DONE]
        async with jobs.database.read() as connection:
            assert (await connection.execute(sa.select(workers_table.c.name))).scalars().all() == ["here"]


# ---------------------------------------------------------------------- real processes


def together(processes: list[subprocess.Popen[str]]) -> list[list[Any]]:
    """Let them all begin at once, and return what each said until it ended."""
    assert all(hear(process) == "ready" for process in processes)
    for process in processes:
        tell(process)
    said = [[json.loads(line) for line in process.communicate()[0].splitlines()] for process in processes]
    assert all(process.returncode == 0 for process in processes)
    return said


async def test_workers_in_processes_of_their_own_share_the_line(database_url: str) -> None:
    async with opened(database_url) as jobs:
        expected = {job.id for job in await submit(jobs, drafts(60))}
    said = together([start("compose", database_url, f"w {number}", 4, 60) for number in range(3)])
    claims = [job_id for each in said for claimed in each if isinstance(claimed, list) for job_id in claimed]
    finished = [job_id for each in said for job_id in each if isinstance(job_id, int)]
    assert sorted(claims) == sorted(finished) == sorted(expected)


async def test_a_worker_killed_in_the_middle_of_a_batch_costs_nothing(database_url: str) -> None:
    async with opened(database_url, lease_seconds=LEASE) as jobs:
        expected = {job.id for job in await submit(jobs, drafts(8))}
        victim = start("stall", database_url, "victim", 8, LEASE)
        assert set(hear(victim)) == expected
        victim.send_signal(signal.SIGKILL)
        victim.communicate()
        heir = start("compose", database_url, "heir", 8, 60)
        (said,) = together([heir])
        taken_over = {job_id for job_id in said if isinstance(job_id, int)}
        found = [await jobs.get(job_id) for job_id in sorted(expected)]
        assert [job and job.state for job in found] == [State.DONE] * 8
        assert {job.id for job in found if job and job.result == {"by": "heir"}} == taken_over
        assert len(taken_over) == 5
        assert sum(job.result == {"by": "victim"} for job in found if job) == 3


async def test_each_answer_is_delivered_by_one_of_two_racing_processes(database_url: str) -> None:
    async with opened(database_url) as jobs:
        expected = {job.id for job in await submit(asleep(jobs), drafts(20), tender="dead")}
        for job in await jobs.claim("w", WORDS, 20):
            await jobs.finish(job, {})
    said = together([start("tend", database_url, f"tender {number}", 60) for number in range(2)])
    assert sorted(job_id for each in said for job_id in each) == sorted(expected)


# ---------------------------------------------------------------------- recordings


def recording(key: object, owner: str = "ann", data: bytes = b"OggS \x00\xff", **changes: Any) -> Draft:
    about = {"vocabulary": PERFORMANCE, "payload": {}, "bars": PERCENT, "kind": Kind.TRANSCRIBE}
    return draft(key, owner, **about, recording=data, **changes)


async def claim_recording(jobs: Jobs, worker: str = "ear") -> Job:
    (job,) = await jobs.claim(worker, PERFORMANCE, 1, Kind.TRANSCRIBE)
    return job


async def kept(jobs: Jobs) -> int:
    async with jobs.database.read() as connection:
        return await connection.scalar(sa.select(sa.func.count()).select_from(recordings_table)) or 0


async def test_each_kind_of_worker_is_given_its_kind_of_jobs(database_url: str) -> None:
    async with opened(database_url) as jobs:
        composed, heard, later = await submit(jobs, [draft("piece"), recording("hum", data=b"hum"), recording("sing")])
        assert [job.id for job in await jobs.claim("w", WORDS, 9)] == [composed.id]
        assert await jobs.claim("w", PERFORMANCE, 9) == []
        claimed = await claim_recording(jobs)
        assert (claimed.id, claimed.kind, claimed.attempt) == (heard.id, Kind.TRANSCRIBE, 1)
        assert await jobs.recording(claimed) == b"hum"
        assert await jobs.recording(later) == b"OggS \x00\xff"
        assert await jobs.recording(composed) is None


async def test_pieces_and_recordings_do_not_stand_in_each_others_line(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await jobs.enlist("w", 2, WORDS, 4.0)
        wanted = [draft("a", "ann"), recording("b", "bob"), draft("c", "cleo"), recording("d", "dora")]
        submitted = await submit(jobs, wanted)
        assert await places(jobs, submitted) == [1, 1, 2, 2]
        progress = await jobs.progress([job.id for job in submitted])
        # Pieces by 2 slots of 4 bars a second; of recordings nobody can say, for nobody listens.
        assert [progress[job.id].seconds for job in submitted] == [2, None, 3, None]
        await jobs.enlist("w-ear", 1, PERFORMANCE, 10.0, Kind.TRANSCRIBE)
        progress = await jobs.progress([job.id for job in submitted])
        assert [progress[job.id].seconds for job in submitted] == [2, 10, 3, 20]
        job = await claim_recording(jobs, "w-ear")
        await jobs.beat("w-ear", {job.id: 60})
        progress = await jobs.progress([job.id for job in submitted])
        assert [progress[job.id].seconds for job in submitted] == [2, 4, 3, 14]
        assert (await jobs.hands(Kind.COMPOSE), await jobs.hands(Kind.TRANSCRIBE)) == (1, 1)
        found = await jobs.statistics()
        assert (found.queued, found.running, found.workers, found.slots, found.listeners) == (3, 1, 1, 2, 1)


@pytest.mark.parametrize("how", ["finish", "fail", "drop", "cancel", "abandon", "forget", "hopeless", "retire"])
async def test_a_recording_is_gone_as_soon_as_its_job_has_ended(database_url: str, how: str) -> None:
    async with opened(database_url, max_attempts=1) as jobs:
        job, other = await submit(jobs, [recording("hum"), recording("other", "bob")])
        assert await kept(jobs) == 2
        if how in ("finish", "fail", "drop"):
            claimed = await claim_recording(jobs)
            assert await kept(jobs) == 2
            end = {"finish": lambda: jobs.finish(claimed, {"notes": []}), "fail": lambda: jobs.fail(claimed, "time")}
            assert await end.get(how, lambda: jobs.drop(claimed))()
        elif how == "cancel":
            assert await jobs.cancel(job.id)
        elif how == "abandon":
            assert await jobs.abandon(job.id, "nobody")
            assert not await jobs.abandon(job.id, "nobody"), "it has ended"
        elif how == "forget":
            async with jobs.database.write() as connection:
                await jobs.forget(connection, "ann")
        elif how == "hopeless":
            await claim_recording(asleep(jobs))
            await jobs.claim("w", WORDS, 0)
        else:
            await claim_recording(jobs, "ear")
            await jobs.cancel(job.id)
            await jobs.retire("ear")
        assert await kept(jobs) == 1
        assert await jobs.recording(other) is not None


async def test_a_recording_stays_for_whoever_takes_it_over(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [recording("hum", data=b"hum")])
        await claim_recording(asleep(jobs), "killed")
        claimed = await claim_recording(jobs, "heir")
        assert (claimed.attempt, await jobs.recording(claimed)) == (2, b"hum")
        assert await jobs.release(claimed)
        again = await claim_recording(jobs, "heir")
        assert (again.attempt, await jobs.recording(again)) == (2, b"hum")


async def test_what_somebody_works_on_is_not_abandoned(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [recording("hum")])
        claimed = await claim_recording(jobs)
        assert not await jobs.abandon(job.id, "nobody")
        await age(jobs, claimed, 3600, "lease_until")
        assert await jobs.abandon(job.id, "nobody")
        found = await jobs.get(job.id)
        assert found is not None
        assert (found.state, found.reason) == (State.FAILED, "nobody")
        assert not await jobs.finish(claimed, {"notes": []})


async def test_the_same_key_keeps_one_recording(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [recording("hum", data=b"hum")])
        assert await submit(jobs, [recording("hum", data=b"again")]) == [job]
        assert (await kept(jobs), await jobs.recording(job)) == (1, b"hum")
        await jobs.finish(await claim_recording(jobs), {"notes": []})
        await submit(jobs, [recording("hum", data=b"again")])
        assert await kept(jobs) == 0


# ---------------------------------------------------------------------- slow, dead, alone, and made alike


async def test_a_worker_that_is_only_slow_costs_no_attempt(database_url: str) -> None:
    async with opened(database_url, max_attempts=2) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        for number in range(6):  # each is late with its beat, but is heard of
            await jobs.enlist(f"w {number % 2}", 1, WORDS, None)
            taken = await asleep(jobs).claim(f"w {number % 2}", WORDS, 1)
            assert [each.id for each in taken] == [job.id]
            await jobs.enlist("w 0", 1, WORDS, None)
            await jobs.enlist("w 1", 1, WORDS, None)
        assert await jobs.beat("w 1", {job.id: 1}) == set()
        assert await state(jobs, job) == State.RUNNING


async def test_a_last_attempt_waits_until_its_worker_is_known_to_be_dead(database_url: str) -> None:
    async with opened(database_url, max_attempts=1) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        await jobs.enlist("w", 1, WORDS, None)
        await asleep(jobs).claim("w", WORDS, 1)
        assert await jobs.claim("other", WORDS, 1) == []
        assert await state(jobs, job) == State.RUNNING
        async with jobs.database.write() as connection:
            await connection.execute(sa.update(workers_table).values(seen_at=now() - 3600))
        assert await jobs.claim("other", WORDS, 1) == []
        assert await state(jobs, job) == State.FAILED


async def test_what_came_back_is_claimed_alone_and_takes_no_neighbour_along(database_url: str) -> None:
    async with opened(database_url, max_attempts=3) as jobs:
        killer, *others = await submit(jobs, [draft(name, name) for name in "abcd"])
        for number in range(20):
            claimed = await asleep(jobs).claim(f"w {number}", WORDS, 4)
            if killer.id not in {job.id for job in claimed}:
                for job in claimed:
                    assert await jobs.finish(job, {})
        assert [await state(jobs, job) for job in others] == [State.DONE] * 3
        assert await state(jobs, killer) == State.FAILED


async def test_nothing_joins_what_came_back_and_it_joins_nothing(database_url: str) -> None:
    async with opened(database_url) as jobs:
        back, first, second = await submit(jobs, [draft(name, name) for name in "abc"])
        await asleep(jobs).claim("dead", WORDS, 1)
        assert [job.id for job in await jobs.claim("heir", WORDS, 4)] == [back.id]
        assert await jobs.claim("heir", WORDS, 4) == []
        busy = await jobs.claim("busy", WORDS, 1)
        assert [job.id for job in busy] == [first.id]
        await age(jobs, back, 3600, "lease_until")
        assert await jobs.claim("busy", WORDS, 4) == []
        await jobs.finish(busy[0], {})
        assert [job.id for job in await jobs.claim("busy", WORDS, 4)] == [back.id]
        assert await state(jobs, second) == State.QUEUED


async def test_what_was_begun_waits_for_its_maker_while_one_lives(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")])
        await asleep(jobs).claim("killed", WORDS, 1, maker="one int8")
        await jobs.enlist("same", 1, WORDS, None, maker="one int8")
        assert await jobs.claim("other", WORDS, 1, maker="two bfloat16") == []
        (same,) = await asleep(jobs).claim("same", WORDS, 1, maker="one int8")
        assert same.id == job.id
        async with jobs.database.write() as connection:
            await connection.execute(sa.update(workers_table).values(seen_at=now() - 3600))
        assert [each.id for each in await jobs.claim("other", WORDS, 1, maker="two bfloat16")] == [job.id]


async def test_a_long_piece_weighs_what_many_short_ones_do(database_url: str) -> None:
    async with opened(database_url) as jobs:
        await submit(jobs, [draft("long 0", "ann", bars=128), draft("long 1", "ann", bars=128)])
        await submit(jobs, drafts(5, "bob", bars=4))
        assert await keys_in_line(jobs) == ["long 0", *(f"bob {number}" for number in range(5)), "long 1"]


async def test_what_is_kept_for_less_than_a_day_counts_for_a_day(database_url: str) -> None:
    async with opened(database_url) as jobs:
        (job,) = await submit(jobs, [draft("a")], Limits(a_day=1), tender="bot")
        await jobs.finish(await claim_one(jobs), {"words": [1]})
        await jobs.delivered(job.id, "bot")
        await age(jobs, job, 7200, "delivered_at")
        assert await jobs.sweep(0.01) == 0
        with pytest.raises(LineFullError):
            await submit(jobs, [draft("b")], Limits(a_day=1))
        found = await jobs.get(job.id)
        assert found is not None
        assert (found.payload, found.result) == ({}, None)


async def test_recordings_that_are_refused_for_what_they_are_count_for_a_day(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(a_day=3)
        for key in ("at the door", "at the door", "behind it"):  # the same request twice is one
            await jobs.refuse(recording(key), to_reason(NotAudioError("it is a picture")))
        (heard,) = await submit(jobs, [recording("heard")], limits)
        await jobs.fail(await claim_recording(jobs), to_reason(NothingPlayedError("noise")))
        with pytest.raises(LineFullError) as full:
            await jobs.check("ann", "", limits)
        assert (full.value.kind, full.value.limit) == ("a_day", 3)
        await jobs.check("bob", "", limits)
        # Of what was refused at the door there is nothing to deliver, nor to be heard; and nothing of it is kept.
        assert [job.id for job in await jobs.tend("bot", 9)] == [heard.id]
        assert await jobs.claim("ear", PERFORMANCE, 9, Kind.TRANSCRIBE) == []
        async with jobs.database.read() as connection:
            assert await connection.scalar(sa.select(sa.func.count()).select_from(recordings_table)) == 0


async def test_what_could_not_be_heard_for_a_fault_of_ours_does_not_count(database_url: str) -> None:
    async with opened(database_url) as jobs:
        limits = Limits(a_day=1)
        for reason in ("died", TOO_MANY_ATTEMPTS, to_reason(CannotHearError("ffmpeg"))):
            await submit(jobs, [recording(reason)], limits)
            await jobs.fail(await claim_recording(jobs), reason)
        await jobs.refuse(recording("door"), to_reason(CannotHearError("ffmpeg")))
        await jobs.check("ann", "", limits)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("how", ["forget", "finish", "strip", "sweep"])
async def test_what_is_forgotten_is_in_no_file_of_sqlite(database_url: str, how: str) -> None:
    secret = b"hummed in private " * 100
    async with opened(database_url) as jobs:
        path = Path(database_url.removeprefix("sqlite+aiosqlite:///"))
        (job,) = await submit(jobs, [recording("hum", data=secret)], tender="bot")

        def found() -> bool:
            return any(b"hummed in private" in file.read_bytes() for file in path.parent.glob(f"{path.name}*"))

        assert found()
        if how == "forget":
            async with jobs.database.write() as connection:
                await jobs.forget(connection, "ann")
        else:
            said = {"notes": "hummed in private"} if how in ("strip", "sweep") else {}
            await jobs.finish(await claim_recording(jobs), said)
        if how == "strip":
            assert found()
            others = [jobs.enlist(f"worker {n}", 1, WORDS, None) for n in range(8)]  # write at the same time
            await asyncio.gather(*others, jobs.strip(job.id))
        if how == "sweep":
            assert found()
            await jobs.delivered(job.id, "bot")
            await age(jobs, job, 9 * DAY_SECONDS, "submitted_at", "delivered_at")
            assert await jobs.sweep(7) == 1
        assert not found()
