"""Application commands: what Discord lets a bot register, and what its client makes of what a person types."""

from __future__ import annotations

import shlex
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from .channels import Channel
from .errors import Form, RefusedError
from .messages import Path
from .people import Person, Role
from .posts import Attachment, Json

SUBCOMMAND, GROUP = 1, 2
STRING, INTEGER, BOOLEAN, USER, CHANNEL, ROLE, MENTIONABLE, NUMBER, ATTACHMENT = range(3, 12)
CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
VALUES: dict[int, tuple[type, ...]] = {STRING: (str,), INTEGER: (int,), NUMBER: (int, float)}  # of choices
CHARACTERS = 8000  # a command, over all its names, descriptions and choices
LARGEST = 2**53  # the whole numbers that JavaScript knows

LOCALES = frozenset(
    (
        *("id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl"),
        *("pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "zh-TW"),
        *("ja", "ko"),
    )
)


# ---- registering


def check_commands(commands: list[Json], installs: Collection[int]) -> None:
    """A body of a bulk overwrite. Raises DiscordError. installs: what is ticked at the application"""
    form = Form()
    kinds: dict[int, int] = {}
    seen: set[tuple[int, str]] = set()
    for number, command in enumerate(commands):
        kind = command.get("type") or CHAT_INPUT
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > (100 if kind == CHAT_INPUT else 15):
            form.wrong((number,), "APPLICATION_COMMANDS_MAX", "Maximum number of application commands reached")
        if (kind, str(command.get("name"))) in seen:
            form.wrong((number,), "APPLICATION_COMMANDS_DUPLICATE_NAME", "Application command names must be unique")
        seen.add((kind, str(command.get("name"))))
        if form.choice((number, "type"), kind, (CHAT_INPUT, USER_MENU, MESSAGE_MENU)):
            check_command(form, (number,), command, kind)
        if not set(command.get("integration_types") or ()) <= set(installs):
            message = "The application is not set up for this installation"
            form.wrong((number, "integration_types"), "APPLICATION_COMMAND_INVALID_INTEGRATION_TYPE", message)
    form.finish()


def check_command(form: Form, path: Path, command: Json, kind: int) -> None:
    if kind == CHAT_INPUT:
        check_described(form, path, command)
        check_options(form, (*path, "options"), command.get("options") or [], depth=0)
    else:
        form.length((*path, "name"), command.get("name"), 1, 32)
        if command.get("description"):
            form.wrong((*path, "description"), "APPLICATION_COMMAND_INVALID_DESCRIPTION", "Menus have no description")
        if command.get("options"):
            form.wrong((*path, "options"), "APPLICATION_COMMAND_INVALID_OPTIONS", "Menus have no options")
    for locale, name in (command.get("name_localizations") or {}).items():
        check_locale(form, (*path, "name_localizations"), locale)
        form.length((*path, "name_localizations", locale), name, 1, 32)
    for key, allowed in (("contexts", (0, 1, 2)), ("integration_types", (0, 1))):
        if command.get(key) is not None:
            form.length((*path, key), command[key], 1, len(allowed))
            for place, value in enumerate(command[key]):
                form.choice((*path, key, place), value, allowed)
    if characters(command) > CHARACTERS:
        message = f"Command exceeds maximum size ({CHARACTERS})"
        form.wrong(path, "APPLICATION_COMMAND_TOO_LARGE", message)


def check_locale(form: Form, path: Path, locale: str) -> None:
    if locale not in LOCALES:
        form.wrong((*path, locale), "ENUM_TYPE_COERCE", f'Value "{locale}" is not a valid enum value.')


def is_name(name: object) -> bool:
    """Discord's pattern ^[-_'\\p{L}\\p{N}\\p{sc=Deva}\\p{sc=Thai}]{1,32}$, in lower case."""

    def fits(character: str) -> bool:
        if character in "-_'" or unicodedata.category(character)[0] in "LN":
            return True
        return unicodedata.name(character, "").startswith(("DEVANAGARI", "THAI"))

    return isinstance(name, str) and 1 <= len(name) <= 32 and all(map(fits, name)) and name == name.lower()


def check_described(form: Form, path: Path, item: Json) -> None:
    """Name and description of a command or an option, with their translations."""
    names: dict[tuple[str, ...], Any] = {(): item.get("name")}
    for locale, name in (item.get("name_localizations") or {}).items():
        check_locale(form, (*path, "name_localizations"), locale)
        names["name_localizations", locale] = name
    for where, name in names.items():
        if not is_name(name):
            message = "Command name is invalid" if name else "This field is required"
            form.wrong((*path, *(where or ("name",))), "APPLICATION_COMMAND_INVALID_NAME", message)
    form.length((*path, "description"), item.get("description"), 1, 100)
    for locale, text in (item.get("description_localizations") or {}).items():
        check_locale(form, (*path, "description_localizations"), locale)
        form.length((*path, "description_localizations", locale), text, 1, 100)


def check_options(form: Form, path: Path, options: list[Json], depth: int) -> None:
    """depth: 0 in a command, 1 in a subcommand or group, 2 in a group's subcommand."""
    form.length(path, options, 0, 25)
    kinds = [option.get("type") for option in options]
    nested = [kind in (SUBCOMMAND, GROUP) for kind in kinds]
    if any(nested) and not all(nested):
        message = "Sub-command and sub-command group option types are mutually exclusive to all other types"
        form.wrong(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
    seen: set[Any] = set()
    optional_before = False
    for number, option in enumerate(options):
        here = (*path, number)
        check_described(form, here, option)
        if option.get("name") in seen:
            form.wrong((*here, "name"), "APPLICATION_COMMAND_OPTIONS_NAME_DUPLICATE", "Option names must be unique")
        seen.add(option.get("name"))
        kind = option.get("type")
        if not form.choice((*here, "type"), kind, tuple(range(1, 12))):
            continue
        if kind in (SUBCOMMAND, GROUP):
            check_nested(form, here, option, kind, depth)
            continue
        if option.get("required") and optional_before:
            message = "Required options must be placed before non-required options"
            form.wrong(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        optional_before |= not option.get("required")
        check_value_option(form, here, option)


def check_nested(form: Form, path: Path, option: Json, kind: int, depth: int) -> None:
    """A group stands in a command only, a subcommand in a command or a group."""
    if (kind == GROUP and depth != 0) or (kind == SUBCOMMAND and depth not in (0, 1)):
        message = "Sub-commands cannot be nested any deeper"
        form.wrong((*path, "type"), "APPLICATION_COMMAND_OPTIONS_NESTING_INVALID", message)
        return
    inner = option.get("options") or []
    if kind == GROUP:
        form.length((*path, "options"), inner, 1, 25)
        if any(child.get("type") != SUBCOMMAND for child in inner):
            message = "A group holds sub-commands only"
            form.wrong((*path, "options"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
            return
    check_options(form, (*path, "options"), inner, depth=1 if kind == GROUP else 2)


def check_value_option(form: Form, path: Path, option: Json) -> None:
    kind, choices = option["type"], option.get("choices") or []
    form.length((*path, "choices"), choices, 0, 25)
    if choices and (kind not in (STRING, INTEGER, NUMBER) or option.get("autocomplete")):
        form.wrong((*path, "choices"), "APPLICATION_COMMAND_OPTIONS_CHOICES_INVALID", "Choices do not fit this option")
    names: set[str] = set()
    for number, choice in enumerate(choices):
        here = (*path, "choices", number)
        form.length((*here, "name"), choice.get("name"), 1, 100)
        for locale, name in (choice.get("name_localizations") or {}).items():
            check_locale(form, (*here, "name_localizations"), locale)
            form.length((*here, "name_localizations", locale), name, 1, 100)
        if choice.get("name") in names:
            message = "Choice names must be unique"
            form.wrong((*here, "name"), "APPLICATION_COMMAND_OPTIONS_CHOICE_NAME_DUPLICATE", message)
        names.add(str(choice.get("name")))
        value = choice.get("value")
        fits = isinstance(value, VALUES.get(kind, (object,)))
        if not fits or (isinstance(value, str) and len(value) > 100):
            form.wrong((*here, "value"), "BASE_TYPE_INVALID", "The value does not fit the option's type")
    bounds = [option[key] for key in ("min_value", "max_value", "min_length", "max_length") if key in option]
    if any(key in option for key in ("min_value", "max_value")) and kind not in (INTEGER, NUMBER):
        form.wrong(path, "APPLICATION_COMMAND_OPTIONS_RANGE_INVALID", "Only numbers have a range")
    if any(key in option for key in ("min_length", "max_length")) and kind != STRING:
        form.wrong(path, "APPLICATION_COMMAND_OPTIONS_RANGE_INVALID", "Only strings have a length")
    if len(bounds) == 2 and bounds[0] > bounds[1]:
        form.wrong(path, "APPLICATION_COMMAND_OPTIONS_RANGE_INVALID", "The range is empty")


def characters(item: Json) -> int:
    """What counts towards the 8000: each text, or the longest of its translations where that is longer."""

    def longest(key: str) -> int:
        texts = [item.get(key) or "", *(item.get(f"{key}_localizations") or {}).values()]
        return max(map(len, texts))

    count = longest("name") + longest("description") + len(str(item.get("value", "")))
    return count + sum(characters(child) for key in ("options", "choices") for child in item.get(key) or [])


# ---- typing


@dataclass(frozen=True)
class Typed:
    """A command line understood: the command, the path below it, and the last part with its options."""

    command: Json
    path: tuple[Json, ...]
    words: tuple[str, ...]

    @property
    def declared(self) -> list[Json]:
        return (self.path[-1] if self.path else self.command).get("options") or []


def called(item: Json, locale: str) -> set[str]:
    """The names a person with that locale may type."""
    own = (item.get("name_localizations") or {}).get(locale)
    return {item["name"], own} if own else {item["name"]}


def find_command(commands: list[Json], line: str, locale: str) -> Typed:
    """Understand "/settings temperature pitch 0.5" down to the subcommand. Raises RefusedError."""
    words = shlex.split(line.removeprefix("/"))
    if not words:
        raise RefusedError("an empty line")
    chat = [command for command in commands if command["type"] == CHAT_INPUT]
    command = next((c for c in chat if words[0] in called(c, locale)), None)
    if command is None:
        raise RefusedError(f"no command /{words[0]}; there are {sorted(c['name'] for c in chat)}")
    path: list[Json] = []
    rest, level = words[1:], command.get("options") or []
    while any(option["type"] in (SUBCOMMAND, GROUP) for option in level):
        found = next((option for option in level if rest and rest[0] in called(option, locale)), None)
        if found is None:
            raise RefusedError(f"{line!r} stops short of a subcommand; there are {[o['name'] for o in level]}")
        path.append(found)
        rest, level = rest[1:], found.get("options") or []
    return Typed(command, tuple(path), tuple(rest))


def fill_options(typed: Typed, values: dict[str, Any], locale: str) -> Iterator[tuple[Json, Any]]:
    """Pair the declared options with what was typed: `name:value`, or bare values in the declared order.

    Yields (option, value as given). Raises RefusedError for what no option takes, or a missing required one.
    """
    by_name = {name: option for option in typed.declared for name in called(option, locale)}
    given: dict[str, Any] = {}
    for name, value in values.items():
        if name not in by_name:
            raise RefusedError(f"no option {name!r}; there are {[o['name'] for o in typed.declared]}")
        given[by_name[name]["name"]] = value
    bare = []
    for word in typed.words:
        name, colon, value = word.partition(":")
        if colon and name in by_name:
            given[by_name[name]["name"]] = value
        else:
            bare.append(word)
    free = [option for option in typed.declared if option["name"] not in given]
    if len(bare) > len(free):
        raise RefusedError(f"nothing takes {bare[len(free) :]}")
    given |= {option["name"]: word for option, word in zip(free, bare, strict=False)}
    for option in typed.declared:
        value = given.get(option["name"])
        if value is not None:
            yield option, value
        elif option.get("required"):
            raise RefusedError(f"option {option['name']!r} is required")


def convert(option: Json, value: Any, locale: str) -> Any:
    """The value as the client sends it; people, channels, roles and attachments pass through.

    Raises RefusedError for what the client would not send.
    """
    if option.get("choices"):
        return choose(option, value, locale)
    kind, name = option["type"], option["name"]
    classes: dict[int, Any] = {USER: Person, CHANNEL: Channel, ROLE: Role, ATTACHMENT: Attachment}
    classes[MENTIONABLE] = (Person, Role)
    if kind in classes:
        if not isinstance(value, classes[kind]):
            raise RefusedError(f"{name!r} does not take {value!r}")
        return value
    if kind == STRING:
        text = str(value)
        if not option.get("min_length", 0) <= len(text) <= option.get("max_length", 6000):
            raise RefusedError(f"{name!r} takes no text of {len(text)} characters")
        return text
    if kind == BOOLEAN:
        if str(value).lower() not in ("true", "false"):
            raise RefusedError(f"{name!r} takes true or false, not {value!r}")
        return str(value).lower() == "true"
    return convert_number(option, value)


def convert_number(option: Json, value: Any) -> int | float:
    name = option["name"]
    try:
        number = int(str(value)) if option["type"] == INTEGER else float(value)
    except ValueError:
        raise RefusedError(f"{name!r} takes a number, not {value!r}") from None
    low, high = option.get("min_value", -LARGEST), option.get("max_value", LARGEST)
    if not low <= number <= high:
        raise RefusedError(f"{name!r} goes from {low} to {high}, not {number}")
    # JavaScript writes 1.0 as 1, and so does Discord.
    return int(number) if number == int(number) else number


def choose(option: Json, value: Any, locale: str) -> Any:
    for choice in option["choices"]:
        if value in called(choice, locale) or str(value) == str(choice["value"]):
            return choice["value"]
    raise RefusedError(f"{option['name']!r} offers {[c['name'] for c in option['choices']]}, not {value!r}")


def guild_of(command: Json) -> Json:
    return {"guild_id": command["guild_id"]} if "guild_id" in command else {}


def command_data(typed: Typed, chosen: list[Json], resolved: dict[str, Json]) -> Json:
    """The data of a command interaction: the options under their subcommand and group."""
    options = chosen
    for part in reversed(typed.path):
        options = [{"name": part["name"], "type": part["type"], "options": options}]
    data: Json = {"id": typed.command["id"], "name": typed.command["name"], "type": 1}
    data |= {"options": options} if options else {}
    return data | ({"resolved": resolved} if resolved else {}) | guild_of(typed.command)
