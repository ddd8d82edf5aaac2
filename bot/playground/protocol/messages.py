"""What Discord accepts as a message or a modal, and whom a message pings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .channels import Channel
from .errors import DiscordError, Form, missing_permissions
from .interactions import Interaction
from .people import Person
from .permissions import Permission
from .posts import EPHEMERAL, LOADING, Attachment, Json, Message, Pings, StoredFile
from .state import World

Path = tuple[str | int, ...]
BUTTON, STRING_SELECT, TEXT_INPUT, LABEL, TEXT_DISPLAY = 2, 3, 4, 18, 10
SELECTS = (3, 5, 6, 7, 8)
LINK = 5
EMBED_TEXTS = {"title": 256, "description": 4096}
EMBED_TOTAL = 6000


@dataclass(frozen=True)
class Upload:
    """A file of a request; whatever type it claims, Discord goes by its name."""

    name: str
    data: bytes


# ---- checks


def check_message(form: Form, path: Path, body: Json) -> None:
    """Texts, embeds and components of a message's body; what is missing is not checked."""
    form.length((*path, "content"), body.get("content") or "", 0, 2000)
    if body.get("nonce") is not None:
        form.length((*path, "nonce"), str(body["nonce"]), 1, 25)
    embeds = body.get("embeds") or []
    form.length((*path, "embeds"), embeds, 0, 10)
    for number, embed in enumerate(embeds):
        check_embed(form, (*path, "embeds", number), embed)
    if sum(sum(map(len, embed_texts(embed))) for embed in embeds) > EMBED_TOTAL:
        form.wrong((*path, "embeds"), "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000")
    check_components(form, (*path, "components"), body.get("components") or [])


def embed_texts(embed: Json) -> Iterator[str]:
    yield from (embed.get("title") or "", embed.get("description") or "")
    yield from ((embed.get("footer") or {}).get("text") or "", (embed.get("author") or {}).get("name") or "")
    for field in embed.get("fields") or []:
        yield from (field.get("name") or "", field.get("value") or "")


def check_embed(form: Form, path: Path, embed: Json) -> None:
    for key, most in EMBED_TEXTS.items():
        form.length((*path, key), embed.get(key) or "", 0, most)
    if embed.get("footer"):
        form.length((*path, "footer", "text"), embed["footer"].get("text"), 1, 2048)
    if embed.get("author"):
        form.length((*path, "author", "name"), embed["author"].get("name"), 1, 256)
    fields = embed.get("fields") or []
    form.length((*path, "fields"), fields, 0, 25)
    for number, field in enumerate(fields):
        form.length((*path, "fields", number, "name"), field.get("name"), 1, 256)
        form.length((*path, "fields", number, "value"), field.get("value"), 1, 1024)


def check_components(form: Form, path: Path, rows: list[Json]) -> None:
    """Action rows of buttons and select menus (not the components of version 2)."""
    form.length(path, rows, 0, 5)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        here = (*path, number, "components")
        if not form.choice((*path, number, "type"), row.get("type"), (1,)):
            continue
        children = row.get("components") or []
        form.length(here, children, 1, 5)
        if len(children) > 1 and any(child.get("type") in SELECTS for child in children):
            form.wrong(here, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", "A select menu takes a whole row")
        for place, child in enumerate(children):
            check_component(form, (*here, place), child, seen)


def check_component(form: Form, path: Path, child: Json, seen: set[str]) -> None:
    if not form.choice((*path, "type"), child.get("type"), (BUTTON, *SELECTS)):
        return
    custom_id = child.get("custom_id")
    if child["type"] == BUTTON:
        form.choice((*path, "style"), child.get("style"), (1, 2, 3, 4, LINK))
        form.length((*path, "label"), child.get("label") or "", 0, 80)
        if not child.get("label") and not child.get("emoji"):
            form.wrong((*path, "label"), "BUTTON_COMPONENT_INVALID", "A label or an emoji is required")
        if child.get("style") == LINK:
            form.length((*path, "url"), child.get("url"), 1, 512)
            if custom_id is not None:
                form.wrong((*path, "custom_id"), "COMPONENT_CUSTOM_ID_NOT_ALLOWED", "A link has no custom id")
            return
    else:
        check_select(form, path, child)
    if form.length((*path, "custom_id"), custom_id, 1, 100):
        if custom_id in seen:
            message = "Component custom id cannot be duplicated"
            form.wrong((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
        seen.add(str(custom_id))


def check_select(form: Form, path: Path, child: Json) -> None:
    form.length((*path, "placeholder"), child.get("placeholder") or "", 0, 150)
    if child["type"] != STRING_SELECT:
        return
    options = child.get("options") or []
    form.length((*path, "options"), options, 1, 25)
    values = [option.get("value") for option in options]
    for number, option in enumerate(options):
        form.length((*path, "options", number, "label"), option.get("label"), 1, 100)
        form.length((*path, "options", number, "value"), option.get("value"), 1, 100)
        form.length((*path, "options", number, "description"), option.get("description") or "", 0, 100)
        if values.index(option.get("value")) != number:
            message = "The specified option value is already used"
            form.wrong((*path, "options", number, "value"), "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message)


def check_modal(modal: Json) -> None:
    """A modal's title and inputs. Raises DiscordError."""
    form = Form()
    form.length(("data", "title"), modal.get("title"), 1, 45)
    form.length(("data", "custom_id"), modal.get("custom_id"), 1, 100)
    rows = modal.get("components") or []
    form.length(("data", "components"), rows, 1, 5)
    seen: set[str] = set()
    for number, row in enumerate(rows):
        path: Path = ("data", "components", number)
        if not form.choice((*path, "type"), row.get("type"), (1, TEXT_DISPLAY, LABEL)) or row["type"] == TEXT_DISPLAY:
            continue
        if row["type"] == LABEL:
            form.length((*path, "label"), row.get("label"), 1, 45)
            form.length((*path, "description"), row.get("description") or "", 0, 100)
            check_input(form, (*path, "component"), row.get("component") or {}, seen, labelled=True)
            continue
        children = row.get("components") or []
        if form.length((*path, "components"), children, 1, 1):
            check_input(form, (*path, "components", 0), children[0], seen, labelled=False)
    form.finish()


def check_input(form: Form, path: Path, child: Json, seen: set[str], labelled: bool) -> None:
    allowed = (TEXT_INPUT, *SELECTS, 19, 21, 22, 23) if labelled else (TEXT_INPUT,)
    if not form.choice((*path, "type"), child.get("type"), allowed):
        return
    if child["type"] == TEXT_INPUT:
        form.choice((*path, "style"), child.get("style"), (1, 2))
        if not labelled:
            form.length((*path, "label"), child.get("label"), 1, 45)
        form.length((*path, "placeholder"), child.get("placeholder") or "", 0, 100)
        form.length((*path, "value"), child.get("value") or "", 0, child.get("max_length") or 4000)
        for key, low in (("min_length", 0), ("max_length", 1)):
            if child.get(key) is not None and not low <= child[key] <= 4000:
                form.wrong((*path, key), "NUMBER_TYPE_RANGE", f"int value should be between {low} and 4000.")
    elif child["type"] == STRING_SELECT:
        check_select(form, path, child)
    custom_id = child.get("custom_id")
    if form.length((*path, "custom_id"), custom_id, 1, 100):
        if custom_id in seen:
            message = "Component custom id cannot be duplicated"
            form.wrong((*path, "custom_id"), "COMPONENT_CUSTOM_ID_DUPLICATED", message)
        seen.add(str(custom_id))


# ---- whom it pings


def mentioned_in(content: str) -> Pings:
    users = frozenset(int(user) for user in re.findall(r"<@!?(\d+)>", content))
    roles = frozenset(int(role) for role in re.findall(r"<@&(\d+)>", content))
    return Pings(users, roles, bool(re.search(r"@(everyone|here)\b", content)))


def allowed_pings(message: Message, allowed: Json | None) -> Pings:
    """What of the mentions in a message counts.

    Without allowed_mentions everything does. (Discord is said to be milder with interactions; the stand-in is not,
    so that a forgotten allowed_mentions shows.)
    """
    found, channel = mentioned_in(message.content), message.channel
    by_app = message.interaction
    held = channel.permissions_of(message.author) if by_app is None else by_app.app_permissions
    may_all = Permission.MENTION_EVERYONE in held
    replied = message.reference.author.id if message.type == 19 and message.reference is not None else None
    users, roles, everyone = set(found.users), set(found.roles), found.everyone
    if allowed is not None:
        parse = allowed.get("parse") or []
        if "users" not in parse:
            users &= {int(user) for user in allowed.get("users") or []}
        if "roles" not in parse:
            roles &= {int(role) for role in allowed.get("roles") or []}
        everyone = everyone and "everyone" in parse
    if replied is not None and (allowed is None or allowed.get("replied_user")):
        users.add(replied)
    known = {role.id: role for role in channel.guild.roles} if channel.guild else {}
    roles = {role for role in roles if role in known and (may_all or known[role].mentionable)}
    return Pings(frozenset(users), frozenset(roles), everyone and may_all and channel.guild is not None)


# ---- writing


def take_files(
    world: World, channel: Channel, body: Json, files: Mapping[int, Upload], old: list[StoredFile]
) -> list[StoredFile]:
    """The attachments that a message has after `body`: old ones it lists (all, if it lists none), then new ones.

    Raises DiscordError for a file above the channel's limit, or an entry of `attachments` without a file.
    """
    if any(len(file.data) > channel.attachment_size_limit for file in files.values()):
        raise DiscordError(413, 40005, "Request entity too large")
    listed = body.get("attachments")
    entries = {int(entry["id"]): entry for entry in listed or []}
    form, known = Form(), {file.id: file for file in old}
    for number, id_ in enumerate(entries):
        if id_ not in files and id_ not in known:
            form.wrong(("attachments", number), "ATTACHMENT_NOT_FOUND", "Attachment data not found")
    form.finish()
    kept = old if listed is None else [known[id_] for id_ in entries if id_ in known]
    for file in kept:
        file.description = entries.get(file.id, {}).get("description", file.description)
    new = []
    for number, upload in sorted(files.items()):
        entry = entries.get(number, {})
        name = entry.get("filename") or upload.name
        new.append(world.store(Attachment(name, upload.data, description=entry.get("description")), "cdn"))
    if len(kept) + len(new) > 10:
        form.wrong(("attachments",), "BASE_TYPE_MAX_LENGTH", "Must be 10 or fewer in length.")
        form.finish()
    return [*kept, *new]


def check_rights(held: Permission, body: Json, files: Mapping[int, Upload]) -> None:
    """Do permissions suffice for the files and embeds of a message? Raises DiscordError."""
    if files and Permission.ATTACH_FILES not in held:
        raise missing_permissions()
    if body.get("embeds") and Permission.EMBED_LINKS not in held:
        raise missing_permissions()


def write_message(
    world: World, channel: Channel, author: Person, body: Json, files: Mapping[int, Upload], via: str, **more: Any
) -> Message:
    """A new message in the channel. Raises DiscordError when Discord would not take it; more: Message's fields."""
    form = Form()
    check_message(form, (), body)
    form.finish()
    attachments = more.pop("attachments", []) + take_files(world, channel, body, files, [])
    content = body.get("content") or ""
    if not (content or body.get("embeds") or body.get("components") or attachments):
        raise DiscordError(400, 50006, "Cannot send an empty message")
    message = Message(world, more.pop("id", None) or world.ids.next(), channel, author, content.strip(), **more)
    message.flags |= int(body.get("flags") or 0) & ~EPHEMERAL
    message.embeds, message.attachments = finished_embeds(body, attachments), attachments
    message.components = numbered(body.get("components") or [])
    message.nonce = str(body["nonce"]) if body.get("nonce") is not None else None
    ping(message, body)
    message.save_version(via)
    channel.everything[message.id] = message
    if channel.archived and not channel.locked:
        channel.archived = False
    return message


def edit_message(message: Message, body: Json, files: Mapping[int, Upload], via: str) -> None:
    """Change what the body names. Raises DiscordError when Discord would not take it, and changes nothing then."""
    form = Form()
    check_message(form, (), body)
    form.finish()
    attachments = take_files(message.world, message.channel, body, files, message.attachments)
    content = (body["content"] or "").strip() if "content" in body else message.content
    embeds = finished_embeds(body, attachments) if "embeds" in body else message.embeds
    components = numbered(body["components"] or []) if "components" in body else message.components
    if not (content or embeds or components or attachments):
        raise DiscordError(400, 50006, "Cannot send an empty message")
    message.content, message.embeds, message.components = content, embeds, components
    message.attachments = attachments
    notifies, message.flags = message.loading, message.flags & ~LOADING
    ping(message, body, notifies=notifies)
    message.save_version(via)


def ping(message: Message, body: Json, notifies: bool = True) -> None:
    """Work out the mentions. An edit highlights but notifies nobody, except the one that ends "is thinking"."""
    message.allowed_mentions = body.get("allowed_mentions")
    message.mentioned = allowed_pings(message, message.allowed_mentions)
    if notifies:
        message.pings = Pings() if message.ephemeral else message.mentioned


def finished_embeds(body: Json, attachments: list[StoredFile]) -> list[Json]:
    """The embeds with attachment:// links turned into those of the files."""
    urls = {f"attachment://{file.name}": file.url() for file in attachments}
    embeds = []
    for embed in body.get("embeds") or []:
        embed = {"type": "rich", **embed}
        for key in ("image", "thumbnail"):
            if embed.get(key):
                embed[key] = {**embed[key], "url": urls.get(embed[key].get("url"), embed[key].get("url"))}
        embeds.append(embed)
    return embeds


def numbered(rows: list[Json]) -> list[Json]:
    """Components with the numbers that Discord gives those without."""
    count = 0
    result = []
    for row in rows:
        count += 1
        row = {"id": count, **row, "components": list(row.get("components", []))}
        for place, child in enumerate(row["components"]):
            count += 1
            row["components"][place] = {"id": count, **child}
        result.append(row)
    return result


def thinking(interaction: Interaction, shown_to: Person | None) -> Message:
    """The message that says "... is thinking" until it is edited."""
    world, channel = interaction.world, interaction.channel
    flags = LOADING | (EPHEMERAL if shown_to is not None else 0)
    message = Message(
        world, world.ids.next(), channel, world.bot, flags=flags, shown_to=shown_to, **interaction.shape()
    )
    message.interaction = interaction
    message.save_version("deferred")
    channel.everything[message.id] = message
    return message
