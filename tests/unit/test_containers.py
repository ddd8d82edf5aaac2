"""The images and docker-compose.yml: what is in them, what they are told, and that one token is never served twice."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.metadata
import json
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from pydantic import ValidationError

from bot.settings import Settings
from composer import cli
from composer.line.claimant import GRACE_SECONDS
from composer.telemetry import Exposition

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: Mapping[str, Mapping[str, Any]] = COMPOSE["services"]
BOT, WORKER = "bot/Dockerfile", "composer/Dockerfile"
FILES = [BOT, WORKER]
OF_THE_BOT = [name for name, service in SERVICES.items() if service.get("build", {}).get("dockerfile") == BOT]
OF_THE_WORKER = [name for name, service in SERVICES.items() if service.get("build", {}).get("dockerfile") == WORKER]

SETTINGS = {name.upper(): field for name, field in Settings.model_fields.items()}
IN_THE_IMAGE = {"CHECKPOINT", "SOUNDFONT"}  # files that are there where the code looks by itself
ONLY_FOR_TESTS = {"DISCORD_API", "DISCORD_GATEWAY"}
ONLY_FOR_COMPOSE = {"COMPOSE_PROFILES", "POSTGRES_PASSWORD"}

EXAMPLE = (ROOT / ".env.example").read_text()
ASSIGNMENT = re.compile(r"^#?([A-Z_]+)=(.*)$", re.MULTILINE)
FOR_ALL, FOR_SCALE = EXAMPLE.split("# --- docker compose with the profile `scale`")
SCALE = dict(ASSIGNMENT.findall(FOR_SCALE)) | {"POSTGRES_PASSWORD": "s3cret"}
SCALE["DATABASE_URL"] = SCALE["DATABASE_URL"].replace("${POSTGRES_PASSWORD}", SCALE["POSTGRES_PASSWORD"])

Instruction = tuple[str, str]


def instructions(path: str) -> list[Instruction]:
    """Of a Dockerfile, each on one line."""
    text = re.sub(r"^#.*\n", "", (ROOT / path).read_text(), flags=re.MULTILINE).replace("\\\n", "")
    return [(line.split()[0], line.split(None, 1)[1]) for line in text.splitlines() if line.strip()]


def image(path: str) -> list[Instruction]:
    """What makes the image itself: the last stage."""
    found = instructions(path)
    return found[max(i for i, (word, _) in enumerate(found) if word == "FROM") :]


def last(path: str, word: str) -> str:
    return [rest for found, rest in image(path) if found == word][-1]


def built_in(path: str) -> dict[str, str]:
    """The variables that the image sets."""
    return dict(part.split("=", 1) for part in shlex.split(last(path, "ENV")))


def running(profile: str) -> set[str]:
    return {name for name, service in SERVICES.items() if profile in service.get("profiles", [profile])}


def told(name: str, dotenv: Mapping[str, str]) -> dict[str, str]:
    """The variables of a service, as Compose makes them of the image, docker-compose.yml and .env."""

    def filled(value: str) -> str:
        value = re.sub(r"\$\{(\w+):-([^}]*)\}", lambda found: dotenv.get(found[1]) or found[2], value)
        assert "$" not in value
        return value

    given = SERVICES[name]["environment"]
    passed_on = {key: dotenv[key] for key, value in given.items() if value is None and key in dotenv}
    own = {key: filled(str(value)) for key, value in given.items() if value is not None}
    return built_in(SERVICES[name]["build"]["dockerfile"]) | passed_on | own


def settings_of(name: str, dotenv: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """What the bot of a service reads. Raises ValidationError where it would not start."""
    with monkeypatch.context() as environment:
        for key in SETTINGS:
            environment.delenv(key, raising=False)
        for key, value in told(name, {"DISCORD_TOKEN": "token", **dotenv}).items():
            if key in SETTINGS:
                environment.setenv(key, value)
        return Settings(_env_file=None)


def variables_of_a_worker() -> set[str]:
    command = typer.main.get_command(cli.app).commands["worker"]
    return {option.envvar for option in command.params if option.envvar}


# --- .env.example ---


def test_every_setting_has_its_line_and_its_comment() -> None:
    assert sorted(name for name, _ in ASSIGNMENT.findall(FOR_ALL)) == sorted(SETTINGS)
    for before, line in zip(EXAMPLE.splitlines(), EXAMPLE.splitlines()[1:], strict=False):
        assert before.startswith("# ") or not ASSIGNMENT.match(line), line


def test_only_the_token_is_to_be_filled_in() -> None:
    assert re.findall(r"^[^#\n].*", EXAMPLE, flags=re.MULTILINE) == ["DISCORD_TOKEN="]


def test_a_line_without_its_hash_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    lines = ASSIGNMENT.sub(r"\1=\2", FOR_ALL).replace("DISCORD_TOKEN=", "DISCORD_TOKEN=token")
    (tmp_path / ".env").write_text(lines)
    usual = Settings(_env_file=None, discord_token="token").model_dump(exclude_none=True)
    read = Settings(_env_file=tmp_path / ".env").model_dump()
    read["checkpoint"] = ROOT / read["checkpoint"]
    assert {name: read[name] for name in usual} == usual


# --- the images ---


@pytest.mark.parametrize("path", FILES)
def test_all_that_an_image_copies_is_there_and_reaches_its_build(path: str) -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {rest.split()[0] for word, rest in instructions(path) if word == "COPY" and "--from" not in rest}
    assert copied <= let_in
    assert all((ROOT / source).exists() for source in copied)


def test_nothing_reaches_a_build_but_what_is_let_in() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    assert not {".", ".env", ".git", ".venv"} & {line.removeprefix("!") for line in lines}


@pytest.mark.parametrize("path", FILES)
def test_an_image_runs_as_nobody_of_the_host(path: str) -> None:
    user, group = last(path, "USER").split(":")
    assert int(user) == int(group) >= 10_000
    words = [word for word, _ in image(path)]
    assert "RUN" not in words[words.index("USER") :]


@pytest.mark.parametrize(("path", "port"), [(BOT, "METRICS_PORT"), (WORKER, "WORKER_METRICS_PORT")])
async def test_an_image_knows_whether_it_is_well(path: str, port: str) -> None:
    assert port in built_in(path)
    check = json.loads(last(path, "HEALTHCHECK").partition(" CMD ")[2])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]

    async def status() -> int:
        process = await asyncio.create_subprocess_exec(
            sys.executable, *check[1:], env={port: str(number)}, stderr=subprocess.DEVNULL
        )
        return await process.wait()

    well = True
    async with Exposition().served(number, lambda: well):
        assert await status() == 0
        well = False
        assert await status() == 1
    assert await status() == 1


# All that an image runs, and what is imported there only when it is needed.
IMPORTED = {
    BOT: ["bot.serve", "bot.doctor", "fluidsynth", "pydub"],
    WORKER: [
        *("composer.cli", "composer.worker", "composer.composing", "composer.rendering.piano_roll"),
        *("composer.cli.wiring", "composer.ear_process", "composer.transcription.transcriber"),
    ],
}

WITHOUT = """
import importlib, json, sys
missing, wanted = json.loads(sys.argv[1])
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in missing:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Missing())
for name in wanted:
    importlib.import_module(name)
"""


def left_out(path: str) -> list[str]:
    """The packages that are not in an image."""
    (names,) = re.findall(r'RUN printf "%s\\n" (.*) >/left-out', (ROOT / path).read_text())
    return str(names).split()


@pytest.mark.parametrize("path", FILES)
def test_an_image_does_without_the_packages_that_it_leaves_out(path: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[^\w.-]", dependency)[0] for dependency in project["dependencies"]}
    assert {*left_out(path)} <= names
    modules = [
        module
        for module, packages in importlib.metadata.packages_distributions().items()
        if {package.lower() for package in packages} & {*left_out(path)}
    ]
    assert len(modules) >= len(left_out(path))
    command = [sys.executable, "-c", WITHOUT, json.dumps([modules, IMPORTED[path]])]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# --- docker-compose.yml ---


def test_the_profile_adds_to_the_bot_and_its_worker() -> None:
    assert running("") == {"bot", "worker"}
    assert running("scale") == {"bot", "bot-shard-1", "worker", "worker-gpu", "postgres"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_publishes_nothing_and_may_do_little(name: str) -> None:
    service = SERVICES[name]
    assert not {"ports", "network_mode", "privileged", "cap_add"} & set(service)
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "unless-stopped"
    if name == "postgres":
        assert service["user"] == "postgres"
        assert "healthcheck" in service
    else:
        assert "user" not in service  # that of the image
        assert service["read_only"]
        assert service["init"]


@pytest.mark.parametrize("name", OF_THE_BOT)
def test_a_bot_is_told_nothing_but_settings_and_every_setting_of_a_bot(name: str) -> None:
    known = set(built_in(BOT)) | set(SERVICES[name]["environment"])
    assert set(SERVICES[name]["environment"]) <= set(SETTINGS)
    assert SETTINGS.keys() - known == (variables_of_a_worker() - known) | IN_THE_IMAGE | ONLY_FOR_TESTS


@pytest.mark.parametrize("name", OF_THE_WORKER)
def test_a_worker_is_told_nothing_but_its_own_options(name: str) -> None:
    known = set(built_in(WORKER)) | set(SERVICES[name]["environment"])
    assert set(SERVICES[name]["environment"]) <= variables_of_a_worker()
    assert variables_of_a_worker() - known <= IN_THE_IMAGE | {"THREADS"}


def test_what_is_taken_from_dotenv_stands_in_its_example() -> None:
    text = (ROOT / "docker-compose.yml").read_text()
    taken = set(re.findall(r"\$\{(\w+)", text)) | {
        key for service in SERVICES.values() for key, value in service["environment"].items() if value is None
    }
    assert taken <= {name for name, _ in ASSIGNMENT.findall(EXAMPLE)}
    assert taken | {"COMPOSE_PROFILES"} <= set(SETTINGS) | ONLY_FOR_COMPOSE
    assert SCALE.keys() <= taken | {"COMPOSE_PROFILES"}


@pytest.mark.parametrize("name", [*OF_THE_BOT, *OF_THE_WORKER])
def test_nothing_takes_away_what_an_image_sets(name: str) -> None:
    """A variable without a value, if it is not in .env either, is unset."""
    service = SERVICES[name]
    empty = {key for key, value in service["environment"].items() if value is None}
    assert not empty & set(built_in(service["build"]["dockerfile"]))


def test_without_a_profile_one_bot_works_on_sqlite_beside_one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    bot, url = settings_of("bot", {}, monkeypatch), "sqlite+aiosqlite:////data/segue.db"
    assert bot.database_url.get_secret_value() == told("worker", {})["DATABASE_URL"] == url
    assert (bot.workers, bot.shard_ids, bot.shard_count) == (0, [0], 1)
    assert SERVICES["bot"]["volumes"] == SERVICES["worker"]["volumes"] == ["data:/data"]
    assert last(BOT, "VOLUME") == last(WORKER, "VOLUME") == "/data"


def test_at_scale_all_work_on_postgresql_and_each_shard_is_carried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    bots = [settings_of(name, SCALE, monkeypatch) for name in OF_THE_BOT]
    url = "postgresql+asyncpg://segue:s3cret@postgres/segue"
    assert {bot.database_url.get_secret_value() for bot in bots} == {url}
    assert {told(name, SCALE)["DATABASE_URL"] for name in OF_THE_WORKER} == {url}
    carried = sorted(shard for bot in bots for shard in bot.shard_ids or ())
    assert {bot.shard_count for bot in bots} == {len(bots)}
    assert carried == list(range(len(bots)))


@pytest.mark.parametrize("forgotten", sorted(SCALE))
def test_a_forgotten_line_never_makes_two_bots_of_one(forgotten: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = {key: value for key, value in SCALE.items() if key != forgotten}
    started = {}
    for name in OF_THE_BOT:
        with contextlib.suppress(ValidationError):
            started[name] = settings_of(name, dotenv, monkeypatch)
    assert len({bot.database_url.get_secret_value() for bot in started.values()}) == 1
    carried = [shard for bot in started.values() for shard in bot.shard_ids or ()]
    assert len(carried) == len(set(carried))
    assert len({bot.shard_count for bot in started.values()}) == 1


@pytest.mark.parametrize("name", OF_THE_WORKER)
def test_a_worker_has_the_time_it_needs_to_stop_and_not_the_token(name: str) -> None:
    assert int(SERVICES[name]["stop_grace_period"].removesuffix("s")) >= GRACE_SECONDS + 10
    assert "DISCORD_TOKEN" not in told(name, {"DISCORD_TOKEN": "token"})


def test_workers_on_a_gpu_have_reserved_one() -> None:
    gpu = [service for service in SERVICES.values() if service.get("environment", {}).get("DEVICE") == "cuda"]
    assert gpu
    for service in gpu:
        assert service["deploy"]["replicas"] > 1
        assert service["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
        assert service["build"]["args"]["TORCH_BACKEND"].startswith("cu")
