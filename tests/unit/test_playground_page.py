"""The page of the playground without a browser: what it is told, and what is refused."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest

from bot.playground.__main__ import furnish
from bot.playground.protocol import Attachment, Channel, Message, User
from bot.playground.protocol.messages import edit_message, write_message
from bot.playground.server import FILES, Playground
from bot.playground.view import PAGE, WORDS, View

Answer = tuple[int, dict[str, str], bytes]


@pytest.fixture(scope="module")
def playground() -> Iterator[Playground]:
    with Playground() as playground:
        furnish(playground)
        yield playground


@pytest.fixture
def people(playground: Playground) -> list[User]:
    return [person for person in playground.world.people.values() if isinstance(person, User)]


@pytest.fixture
def channel(playground: Playground) -> Channel:
    return next(channel for channel in playground.world.channels.values() if channel.name == "piano")


def ask(playground: Playground, path: str, said: dict[str, Any] | None = None, **headers: str) -> Answer:
    """GET, or POST where something is said."""

    async def work() -> Answer:
        body = None if said is None else aiohttp.FormData({"said": json.dumps(said)})
        method = "GET" if said is None else "POST"
        async with aiohttp.request(method, playground.address + path, data=body, headers=headers) as answer:
            return answer.status, dict(answer.headers), await answer.read()

    return asyncio.run(work())


def news(playground: Playground, view: View) -> list[dict[str, Any]]:
    return playground.thread.call(view.news)


def test_both_languages_have_every_word_of_the_page() -> None:
    scripts = "".join((PAGE / name).read_text() for name in FILES)
    used = set(re.findall(r'word\("(\w+)"', scripts)) | set(re.findall(r'data-word="(\w+)"', scripts))
    for words in WORDS.values():
        assert used <= set(words)
        assert set(words) == set(WORDS["en-US"])
        for name, text in words.items():
            assert set(re.findall(r"\{\w+\}", str(text))) == set(re.findall(r"\{\w+\}", str(WORDS["en-US"][name])))


def test_people_and_places_have_the_same_ids_every_time(playground: Playground) -> None:
    with Playground() as another:
        furnish(another)
        settled = [{**one.world.people, **one.world.channels, **one.world.guilds} for one in (playground, another)]
        bots = [one.bot.id for one in (playground, another)]
        assert {*settled[0]} - {bots[0]} == {*settled[1]} - {bots[1]}, "else the bot would know nobody again"
        assert bots[0] != bots[1], "else it would take its commands for registered"


def test_a_page_is_told_what_changes_and_nothing_that_others_only_see(
    playground: Playground, people: list[User], channel: Channel
) -> None:
    ann, bob, li = (View(person, playground.connections) for person in people[:3])
    for view in (ann, bob, li):
        first = news(playground, view)
        assert first[0]["kind"] == "place"
        assert [item["author"] for item in first[1:]] == ["bob"]
        assert news(playground, view) == []

    def write() -> Message:
        return write_message(
            playground.world, channel, playground.bot, {"content": "psst"}, {}, "bot", shown_to=ann.user
        )

    message = playground.thread.call(write)
    (told,) = news(playground, ann)
    assert "psst" in told["html"]
    assert not told["menu"], "ephemeral messages have no menu"
    assert news(playground, bob) == []
    playground.thread.call(lambda: edit_message(message, {"content": "louder"}, {}, "bot"))
    assert "louder" in news(playground, ann)[0]["html"]
    message.delete()
    assert news(playground, ann) == [{"kind": "gone", "id": str(message.id)}]

    assert ask(playground, "do/language", {"as": "bob", "locale": "zh-CN"})[0] == 200
    place, hello = news(playground, bob)
    assert place["words"] == WORDS["zh-CN"]
    assert hello["kind"] == "message"
    ask(playground, "do/language", {"as": "bob", "locale": "en-US"})


def test_other_sites_in_the_browser_get_nothing(playground: Playground) -> None:
    base = playground.world.base
    assert ask(playground, "", Origin=base)[0] == 200
    for path, said in (("", None), ("stream", None), ("do/post", {"as": "ann"})):
        assert ask(playground, path, said, Origin="http://evil.example")[0] == 403
        assert ask(playground, path, said, Host="evil.example")[0] == 403
    assert ask(playground, "page/../server.py")[0] == 404
    assert ask(playground, "page/words.json")[0] == 404
    assert "default-src 'self'" in ask(playground, "")[1]["Content-Security-Policy"]


def test_files_are_served_in_parts_and_never_run(playground: Playground, people: list[User], channel: Channel) -> None:
    stored = people[0].post(channel, "", Attachment("a.html", b"0123456789")).attachments[0]
    path = stored.url().removeprefix(playground.address)
    status, headers, body = ask(playground, path, Range="bytes=2-4")
    assert (status, headers["Content-Range"], body) == (206, "bytes 2-4/10", b"234")
    assert ask(playground, path, Range="bytes=-3")[1]["Content-Range"] == "bytes 7-9/10"
    status, headers, body = ask(playground, path)
    assert (status, body) == (200, b"0123456789")
    assert headers["Content-Security-Policy"] == "sandbox"


def test_what_cannot_be_done_is_said(playground: Playground, people: list[User], channel: Channel) -> None:
    message = people[1].post(channel, "mine")
    about = {"as": "ann", "channel": str(channel.id), "message": str(message.id)}
    for what, said in (
        ("delete", {}),
        ("press", {"id": "c1:vary:1:1"}),
        ("command", {"line": "/nothing", "options": {}}),
        ("command", {"line": "/nothing", "options": {"who": {"type": 6, "value": "1"}}}),
        ("post", {"content": "x" * 2001}),
        ("submit", {"form": "1", "values": {}}),
        ("menu", {"name": "Continue this"}),
    ):
        status, _, body = ask(playground, f"do/{what}", about | said)
        assert status == 400, what
        assert json.loads(body)["error"]
    assert ask(playground, "do/nothing", about)[0] == 404
    assert ask(playground, "do/delete", about | {"as": "bob"})[0] == 200
    assert message.deleted
