"""What the bot says of strangers' words and of long lists, what it logs, and what it does without its commands."""

from __future__ import annotations

import asyncio
import json
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from discord_standin import Standin
from scenes import DELIVERED, PATIENCE, Scene, is_music, opening, posted, running
from structlog.testing import capture_logs

from bot import app
from bot.app import SegueClient
from bot.messages import LONGEST_MESSAGE, say
from bot.playground.protocol import Attachment, RefusedError
from bot.storage import Storage
from composer.database import Database

HOSTILE = "`[x](https://evil.example)` @here **b** ||s|| discord.gg/evil \u202egnp"
LIVE = re.compile(
    r"evil\.example|https://evil|\]\(https://evil|(?<!\\)@here|discord\.gg|(?<!\\)\|\||\u202e|(?<!\\)\*\*b"
)


async def test_a_hostile_file_name_acts_nowhere(scene: Scene) -> None:
    ann, channel = scene.ann, scene.channel
    file = Attachment(f"{HOSTILE}.mid", opening())
    reply = await ann.command("compose", channel, opening=file, bars=2)
    message = await posted(reply)
    # Discord keeps of a name what is ASCII; what it was called before is the title, which the table keeps.
    with sqlite3.connect(scene.bot.folder / "segue.db") as database:
        database.execute("update pieces set title = ? where owner = ?", (HOSTILE, ann.id))
    await ann.command(f"/settings preset save name:{json.dumps(HOSTILE[:32])}", channel)
    replies = [reply, await ann.click(message, "Info"), await ann.command("/history", channel)]
    replies += [await ann.command("/settings preset list", channel)]
    replies += [await ann.command("/settings preset load name:nothing-like-it", channel)]
    again = await ann.click(message, "Vary")
    varied = await posted(again)
    longer = await ann.command("compose", channel, opening=file, bars=128)
    replies += [await ann.command("/queue", channel), again]
    await ann.click(message, "♥ Love")
    await message.until(lambda m: "♥ Love 1" in [button.label for button in m.buttons])
    replies += [
        await ann.click(varied, "Back"),
        *[await ann.command(name, channel) for name in ("tree", "top", "compare")],
    ]
    await replies[-1].until(lambda m: m.files, PATIENCE)
    choices = [
        await ann.suggestions("cancel", channel, "piece"),
        await ann.suggestions("compose", channel, "preset"),
    ]
    assert not any("\u202e" in choice.name or len(choice.name) > 100 for each in choices for choice in each)
    await ann.command("/cancel", channel)
    await longer.until(lambda m: is_music(m) or say("en", "cancelled") in m.content, PATIENCE)
    told = [text for each in [*replies, longer] for text in texts_of(each)]
    assert len(told) > 8
    for text in told:
        ours = re.sub(r"`[^`]*`", "", text)  # between these nothing acts
        assert not LIVE.search(ours), text
        assert "\u202e" not in text
    info = replies[1].message
    assert info is not None
    assert info.content.count("`") % 2 == 0
    assert all(re.fullmatch(r"[A-Za-z0-9_]+\.(mp3|mid|png)", name) for name in varied.files)


def texts_of(reply: Any) -> list[str]:
    messages = [message for message in (reply.message, *reply.followups) if message is not None]
    return [version.content for message in messages for version in message.versions]


async def test_however_many_channels_a_server_allows_the_refusal_can_be_read(waiting: Scene) -> None:
    boss, chat = waiting.standin.user("boss"), waiting.guild.channel("chat")
    waiting.guild.grant(boss, "manage_guild")
    await boss.command("/admin channels allow", chat, channel=waiting.channel)
    with sqlite3.connect(waiting.bot.folder / "segue.db") as database:
        many = json.dumps([10**18 + number for number in range(120)])
        database.execute("update guilds set channels = ? where id = ?", (many, waiting.guild.id))
    refused = await waiting.ask(channel=chat)
    listed = await boss.command("/admin channels allow", chat, channel=waiting.channel)
    for reply in (refused, listed):
        assert reply.message is not None
        assert reply.ephemeral
        assert "<#1000000000000000000>" in reply.message.content
        assert re.search(r"and \d+ more", reply.message.content)
        assert len(reply.message.content) <= LONGEST_MESSAGE


async def test_at_debug_neither_tokens_nor_file_names_are_logged(tiny: Path, tmp_path: Path) -> None:
    async with running(tmp_path, tiny, LOG_LEVEL="DEBUG", LOG_FORMAT="console") as scene:
        scene.standin.faults.rate_limit("*", "/webhooks/*", 0.3)
        file = Attachment("Secret-Sonata.mid", opening())
        message = await posted(await scene.ann.command("compose", scene.channel, opening=file, bars=2, takes=2))
        await posted(await scene.ann.click(message, "Vary"))
        await scene.until_jobs(DELIVERED, 3)
        log = scene.bot.log.read_text()
        assert "delivered" in log
        assert "Sonata" not in log
        tokens = list(scene.standin.world.interactions)
        assert tokens
        assert not [token for token in tokens if token in log]


# --- without its commands ---


@asynccontextmanager
async def client(folder: Path, standin: Standin) -> AsyncIterator[SegueClient]:
    """The bot's client in this process. With commands of an earlier version, which the bot has just changed."""
    async with Database(f"sqlite+aiosqlite:///{folder / 'segue.db'}") as database:
        await database.migrate()
        settings = SimpleNamespace(shard_ids=None, shard_count=None)
        services: Any = SimpleNamespace(settings=settings, storage=Storage(database), delivery=SimpleNamespace())
        with standin.patched():
            async with SegueClient(services) as first:
                serving = asyncio.create_task(first.start(standin.token))
                await standin.until(standin.commands, PATIENCE)
                await standin.ready(timeout=PATIENCE)
                await first.close()
                await serving
            await standin.gone(PATIENCE)
            await services.storage.set_mark(f"commands:{standin.bot.id}", "an earlier version")
            async with SegueClient(services) as second:
                serving = asyncio.create_task(second.start(standin.token))
                yield second
                await second.close()
                await serving


INVALID = {
    "code": 50035,
    "message": "Invalid Form Body",
    "errors": {"0": {"options": {"1": {"description": {"_errors": [{"code": "X", "message": "Too rude."}]}}}}},
}
EXHAUSTED = {"code": 30034, "message": "Max number of daily application command creates has been reached (200)"}


@pytest.mark.parametrize(
    ("body", "said"), [(INVALID, ("50035", "compose", "Too rude.")), (EXHAUSTED, ("30034", "daily"))]
)
async def test_where_discord_refuses_the_commands_it_serves_those_that_are_there_and_tries_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: dict[str, Any], said: tuple[str, ...]
) -> None:
    monkeypatch.setattr(app, "REGISTER_PAUSE", 0.1)
    with Standin() as standin, capture_logs() as logs:
        refusal = standin.faults.fail("PUT", "/applications/*", 400, times=0)
        async with client(tmp_path, standin):
            refusal.body, refusal.times = body, 10**6
            await refusal.hit(2, PATIENCE)
            await standin.ready(timeout=PATIENCE)
            reply = await standin.user("ann").command("/help", standin.guild().channel("c"))
            assert reply.message is not None
            assert reply.message.content == say("en", "help")
            refusal.remove()
            await standin.until(lambda: standin.requests.to("PUT", "/applications/*")[-1].status == 200, PATIENCE)
    told = [entry for entry in logs if entry["event"] == "commands not registered"]
    assert len(told) >= 2
    assert all(word in told[0]["why"] for word in said), told[0]


async def test_where_people_may_not_install_it_themselves_it_serves_in_servers(tmp_path: Path) -> None:
    with Standin() as standin, capture_logs() as logs:
        standin.tick(user=False)
        async with client(tmp_path, standin):
            await standin.ready()
            eve, foreign = standin.user("eve", installed=True), standin.guild("Elsewhere", has_bot=False).channel("c")
            for channel in (standin.guild().channel("c"), eve.dm):
                reply = await eve.command("/help", channel)
                assert reply.message is not None
                assert reply.message.content == say("en", "help")
            with pytest.raises(RefusedError, match="not installed"):
                await eve.command("/help", foreign)
    assert not [entry for entry in logs if entry["event"] == "commands not registered"]
    assert any("User Install" in entry.get("why", "") for entry in logs)


async def test_where_discord_takes_no_commands_for_an_hour_it_connects_all_the_same(tmp_path: Path) -> None:
    with Standin() as standin, capture_logs() as logs:
        limit = standin.faults.rate_limit("PUT", "/applications/*", 3600, times=0)
        async with client(tmp_path, standin):
            limit.times = 10**6
            await limit.hit(1, PATIENCE)
            await standin.ready(timeout=PATIENCE)
            reply = await standin.user("ann").command("/help", standin.guild().channel("c"))
            assert reply.message is not None
    (told,) = [entry for entry in logs if entry["event"] == "commands not registered"]
    assert "3600 s" in told["why"]
    assert told["again_in"] >= 3600
