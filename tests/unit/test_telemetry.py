"""Logs without secrets, one JSON object a line; metrics and health on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from composer.errors import SettingsError
from composer.telemetry import HIDDEN, LOOPBACK, SECRETS, Exposition, LogFormat, configure_logging

TOKEN, URL = "MTIz.very.secret", "postgresql+asyncpg://segue:open'se\\same\"@db/segue"


@pytest.fixture(autouse=True)
def _logging_as_it_was() -> Iterator[None]:
    """Logging is of the whole process: the tests that follow get theirs back."""
    loggers = [logging.getLogger(name) for name in (None, "alembic", "discord")]
    levels = [logger.level for logger in loggers]
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers = []
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


Captured = pytest.CaptureFixture[str]


def lines(capsys: Captured) -> list[dict[str, Any]]:
    """What has been logged since the last call, as JSON."""
    out, err = capsys.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


# ---------------------------------------------------------------------- lines


def test_a_log_is_one_json_object_a_line(capsys: Captured) -> None:
    configure_logging("json")
    structlog.get_logger("worker").info("begun", job=7, seconds=0.5, kept=True, title="Für\nElise", nothing=None)
    structlog.get_logger("app").warning("lost", error=ValueError("a\nb"))
    begun, lost = lines(capsys)
    assert begun.pop("timestamp").endswith("Z")
    assert begun == {
        "event": "begun",
        "level": "info",
        "logger": "worker",
        "job": 7,
        "seconds": 0.5,
        "kept": True,
        "title": "Für\nElise",
        "nothing": None,
    }
    assert (lost["level"], lost["event"], lost["error"]) == ("warning", "lost", "a\nb")


def test_libraries_log_the_same_way(capsys: Captured) -> None:
    configure_logging("json")
    logging.getLogger("aiohttp.access").warning("%d of %s", 3, "four", extra={"shard": 1})
    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "3 of four", "level": "warning", "logger": "aiohttp.access", "shard": 1}


def test_what_is_below_the_level_is_not_logged(capsys: Captured) -> None:
    configure_logging("json")
    for talkative in ("discord.gateway", "alembic.runtime"):
        logging.getLogger(talkative).info("resumed")
        logging.getLogger(talkative).warning("away")
    structlog.get_logger("bot").debug("details")
    assert [line["event"] for line in lines(capsys)] == ["away", "away"]
    configure_logging("json", "ERROR")
    structlog.get_logger("bot").warning("hm")
    logging.getLogger("discord").warning("hm")
    structlog.get_logger("bot").error("oh")
    assert [line["event"] for line in lines(capsys)] == ["oh"]


def test_a_failure_is_logged_with_its_traceback_in_one_line(capsys: Captured) -> None:
    configure_logging("json")
    for log in (structlog.get_logger("bot"), logging.getLogger("discord")):
        try:
            raise ZeroDivisionError("the cause")
        except ZeroDivisionError:
            log.exception("failed")
    for line in lines(capsys):
        assert line["event"] == "failed"
        assert "Traceback" in line["exception"]
        assert "ZeroDivisionError: the cause" in line["exception"]


def test_people_get_lines_without_escape_codes_where_it_is_no_terminal(capsys: Captured) -> None:
    configure_logging("console", secrets=[TOKEN])
    structlog.get_logger("bot").info("connected", guilds=3, token=TOKEN)
    try:
        raise ZeroDivisionError(f"in {TOKEN}")
    except ZeroDivisionError:
        structlog.get_logger("bot").exception("failed")
    text = capsys.readouterr().err
    assert "connected" in text
    assert "guilds=3" in text
    assert "ZeroDivisionError: in [hidden]" in text
    assert TOKEN not in text
    assert "\x1b" not in text


# ---------------------------------------------------------------------- secrets


@pytest.mark.parametrize("name", [*SECRETS, "DISCORD_TOKEN", "client_secret", "Authorization", "postgres_password"])
@pytest.mark.parametrize("form", ["json", "console"])
def test_what_is_called_a_secret_is_hidden(capsys: Captured, form: LogFormat, name: str) -> None:
    configure_logging(form)
    structlog.get_logger("bot").info("started", **{name: "hunter2"})
    structlog.get_logger("bot").bind(**{name: ["hunter2"]}).info("started")
    logging.getLogger("library").warning("started", extra={name: {"in": "hunter2"}})
    with structlog.contextvars.bound_contextvars(**{name: "hunter2"}):
        structlog.get_logger("bot").info("started")
    text = capsys.readouterr().err
    assert text.count("started") == text.count(HIDDEN) == 4
    assert "hunter2" not in text


@pytest.mark.parametrize("secret", [TOKEN, URL])
def test_a_known_secret_is_hidden_wherever_it_turns_up(capsys: Captured, secret: str) -> None:
    configure_logging("json", secrets=[TOKEN, URL, ""])
    log, library = structlog.get_logger("bot"), logging.getLogger("library")
    log.info(f"with {secret} in it", text=f"<{secret}>", url=secret)
    log.info("nested", settings={"inner": [secret]}, error=ValueError(secret), raw=secret.encode())
    library.warning("with %s", secret, extra={"given": (secret, 1)})
    library.warning("with %(name)s", {"name": secret})
    with structlog.contextvars.bound_contextvars(where=secret):
        log.info("in the context")
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 5
    assert err.count(HIDDEN) == 10
    assert leaks(err, secret) == []


@pytest.mark.parametrize("secret", [TOKEN, URL])
def test_a_known_secret_is_hidden_in_tracebacks(capsys: Captured, secret: str) -> None:
    configure_logging("json", secrets=[TOKEN, URL, ""])
    for log in (structlog.get_logger("bot"), logging.getLogger("library")):
        try:
            try:
                raise KeyError(secret)
            except KeyError as cause:
                raise ConnectionError(f"cannot reach {secret}") from cause
        except ConnectionError:
            log.exception("failed")
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 2
    assert err.count("ConnectionError: cannot reach [hidden]") == 2
    assert leaks(err, secret) == []


def leaks(text: str, secret: str) -> list[str]:
    """The lines that hold a part of a secret by which it could be guessed, whatever was escaped in it."""
    parts = ("very.secret",) if secret == TOKEN else ("open", "same")
    return [line for line in text.splitlines() if any(part in line for part in parts)]


# ---------------------------------------------------------------------- metrics


@contextmanager
def free_port() -> Iterator[int]:
    with socket.socket() as found:
        found.bind((LOOPBACK, 0))
        port = found.getsockname()[1]
    yield port


async def get(port: int, path: str, host: str = LOOPBACK) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(f"http://{host}:{port}{path}") as response:
        return response.status, await response.text()


def numbers(text: str) -> dict[str, float]:
    return {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line[:1] not in ("#", "")
    }


async def test_metrics_are_the_numbers_of_now() -> None:
    exposition, now = Exposition(), {"queued": 3.0, "words": 10.0}
    exposition.gauge("segue_queued", "Pieces in line.", lambda: now["queued"])
    exposition.counter("segue_words", "Words drawn.", lambda: now["words"])
    ended = exposition.counted("segue_ended", "Pieces.", ["how"])
    waited = exposition.histogram("segue_wait_seconds", "Waiting.", (1, 10))
    with free_port() as port:
        async with exposition.served(port):
            status, text = await get(port, "/metrics")
            assert status == 200
            assert "# HELP segue_queued Pieces in line." in text
            assert "# TYPE segue_words_total counter" in text
            assert (numbers(text)["segue_queued"], numbers(text)["segue_words_total"]) == (3, 10)
            now.update(queued=5, words=250)
            ended.labels("done").inc()
            ended.labels("failed").inc(2)
            waited.observe(4)
            found = numbers((await get(port, "/metrics"))[1])
    assert (found["segue_queued"], found["segue_words_total"]) == (5, 250)
    assert (found['segue_ended_total{how="done"}'], found['segue_ended_total{how="failed"}']) == (1, 2)
    assert found['segue_wait_seconds_bucket{le="1.0"}'] == 0
    assert found['segue_wait_seconds_bucket{le="10.0"}'] == found["segue_wait_seconds_count"] == 1


async def test_numbers_that_have_to_be_asked_for_are_asked_for_at_each_reading() -> None:
    exposition, asked = Exposition(), 0

    async def refresh() -> None:
        nonlocal asked
        await asyncio.sleep(0)
        asked += 1

    exposition.refresh = refresh
    exposition.gauge("segue_asked", "How often.", lambda: asked)
    with free_port() as port:
        async with exposition.served(port):
            assert [numbers((await get(port, "/metrics"))[1])["segue_asked"] for _ in range(3)] == [1, 2, 3]


async def test_health_is_200_or_503() -> None:
    well = True
    with free_port() as port:
        async with Exposition().served(port, lambda: well):
            assert (await get(port, "/healthz"))[0] == 200
            well = False
            assert (await get(port, "/healthz"))[0] == 503
            well = True
            assert (await get(port, "/healthz"))[0] == 200
            assert (await get(port, "/"))[0] == 404


async def test_only_this_machine_is_answered_and_only_while_it_is_served() -> None:
    with free_port() as port:
        async with Exposition().served(port):
            assert (await get(port, "/healthz"))[0] == 200
            with pytest.raises(aiohttp.ClientConnectionError):  # a server on all addresses would answer on this one
                await get(port, "/healthz", host="127.0.0.2")
        with pytest.raises(aiohttp.ClientConnectionError):
            await get(port, "/healthz")


def sockets() -> int:
    """How many this process has open."""
    links = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # that of this very listing
            links.append(path.readlink())
    return sum(str(link).startswith("socket:") for link in links)


async def test_without_a_port_nothing_is_served() -> None:
    before = sockets()
    async with Exposition().served(None):
        assert sockets() == before
    with free_port() as port:
        async with Exposition().served(port):
            assert sockets() == before + 1


async def test_a_port_that_is_taken_is_told_in_a_sentence() -> None:
    with free_port() as port:
        async with Exposition().served(port):
            with pytest.raises(SettingsError, match=f"Port {port} .*Choose another"):
                async with Exposition().served(port):
                    pass
            assert (await get(port, "/healthz"))[0] == 200


# ---------------------------------------------------------------------- what libraries say


@pytest.mark.parametrize(
    "name", ["aiosqlite", "sqlalchemy.engine", "discord.http", "asyncpg", "asyncio", "of tomorrow"]
)
def test_what_libraries_log_for_those_who_mend_them_is_not_logged(capsys: Captured, name: str) -> None:
    configure_logging("json", "DEBUG")
    logging.getLogger(name).debug("INSERT INTO pieces ('Secret Sonata', 'aW50ZXJhY3Rpb24')")
    structlog.get_logger("bot").debug("ours")
    logging.getLogger(name).warning("theirs")
    assert [line["event"] for line in lines(capsys)] == ["ours", "theirs"]


@pytest.mark.parametrize("form", ["json", "console"])
@pytest.mark.parametrize("rest", ["", "/messages/@original", "/callback", "?wait=true"])
@pytest.mark.parametrize("kind", ["webhooks", "interactions"])
def test_an_address_with_an_interactions_token_is_logged_without_it(
    capsys: Captured, form: LogFormat, kind: str, rest: str
) -> None:
    configure_logging(form)
    address = f"https://discord.com/api/v10/{kind}/1311005463170842684/aW50ZXJhY3Rpb24{rest}"
    logging.getLogger("discord.http").warning("We are being rate limited. %s %s responded with 429.", "PATCH", address)
    try:
        raise ValueError(f"PATCH {address}")
    except ValueError as error:
        structlog.get_logger("bot").exception("failed", error=error)
    err = capsys.readouterr().err
    assert "aW50ZXJhY3Rpb24" not in err
    assert err.count(f"/{kind}/1311005463170842684/{HIDDEN}{rest}") == 3
