"""What the bot is told from outside: where it is read, what is refused, and that no value is ever repeated."""

from __future__ import annotations

import os
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.services import load_vocabulary
from bot.settings import HOW_TO_GET_A_TOKEN, ConfigurationError, Settings, load_settings
from composer.database import Database
from composer.music.words import default_vocabulary

TOKEN = "a.made-up.token"


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """None of our variables, and a folder without .env."""
    before = dict(os.environ)
    for name in before:
        if name.lower() in Settings.model_fields:
            del os.environ[name]
    monkeypatch.chdir(tmp_path)
    yield
    os.environ.clear()
    os.environ.update(before)


def load(**settings: str) -> Settings:
    os.environ.update(settings)
    return load_settings()


def refusal(**settings: str) -> str:
    with pytest.raises(ConfigurationError) as refused:
        load(**settings)
    return str(refused.value)


# ---------------------------------------------------------------------- what is taken


async def test_a_token_is_all_that_is_needed() -> None:
    settings = load(DISCORD_TOKEN=TOKEN)
    assert settings.discord_token.get_secret_value() == TOKEN
    assert load_vocabulary(settings).digest == default_vocabulary().digest, "the checkpoint that comes along"
    async with Database(settings.database_url.get_secret_value()) as database:
        await database.migrate()
    assert [path.name for path in Path().iterdir()] == ["segue.db"], "a file where the bot is started"
    assert (settings.workers, settings.device) == (1, "auto"), "it composes without anything else running"
    assert (settings.shard_ids, settings.shard_count) == (None, None)
    assert (settings.metrics_port, settings.worker_metrics_port) == (None, None), "nothing listens unasked"
    assert settings.discord_api.startswith("https://discord.com/")
    assert settings.discord_gateway.startswith("wss://gateway.discord.gg")


def test_the_environment_gives_each_setting() -> None:
    told = {
        "database_url": "postgresql+asyncpg://segue:pw@db/segue",
        "workers": "0",
        "slots": "256",
        "threads": "3",
        "renderers": "64",
        "device": "cuda",
        "transcribe": "false",
        "checkpoint": "runs/best",
        "soundfont": "piano.sf2",
        "lease_seconds": "0.2",
        "line": "1",
        "in_line": "2",
        "a_day": "3",
        "keep_days": "0.5",
        "shard_ids": "0, 3",
        "shard_count": "4",
        "log_format": "json",
        "log_level": "DEBUG",
        "metrics_port": "65535",
        "worker_metrics_port": "1",
        "discord_api": "http://127.0.0.1:1/api",
        "discord_gateway": "ws://127.0.0.1:1/",
    }
    assert {*told, "discord_token"} == set(Settings.model_fields)
    settings = load(DISCORD_TOKEN=TOKEN, **{name.upper(): value for name, value in told.items()})
    assert settings.database_url.get_secret_value() == told["database_url"]
    assert settings.shard_ids == [0, 3]
    assert settings.transcribe is False
    for name in told.keys() - {"database_url", "shard_ids", "transcribe"}:
        value = getattr(settings, name)
        assert type(value)(told[name]) == value, name


def test_a_file_is_read_and_the_environment_goes_before_it() -> None:
    Path(".env").write_text(
        f"# mine\nDISCORD_TOKEN='{TOKEN}'\nSLOTS=7\nLINE = 70\nSHARD_IDS=0,1\nSHARD_COUNT=2\nUNKNOWN=x\n\n"
        'DATABASE_URL="postgresql+asyncpg://segue:pä#w@db/segue"\n',
        encoding="utf-8",
    )
    settings = load(SLOTS="9")
    assert settings.discord_token.get_secret_value() == TOKEN
    assert (settings.slots, settings.line, settings.shard_ids, settings.shard_count) == (9, 70, [0, 1], 2)
    assert settings.database_url.get_secret_value() == "postgresql+asyncpg://segue:pä#w@db/segue"


def test_a_token_may_have_been_copied_with_spaces_around_it() -> None:
    assert load(DISCORD_TOKEN=f"  {TOKEN}\n").discord_token.get_secret_value() == TOKEN


@pytest.mark.parametrize(("text", "ids"), [("0,1", [0, 1]), ("3", [3]), (" 2 , 0 ", [2, 0])])
def test_shards_are_numbers_with_commas_between(text: str, ids: list[int]) -> None:
    assert load(DISCORD_TOKEN=TOKEN, SHARD_IDS=text, SHARD_COUNT="4").shard_ids == ids


def test_shards_that_discord_advises_may_be_another_number() -> None:
    assert load(DISCORD_TOKEN=TOKEN, SHARD_COUNT="4").shard_ids is None


# ---------------------------------------------------------------------- what is refused


def test_without_a_token_it_is_said_how_to_get_one() -> None:
    assert refusal() == HOW_TO_GET_A_TOKEN
    assert refusal(DISCORD_TOKEN="  ") == HOW_TO_GET_A_TOKEN


WRONG = {
    "workers": "hunter2",
    "slots": "257",
    "threads": "0",
    "renderers": "-4711",
    "device": "hunter2",
    "lease_seconds": "hunter2",
    "line": "0",
    "in_line": "4711.5",
    "a_day": "hunter2",
    "keep_days": "-4711",
    "shard_ids": "0,hunter2",
    "shard_count": "hunter2",
    "log_format": "hunter2",
    "log_level": "hunter2",
    "metrics_port": "65536",
    "worker_metrics_port": "hunter2",
}


def test_all_that_is_wrong_or_missing_is_said_at_once_and_no_value_is_repeated() -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(
            DATABASE_URL="postgresql+asyncpg://segue:hunter2@db/segue",
            **{name.upper(): value for name, value in WRONG.items()},
        )
    text = str(refused.value)
    assert text.endswith(HOW_TO_GET_A_TOKEN)
    lines = text.removesuffix(HOW_TO_GET_A_TOKEN).splitlines()
    assert sorted(line.partition(":")[0].lower() for line in lines) == sorted(WRONG)
    assert all(len(line) > len(line.partition(":")[0]) + 10 for line in lines), "each says what is taken"
    whole = "".join(traceback.format_exception(refused.value))
    for value in ("hunter2", "257", "4711", "65536"):
        assert value not in whole.replace(HOW_TO_GET_A_TOKEN, "")


@pytest.mark.parametrize(
    "shards",
    [
        {"SHARD_IDS": "0,1"},  # discord.py wants to know of how many
        {"SHARD_IDS": "0,2", "SHARD_COUNT": "2"},
        {"SHARD_IDS": "-1", "SHARD_COUNT": "2"},
        {"SHARD_IDS": "", "SHARD_COUNT": "2"},
        {"SHARD_IDS": "0,", "SHARD_COUNT": "2"},
    ],
)
def test_shards_that_there_are_not_are_refused(shards: dict[str, str]) -> None:
    text = refusal(DISCORD_TOKEN=TOKEN, **shards)
    assert "SHARD_IDS" in text
    assert len(text.splitlines()) == 1


# ---------------------------------------------------------------------- secrets


def test_no_representation_shows_a_secret() -> None:
    settings = load(DISCORD_TOKEN="hunter2", DATABASE_URL="postgresql+asyncpg://segue:hunter2@db/segue")
    for text in (repr(settings), str(settings), settings.model_dump_json(), str(settings.model_dump())):
        assert "hunter2" not in text
