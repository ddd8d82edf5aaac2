"""The real bot in a process of its own, with its real worker, beside the stand-in for Discord."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from discord_standin import Standin

ROOT = Path(__file__).parent.parent.parent
STOP_SECONDS = 60
LIMIT_WINDOWS = 0.1  # of Discord's seconds, within which so many requests may be made: nobody waits for minutes
LEASE_SECONDS = 8  # so long a bot or a worker that was killed is missed; a busy machine does not reach it


class BotProcess:
    """`python -m bot` until the block ends; `kill` and `start` in between are the test's own.

    folder: where it runs, with its log; a file .env there would be read
    """

    def __init__(self, standin: Standin, folder: Path, settings: Mapping[str, str], shards: int = 1) -> None:
        self.standin, self.folder, self.shards = standin, folder, shards
        self.log = folder / "bot.log"
        standin.timing.windows = LIMIT_WINDOWS
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "PYTHONPATH") if name in os.environ}
        self.environment = (
            inherited
            | {"OMP_NUM_THREADS": "1", "LOG_FORMAT": "json", "DISCORD_TOKEN": standin.token}
            | {"LEASE_SECONDS": str(LEASE_SECONDS)}
            | standin.environment
            | settings
        )
        self.process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.end()

    def check_contract(self) -> None:
        """What it asked and was told in all its life fits Discord's description of its API, where that is at hand."""
        violations = sorted({str(violation) for violation in self.standin.contract.violations})
        assert not violations, "\n".join(violations)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What its database answers."""
        with sqlite3.connect(self.folder / "segue.db") as database:
            return database.execute(query).fetchall()

    async def until_rows(self, query: str, rows: list[tuple[Any, ...]], patience: float) -> None:
        """Until its database answers so, for at most so many seconds."""
        for _ in range(int(patience / 0.1)):
            if self.rows(query) == rows:
                return
            await asyncio.sleep(0.1)
        raise AssertionError(f"{query}: still {self.rows(query)}")

    async def start(self) -> None:
        """Returns once it is connected and its commands are known."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bot"], cwd=self.folder, env=self.environment, stderr=log, start_new_session=True
            )
        try:
            await self.standin.ready(self.shards)
            await self.standin.until(lambda: self.standin.commands())
        except TimeoutError:
            raise AssertionError(f"the bot did not connect:\n{self.log.read_text()[-3000:]}") from None

    async def kill(self) -> None:
        """kill -9 of the bot and of the worker that it started, as when the machine goes down."""
        assert self.process is not None
        for worker in self.workers():
            os.kill(worker, signal.SIGKILL)
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        await self.standin.gone()

    def workers(self) -> list[int]:
        """Process ids of its living workers."""
        assert self.process is not None
        found = subprocess.run(
            ["pgrep", "-P", str(self.process.pid), "-f", "composer.cli worker"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [int(pid) for pid in found.stdout.split()]

    async def kill_worker(self) -> None:
        """kill -9 of one worker; the bot goes on."""
        while not (pids := self.workers()):
            await asyncio.sleep(0.1)
        os.kill(pids[0], signal.SIGKILL)

    def end(self) -> int:
        """SIGTERM, as a service is stopped. Returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
            raise AssertionError(f"the bot did not stop:\n{self.log.read_text()[-3000:]}") from None


@contextmanager
def started(folder: Path, checkpoint: Path, **settings: str) -> Iterator[BotProcess]:
    """A bot beside a stand-in of its own, which ends in good order and has kept to the contract."""
    with Standin() as standin:
        bot = BotProcess(standin, folder, {"CHECKPOINT": str(checkpoint), **settings})
        asyncio.run(bot.start())
        yield bot
        assert bot.end() == 0, "SIGTERM ends it in good order"
        bot.check_contract()
        assert standin.token not in bot.log.read_text()


@contextmanager
def without_traceback(bot: BotProcess) -> Iterator[None]:
    """It lives, and nothing goes wrong in it meanwhile."""
    assert bot.process is not None
    if bot.process.poll() is not None:  # a test has failed before it could start it again
        asyncio.run(bot.start())
    before = bot.log.stat().st_size
    yield
    log = bot.log.read_bytes()[before:].decode()
    assert "Traceback" not in log, log
