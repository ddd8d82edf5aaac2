from __future__ import annotations

from collections.abc import Iterator
from html.parser import HTMLParser

import pytest
from discord_standin import Standin
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bot.playground.drawing import page
from bot.playground.protocol import Attachment, Channel, Message, User
from bot.playground.protocol.interactions import Interaction
from bot.playground.protocol.messages import write_message
from bot.playground.protocol.posts import Json

PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\2\x80\0\0\1\xe0"


class Seen(HTMLParser):
    """What a browser makes of a page: its elements, and the text of each kind of them."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[tuple[str, str]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(html.partition("</style>")[2])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.elements.append((tag, found))
        if tag not in ("img", "br", "path"):
            names = [tag, *(found.get("class") or "").split()]
            self.open.append((tag, " ".join(names)))
            for name in names:
                self.texts.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            self.open.pop()

    def handle_data(self, data: str) -> None:
        for name in {name for _, names in self.open for name in names.split()}:
            self.texts[name][-1] += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [found for name, found in self.elements if name == tag]


class Place:
    """A channel, somebody who looks at it, and a bot that writes there."""

    def __init__(self, standin: Standin) -> None:
        self.standin = standin
        self.ann: User = standin.user("ann")
        self.channel: Channel = standin.guild().channel("music")

    def bot(self, body: Json, **more: object) -> Message:
        world = self.standin.world
        write = lambda: write_message(world, self.channel, world.bot, body, {}, "bot", **more)  # noqa: E731
        return self.standin.thread.call(write)

    def used(self, **data: object) -> Interaction:
        world = self.standin.world
        more = {"owners": {}, "context": 0}
        return self.standin.thread.call(lambda: world.new_interaction(2, self.ann, self.channel, data, **more))

    def seen(self, user: User | None = None) -> Seen:
        return Seen(page(self.channel, user or self.ann))


@pytest.fixture(scope="module")
def standin() -> Iterator[Standin]:
    with Standin() as standin:
        yield standin


@pytest.fixture
def place(standin: Standin) -> Place:
    return Place(standin)


def test_markdown_becomes_what_discord_makes_of_it(place: Place) -> None:
    place.bot({"content": "**bold** *it* ~~no~~ `a * b`\n[here](https://a.b/c?d=1&e=2) https://f.g. \\*plain\\*"})
    seen = place.seen()
    assert [seen.texts[tag] for tag in ("strong", "em", "s", "code")] == [["bold"], ["it"], ["no"], ["a * b"]]
    assert [link["href"] for link in seen.all("a")] == ["https://a.b/c?d=1&e=2", "https://f.g"]
    assert seen.texts["content"][0].endswith("here https://f.g. *plain*")
    assert len(seen.all("br")) == 1


def test_mentions_and_moments_are_told_by_name(place: Place) -> None:
    now = int(place.standin.clock.now())
    place.bot({"content": f"{place.ann.mention} <#{place.channel.id}> <t:{now - 130}:R> <t:{now + 7300}:R> <@1>"})
    assert place.seen().texts["content"] == ["@ann #music 2 minutes ago in 2 hours @unknown-user"]


WRITTEN = st.lists(
    st.one_of(
        st.text(max_size=8),
        st.sampled_from(
            ["<script>", "</div>", "&lt;", "**", "`", "```", "[a](https://", '"', "'", ")", "<t:1:R>", "\\"]
        ),
    ),
    min_size=1,
).map("".join)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(WRITTEN)
def test_nothing_that_people_write_becomes_html(place: Place, text: str) -> None:
    for message in place.channel.messages:
        message.delete()
    place.ann.post(place.channel, f".{text}", Attachment(f"<b>{text[:50]}.mid", b""))
    allowed = {"header", "svg", "path", "main", "article", "span", "div", "time", "br", "a"}
    allowed |= {"strong", "em", "s", "u", "code", "pre"}
    for tag, found in place.seen().elements:
        assert tag in allowed
        assert set(found) <= {"class", "style", "href", "viewbox", "width", "height", "d", "id", "tabindex", "download"}
        assert (found.get("href") or "#").startswith(("#", "http", "/attachments/"))


def test_buttons_have_the_colours_of_their_styles_and_their_rows(place: Place) -> None:
    def button(style: int, label: str, **more: object) -> Json:
        return {"type": 2, "style": style, "label": label, "custom_id": label, **more}

    rows = [[button(1, "Go on"), button(2, "Vary", disabled=True)], [button(4, "Delete <it>")]]
    place.bot({"components": [{"type": 1, "components": row} for row in rows]})
    seen = place.seen()
    assert seen.texts["row"] == ["Go onVary", "Delete <it>"]
    assert [found["class"] for found in seen.all("button")] == ["primary", "secondary", "danger"]
    assert ["disabled" in found for found in seen.all("button")] == [False, True, False]


def test_menus_offer_what_the_bot_lists_or_the_people_who_are_there(place: Place) -> None:
    options = [{"label": "Waltz", "value": "w"}, {"label": "<March>", "value": "m", "default": True}]
    menus: list[Json] = [{"type": 3, "custom_id": "kind", "placeholder": "Which?", "options": options}]
    menus += [{"type": 5, "custom_id": "who", "max_values": 2, "disabled": True}]
    place.bot({"components": [{"type": 1, "components": [menu]} for menu in menus]})
    seen = place.seen()
    assert [found["aria-label"] for found in seen.all("select")] == ["Which?", "who"]
    assert [set(found) & {"multiple", "disabled"} for found in seen.all("select")] == [set(), {"multiple", "disabled"}]
    assert seen.texts["option"][:3] == ["Which?", "Waltz", "<March>"]
    assert "@ann" in seen.texts["option"][3:]
    assert [found.get("value") for found in seen.all("option") if "selected" in found] == ["m"]


def test_only_the_one_it_is_for_sees_an_ephemeral_message(place: Place) -> None:
    place.bot({"content": "psst"}, shown_to=place.ann)
    assert place.seen().texts["note"] == ["Only you can see this • Dismiss message"]
    assert "content" not in place.seen(place.standin.user("bob")).texts


def test_an_answer_tells_the_command_in_the_language_of_who_looks(place: Place) -> None:
    show = {"name": "show", "type": 1, "name_localizations": {"zh-CN": "查看"}}
    settings = {"id": "1", "type": 1, "name": "settings", "name_localizations": {"zh-CN": "设置"}, "options": [show]}
    place.standin.world.commands[None] = [settings]
    place.bot({"content": "."}, interaction=place.used(id="1", name="settings", type=1, options=[show]))
    li = place.standin.user("li", locale="zh-CN")
    assert place.seen().texts["source"] == ["Aann used /settings show"]
    assert place.seen(li).texts["command"] == ["/设置 查看"]


def test_a_reply_shows_what_it_answers_or_that_it_is_gone(place: Place) -> None:
    first = place.ann.post(place.channel, "one\ntwo")
    place.bot({"content": "three"}, reference=first)
    assert place.seen().texts["preview"] == ["one two"]
    first.delete()
    assert place.seen().texts["source"] == ["Original message was deleted"]


def test_a_message_that_waits_says_so_and_one_that_was_changed_too(place: Place) -> None:
    message = place.bot({"content": "one"}, flags=1 << 7)
    assert place.seen().texts["thinking"] == ["Segue is thinking…"]
    message.flags = 0
    message.save_version("edit")
    assert "edited" not in place.seen().texts, "the end of waiting does not count"
    message.save_version("edit")
    assert place.seen().texts["edited"] == ["(edited)"]


def test_files_are_a_picture_a_player_and_a_box(place: Place) -> None:
    files = (("a.mp3", b"\xff\xfb"), ("a b.mid", b"MThd"), ("a.png", PNG))
    place.ann.post(place.channel, "", *(Attachment(*file) for file in files))
    seen = place.seen()
    assert seen.texts["about"] == ["a.mp32 bytes", "a b.mid4 bytes"]
    (player,), (picture,) = seen.all("audio"), seen.all("img")
    assert [found["src"].split("/")[-1].split("?")[0] for found in (player, picture)] == ["a.mp3", "a.png"]
    assert (picture["width"], picture["height"]) == ("467", "350"), "its place is kept free until it is there"
    order = [tag for tag, found in seen.elements if tag == "img" or found.get("class") == "file"]
    assert order == ["img", "div", "div"], "Discord shows pictures first"


def test_embeds_are_shown(place: Place) -> None:
    field = {"name": "Key", "value": "**C** major"}
    place.bot({"embeds": [{"title": "A piece", "description": "<b>", "fields": [field], "footer": {"text": "end"}}]})
    assert place.seen().texts["embed"] == ["A piece<b>KeyC majorend"]


def test_messages_that_follow_each_other_stand_under_one_name(place: Place) -> None:
    for text in ("one", "two"):
        place.ann.post(place.channel, text)
    assert place.seen().texts["time"] == [place.seen().texts["time"][0]]
    place.standin.clock.advance(600)
    place.ann.post(place.channel, "three")
    assert len(place.seen().texts["time"]) == 2
