"""What the bot is told from outside: the environment, and .env where it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from composer.errors import SegueError
from composer.places import DEFAULT_CHECKPOINT

HOW_TO_GET_A_TOKEN = """\
DISCORD_TOKEN is missing, and without it there is no bot:
  1. https://discord.com/developers/applications -> New Application -> Bot -> Reset Token, and copy what it shows
  2. put the line DISCORD_TOKEN=what-you-copied into a file .env here, and start again (more in README.md)"""


class ConfigurationError(SegueError):
    """What is missing or wrong outside, all of it at once."""


class Settings(BaseSettings):
    """Each field is the environment variable of its name, in capitals."""

    model_config = SettingsConfigDict(env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True)

    discord_token: SecretStr
    database_url: SecretStr = SecretStr("sqlite+aiosqlite:///segue.db")  # it may hold a password

    workers: int = Field(default=1, ge=0, le=16)  # started beside the bot; 0 where they run elsewhere
    slots: int = Field(default=16, ge=1, le=256)  # pieces that one of them composes at once
    threads: int | None = Field(default=None, ge=1)  # of one of them, at most; None is one a core
    renderers: int = Field(default=1, ge=1, le=64)  # processes that render pieces; those that read openings are two
    device: Literal["auto", "cpu", "cuda"] = "auto"
    transcribe: bool = True  # whether they take recordings, which needs the extra `audio` and 2 GB while they do
    checkpoint: Path = DEFAULT_CHECKPOINT
    soundfont: Path | None = None  # None looks in the usual places
    lease_seconds: float = Field(default=15.0, ge=0.2)

    line: int = Field(default=500, ge=1)  # pieces in line, of all users together
    in_line: int = Field(default=8, ge=1)  # of one user, on all servers together; a server may allow less
    a_day: int = Field(default=100, ge=1)  # likewise
    keep_days: float = Field(default=90, gt=0)  # then a piece's MIDI and its request are forgotten

    shard_ids: Annotated[list[int] | None, NoDecode] = None  # "0,1"; None: all that Discord advises
    shard_count: int | None = Field(default=None, ge=1)

    log_format: Literal["json", "console"] = "console"
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    metrics_port: int | None = Field(default=None, ge=1, le=65535)  # /metrics and /healthz on loopback
    worker_metrics_port: int | None = Field(default=None, ge=1, le=65535)

    # Where Discord is. Only a stand-in for it is anywhere else.
    discord_api: str = "https://discord.com/api/v10"
    discord_gateway: str = "wss://gateway.discord.gg/"

    @field_validator("shard_ids", mode="before")
    @classmethod
    def _numbers(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = value.split(",")
        if not all(part.strip().isdecimal() for part in parts):
            raise ValueError("write them like 0,1")
        return [int(part) for part in parts]

    @model_validator(mode="after")
    def _shards_in_range(self) -> Self:
        if self.shard_ids is not None and (self.shard_count is None or max(self.shard_ids) >= self.shard_count):
            raise ValueError("SHARD_IDS: they go with SHARD_COUNT, and lie below it")
        return self

    @field_validator("discord_token")
    @classmethod
    def _no_spaces(cls, value: SecretStr) -> SecretStr:
        if not value.get_secret_value().strip():
            raise ValueError("is empty")
        return SecretStr(value.get_secret_value().strip())


def load_settings() -> Settings:
    """Raises ConfigurationError, which names everything that is missing or wrong and never repeats a value."""
    try:
        return Settings()  # type: ignore[call-arg] # the environment gives them
    except ValidationError as error:
        wrong = {
            str(part["loc"][0]) if part["loc"] else "": part["msg"].removeprefix("Value error, ")
            for part in error.errors()
        }
    sentences = [
        f"{name.upper()}: {message}." if name else f"{message}."
        for name, message in wrong.items()
        if name != "discord_token"
    ]
    if "discord_token" in wrong:
        sentences.append(HOW_TO_GET_A_TOKEN)
    raise ConfigurationError("\n".join(sentences))
