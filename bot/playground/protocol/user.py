"""People in the client: what they type, click and read."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from . import voice
from .channels import OF_POSTS, Channel
from .commands import (
    MESSAGE_MENU,
    USER_MENU,
    Typed,
    called,
    command_data,
    convert,
    fill_options,
    find_command,
    guild_of,
)
from .errors import DidNotRespondError, RefusedError
from .interactions import Interaction
from .messages import SELECTS, TEXT_INPUT, write_message
from .people import Person, Role
from .permissions import Permission
from .posts import SNAPSHOT, VOICE, Attachment, Json, Message
from .replies import Choice, Modal, Reply, inputs_of, written
from .timing import Timing
from .voice import recorded

COMMAND, COMPONENT, SUGGEST, SUBMIT = 2, 3, 4, 5
IN_GUILD, IN_BOT_DM, IN_PRIVATE = 0, 1, 2
RADIO_GROUP, CHECKBOX = 21, 23


@dataclass(eq=False, repr=False)
class User(Person):
    """A person in front of the client. Whatever they do raises RefusedError where the client would not let them."""

    timing: Timing = field(default_factory=Timing, repr=False)

    @property
    def dm(self) -> Channel:
        """The direct messages with the bot."""
        return self.thread.call(lambda: self.world.direct_messages(self, self.world.bot))

    # ---- what people do

    async def command(self, line: str, channel: Channel, /, **options: Any) -> Reply:
        """Type a command, "/settings temperature pitch 0.5", and wait for the first answer.

        Options stand in the line (bare, or as name:value), or are given by name. Raises DidNotRespondError.
        """
        return await self.send_command(line, channel, **options).answered()

    def send_command(self, line: str, channel: Channel, /, **options: Any) -> Reply:
        """Like `command`, without waiting."""

        def work() -> Reply:
            typed = find_command(self._commands(channel), line, self.locale)
            owners = self._allowed(typed.command, channel)
            chosen: list[Json] = []
            resolved: dict[str, Json] = {}
            for option, given in fill_options(typed, options, self.locale):
                value = self._resolve(convert(option, given, self.locale), channel, resolved)
                chosen.append({"name": option["name"], "type": option["type"], "value": value})
            return self._send(COMMAND, channel, command_data(typed, chosen, resolved), owners)

        return self.thread.call(work)

    async def suggestions(
        self, line: str, channel: Channel, /, option: str, typed: str = "", **options: Any
    ) -> list[Choice]:
        """What the bot offers while the person types `typed` into an option of the command."""

        def work() -> Reply:
            found = find_command(self._commands(channel), line, self.locale)
            owners = self._allowed(found.command, channel)
            focused = next((o for o in found.declared if option in called(o, self.locale)), None)
            if focused is None or not focused.get("autocomplete"):
                raise RefusedError(f"no option {option!r} that suggests")
            chosen: list[Json] = []
            resolved: dict[str, Json] = {}
            optional = [{**o, "required": False} for o in found.declared if o is not focused]
            others = Typed({**found.command, "options": optional}, (), found.words)
            for other, given in fill_options(others, options, self.locale):
                value = self._resolve(convert(other, given, self.locale), channel, resolved)
                chosen.append({"name": other["name"], "type": other["type"], "value": value})
            chosen.append({"name": focused["name"], "type": focused["type"], "value": typed, "focused": True})
            return self._send(SUGGEST, channel, command_data(found, chosen, resolved), owners)

        return (await self.thread.call(work).answered()).choices

    async def message_menu(self, name: str, message: Message) -> Reply:
        """Choose an app's entry in the menu of a message, and wait for the first answer."""

        def work() -> Reply:
            self._look_at(message)
            if message.ephemeral:
                raise RefusedError("ephemeral messages have no app menu")
            command = self._menu(name, message.channel, MESSAGE_MENU)
            resolved = {"messages": {str(message.id): message.payload()}}
            data = {"id": command["id"], "name": command["name"], "type": MESSAGE_MENU, "resolved": resolved}
            data |= {"target_id": str(message.id)} | guild_of(command)
            return self._send(COMMAND, message.channel, data, self._allowed(command, message.channel))

        return await self.thread.call(work).answered()

    async def user_menu(self, name: str, person: Person, channel: Channel) -> Reply:
        """Choose an app's entry in the menu of a person, and wait for the first answer."""

        def work() -> Reply:
            command = self._menu(name, channel, USER_MENU)
            resolved: dict[str, Json] = {}
            target = self._resolve(person, channel, resolved)
            data = {"id": command["id"], "name": command["name"], "type": USER_MENU, "resolved": resolved}
            data |= {"target_id": target} | guild_of(command)
            return self._send(COMMAND, channel, data, self._allowed(command, channel))

        return await self.thread.call(work).answered()

    async def click(self, message: Message, label_or_custom_id: str) -> Reply:
        """Press a button and wait for the first answer."""

        def work() -> Reply:
            self._look_at(message)
            button = message.button(label_or_custom_id)
            if button.disabled or button.custom_id is None:
                raise RefusedError(f"the button {label_or_custom_id!r} cannot be pressed")
            return self._use(message, button.custom_id, {"component_type": 2})

        return await self.thread.call(work).answered()

    async def select(self, message: Message, custom_id: str, *values: Any) -> Reply:
        """Choose in a select menu (labels or values; people, channels, roles) and wait for the first answer."""

        def work() -> Reply:
            self._look_at(message)
            children = [child for row in message.components for child in row["components"]]
            menu = next((c for c in children if c["type"] in SELECTS and c["custom_id"] == custom_id), None)
            if menu is None or menu.get("disabled"):
                raise RefusedError(f"no select menu {custom_id!r} that can be used")
            resolved: dict[str, Json] = {}
            chosen = self._select(menu, values, message.channel, resolved)
            data = {"component_type": menu["type"], "values": chosen} | ({"resolved": resolved} if resolved else {})
            return self._use(message, custom_id, data)

        return await self.thread.call(work).answered()

    async def submit(self, modal: Modal, values: Mapping[str, Any]) -> Reply:
        """Fill in a modal, by labels or custom_ids, and wait for the first answer.

        What is not named keeps what the bot put in.
        """

        def work() -> Reply:
            opened = modal.opened_by
            if opened.user is not self:
                raise RefusedError("somebody else's modal")
            known = {name for label, child in inputs_of(modal.body) for name in (label, child["custom_id"])}
            if unknown := set(values) - known:
                raise RefusedError(f"no fields {sorted(unknown)}; there are {sorted(known)}")
            resolved: dict[str, Json] = {}
            rows = [self._filled(row, values, opened.channel, resolved) for row in modal.body["components"]]
            data = {"custom_id": modal.custom_id, "components": rows} | ({"resolved": resolved} if resolved else {})
            return self._send(SUBMIT, opened.channel, data, opened.owners, source=opened.source, opened_by=opened)

        return await self.thread.call(work).answered()

    def post(self, channel: Channel, content: str = "", *attachments: Attachment) -> Message:
        """Write an ordinary message."""

        def work() -> Message:
            if not channel.writable_by(self):
                raise RefusedError("the person cannot write here")
            files = [self.world.store(attachment, "attachments") for attachment in attachments]
            return write_message(self.world, channel, self, {"content": content}, {}, "person", attachments=files)

        return self.thread.call(work)

    def open_post(self, forum: Channel, name: str, content: str = "", *attachments: Attachment) -> Message:
        """Open a post in a channel of posts: a thread, whose first message has its id."""

        def work() -> Message:
            if forum.type not in OF_POSTS or Permission.SEND_MESSAGES not in forum.permissions_of(self):
                raise RefusedError("the person cannot open a post here")
            thread, body = forum.open_thread(name), {"content": content}
            files = [self.world.store(attachment, "attachments") for attachment in attachments]
            return write_message(self.world, thread, self, body, {}, "person", attachments=files, id=thread.id)

        return self.thread.call(work)

    def speak(self, channel: Channel, data: bytes) -> Message:
        """Send a voice message. data: Ogg Opus, as the client records it"""

        def work() -> Message:
            needed = Permission.SEND_VOICE_MESSAGES | Permission.ATTACH_FILES
            if not channel.writable_by(self) or needed not in channel.permissions_of(self):
                raise RefusedError("the person cannot send voice messages here")
            heard = recorded(data)
            file = self.world.store(Attachment(voice.NAME, data, voice.TYPE), "attachments")
            file.voice = heard
            return write_message(self.world, channel, self, {"flags": VOICE}, {}, "person", attachments=[file])

        return self.thread.call(work)

    def forward(self, message: Message, channel: Channel) -> Message:
        """Forward a message: the new one is empty and holds a snapshot of it."""

        def work() -> Message:
            self._look_at(message)
            if not channel.writable_by(self):
                raise RefusedError("the person cannot write here")
            new = Message(self.world, self.world.ids.next(), channel, self, flags=SNAPSHOT, forwarded=message)
            new.snapshot = message.as_snapshot()
            new.save_version("person")
            channel.everything[new.id] = new
            return new

        return self.thread.call(work)

    def offered(self, channel: Channel) -> list[Json]:
        """The commands, and the entries of menus, that the client offers in a channel."""
        found = []
        for command in self._commands(channel):
            with contextlib.suppress(RefusedError):
                self._allowed(command, channel)
                found.append(command)
        return found

    # ---- how the client does it

    def _commands(self, channel: Channel) -> list[Json]:
        """What the client offers in a channel: the guild's commands before the global ones."""
        guild = self.world.commands.get(channel.guild.id, []) if channel.guild is not None else []
        return [*guild, *self.world.commands.get(None, [])]

    def _menu(self, name: str, channel: Channel, kind: int) -> Json:
        menus = [c for c in self._commands(channel) if c["type"] == kind]
        command = next((c for c in menus if name in called(c, self.locale)), None)
        if command is None:
            raise RefusedError(f"no entry {name!r}; there are {[c['name'] for c in menus]}")
        return command

    def _allowed(self, command: Json, channel: Channel) -> dict[str, str]:
        """Who authorized the command here (authorizing_integration_owners). Raises RefusedError where nobody has."""
        name, context = command["name"], self._context(channel)
        contexts = command["contexts"]
        if contexts is None:
            contexts = [IN_GUILD, IN_BOT_DM, IN_PRIVATE] if command["dm_permission"] else [IN_GUILD]
        if context not in contexts:
            raise RefusedError(f"{name!r} is not offered here")
        owners = {}
        if 0 in command["integration_types"] and context != IN_PRIVATE:
            if channel.guild is None:
                owners["0"] = "0"
            elif channel.guild.has_bot:
                owners["0"] = str(channel.guild.id)
        if 1 in command["integration_types"] and self.installed:
            owners["1"] = str(self.id)
        if not owners:
            raise RefusedError(f"{name!r} is not installed here")
        self._permitted(command, channel)
        return owners

    def _permitted(self, command: Json, channel: Channel) -> None:
        if channel.guild is None:
            return
        held = channel.permissions_of(self)
        if Permission.USE_APPLICATION_COMMANDS not in held:
            raise RefusedError("the person cannot use commands here")
        needed = command["default_member_permissions"]
        if needed is None or Permission.ADMINISTRATOR in held:
            return
        if int(needed) == 0 or int(needed) & ~int(held):
            raise RefusedError(f"the person may not use {command['name']!r}")

    def _context(self, channel: Channel) -> int:
        if channel.guild is not None:
            return IN_GUILD
        return IN_BOT_DM if self.world.bot in channel.recipients else IN_PRIVATE

    def _look_at(self, message: Message) -> None:
        seen = message.channel.open_to(self)
        if message.deleted or not seen or message.shown_to not in (None, self):
            raise RefusedError("the person does not see that message")

    def _use(self, message: Message, custom_id: str, data: Json) -> Reply:
        if message.interaction is not None:
            owners = message.interaction.owners
        else:
            owners = {"0": str(message.channel.guild.id) if message.channel.guild is not None else "0"}
        data = {"custom_id": custom_id, **data}
        return self._send(COMPONENT, message.channel, data, owners, source=message)

    def _send(
        self,
        type_: int,
        channel: Channel,
        data: Json,
        owners: dict[str, str],
        source: Message | None = None,
        opened_by: Interaction | None = None,
    ) -> Reply:
        context = self._context(channel)
        if channel.deleted or (self not in channel.recipients and channel.guild is None):
            raise RefusedError("the person is not in that channel")
        if not channel.open_to(self) or channel.type in OF_POSTS or channel.archived:
            raise RefusedError("the app cannot be used here")
        more = {"owners": owners, "context": context, "source": source, "opened_by": opened_by}
        interaction = self.world.new_interaction(type_, self, channel, data, **more)
        if not self.world.dispatch("INTERACTION_CREATE", interaction.payload(), channel.guild):
            raise DidNotRespondError("The application did not respond: no bot is connected for this channel's shard")
        self.thread.changed()
        return Reply(interaction, self.timing)

    def _resolve(self, value: Any, channel: Channel, resolved: dict[str, Json]) -> Any:
        """Put a person, channel, role or attachment among the resolved things, and give its id."""
        match value:
            case Person():
                resolved.setdefault("users", {})[str(value.id)] = value.payload()
                if channel.guild is not None:
                    member = channel.guild.member(value) | {"permissions": str(int(channel.permissions_of(value)))}
                    del member["user"]
                    resolved.setdefault("members", {})[str(value.id)] = member
            case Channel():
                resolved.setdefault("channels", {})[str(value.id)] = value.payload(self)
            case Role():
                resolved.setdefault("roles", {})[str(value.id)] = value.payload()
            case Attachment():
                value = self.world.store(value, "attachments")
                resolved.setdefault("attachments", {})[str(value.id)] = value.payload(ephemeral=True)
            case _:
                return value
        return str(value.id)

    def _select(self, menu: Json, values: tuple[Any, ...], channel: Channel, resolved: dict[str, Json]) -> list[str]:
        """The values of a select menu, a file upload or a group of boxes, as they are sent."""
        name = menu["custom_id"]
        low, high = (1 if menu.get(key) is None else menu[key] for key in ("min_values", "max_values"))
        if not low <= len(values) <= high:
            raise RefusedError(f"{name!r} does not take {len(values)} values")
        if "options" not in menu:
            return [self._resolve(value, channel, resolved) for value in values]
        chosen = []
        for value in values:
            found = [option["value"] for option in menu["options"] if value in (option["label"], option["value"])]
            if not found:
                raise RefusedError(f"{name!r} does not offer {value!r}")
            chosen.append(found[0])
        return chosen

    def _filled(self, row: Json, values: Mapping[str, Any], channel: Channel, resolved: dict[str, Json]) -> Json:
        """A row of a modal as it is sent back."""
        if row["type"] == 1:
            child = row["components"][0]
            return {"type": 1, "components": [self._input(child["label"], child, values, channel, resolved)]}
        if "component" in row:
            child = row["component"]
            return {"type": row["type"], "component": self._input(row["label"], child, values, channel, resolved)}
        return {"type": row["type"]}

    def _input(
        self, label: str, child: Json, values: Mapping[str, Any], channel: Channel, resolved: dict[str, Json]
    ) -> Json:
        """An input of a modal as it is sent back."""
        custom_id, kind = child["custom_id"], child["type"]
        given = values.get(label, values.get(custom_id))
        filled: Json = {"type": kind, "custom_id": custom_id}
        if kind == TEXT_INPUT:
            return filled | {"value": written(label, child, given)}
        if kind == CHECKBOX:
            return filled | {"value": bool(given)}
        wanted = () if given is None else tuple(given) if isinstance(given, list | tuple) else (given,)
        optional = not wanted and not child.get("required", True)
        chosen = [] if optional else self._select(child, wanted, channel, resolved)
        if kind == RADIO_GROUP:
            return filled | {"value": chosen[0] if chosen else None}
        return filled | {"values": chosen}
