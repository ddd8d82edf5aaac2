"""One bot for all tests that leave it as they found it, each in a server of its own; and every test that uses a
stand-in for Discord also holds the bot, and the stand-in, to Discord's description."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from bot_process import BotProcess, started
from discord_standin.contract import taken
from engine_models import random_checkpoint
from scenes import Scene

from composer.engine.checkpoint import save_checkpoint


@pytest.fixture(autouse=True)
def contract_is_kept() -> Iterator[None]:
    """What was asked and told since the last test. What a bot still does after its last test, `BotProcess` looks at."""
    yield
    violations = sorted(set(map(str, taken())))
    assert not violations, "\n".join(violations)


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint that composes a bar in no time."""
    folder, checkpoint = tmp_path_factory.mktemp("checkpoints") / "tiny", random_checkpoint()
    save_checkpoint(folder, checkpoint.model, checkpoint.vocabulary)
    return folder


@pytest.fixture(scope="session")
def shared_bot(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[BotProcess]:
    with started(tmp_path_factory.mktemp("bot"), tiny) as bot:
        yield bot


@pytest.fixture(scope="session")
def shared_bot_without_worker(tmp_path_factory: pytest.TempPathFactory, tiny: Path) -> Iterator[BotProcess]:
    with started(tmp_path_factory.mktemp("bot"), tiny, WORKERS="0") as bot:
        yield bot


@pytest.fixture
def scene(shared_bot: BotProcess) -> Iterator[Scene]:
    """Beside the bot that all share. Whoever kills it starts it again."""
    with _scene(shared_bot) as scene:
        yield scene


@pytest.fixture
def waiting(shared_bot_without_worker: BotProcess) -> Iterator[Scene]:
    """The same beside a bot whose pieces wait until a test starts a worker. Whoever does ends it, too."""
    with _scene(shared_bot_without_worker) as scene:
        yield scene


@contextmanager
def _scene(bot: BotProcess) -> Iterator[Scene]:
    assert bot.process is not None
    if bot.process.poll() is not None:  # a test has failed before it could start it again
        asyncio.run(bot.start())
    (last_job,) = bot.rows("select coalesce(max(id), 0) from jobs")[0]
    yield Scene(bot.standin, bot, last_job)
    bot.standin.faults.clear()
