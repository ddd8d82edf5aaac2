"""Messages as Discord's client shows them, in HTML.

Here is what they look like; what a press of a button does is up to page/*.js, by the data- attributes.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, tzinfo
from html import escape
from pathlib import Path
from typing import NamedTuple

from .protocol.channels import Channel
from .protocol.interactions import Interaction
from .protocol.messages import BUTTON
from .protocol.people import Person
from .protocol.posts import Json, Message, StoredFile
from .protocol.state import World
from .protocol.voice import Recorded

STYLE = Path(__file__).parent / "page" / "messages.css"
AVATARS = ("#5865f2", "#3ba55c", "#e8833a", "#eb459f", "#2d9cae", "#757e8a")
STYLES = {1: "primary", 2: "secondary", 3: "success", 4: "danger", 5: "secondary"}  # of buttons, by their numbers
GROUP_SECONDS = 420.0  # messages of one person closer than that stand under one name
NEVER = "ffffffff"  # when a link runs out, so that it stays the same as long as its message does
WIDEST, TALLEST = 550, 350  # a picture, in CSS pixels
IHDR_END = 24  # bytes of a PNG up to its width and height
USER_SELECT, MENTIONABLE_SELECT, CHANNEL_SELECT = 5, 7, 8
BARS = 48  # of a voice message's waveform
SUBCOMMANDS = (1, 2)  # types of options: a subcommand, a group

SHEET = "M5 1h9v6h6v14a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V3a2 2 0 0 1 2-2m11 0 4 4h-4z"
ICONS = {
    "hash": "M9 3 8 8H3v2h4.6l-.8 4H2v2h4.4l-1 5h2l1-5h4l-1 5h2l1-5H19v-2h-4.2l.8-4H20V8h-4l1-5h-2l-1 5h-4l1-5z",
    "eye": "M12 5C6 5 2 12 2 12s4 7 10 7 10-7 10-7-4-7-10-7m0 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9"
    "m0 2.3a2.2 2.2 0 1 1 0 4.4 2.2 2.2 0 0 1 0-4.4",
    "file": f"{SHEET}M7 11v2h9v-2zm0 4v2h9v-2z",
    "note": f"{SHEET}M11 10v5.3a2 2 0 1 0 1.5 2V12H15v-2z",
}


class Words(NamedTuple):
    """What the client itself says."""

    app: str
    used: str
    thinking: str
    edited: str
    only_you: str
    dismiss: str
    gone: str
    see_attachment: str
    ago: str
    ahead: str
    units: tuple[tuple[int, str, str], ...]  # (seconds, one of them, several), longest first
    short: str  # less than the shortest of them
    clock: str  # as strftime takes it


ENGLISH = Words(
    app="APP",
    used="used",
    thinking="{name} is thinking…",
    edited="(edited)",
    only_you="Only you can see this",
    dismiss="Dismiss message",
    gone="Original message was deleted",
    see_attachment="Click to see attachment",
    ago="{span} ago",
    ahead="in {span}",
    units=((86400, "a day", "{} days"), (3600, "an hour", "{} hours"), (60, "a minute", "{} minutes")),
    short="a few seconds",
    clock="%-I:%M %p",
)
CHINESE = Words(
    app="应用",
    used="使用了",
    thinking="{name} 正在思考……",
    edited="(已编辑)",
    only_you="仅对您可见",
    dismiss="不再显示消息",
    gone="原消息已被删除",
    see_attachment="点击查看附件",
    ago="{span}前",
    ahead="{span}后",
    units=((86400, "1 天", "{} 天"), (3600, "1 小时", "{} 小时"), (60, "1 分钟", "{} 分钟")),
    short="几秒",
    clock="%H:%M",
)

MARKS = re.compile(
    r"```(?:\w+\n)?\n?(?P<block>.+?)```"
    r"|`(?P<code>[^`]+)`"
    r"|\\(?P<plain>[^\w\s])"
    r"|\[(?P<label>[^]\n]+)\]\(<?(?P<target>https?://[^\s)>]+)>?\)"
    r"|(?P<url>https?://[^\s<>]+[^\s<>.,:;!?)\"'])"
    r"|<t:(?P<moment>\d+)(?::(?P<how>[tTdDfFR]))?>"
    r"|<@!?(?P<person>\d+)>|<#(?P<channel>\d+)>"
    r"|\*\*(?P<strong>.+?)\*\*(?!\*)|__(?P<u>.+?)__(?!_)|~~(?P<s>.+?)~~"
    r"|\*(?P<em>[^\s*](?:[^*]*[^\s*])?)\*|\b_(?P<em2>[^_]+)_\b",
    re.DOTALL,
)


def page(channel: Channel, viewer: Person, zone: tzinfo = UTC) -> str:
    """What `viewer` sees in the channel now, to look at; times of day are told for `zone`."""

    def work() -> str:
        drawing, style = Drawing(viewer, zone), STYLE.read_text()
        parts = [f'<!doctype html><html lang="{escape(viewer.locale)}" data-theme="dark"><meta charset="utf-8">']
        parts += [f'<base href="{channel.world.base}"><style>{style}</style>']
        parts += [f"<header>{icon('hash', 22)}{escape(channel.name or 'Segue')}</header><main>"]
        return "".join([*parts, *(drawing.message(*pair) for pair in seen(channel, viewer)), "</main></html>"])

    return channel.thread.call(work)


def seen(channel: Channel, viewer: Person) -> Iterator[tuple[Message, Message | None]]:
    """The messages that somebody sees in a channel, each with the one before it."""
    before = None
    for message in channel.messages:
        if message.shown_to in (None, viewer):
            yield message, before
            before = message


class Drawing:
    """Writes for one person. Everything that people or the bot wrote goes through `escape`."""

    def __init__(self, viewer: Person, zone: tzinfo | None = None) -> None:
        self.viewer, self.zone = viewer, zone
        self.world: World = viewer.world
        self.words = CHINESE if viewer.locale == "zh-CN" else ENGLISH

    # ---- a message

    def message(self, message: Message, before: Message | None) -> str:
        return "".join(self._message(message, before))

    def _message(self, message: Message, before: Message | None) -> Iterator[str]:
        follows = before is not None and self.follows(message, before)
        marks = [mark for mark, held in (("ephemeral", message.ephemeral), ("following", follows)) if held]
        yield f'<article id="m{message.id}" class="{" ".join(marks)}" tabindex="-1">'
        yield from self.source(message)
        if not follows:
            yield self.avatar(message.author)
            at = datetime.fromtimestamp(message.versions[0].at, self.zone).strftime(self.words.clock)
            yield f"<div>{self.name(message.author)} <time>{at}</time></div>"
        if message.loading:
            said = escape(self.words.thinking.format(name=message.author.name))
            yield f'<div class="thinking muted"><span class="dots"><i></i><i></i><i></i></span>{said}</div>'
        else:
            yield from self.body(message)
        if message.ephemeral:
            dismiss = f'<button class="link" data-do="dismiss">{self.words.dismiss}</button>'
            yield f'<div class="note">{icon("eye", 16)}{self.words.only_you} • {dismiss}</div>'
        yield "</article>"

    def follows(self, message: Message, before: Message) -> bool:
        """Whether it stands under the name of the one before it."""
        answers = message.interaction is not None or message.reference is not None
        soon = message.versions[0].at - before.versions[0].at < GROUP_SECONDS
        return not answers and before.author is message.author and soon

    def body(self, message: Message) -> Iterator[str]:
        if message.content:
            # The edit that ends "is thinking" does not count as one.
            rewritten = [version for version in message.versions if not version.loading][1:]
            edited = f' <span class="edited">{self.words.edited}</span>' if rewritten else ""
            yield f'<div class="content">{self.formatted(message.content)}{edited}</div>'
        for embed in message.embeds:
            yield from self.embed(embed)
        # Whatever their order in the message, Discord shows pictures before other files.
        for file in sorted(message.attachments, key=lambda file: not is_kind(file, "image")):
            yield from self.file(file)
        for row in message.components:
            yield f'<div class="row">{"".join(map(self.component, row["components"]))}</div>'

    def source(self, message: Message) -> Iterator[str]:
        """The line above a message: the command or the message that it answers."""
        if message.reference is not None:
            answered = message.reference
            if answered.deleted:
                yield f'<div class="source"><em>{self.words.gone}</em></div>'
                return
            said = self.formatted(answered.content) or f"<em>{self.words.see_attachment}</em>"
            said = said.replace("<br>", " ")
            who = self.avatar(answered.author, small=True) + self.name(answered.author)
            yield f'<div class="source">{who}<span class="preview">{said}</span></div>'
        elif message.interaction is not None:
            user = message.interaction.user
            who = f"{self.avatar(user, small=True)}{self.name(user)} {self.words.used}"
            command = escape(self.command(message.interaction))
            yield f'<div class="source">{who} <span class="command">{command}</span></div>'

    def command(self, interaction: Interaction) -> str:
        """Its name with subcommands, in the viewer's language."""
        data = interaction.data
        registered = [command for commands in self.world.commands.values() for command in commands]
        known = next((command for command in registered if command["id"] == data["id"]), data)
        names, chosen = [self.called(known)], data.get("options") or []
        while chosen and chosen[0]["type"] in SUBCOMMANDS:
            wanted = chosen[0]["name"]
            known = next((option for option in known.get("options") or [] if option["name"] == wanted), chosen[0])
            names.append(self.called(known))
            chosen = chosen[0].get("options") or []
        return ("/" if data["type"] == 1 else "") + " ".join(names)

    def called(self, item: Json) -> str:
        return str((item.get("name_localizations") or {}).get(self.viewer.locale) or item["name"])

    def name(self, person: Person) -> str:
        app = f' <span class="app">{self.words.app}</span>' if person.is_bot else ""
        return f'<span><span class="name">{escape(person.name)}</span>{app}</span>'

    def avatar(self, person: Person, small: bool = False) -> str:
        # By the order in which they came, so that no two of a few people look alike.
        colour = AVATARS[list(self.world.people.values()).index(person) % len(AVATARS)]
        size = " small" if small else ""
        return f'<span class="avatar{size}" style="background:{colour}">{escape(person.name[:1].upper())}</span>'

    # ---- text

    def formatted(self, text: str) -> str:
        """Discord's Markdown as HTML: what stands within a line, and blocks of code."""
        parts, end = [], 0
        for found in MARKS.finditer(text):
            parts += [escape(text[end : found.start()]), self.marked(found)]
            end = found.end()
        return "".join([*parts, escape(text[end:])]).replace("\n", "<br>")

    def marked(self, found: re.Match[str]) -> str:
        kind, value = found.lastgroup or "", found[found.lastgroup or 0]
        match kind:
            case "block":
                return f"<pre>{escape(value)}</pre>".replace("\n", "&#10;")
            case "code":
                return f"<code>{escape(value)}</code>"
            case "plain":
                return escape(value)
            case "target":
                return f'<a href="{escape(value)}">{self.formatted(found["label"])}</a>'
            case "url":
                return f'<a href="{escape(value)}">{escape(value)}</a>'
            case "moment" | "how":
                return f'<span class="moment">{escape(self.moment(int(found["moment"]), found["how"]))}</span>'
            case "person":
                person = self.world.people.get(int(value))
                return f'<span class="mention">@{escape(person.name if person else "unknown-user")}</span>'
            case "channel":
                channel = self.world.channels.get(int(value))
                return f'<span class="mention">#{escape(channel.name if channel else "unknown")}</span>'
            case _:
                tag = kind.rstrip("2")
                return f"<{tag}>{self.formatted(value)}</{tag}>"

    def moment(self, at: int, how: str | None) -> str:
        if how != "R":
            return datetime.fromtimestamp(at, self.zone).strftime(f"%Y-%m-%d {self.words.clock}")
        distance = self.world.clock.now() - at
        span = self.words.short
        for seconds, one, several in reversed(self.words.units):
            if (count := int(abs(distance) / seconds)) > 0:
                span = one if count == 1 else several.format(count)
        return (self.words.ago if distance >= 0 else self.words.ahead).format(span=span)

    # ---- what hangs below

    def file(self, file: StoredFile) -> Iterator[str]:
        link = f"/{file.folder}/{file.id}/{file.name}?ex={NEVER}"
        name = escape(file.title + file.name[file.name.rfind(".") :] if file.title else file.name)
        player = f'<audio controls preload="metadata" src="{link}" aria-label="{name}"></audio>'
        if is_kind(file, "image"):
            shape = "".join(f' {name}="{value}"' for name, value in png_size(file.data).items())
            yield f'<img class="picture" alt="{escape(file.description or file.name)}" src="{link}"{shape}>'
            return
        if file.voice is not None:
            yield f'<div class="voice">{self.waveform(file.voice)}{player}</div>'
            return
        audio = is_kind(file, "audio") and not file.name.endswith((".mid", ".midi"))
        about = f'<a href="{link}" download="{name}">{name}</a><span class="muted">{say_size(file.size)}</span>'
        yield f'<div class="file"><div class="about">{icon("note" if audio else "file", 34)}<div>{about}</div></div>'
        yield f"{player if audio else ''}</div>"

    def waveform(self, heard: Recorded) -> str:
        shown = heard.levels[:: max(1, len(heard.levels) // BARS)]
        bars = "".join(f'<i style="height:{4 + 20 * level // 255}px"></i>' for level in shown)
        return f'<span class="bars">{bars}</span>{say_length(heard.seconds)}'

    def embed(self, embed: Json) -> Iterator[str]:
        colour = f' style="border-color:#{embed["color"]:06x}"' if embed.get("color") is not None else ""
        yield f'<div class="embed"{colour}>'
        if author := (embed.get("author") or {}).get("name"):
            yield f'<div class="name">{escape(author)}</div>'
        if embed.get("title"):
            yield f'<div class="name">{self.formatted(embed["title"])}</div>'
        if embed.get("description"):
            yield f"<div>{self.formatted(embed['description'])}</div>"
        fields = [(field, "" if field.get("inline") else "wide") for field in embed.get("fields") or []]
        if fields:
            told = [
                f'<div class="{width}"><div class="name">{self.formatted(field["name"])}</div>'
                f"{self.formatted(field['value'])}</div>"
                for field, width in fields
            ]
            yield f'<div class="fields">{"".join(told)}</div>'
        if footer := (embed.get("footer") or {}).get("text"):
            yield f'<div class="muted">{escape(footer)}</div>'
        yield "</div>"

    def component(self, part: Json) -> str:
        disabled = " disabled" if part.get("disabled") else ""
        if part["type"] != BUTTON:
            return self.select(part, disabled)
        emoji = (part.get("emoji") or {}).get("name")
        said = escape(" ".join(text for text in (emoji, part.get("label")) if text))
        if part.get("url"):
            return f'<a class="button" href="{escape(part["url"])}">{said} ↗</a>'
        about = f'class="{STYLES[part.get("style", 1)]}" data-do="press" data-id="{escape(part["custom_id"])}"'
        return f"<button {about}{disabled}>{said}</button>"

    def select(self, menu: Json, disabled: str) -> str:
        """A list of what the bot offers, or of the people or channels that there are."""
        several = " multiple" if (menu.get("max_values") or 1) > 1 else ""
        about = escape(menu.get("placeholder") or menu["custom_id"])
        first = "" if several else f'<option value="">{about}</option>'
        parts = [
            f'<option value="{escape(option["value"])}"{" selected" if option.get("default") else ""}>'
            f"{escape(option['label'])}</option>"
            for option in self.offered(menu)
        ]
        named = f'data-do="select" data-id="{escape(menu["custom_id"])}" data-type="{menu["type"]}"'
        return f'<select {named} aria-label="{about}"{several}{disabled}>{first}{"".join(parts)}</select>'

    def offered(self, menu: Json) -> list[Json]:
        people = [{"label": f"@{person.name}", "value": str(person.id)} for person in self.world.people.values()]
        channels = [c for c in self.world.channels.values() if c.name]
        named = [{"label": f"#{channel.name}", "value": str(channel.id)} for channel in channels]
        kinds = {USER_SELECT: people, MENTIONABLE_SELECT: people, CHANNEL_SELECT: named}
        return kinds.get(menu["type"], menu.get("options") or [])


def icon(name: str, size: int) -> str:
    return f'<svg viewBox="0 0 24 24" width="{size}" height="{size}"><path d="{ICONS[name]}"/></svg>'


def is_kind(file: StoredFile, kind: str) -> bool:
    return (file.content_type or "").startswith(f"{kind}/")


def say_size(size: int) -> str:
    if size < 1024:
        return f"{size} bytes"
    return f"{size / 1024:.2f} KB" if size < 1024**2 else f"{size / 1024**2:.2f} MB"


def say_length(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def png_size(data: bytes) -> dict[str, int]:
    """How large it is shown, so that its place is kept free until it is there; nothing of other pictures."""
    if not data.startswith(b"\x89PNG") or len(data) < IHDR_END:
        return {}
    width, height = struct.unpack(">II", data[IHDR_END - 8 : IHDR_END])
    share = min(1.0, WIDEST / max(1, width), TALLEST / max(1, height))
    return {"width": round(share * width), "height": round(share * height)}
