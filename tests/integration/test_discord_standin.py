"""The stand-in for Discord keeps its promises to an unmodified discord.py client."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from discord_standin import Standin
from discord_standin.contract import DESCRIPTION, Contract, named, schemas, taken, validator

from bot.playground.protocol import INVITE, PATIENCE, Attachment, Channel, DidNotRespondError, RefusedError, User

with warnings.catch_warnings():  # on Python 3.11 and 3.12 discord.py imports audioop, which 3.13 left out
    warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
    import discord
from discord import app_commands

Interaction = discord.Interaction[Any]
MIDI = b"MThd\x00\x00\x00\x06"


class Again(discord.ui.DynamicItem[discord.ui.Button[Any]], template=r"again:(?P<count>\d+):(?P<owner>\d+)"):
    """A button that counts, for its owner only."""

    def __init__(self, count: int, owner: int) -> None:
        super().__init__(discord.ui.Button(label="Again", custom_id=f"again:{count}:{owner}"))
        self.count, self.owner = count, owner

    @classmethod
    async def from_custom_id(cls, _: Interaction, __: Any, match: Any) -> Again:
        return cls(int(match["count"]), int(match["owner"]))

    async def interaction_check(self, interaction: Interaction) -> bool:
        if interaction.user.id != self.owner:
            await interaction.response.send_message("Not yours.", ephemeral=True)
        return interaction.user.id == self.owner

    async def callback(self, interaction: Interaction) -> None:
        view = buttons(self.count + 1, self.owner)
        await interaction.response.edit_message(content=f"again {self.count + 1}", view=view)


def buttons(count: int, owner: int) -> discord.ui.View:
    view = discord.ui.View(timeout=None)
    view.add_item(Again(count, owner))
    view.add_item(discord.ui.Button(label="Off", custom_id="off", disabled=True))
    return view


class Words(discord.ui.Modal, title="Words"):
    text: discord.ui.TextInput[Any] = discord.ui.TextInput(label="Text", min_length=2, max_length=9, default="hello")

    async def on_submit(self, interaction: Interaction) -> None:
        await interaction.response.send_message(f"you wrote {self.text.value}")


class Menu(discord.ui.View):
    @discord.ui.select(
        custom_id="menu", options=[discord.SelectOption(label=x, value=x.lower()) for x in ("Cool", "Hot")]
    )
    async def chosen(self, interaction: Interaction, select: discord.ui.Select[Any]) -> None:
        await interaction.response.send_message(f"chose {select.values}")


class German(app_commands.Translator):
    async def translate(self, string: app_commands.locale_str, locale: discord.Locale, _: Any) -> str | None:
        words = {"settings": "einstellungen", "pitch": "tonhöhe", "soft": "leise"}
        return words.get(string.message) if locale is discord.Locale.german else None


def add_commands(tree: app_commands.CommandTree[Any]) -> None:
    settings = app_commands.Group(name="settings", description="Your settings")
    temperature = app_commands.Group(name="temperature", description="How bold", parent=settings)

    @temperature.command(name="pitch", description="Of the pitch")
    async def pitch(interaction: Interaction, value: app_commands.Range[float, 0.0, 2.0]) -> None:
        await interaction.response.send_message(f"pitch {value!r} {interaction.locale}", ephemeral=True)

    @tree.command(description="Continue an opening")
    @app_commands.choices(
        mood=[app_commands.Choice(name="soft", value="s"), app_commands.Choice(name="loud", value="l")]
    )
    async def compose(
        interaction: Interaction,
        opening: discord.Attachment,
        bars: app_commands.Range[int, 1, 64] = 8,
        mood: str = "n",
        who: discord.User | None = None,
    ) -> None:
        await interaction.response.defer(thinking=True)
        data = await opening.read()
        await interaction.edit_original_response(content=f"{bars} {mood} {who} {opening.filename} {opening.size}")
        files = [discord.File(io.BytesIO(data), "a piece.mid"), discord.File(io.BytesIO(b"ID3"), "piece.mp3")]
        view = buttons(0, interaction.user.id)
        await interaction.edit_original_response(content="done", attachments=files, view=view)
        await interaction.followup.send("seed 7", file=discord.File(io.BytesIO(b"seed"), "seed.txt"), ephemeral=True)

    @tree.command(description="For those who run the server")
    @app_commands.default_permissions(manage_guild=True)
    @app_commands.guild_only()
    async def admin(interaction: Interaction) -> None:
        await interaction.response.send_message(f"manage {interaction.permissions.manage_guild}")

    @tree.command(description="Anywhere")
    @app_commands.allowed_installs(guilds=True, users=True)
    @app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    async def where(interaction: Interaction) -> None:
        owners = (interaction.is_guild_integration(), interaction.is_user_integration())
        await interaction.response.send_message(f"{type(interaction.channel).__name__} {interaction.guild_id} {owners}")

    @tree.command(description="Says it")
    async def say(interaction: Interaction, text: str) -> None:
        await interaction.response.send_message(text)

    @tree.command(description="Suggests")
    async def preset(interaction: Interaction, name: str, bars: int) -> None:
        await interaction.response.send_message(f"{name} {bars}")

    @preset.autocomplete("name")
    async def names(interaction: Interaction, typed: str) -> list[app_commands.Choice[str]]:
        found = [x for x in ("calm", "cool", "hot") if x.startswith(typed)]
        return [app_commands.Choice(name=f"{x} {interaction.namespace.bars}", value=x) for x in found]

    @tree.command(description="Asks")
    async def ask(interaction: Interaction) -> None:
        await interaction.response.send_modal(Words())

    @tree.command(description="Offers")
    async def menu(interaction: Interaction) -> None:
        await interaction.response.send_message("which?", view=Menu())

    @tree.context_menu(name="Continue this")
    async def continue_this(interaction: Interaction, message: discord.Message) -> None:
        data = await message.attachments[0].read()
        await interaction.response.send_message(f"{message.author.name}: {message.content} {data!r}")

    tree.add_command(settings)


class Parts:
    """What the sharded and the plain client have in common."""

    tree: app_commands.CommandTree[Any]
    resumed: int = 0
    pause = 0.0  # before identifying again; discord.py waits 5 s

    async def setup_hook(self) -> None:
        self.tree = app_commands.CommandTree(self)  # type: ignore[arg-type]
        self.add_dynamic_items(Again)  # type: ignore[attr-defined]
        add_commands(self.tree)
        await self.tree.set_translator(German())
        await self.tree.sync()

    async def before_identify_hook(self, _: int | None, *, initial: bool = False) -> None:
        await asyncio.sleep(0.0 if initial else self.pause)

    async def on_resumed(self) -> None:
        self.resumed += 1


class Bot(Parts, discord.Client):
    pass


class ShardedBot(Parts, discord.AutoShardedClient):
    pass


OPTIONS: dict[str, Any] = {"intents": discord.Intents(guilds=True), "guild_ready_timeout": 0.05}


@asynccontextmanager
async def running(standin: Standin, kind: type[Bot] | type[ShardedBot] = Bot, **more: Any) -> AsyncIterator[Any]:
    """A bot in this process, connected."""
    with standin.patched():
        async with kind(**OPTIONS, **more) as bot:
            task = asyncio.create_task(bot.start(standin.token))
            await standin.ready(bot.shard_count or 1)
            await bot.wait_until_ready()
            yield bot
        await asyncio.gather(task, return_exceptions=True)
    await standin.gone()


@pytest.fixture(autouse=True)
def contract_is_kept() -> Iterator[None]:
    """By the stand-in; what these bots ask for is often wrong on purpose."""
    taken()
    yield
    assert [violation for violation in taken() if violation.side != "request"] == []


@pytest.fixture
def standin() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def channel(standin: Standin) -> Channel:
    return standin.guild("Garage").channel("music")


@pytest.fixture
def ann(standin: Standin) -> User:
    return standin.user("ann")


def code(error: pytest.ExceptionInfo[discord.HTTPException]) -> tuple[int, int]:
    return error.value.status, error.value.code


async def answered(bot: Any, user: User, channel: Channel) -> discord.Interaction[Any]:
    """An interaction that the bot has answered with "hi"."""
    waiting = asyncio.ensure_future(bot.wait_for("interaction", timeout=PATIENCE))
    await asyncio.sleep(0)
    await user.command("say hi", channel)
    return await waiting


# ---- commands


async def test_commands_keep_their_ids_and_count_as_new_once(standin: Standin) -> None:
    async with running(standin):
        first = standin.commands()
    async with running(standin) as bot:
        assert await bot.tree.fetch_commands()
    names = {command["name"] for command in standin.commands()}
    assert names == {"settings", "compose", "admin", "where", "say", "preset", "ask", "menu", "Continue this"}
    assert [command["id"] for command in standin.commands()] == [command["id"] for command in first]
    assert standin.command_creates() == len(first) == 9
    assert next(c for c in first if c["name"] == "where")["contexts"] == [0, 1, 2]


def option(**more: Any) -> dict[str, Any]:
    return {"name": "x", "description": "y", "type": 3} | more


def nested(depth: int) -> dict[str, Any]:
    inner = option(type=1) if depth == 0 else nested(depth - 1)
    return option(type=2, options=[inner])


def command(**more: Any) -> dict[str, Any]:
    return {"name": "x", "description": "y", "type": 1} | more


BAD_COMMANDS = {
    "upper case": (command(name="Settings"), ["name"]),
    "a space": (command(name="a b"), ["name"]),
    "no description": (command(description=""), ["description"]),
    "a long description": (command(description="y" * 101), ["description"]),
    "26 options": (command(options=[option(name=f"x{n}") for n in range(26)]), ["options"]),
    "26 choices": (
        command(options=[option(choices=[{"name": str(n), "value": str(n)} for n in range(26)])]),
        ["options", "0", "choices"],
    ),
    "required after optional": (command(options=[option(), option(name="z", required=True)]), ["options", "1"]),
    "the same name twice": (command(options=[option(), option()]), ["options", "1", "name"]),
    "a group in a group": (command(options=[nested(1)]), ["options", "0", "options"]),
    "subcommand beside option": (command(options=[option(), option(name="z", type=1)]), ["options"]),
    "an unknown locale": (command(name_localizations={"en": "x"}), ["name_localizations", "en"]),
    "an upper case translation": (command(name_localizations={"de": "Übung"}), ["name_localizations", "de"]),
    "an unknown context": (command(contexts=[3]), ["contexts", "0"]),
    "a menu with a description": (command(type=3), ["description"]),
    "more than 8000 characters": (
        command(
            options=[
                option(
                    name=f"x{n}",
                    description="y" * 100,
                    description_localizations={"de": "z"},
                    choices=[{"name": f"{m:099}", "value": str(m)} for m in range(4)],
                )
                for n in range(16)
            ]
        ),
        [],
    ),
}


async def test_bad_commands_are_refused_with_the_place(standin: Standin) -> None:
    async with running(standin) as bot:
        before = standin.commands()
        for what, (payload, path) in BAD_COMMANDS.items():
            with pytest.raises(discord.HTTPException) as error:
                await bot.http.bulk_upsert_global_commands(bot.application_id, [payload])
            assert code(error) == (400, 50035), what
            entry = standin.requests.to("PUT", "/applications/*/commands")[-1]
            assert (entry.status, entry.code) == (400, 50035)
            tree: Any = error.value.args[0]
            assert ".".join(path) in tree or not path, (what, tree)
        many = [command(name=f"x{n}") for n in range(101)]
        with pytest.raises(discord.HTTPException):
            await bot.http.bulk_upsert_global_commands(bot.application_id, many)
        assert standin.commands() == before
        fits = command(
            name="übung", name_localizations={"hi": "अभ्यास"}, options=[option(type=2, options=[option(type=1)])]
        )
        await bot.http.bulk_upsert_global_commands(bot.application_id, [fits])
        assert [c["name"] for c in standin.commands()] == ["übung"]


async def test_commands_for_an_installation_that_is_not_ticked_are_refused(standin: Standin) -> None:
    async with running(standin) as bot:
        standin.tick(user=False)
        application = await bot.application_info()
        assert application.guild_integration_config is not None
        assert application.user_integration_config is None
        for types in ([1], [0, 1]):
            payload = [command(integration_types=types)]
            with pytest.raises(discord.HTTPException) as error:
                await bot.http.bulk_upsert_global_commands(bot.application_id, payload)
            assert code(error) == (400, 50035)
            assert "In 0.integration_types:" in str(error.value)


async def test_a_line_is_understood_as_the_client_does(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        reply = await ann.command("/settings temperature pitch 1", channel)
        assert reply.message is not None
        assert (reply.message.content, reply.ephemeral) == ("pitch 1.0 en-US", True)
        hans = standin.user("hans", locale="de")
        reply = await hans.command("/einstellungen temperature tonhöhe value:0.5", channel)
        assert reply.message is not None
        assert reply.message.content == "pitch 0.5 de"
        opening = Attachment("x.mid", MIDI)
        reply = await hans.command("compose", channel, opening=opening, mood="leise", who=ann)
        assert (await reply.until(lambda m: m.edits)).edits[0].content == "8 s ann x.mid 8"
        refused = {
            "/setings": {},
            "/settings temperature": {},
            "/settings temperature pitch": {},
            "/settings temperature pitch 2.1": {},
            "/settings temperature pitch high": {},
            "/settings temperature pitch 1 2": {},
            "/einstellungen temperature pitch 1": {},
            "/compose": {},
            "/compose bars:8.5": {"opening": opening},
            "/compose bars:65": {"opening": opening},
            "/compose mood:wild": {"opening": opening},
            "/compose colour:red": {"opening": opening},
        }
        for line, options in refused.items():
            with pytest.raises(RefusedError):
                await ann.command(line, channel, **options)


async def test_commands_are_offered_only_where_they_may_be_used(standin: Standin, ann: User, channel: Channel) -> None:
    guild = channel.guild
    assert guild is not None
    async with running(standin):
        with pytest.raises(RefusedError, match="may not"):
            await ann.command("admin", channel)
        guild.grant(ann, "manage_guild")
        reply = await ann.command("admin", channel)
        assert reply.message is not None
        assert reply.message.content == "manage True"
        assert (await guild_owner(channel).command("admin", channel)).message is not None
        with pytest.raises(RefusedError, match="not offered"):
            await ann.command("admin", ann.dm)
        guild.forbid(ann, "use_application_commands")
        with pytest.raises(RefusedError, match="cannot use commands"):
            await ann.command("say x", channel)


def guild_owner(channel: Channel) -> User:
    assert channel.guild is not None
    owner = channel.guild.owner
    assert isinstance(owner, User)
    return owner


async def test_suggestions(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        found = await ann.suggestions("preset", channel, option="name", typed="c", bars=4)
        assert [(choice.name, choice.value) for choice in found] == [("calm 4", "calm"), ("cool 4", "cool")]
        with pytest.raises(RefusedError):
            await ann.suggestions("say", channel, option="text")


async def test_every_kind_of_option(standin: Standin, ann: User, channel: Channel) -> None:
    assert channel.guild is not None
    role = channel.guild.role("band")
    async with running(standin) as bot:

        @bot.tree.command(description="x")
        async def every(
            interaction: Interaction,
            yes: bool,
            room: discord.TextChannel,
            role: discord.Role,
            either: discord.Role | discord.Member,
            word: app_commands.Range[str, 2, 4],
        ) -> None:
            await interaction.response.send_message(f"{yes} {room.name} {role.name} {either.name} {word}")

        @bot.tree.context_menu(name="Wave")
        async def wave(interaction: Interaction, member: discord.Member) -> None:
            await interaction.response.send_message(f"hello {member.name}")

        await bot.tree.sync()
        reply = await ann.command("every yes:true word:abc", channel, room=channel, role=role, either=ann)
        assert reply.message is not None
        assert reply.message.content == "True music band ann abc"
        for line, more in {
            "every true word:abcde": {},
            "every maybe word:abc": {},
            "every true word:abc": {"role": ann},
        }.items():
            with pytest.raises(RefusedError):
                await ann.command(line, channel, **{"room": channel, "role": role, "either": ann, **more})
        reply = await ann.user_menu("Wave", standin.user("bob"), channel)
        assert reply.message is not None
        assert reply.message.content == "hello bob"


async def test_commands_of_a_guild_stand_before_global_ones(standin: Standin, ann: User, channel: Channel) -> None:
    elsewhere = standin.guild().channel()
    async with running(standin) as bot:
        place = discord.Object(channel.guild.id if channel.guild else 0)

        @bot.tree.command(name="say", description="x", guild=place)
        async def here(interaction: Interaction) -> None:
            await interaction.response.send_message("of the guild")

        await bot.tree.sync(guild=place)
        assert [c["name"] for c in standin.commands(channel.guild)] == ["say"]
        reply, other = await ann.command("say", channel), await ann.command("say hi", elsewhere)
        assert reply.message is not None
        assert other.message is not None
        assert (reply.message.content, other.message.content) == ("of the guild", "hi")
        for day in range(3):
            commands = [command(name=f"x{day}-{n}") for n in range(90)]
            if day < 2:
                await bot.http.bulk_upsert_guild_commands(bot.application_id, place.id, commands)
        assert standin.command_creates(channel.guild) == 181
        with pytest.raises(discord.HTTPException) as error:
            await bot.http.bulk_upsert_guild_commands(bot.application_id, place.id, commands)
        assert code(error) == (400, 30034)


# ---- where


async def test_every_place_a_command_can_be_used_in(standin: Standin, channel: Channel) -> None:
    ann, bob = standin.user("ann", installed=True), standin.user("bob")
    thread = channel.open_thread("ideas")
    foreign = standin.guild("Elsewhere", has_bot=False).channel()
    async with running(standin) as bot:

        async def answer(user: User, where: Channel) -> str:
            reply = await user.command("where", where)
            assert reply.message is not None
            return reply.message.content

        garage = channel.guild.id if channel.guild else 0
        assert await answer(bob, channel) == f"TextChannel {garage} (True, False)"
        assert await answer(ann, thread) == f"Thread {garage} (True, True)"
        assert await answer(bob, bob.dm) == "DMChannel None (False, False)"  # discord.py takes "0" for no guild
        assert await answer(ann, standin.private(ann, bob)) == "DMChannel None (False, True)"
        assert await answer(ann, standin.private(ann, bob, standin.user())) == "GroupChannel None (False, True)"
        assert await answer(ann, foreign) == f"TextChannel {foreign.guild.id} (False, True)"  # type: ignore[union-attr]
        with pytest.raises(RefusedError, match="not installed"):
            await bob.command("where", foreign)
        # Where the bot is not, only the interaction's token reaches the message.
        reply = await ann.command("where", foreign)
        assert reply.message is not None
        with pytest.raises(discord.Forbidden) as error:
            await bot.get_partial_messageable(foreign.id).get_partial_message(reply.message.id).edit(content="x")
        assert code(error) == (403, 50001)
        foreign.forbid(ann, "use_external_apps")
        assert (await ann.command("where", foreign)).ephemeral


async def test_direct_messages(standin: Standin, ann: User) -> None:
    async with running(standin) as bot:
        user = await bot.fetch_user(ann.id)
        await user.send("hello")
        assert [message.content for message in ann.dm.messages] == ["hello"]
        ann.accepts_dms = False
        with pytest.raises(discord.Forbidden) as error:
            await user.send("again")
        assert code(error) == (403, 50007)


async def test_archived_threads(standin: Standin, channel: Channel) -> None:
    thread = channel.open_thread()
    async with running(standin) as bot:
        place = bot.get_partial_messageable(thread.id)
        message = await place.send("one")
        thread.archive()
        with pytest.raises(discord.HTTPException) as error:
            await message.edit(content="two")
        assert code(error) == (400, 50083)
        await place.send("awake again")
        await message.edit(content="two")
        thread.archive(locked=True)
        with pytest.raises(discord.HTTPException) as error:
            await place.send("three")
        assert code(error) == (400, 50083)
    assert [m.content for m in thread.messages] == ["two", "awake again"]


async def refusal(action: Any) -> tuple[int, int]:
    with pytest.raises(discord.HTTPException) as error:
        await action
    return code(error)


async def test_a_post_is_a_thread_that_begins_with_a_message_of_its_own_id(standin: Standin, ann: User) -> None:
    guild = standin.guild()
    async with running(standin) as bot:
        for forum in (guild.forum(), guild.media()):
            first = ann.open_post(forum, "waltz", "who goes on?", Attachment("a.mid", MIDI))
            assert first.id == first.channel.id
            reply = await ann.message_menu("Continue this", first)
            assert reply.message is not None
            assert (reply.message.channel, reply.message.content) == (first.channel, f"ann: who goes on? {MIDI!r}")
            post = bot.get_channel(first.id)
            assert (post.parent_id, (await post.send("I do")).channel.id) == (forum.id, first.id)
            assert await refusal(bot.get_partial_messageable(forum.id).send("x")) == (400, 50008)
            with pytest.raises(RefusedError):
                ann.post(forum, "x")
            with pytest.raises(RefusedError):
                ann.open_post(first.channel, "x")
            with pytest.raises(RefusedError):
                await ann.command("say hi", forum)


async def test_a_voice_channel_asks_for_connect(standin: Standin, ann: User) -> None:
    hall = standin.guild().voice()
    async with running(standin) as bot:
        place = bot.get_channel(hall.id)
        message = await place.send("one")
        assert (await ann.command("say hi", hall)).message is not None
        hall.forbid_bot("connect")
        for action in (place.send("two"), message.edit(content="two"), place.fetch_message(message.id)):
            assert await refusal(action) == (403, 50001)
        assert (await ann.command("say hi", hall)).message is not None, "an answer goes by its token"
        hall.forbid(ann, "connect")
        with pytest.raises(RefusedError):
            await ann.command("say hi", hall)


async def test_a_private_thread_is_for_its_members(standin: Standin, ann: User, channel: Channel) -> None:
    assert channel.guild is not None
    bob, boss = standin.user("bob"), standin.user("boss")
    channel.guild.grant(boss, "manage_threads")
    without, within = channel.open_thread("a", ann), channel.open_thread("b", ann, standin.bot)
    async with running(standin) as bot:
        assert await refusal(bot.get_partial_messageable(without.id).send("x")) == (403, 50001)
        assert (await bot.get_partial_messageable(within.id).send("x")).content == "x"
        for user in (ann, boss):
            assert (await user.command("say hi", without)).message is not None
        with pytest.raises(RefusedError):
            await bob.command("say hi", without)
        with pytest.raises(RefusedError):
            bob.post(within, "x")


async def test_a_locked_thread_is_read_only(standin: Standin, ann: User, channel: Channel) -> None:
    thread = channel.open_thread()
    async with running(standin) as bot:
        interaction = await answered(bot, ann, thread)
        thread.lock()
        assert await refusal(bot.get_partial_messageable(thread.id).send("x")) == (400, 160005)
        with pytest.raises(RefusedError):
            ann.post(thread, "x")
        thread.archive(locked=True)
        assert await refusal(interaction.edit_original_response(content="x")) == (400, 50083)
        assert await refusal(interaction.followup.send("x")) == (400, 50083)
        with pytest.raises(RefusedError):
            await ann.command("say hi", thread)
        await interaction.delete_original_response()
    assert thread.messages == []


async def test_an_answer_holds_what_the_app_may_bring(standin: Standin, channel: Channel) -> None:
    ann = standin.user("ann", installed=True)
    foreign = standin.guild("Elsewhere", has_bot=False).channel()
    private = {"attach_files", "embed_links", "mention_everyone"}
    async with running(standin) as bot:

        async def asked(where: Channel) -> tuple[set[str], discord.Interaction[Any]]:
            waiting = asyncio.ensure_future(bot.wait_for("interaction", timeout=PATIENCE))
            await asyncio.sleep(0)
            await ann.command("where", where)
            interaction = await waiting
            return {name for name, held in interaction.app_permissions if held}, interaction

        assert (await asked(ann.dm))[0] == private | {"external_emojis"}
        assert (await asked(standin.private(ann, standin.user("bob"))))[0] == private
        foreign.forbid(ann, "attach_files", "embed_links")
        channel.forbid_bot("attach_files", "embed_links")
        for where in (foreign, channel):
            held, interaction = await asked(where)
            assert "send_messages" in held
            assert not held & private - {"mention_everyone"}
            file = discord.File(io.BytesIO(b"x"), "x.txt")
            assert await refusal(interaction.edit_original_response(attachments=[file])) == (403, 50013)
            assert await refusal(interaction.followup.send(embed=discord.Embed(title="x"))) == (403, 50013)
            await interaction.edit_original_response(content="words")


async def test_permissions_of_the_bot(standin: Standin, channel: Channel) -> None:
    standin.timing.windows = 0.1  # more is sent than five messages in five seconds
    file = io.BytesIO(b"x")
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        message = await place.send("here")
        channel.forbid_bot("attach_files")
        assert await refusal(place.send("x", file=discord.File(file, "x.txt"))) == (403, 50013)
        assert await refusal(message.edit(attachments=[discord.File(file, "x.txt")])) == (403, 50013)
        channel.forbid_bot("embed_links")
        assert await refusal(place.send(embed=discord.Embed(title="x"))) == (403, 50013)
        channel.forbid_bot("send_messages")
        assert await refusal(place.send("x")) == (403, 50013)
        await message.edit(content="still mine")
        assert not place.permissions_for(place.guild.me).send_messages
        channel.forbid_bot("view_channel")
        assert await refusal(message.edit(content="x")) == (403, 50001)
        channel.allow_bot("view_channel", "send_messages")
        assert (await place.send("back")).content == "back"
        foreign = await bot.fetch_channel(channel.id)
        channel.delete()
        with pytest.raises(discord.NotFound) as error:
            await foreign.send("x")
        assert code(error) == (404, 10003)


async def test_the_least_invitation(standin: Standin, ann: User) -> None:
    """Without Read Message History a bot neither fetches nor replies."""
    channel = standin.guild(bot_permissions=INVITE).channel()
    question = ann.post(channel, "?")
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        with pytest.raises(discord.HTTPException) as error:
            await place.send("!", reference=discord.MessageReference(message_id=question.id, channel_id=channel.id))
        assert code(error) == (400, 160002)
        with pytest.raises(discord.Forbidden):
            await place.fetch_message(question.id)
        message = await place.send("!")
        await message.edit(content="!!")
    assert [m.content for m in channel.messages] == ["?", "!!"]


async def test_guilds_come_and_go(standin: Standin) -> None:
    async with running(standin) as bot:
        joined = asyncio.ensure_future(bot.wait_for("guild_join", timeout=PATIENCE))
        await asyncio.sleep(0)
        guild = standin.guild("New", attachment_size_limit=50 * 1024 * 1024)
        assert (await joined).filesize_limit == guild.attachment_size_limit
        channel = guild.channel("later")
        left = asyncio.ensure_future(bot.wait_for("guild_remove", timeout=PATIENCE))
        await asyncio.sleep(0)
        guild.kick_bot()
        assert (await left).id == guild.id
        with pytest.raises(discord.Forbidden):
            await bot.get_partial_messageable(channel.id).send("x")


# ---- answers


async def test_a_deferred_answer_grows_into_a_piece(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        reply = await ann.command("/compose bars:16", channel, opening=Attachment("opening.mid", MIDI, size=99))
        assert reply.type == 5
        message = await reply.until(lambda m: m.content == "done")
        # Discord turns spaces in names into underscores.
        assert message.files == {"a_piece.mid": MIDI, "piece.mp3": b"ID3"}
        assert [(v.content, v.loading) for v in message.versions] == [
            ("", True),
            ("16 n None opening.mid 99", False),
            ("done", False),
        ]
        assert [v.at for v in message.versions] == sorted(v.at for v in message.versions)
        assert [button.label for button in message.buttons] == ["Again", "Off"]
        followup = await reply.followup()
        assert (followup.content, followup.ephemeral, followup.files) == ("seed 7", True, {"seed.txt": b"seed"})
        assert not reply.ephemeral


async def test_the_first_followup_fills_a_deferred_answer(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:

        @bot.tree.command(description="x")
        async def later(interaction: Interaction) -> None:
            await interaction.response.defer(thinking=True)
            await interaction.followup.send("first", ephemeral=True)
            await interaction.followup.send("second")

        await bot.tree.sync()
        reply = await ann.command("later", channel)
        followup = await reply.followup()
        assert reply.message is not None
        assert (reply.message.content, reply.ephemeral, followup.content) == ("first", False, "second")


async def test_attachments_stay_unless_an_edit_lists_others(standin: Standin, channel: Channel) -> None:
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        files = [discord.File(io.BytesIO(name.encode()), name, description=name) for name in ("a.mid", "b.mid")]
        message = await place.send(files=files)
        message = await message.edit(content="words")
        assert [a.filename for a in message.attachments] == ["a.mid", "b.mid"]
        message = await message.edit(attachments=[message.attachments[1], discord.File(io.BytesIO(b"c"), "c.mid")])
        assert [a.description for a in message.attachments] == ["b.mid", None]
        assert channel.messages[0].files == {"b.mid": b"b.mid", "c.mid": b"c"}
        assert await message.attachments[1].read() == b"c"
        message = await message.edit(attachments=[])
        assert channel.messages[0].files == {}
        with pytest.raises(discord.HTTPException) as error:
            await message.edit(content=None)
        assert code(error) == (400, 50006)
        assert [v.files for v in channel.messages[0].edits] == [("a.mid", "b.mid"), ("b.mid", "c.mid"), ()]


async def test_links_to_attachments_run_out(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        message = ann.post(channel, f"{standin.bot.mention} listen", Attachment("a.ogg", b"OggS", "audio/ogg"))
        attachment = (await bot.get_channel(channel.id).fetch_message(message.id)).attachments[0]
        assert (attachment.content_type, await attachment.read()) == ("audio/ogg", b"OggS")
        standin.clock.advance(25 * 3600)
        with pytest.raises(discord.NotFound):
            await attachment.read()


async def test_upload_limit_of_the_guild(standin: Standin, ann: User) -> None:
    guild = standin.guild(attachment_size_limit=1000)
    channel = guild.channel()
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        assert interaction.filesize_limit == 1000
        with pytest.raises(discord.HTTPException) as error:
            await interaction.edit_original_response(attachments=[discord.File(io.BytesIO(bytes(1001)), "a.mp3")])
        assert code(error) == (413, 40005)
        await interaction.edit_original_response(attachments=[discord.File(io.BytesIO(bytes(1000)), "a.mp3")])
        assert channel.messages[0].files == {"a.mp3": bytes(1000)}


async def test_bad_messages_are_refused_with_the_place(standin: Standin, channel: Channel) -> None:
    def button(**more: Any) -> dict[str, Any]:
        return {"type": 2, "style": 1, "label": "x", "custom_id": "x"} | more

    def rows(*children: list[dict[str, Any]]) -> dict[str, Any]:
        return {"content": "x", "components": [{"type": 1, "components": row} for row in children]}

    bad = {
        "content": {"content": "x" * 2001},
        "embeds.0.title": {"embeds": [{"title": "x" * 257}]},
        "embeds.0.fields.0.value": {"embeds": [{"fields": [{"name": "x", "value": ""}]}]},
        "embeds": {"embeds": [{"description": "x" * 3500}] * 2},
        "components": rows(*([button(custom_id=str(n))] for n in range(6))),
        "components.0.components": rows([button(custom_id=str(n)) for n in range(6)]),
        "components.0.components.0.label": rows([button(label="x" * 81)]),
        "components.0.components.0.custom_id": rows([button(custom_id="x" * 101)]),
        "components.0.components.1.custom_id": rows([button(), button()]),
        "components.0.components.0.url": rows([button(style=5)]),
    }
    async with running(standin) as bot:
        for place, payload in bad.items():
            each = channel.guild.channel() if channel.guild else channel  # with a limit of its own
            route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=each.id)
            with pytest.raises(discord.HTTPException) as error:
                await bot.http.request(route, json=payload)
            assert code(error) == (400, 50035)
            assert f"In {place}:" in str(error.value)
        with pytest.raises(discord.HTTPException) as error:
            await bot.http.request(route, json={})
        assert code(error) == (400, 50006)
    assert not [message for each in standin.world.channels.values() for message in each.messages]


async def test_an_interaction_is_answered_once_and_in_time(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        interaction.response._response_type = None  # else discord.py would not try
        with pytest.raises(discord.HTTPException) as error:
            await interaction.response.send_message("twice")
        assert code(error) == (400, 40060)

        @bot.tree.command(description="x")
        async def slow(interaction: Interaction) -> None:
            bot.slow = interaction

        await bot.tree.sync()
        waiting = asyncio.ensure_future(ann.command("slow", channel))
        await standin.until(lambda: hasattr(bot, "slow"))
        with pytest.raises(discord.NotFound) as error:
            await bot.slow.followup.send("too early")
        assert code(error) == (404, 10015)
        standin.clock.advance(3.1)
        with pytest.raises(DidNotRespondError, match="The application did not respond"):
            await waiting
        with pytest.raises(discord.NotFound) as error:
            await bot.slow.response.send_message("late")
        assert code(error) == (404, 10062)


async def test_a_token_lives_for_15_minutes(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        standin.clock.advance(14.9 * 60)
        message = await interaction.edit_original_response(content="in time")
        standin.clock.advance(0.2 * 60)
        with pytest.raises(discord.HTTPException) as error:
            await interaction.edit_original_response(content="late")
        assert code(error) == (401, 50027)
        await (
            bot.get_partial_messageable(channel.id).get_partial_message(message.id).edit(content="with the bot's token")
        )
    assert [v.content for v in channel.messages[0].versions] == ["hi", "in time", "with the bot's token"]
    assert channel.messages[0].edits[1].at - channel.messages[0].edits[0].at >= 12


async def test_ephemeral_messages_are_out_of_the_bots_reach(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        reply = await ann.command("/settings temperature pitch 1", channel)
        assert reply.message is not None
        place = bot.get_channel(channel.id)
        for action in (place.fetch_message, lambda n: place.get_partial_message(n).edit(content="x")):
            with pytest.raises(discord.NotFound) as error:
                await action(reply.message.id)
            assert code(error) == (404, 10008)
        assert [m async for m in place.history()] == []
        with pytest.raises(RefusedError, match="does not see"):
            await standin.user("bob").click(reply.message, "x")


async def test_whom_a_message_pings(standin: Standin, ann: User, channel: Channel) -> None:
    standin.timing.windows = 0.1  # more is sent than five messages in five seconds
    assert channel.guild is not None
    role = channel.guild.role("band", mentionable=True)
    text = f"@everyone {ann.mention} <@&{role.id}>"
    none, users = discord.AllowedMentions.none(), discord.AllowedMentions(everyone=False, roles=False, users=True)
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        for allowed in (None, none, users):
            await place.send(text, allowed_mentions=allowed)
        await (await place.send("x")).edit(content=text)
        channel.forbid_bot("mention_everyone")
        await place.send(text)
        question = ann.post(channel, "?")
        for allowed in (None, none):
            await place.send("!", reference=await place.fetch_message(question.id), allowed_mentions=allowed)
        reply = await ann.command("say", channel, text=text)
    told = [(set(m.pings.users), set(m.pings.roles), m.pings.everyone) for m in channel.messages]
    everybody = ({ann.id}, {role.id}, True)
    nobody: tuple[set[int], set[int], bool] = (set(), set(), False)
    only_ann: tuple[set[int], set[int], bool] = ({ann.id}, set(), False)
    edited, without_right = nobody, ({ann.id}, {role.id}, False)
    assert told[:5] == [everybody, nobody, only_ann, edited, without_right]
    assert told[5:8] == [nobody, only_ann, nobody]
    assert reply.message is not None
    assert reply.message.pings


async def test_what_others_write_is_hidden_without_the_intent(standin: Standin, ann: User, channel: Channel) -> None:
    message = ann.post(channel, "secret", Attachment("a.mid", MIDI))
    async with running(standin) as bot:
        fetched = await bot.get_channel(channel.id).fetch_message(message.id)
        assert (fetched.content, fetched.attachments) == ("", [])
        reply = await ann.message_menu("Continue this", message)  # but there the person hands it over
        assert reply.message is not None
        assert reply.message.content == f"ann: secret {MIDI!r}"


async def test_a_forwarded_message_holds_a_snapshot(standin: Standin, ann: User, channel: Channel) -> None:
    theirs = standin.user("bob").post(channel, "listen", Attachment("a.mid", MIDI))
    forwarded = ann.forward(theirs, standin.guild().channel())
    async with running(standin) as bot:

        @bot.tree.context_menu(name="Look")
        async def look(interaction: Interaction, message: discord.Message) -> None:
            (snapshot,) = message.message_snapshots
            data = await snapshot.attachments[0].read()
            kind = message.reference.type.name if message.reference else None
            text = f"{message.content!r} {len(message.attachments)} {kind} {snapshot.content} {data!r}"
            await interaction.response.send_message(text)

        await bot.tree.sync()
        reply = await ann.message_menu("Look", forwarded)
        assert reply.message is not None
        assert reply.message.content == f"'' 0 forward listen {MIDI!r}"


async def test_voice_messages(standin: Standin, ann: User, channel: Channel) -> None:
    message = ann.speak(channel, opus(3.5))
    async with running(standin) as bot:

        @bot.tree.context_menu(name="Listen")
        async def listen(interaction: Interaction, message: discord.Message) -> None:
            voice = message.attachments[0]
            await interaction.response.send_message(
                f"{message.flags.voice} {voice.is_voice_message()} {voice.duration:.1f} {len(voice.waveform or b'')}"
            )

        await bot.tree.sync()
        reply = await ann.message_menu("Listen", message)
        assert reply.message is not None
        assert reply.message.content == "True True 3.5 176"


def opus(seconds: float) -> bytes:
    """A tone, as the client would record it."""
    tone = ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", f"sine=440:duration={seconds}"]
    return subprocess.run([*tone, "-c:a", "libopus", "-f", "ogg", "-"], capture_output=True, check=True).stdout


def test_a_voice_message_is_what_the_client_records_and_nothing_else(
    standin: Standin, ann: User, channel: Channel
) -> None:
    message = ann.speak(channel, opus(1))
    (file,) = message.attachments
    assert (message.content, file.name, file.content_type) == ("", "voice-message.ogg", "audio/ogg")
    assert file.voice is not None
    assert file.voice.seconds == pytest.approx(1, abs=0.02)
    for wrong in (b"", MIDI, b"OggS" + bytes(60), opus(1)[:20]):
        with pytest.raises(RefusedError, match="Ogg Opus"):
            ann.speak(channel, wrong)
    assert channel.guild is not None
    bob = standin.user("bob")
    channel.guild.forbid(bob, "send_voice_messages")
    with pytest.raises(RefusedError, match="voice messages"):
        bob.speak(channel, opus(1))
    assert channel.messages == [message]


# ---- buttons, menus, modals


async def test_buttons(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        reply = await ann.command("compose", channel, opening=Attachment("x.mid", MIDI))
        message = await reply.until(lambda m: m.buttons)
        clicked = await ann.click(message, "Again")
        assert clicked.message is message
        assert (message.content, message.button("Again").custom_id) == ("again 1", f"again:1:{ann.id}")
        assert set(message.files) == {"a_piece.mid", "piece.mp3"}
        refused = await standin.user("bob").click(message, f"again:1:{ann.id}")
        assert refused.message is not None
        assert (refused.message.content, refused.ephemeral, message.content) == ("Not yours.", True, "again 1")
        for label in ("Off", "Nothing"):
            with pytest.raises(RefusedError):
                await ann.click(message, label)
        message.delete()
        with pytest.raises(RefusedError):
            await ann.click(message, "Again")


async def test_select_menus(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        reply = await ann.command("menu", channel)
        assert reply.message is not None
        answer = await ann.select(reply.message, "menu", "Hot")
        assert answer.message is not None
        assert answer.message.content == "chose ['hot']"
        for values in (("Warm",), ("Hot", "Cool")):
            with pytest.raises(RefusedError):
                await ann.select(reply.message, "menu", *values)


async def test_modals(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        modal = (await ann.command("ask", channel)).modal
        assert modal is not None
        assert [(field.label, field.value) for field in modal.fields] == [("Text", "hello")]
        for values in ({"Text": "x"}, {"Text": "x" * 10}, {"Words": "words"}):
            with pytest.raises(RefusedError):
                await ann.submit(modal, values)
        answer = await ann.submit(modal, {"Text": "fine"})
        assert answer.message is not None
        assert answer.message.content == "you wrote fine"

        @bot.tree.command(description="x")
        async def wrong(interaction: Interaction) -> None:
            with pytest.raises(discord.HTTPException) as error:
                await interaction.response.send_modal(Words(title="x" * 46))
            assert "In data.title:" in str(error.value)
            await interaction.response.send_message("too long")

        await bot.tree.sync()
        reply = await ann.command("wrong", channel)
        assert reply.message is not None
        assert reply.message.content == "too long"


class Form(discord.ui.Modal, title="Form"):
    mood: discord.ui.Label[Any] = discord.ui.Label(
        text="Mood",
        component=discord.ui.Select(custom_id="mood", options=[discord.SelectOption(label=x) for x in ("Cool", "Hot")]),
    )
    file: discord.ui.Label[Any] = discord.ui.Label(text="File", component=discord.ui.FileUpload(custom_id="file"))
    note: discord.ui.Label[Any] = discord.ui.Label(
        text="Note", component=discord.ui.TextInput(custom_id="note", required=False)
    )

    async def on_submit(self, interaction: Interaction) -> None:
        mood: Any = self.mood.component
        file: Any = self.file.component
        note: Any = self.note.component
        data = await file.values[0].read()
        await interaction.response.edit_message(content=f"{mood.values} {data!r} {note.value!r}")


async def test_a_form_behind_a_button(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:

        class Opener(discord.ui.View):
            @discord.ui.button(label="Fill in")
            async def fill_in(self, interaction: Interaction, _: Any) -> None:
                await interaction.response.send_modal(Form())

        message = await bot.get_channel(channel.id).send("form", view=Opener())
        shown = channel.messages[0]
        modal = (await ann.click(shown, "Fill in")).modal
        assert modal is not None
        assert [(field.label, field.required) for field in modal.fields] == [
            ("Mood", True),
            ("File", True),
            ("Note", False),
        ]
        with pytest.raises(RefusedError):
            await ann.submit(modal, {"Mood": "Hot", "File": []})
        reply = await ann.submit(modal, {"Mood": "Hot", "File": Attachment("x.mid", MIDI)})
        assert reply.message is shown
        assert (shown.id, shown.content) == (message.id, f"['Hot'] {MIDI!r} ''")


# ---- faults


async def test_rate_limits_and_failures_are_tried_again(standin: Standin, channel: Channel) -> None:
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        standin.faults.fail("POST", "/channels/*/messages", status=502)
        standin.faults.rate_limit("POST", "/channels/*/messages", retry_after=0.3)
        await place.send("at last")
        tries = standin.requests.to("POST", "/channels/{channel}/messages")
        assert [request.status for request in tries] == [502, 429, 200]
        assert tries[1].at - tries[0].at >= 1.0
        assert tries[2].at - tries[1].at >= 0.3
        standin.faults.fail("POST", "*", status=503)  # which discord.py takes for final
        with pytest.raises(discord.DiscordServerError):
            await place.send("x")
        standin.faults.fail("POST", "*", status=403, code=50013, message="Missing Permissions")
        with pytest.raises(discord.Forbidden) as error:
            await place.send("x")
        assert code(error) == (403, 50013)
    assert [m.content for m in channel.messages] == ["at last"]


async def test_a_request_can_hang(standin: Standin, channel: Channel) -> None:
    async with running(standin) as bot:
        fault = standin.faults.hang("POST", "/channels/*")
        sending = asyncio.ensure_future(bot.get_channel(channel.id).send("slow"))
        await fault.hit()
        assert channel.messages == []
        fault.release()
        await sending
        standin.faults.hang("POST", "/channels/*", seconds=0.2)
        await bot.get_channel(channel.id).send("slower")
        assert [m.content for m in channel.messages] == ["slow", "slower"]
        assert standin.requests[-1].done_at - standin.requests[-1].at >= 0.2  # type: ignore[operator]
        fault = standin.faults.hang("POST", "/interactions/*")
        reply = standin.user().send_command("say hi", channel)
        await fault.hit()
        standin.clock.advance(3.1)
        fault.release()
        with pytest.raises(DidNotRespondError):
            await reply.answered()
        await standin.until(lambda: standin.requests[-1].code == 10062)


async def test_a_rate_limit_for_everything(standin: Standin, channel: Channel) -> None:
    other = standin.guild().channel()
    async with running(standin) as bot:
        fault = standin.faults.rate_limit("POST", "/channels/*", retry_after=0.4, everywhere=True)
        sending = asyncio.ensure_future(bot.get_channel(channel.id).send("one"))
        await fault.hit()
        await asyncio.sleep(0.1)
        await bot.get_channel(other.id).send("two")
        await sending
    first, *later = standin.requests.to("POST", "/channels/*")
    assert [request.status for request in later] == [200, 200]
    assert all(request.at - first.at >= 0.4 for request in later)


async def sends(standin: Standin, channel: Channel, count: int) -> list[aiohttp.ClientResponse]:
    """Messages by somebody who does not look at the headers."""
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {standin.token}"}) as session:
        url = f"{standin.api}/channels/{channel.id}/messages"
        answers = [await session.post(url, json={"content": str(n)}) for n in range(count)]
        for answer in answers:
            await answer.read()
        return answers


async def test_every_answer_tells_of_its_limit_and_what_is_too_much_is_refused(
    standin: Standin, channel: Channel
) -> None:
    assert channel.guild is not None
    *taken, refused = await sends(standin, channel, 6)
    (other,) = await sends(standin, channel.guild.channel("other"), 1)
    assert [answer.status for answer in taken] == [200] * 5
    assert [answer.headers["X-RateLimit-Remaining"] for answer in taken] == ["4", "3", "2", "1", "0"]
    assert {answer.headers["X-RateLimit-Limit"] for answer in (*taken, refused)} == {"5"}
    assert {answer.headers["X-RateLimit-Bucket"] for answer in (refused, other)} == {
        taken[0].headers["X-RateLimit-Bucket"]
    }
    assert (refused.status, other.status) == (429, 200)
    assert other.headers["X-RateLimit-Remaining"] == "4", "each channel has a bucket of its own"
    body, headers = await refused.json(), refused.headers
    assert body["global"] is False
    assert 0 < body["retry_after"] <= float(headers["X-RateLimit-Reset-After"]) + 0.01 <= 5.01
    assert float(headers["X-RateLimit-Reset"]) <= standin.clock.now() + 5
    assert headers["X-RateLimit-Scope"] == "user"
    assert headers["Via"]
    assert int(headers["Retry-After"]) >= 1
    standin.clock.advance(5)
    assert [answer.status for answer in await sends(standin, channel, 1)] == [200]


async def test_a_bot_has_fifty_requests_a_second_and_an_interaction_its_own(
    standin: Standin, ann: User, channel: Channel
) -> None:
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        headers = {"Authorization": f"Bot {standin.token}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            urls = [f"{standin.api}/channels/{standin.guild().channel().id}" for _ in range(60)]
            answers = await asyncio.gather(*map(session.get, urls))
            refused = [answer for answer in answers if answer.status == 429]
            assert len(refused) >= 10 or standin.requests[-1].at - standin.requests[-60].at > 1
            for answer in refused:
                assert (await answer.json())["global"] is True
                assert answer.headers["X-RateLimit-Scope"] == "global"
                assert answer.headers["X-RateLimit-Global"] == "true"
        await interaction.edit_original_response(content="all the same")
        assert channel.messages[0].content == "all the same"


async def test_discord_py_lives_with_the_limits(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        for number in range(7):
            await interaction.edit_original_response(content=str(number))
        await asyncio.gather(*(bot.get_channel(channel.id).send(str(number)) for number in range(7)))
    assert len(channel.messages) == 8
    assert {request.status for request in standin.requests.to("*", "/*/*/messages*")} == {200}, "it waits by itself"
    at = [version.at for version in channel.messages[0].versions]
    assert at[6] - at[1] >= 2 - 0.1
    at = [message.versions[0].at for message in channel.messages[1:]]
    assert at[5] - at[0] >= 5 - 0.1


async def test_old_messages_are_edited_less_often(standin: Standin, channel: Channel) -> None:
    (sent,) = await sends(standin, channel, 1)
    url = f"{standin.api}/channels/{channel.id}/messages/{(await sent.json())['id']}"
    standin.clock.advance(3601)
    async with aiohttp.ClientSession(headers={"Authorization": f"Bot {standin.token}"}) as session:
        *taken, refused = [await session.patch(url, json={"content": f"new {n}"}) for n in range(4)]
        body = await refused.json()
        assert [answer.status for answer in (*taken, refused)] == [200, 200, 200, 429]
        assert (body["code"], refused.headers["Via"] != "") == (30046, True)
        standin.clock.advance(body["retry_after"])
        assert (await session.patch(url, json={"content": "newest"})).status == 200
    assert channel.messages[0].content == "newest"


async def test_a_nonce_keeps_a_message_single(standin: Standin, channel: Channel) -> None:
    async with running(standin) as bot:
        place = bot.get_channel(channel.id)
        standin.faults.carry_out_and_cut("POST", "/channels/*")
        with pytest.raises(aiohttp.ClientError):
            await place.send("once", nonce="job7")
        again = await place.send("once", nonce="job7")
        assert [m.id for m in channel.messages] == [again.id]
        standin.faults.cut("POST", "/channels/*")
        with pytest.raises(aiohttp.ClientError):
            await place.send("twice", nonce="job8")
        assert len(channel.messages) == 1
        standin.clock.advance(301)
        await place.send("once", nonce="job7")
    assert [m.content for m in channel.messages] == ["once", "once"]
    assert [r.status for r in standin.requests.to("POST", "/channels/*")] == [0, 200, 0, 200]


async def test_a_nonce_is_the_authors_and_knows_what_was_deleted(standin: Standin, channel: Channel) -> None:
    other = standin.guild().channel()
    async with running(standin) as bot:
        first = await bot.get_channel(channel.id).send("once", nonce="job7")
        again = await bot.get_channel(other.id).send("once", nonce="job7")
        assert (again.id, other.messages) == (first.id, [])
        await first.delete()
        with pytest.raises(discord.NotFound) as error:
            await bot.get_channel(channel.id).send("once", nonce="job7")
        assert code(error) == (404, 10008)


# ---- what Discord's documents say


async def test_an_app_of_a_users_own_has_five_follow_ups(standin: Standin) -> None:
    foreign = standin.guild("Elsewhere", has_bot=False).channel()
    async with running(standin) as bot:
        waiting = asyncio.ensure_future(bot.wait_for("interaction", timeout=PATIENCE))
        await asyncio.sleep(0)
        await standin.user("eve", installed=True).command("where", foreign)
        interaction = await waiting
        for number in range(5):
            await interaction.followup.send(str(number))
        with pytest.raises(discord.HTTPException) as error:
            await interaction.followup.send("5")
        assert code(error) == (400, 40094)
    assert [m.content for m in foreign.messages][1:] == ["0", "1", "2", "3", "4"]


async def test_a_request_is_at_most_25_mib(standin: Standin) -> None:
    channel = standin.guild(attachment_size_limit=50 * 1024 * 1024).channel()
    async with running(standin) as bot:
        files = [discord.File(io.BytesIO(bytes(13 * 1024 * 1024)), name) for name in ("a.mp3", "b.mp3")]
        with pytest.raises(discord.HTTPException) as error:
            await bot.get_channel(channel.id).send(files=files)
        assert code(error) == (413, 40005)
        assert channel.messages == []


async def test_only_a_message_or_an_update_comes_back_from_a_callback(
    standin: Standin, ann: User, channel: Channel
) -> None:
    async with running(standin) as bot:
        seen: list[Any] = []

        @bot.tree.command(description="x")
        async def later(interaction: Interaction) -> None:
            seen.append((await interaction.response.defer(thinking=True)).resource)  # type: ignore[union-attr]

        @bot.tree.command(description="x")
        async def now(interaction: Interaction) -> None:
            seen.append((await interaction.response.send_message("now")).resource)

        await bot.tree.sync()
        await ann.command("later", channel)
        await standin.until(lambda: len(seen) == 1)
        await ann.command("now", channel)
        await standin.until(lambda: len(seen) == 2)
        assert seen[0] is None
        assert seen[1].content == "now"


async def test_a_token_reaches_the_messages_of_its_interaction_only(
    standin: Standin, ann: User, channel: Channel
) -> None:
    async with running(standin) as bot:
        interaction = await answered(bot, ann, channel)
        by_bot = await bot.get_channel(channel.id).send("mine")
        other = await (await answered(bot, ann, channel)).followup.send("of another", wait=True)
        for message in (by_bot, other):
            for action in (
                interaction.followup.fetch_message(message.id),
                interaction.followup.edit_message(message.id, content="x"),
                interaction.followup.delete_message(message.id),
            ):
                with pytest.raises(discord.NotFound) as error:
                    await action
                assert code(error) == (404, 10008)
        own = await interaction.followup.send("own", wait=True)
        await interaction.followup.edit_message(own.id, content="changed")
        await interaction.followup.delete_message("@original")
    assert [m.content for m in channel.messages] == ["mine", "hi", "of another", "changed"]


@pytest.mark.skipif(not Contract.at_hand(), reason=f"Discord's description of its API is not at {DESCRIPTION}")
async def test_what_does_not_fit_the_description_is_noted(standin: Standin, channel: Channel) -> None:
    async with running(standin) as bot:
        await bot.get_channel(channel.id).send("fits")
        assert standin.contract.violations == []
        route = discord.http.Route("POST", "/channels/{channel_id}/messages", channel_id=channel.id)
        await bot.http.request(route, json={"content": "x", "tts": "loudly"}, params={"wait": "1"})
        row = {"type": 1, "components": [{"type": 2, "style": 1, "label": "x", "custom_id": "x", "colour": "red"}]}
        await bot.http.request(route, json={"content": "x", "embed": {"title": "x"}, "components": [row]})
        standin.contract.event("CHANNEL_UPDATE", channel.payload() | {"position": "first"})
        assert [(found.side, found.what) for found in standin.contract.violations] == [
            ("request", "the query has no 'wait'"),
            ("request", "$.tts: 'loudly' is not of type 'boolean', 'null'"),
            ("request", "$: there is no 'embed'"),
            ("request", "$.components[0].components[0]: there is no 'colour'"),
            ("event", "$.position: 'first' is not of type 'integer'"),
        ]
        assert taken() == standin.contract.violations
        standin.contract.violations.clear()


def changed(value: Any) -> Iterator[Any]:
    """A value with one thing in it left out or replaced by something else, once for each."""
    yield from (None, True, 1, -1, 2**60, 1.0, 1.5, "", "x", "x" * 5000, [], [1, 1.0], ["x"] * 30, {}, {"x": 1})
    if isinstance(value, dict):
        yield value | {"x": 1}
        for name, child in value.items():
            yield {key: other for key, other in value.items() if key != name}
            yield from (value | {name: other} for other in changed(child))
    elif isinstance(value, list):
        for at, child in enumerate(value):
            yield from ([*value[:at], other, *value[at + 1 :]] for other in changed(child))


@pytest.mark.skipif(not Contract.at_hand(), reason=f"Discord's description of its API is not at {DESCRIPTION}")
def test_what_fits_the_description_is_decided_as_jsonschema_decides_it(channel: Channel) -> None:
    button = {"type": 2, "style": 1, "label": "x", "custom_id": "x", "emoji": {"name": "x"}}
    message = {"content": "x", "embeds": [{"title": "x"}], "components": [{"type": 1, "components": [button]}]}
    option = {"type": 4, "name": "bars", "description": "x", "min_value": 1, "choices": [{"name": "x", "value": 2}]}
    command = {"type": 1, "name": "compose", "description": "x", "options": [option], "contexts": [0, 1]}
    verdicts = []
    for name, value in (
        ("GuildChannelResponse", channel.payload()),
        ("MessageCreateRequest", message | {"allowed_mentions": {"parse": ["users"]}, "nonce": "1", "flags": 4}),
        ("ApplicationCommandUpdateRequest", command),
    ):
        judge = validator(json.dumps(named(name)))
        for other in (value, *changed(value)):
            verdicts.append(schemas().fits(named(name), other))
            assert judge.is_valid(other) == verdicts[-1], other
    assert min(verdicts.count(True), verdicts.count(False)) > 100


# ---- the gateway


async def test_two_shards() -> None:
    with Standin(shards=2, max_concurrency=2) as standin:
        channels = [standin.guild(f"Guild {n}").channel() for n in range(4)]
        ann = standin.user("ann")
        async with running(standin, ShardedBot, shard_count=2) as bot:
            assert standin.connections.connected == [(0, 2), (1, 2)]
            assert [identify.intents for identify in standin.connections.identifies] == [1, 1]
            assert {guild.id: guild.shard_id for guild in bot.guilds} == {
                channel.guild.id: n % 2 for n, channel in enumerate(channels) if channel.guild
            }
            for channel in (*channels, ann.dm):
                assert (await ann.command("say hi", channel)).message is not None
            standin.connections.drop(shard=1)
            assert (await ann.command("say hi", channels[1])).message is not None
            assert standin.connections.resumes == 1


async def test_a_dropped_connection_resumes_with_what_it_missed(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin) as bot:
        for drop in (standin.connections.drop, lambda: standin.connections.close(4000)):
            drop()
            reply = await ann.command("say hi", channel)  # dispatched to a session without a connection
            assert reply.message is not None
        standin.connections.ask_to_reconnect()
        await standin.until(lambda: standin.connections.resumes == 3)
        await ann.command("say hi", channel)
        assert bot.resumed == 3
        assert len(standin.connections.identifies) == 1
        assert standin.connections.heartbeats > 0


async def test_a_session_that_is_over_identifies_again(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        standin.connections.accept_resume = False
        standin.connections.drop()
        await standin.until(lambda: len(standin.connections.identifies) == 2)
        await ann.command("say hi", channel)
        standin.connections.invalidate()
        await standin.until(lambda: len(standin.connections.identifies) == 3)
        await ann.command("say hi", channel)


async def test_shards_that_identify_too_fast_are_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Parts, "pause", 0.2)
    with Standin(shards=2) as standin:
        standin.connections.identify_seconds = 0.5
        async with running(standin, ShardedBot, shard_count=2):
            first, second = standin.connections.identifies
            assert second.at - first.at >= 0.5


async def test_who_may_not_connect(standin: Standin) -> None:
    with standin.patched():
        with pytest.raises(discord.LoginFailure):
            async with Bot(**OPTIONS) as bot:
                await bot.start("wrong")
        with pytest.raises(discord.PrivilegedIntentsRequired):
            async with Bot(intents=discord.Intents(guilds=True, members=True)) as bot:
                await bot.start(standin.token)


async def test_without_a_bot_nobody_answers(standin: Standin, ann: User, channel: Channel) -> None:
    async with running(standin):
        pass
    # discord.py goes with 4000, not 1000, and so leaves a session that might be resumed: Discord waits its 3 s.
    reply = ann.send_command("say hi", channel)
    standin.clock.advance(3)
    with pytest.raises(DidNotRespondError, match="The application did not respond"):
        await reply.answered()
    standin.connections.sessions.clear()
    with pytest.raises(DidNotRespondError, match="no bot is connected"):
        await ann.command("say hi", channel)


SCRIPT = """
import asyncio, os, sys, warnings
warnings.simplefilter("ignore")
import discord, discord.gateway, discord.http, yarl
sys.path[:0] = sys.argv[1:]
from test_discord_standin import OPTIONS, Bot
discord.http.Route.BASE = os.environ["DISCORD_API"]
discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = yarl.URL(os.environ["DISCORD_GATEWAY"])
Bot(**OPTIONS).run(os.environ["TOKEN"], log_handler=None)
"""


def start_process(standin: Standin) -> subprocess.Popen[bytes]:
    here = Path(__file__).parent
    words = [sys.executable, "-c", textwrap.dedent(SCRIPT), str(here), str(here.parent)]
    return subprocess.Popen(words, env={**os.environ, **standin.environment, "TOKEN": standin.token})


async def test_buttons_work_after_the_bots_process_was_killed(standin: Standin, ann: User, channel: Channel) -> None:
    process = start_process(standin)
    try:
        await standin.ready()
        reply = await ann.command("compose", channel, opening=Attachment("x.mid", MIDI))
        message = await reply.until(lambda m: m.buttons)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        await standin.gone()
        clicking = asyncio.ensure_future(ann.click(message, "Again"))
        await asyncio.sleep(0.05)
        standin.clock.advance(4)
        with pytest.raises(DidNotRespondError):
            await clicking
        process = start_process(standin)
        await standin.ready()
        await ann.click(message, "Again")
        assert message.content == "again 1"
        assert len(standin.connections.identifies) == 2
    finally:
        process.kill()
        process.wait()


async def test_a_failure_of_the_stand_in_fails_the_test() -> None:
    def broken() -> dict[str, Any]:
        raise TypeError("broken")

    async def use() -> None:
        with Standin() as standin:
            standin.world.bot.payload = broken  # type: ignore[method-assign]
            headers = {"Authorization": f"Bot {standin.token}"}
            async with aiohttp.ClientSession(standin.api + "/", headers=headers) as session:
                assert (await session.get("users/@me")).status == 500

    with pytest.raises(TypeError, match="broken"):
        await use()


def test_nothing_is_bound_to_one_event_loop(standin: Standin, ann: User) -> None:
    channel = standin.guild().channel()

    async def talk() -> None:
        async with running(standin):
            await ann.command("say hi", channel)

    asyncio.run(talk())
    asyncio.run(talk())
    ids = [message.id for message in channel.messages]
    assert len(ids) == 2
    assert ids == sorted(ids)
