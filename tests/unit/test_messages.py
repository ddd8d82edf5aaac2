from __future__ import annotations

import ast
import inspect
import re
import string
from pathlib import Path

import discord
import pytest
from discord import app_commands
from hypothesis import given
from hypothesis import strategies as st

from bot import errors as bot_errors
from bot.buttons import Act
from bot.commands import about, admin, compose, queue, settings
from bot.messages import (
    BAR_LENGTH,
    CHINESE_COMMANDS,
    LANGUAGES,
    MUSICAL_NAMES,
    NUMBERS,
    TEXTS,
    Language,
    describe,
    language_of,
    plain,
    progress_bar,
    say,
    say_key,
    say_settings,
    say_time,
    settings_table,
)
from composer import errors
from composer.errors import CompositionError, DatabaseError, SegueError
from composer.sampling import SamplingParams
from composer.words import ATTRIBUTES

ROOT = Path(__file__).parent.parent.parent
LONGEST_MESSAGE = 2000  # characters, Discord's limit
OURS = (CompositionError, DatabaseError)  # what no user can mend

EXAMPLES = {"reason": "it hurts", "numerator": 3, "denominator": 4, "bar": 2, "bars": 90, "limit": 64, "notes": 9000}
EXAMPLES |= {"pitch": 5, "lowest": 21, "highest": 108, "drum_notes": 7, "name": "pich", "value": 9.5, "what": "preset"}
EXAMPLES |= {"known": ("pitch", "beat"), "likely": ("Violin",), "place": 3, "again_in_seconds": 90.0, "size": 9_000_000}
EXAMPLES |= {"heard": "speech", "least": 4, "missing": "transkun"}
EXAMPLES |= {"channels": (11, 12), "text": "loud", "whole": False, "kind": "in_line"}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def kinds() -> list[type[SegueError]]:
    found = [kind for module in (errors, bot_errors) for _, kind in inspect.getmembers(module, inspect.isclass)]
    leaves = [kind for kind in found if issubclass(kind, SegueError) and not kind.__subclasses__()]
    return [kind for kind in leaves if not issubclass(kind, OURS)]


def example(kind: type[SegueError]) -> SegueError:
    names = [name for name in inspect.signature(kind.__init__).parameters if name in EXAMPLES]
    values = EXAMPLES | ({"name": "a temperature"} if kind is errors.OutOfRangeError else {})
    return kind(**{name: values[name] for name in names})


def has_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)


# --- every text, in every language ---


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_takes_the_same_values_in_every_language(name: str) -> None:
    en, zh = TEXTS[name]
    assert fields(en) == fields(zh)
    assert len(en) < LONGEST_MESSAGE
    assert not has_chinese(en)


@pytest.mark.parametrize("name", [name for name in TEXTS if name != "knob_top_p"])
def test_a_text_is_written_in_chinese(name: str) -> None:
    assert has_chinese(TEXTS[name].zh)


def test_every_text_is_used_and_every_text_used_is_there() -> None:
    code = [path.read_text() for path in (ROOT / "bot").rglob("*.py")]
    asked_for = {
        node.value
        for text in code
        for statement in ast.parse(text).body
        if not (isinstance(statement, ast.AnnAssign) and getattr(statement.target, "id", "") == "TEXTS")
        for node in ast.walk(statement)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    made_up = {f"button_{act}" for act in Act} | {f"does_{name}" for name in MUSICAL_NAMES}
    made_up |= {"knob_temperature", "knob_top_p", "major", "minor"}
    assert {name for name in TEXTS if name not in asked_for | made_up} == set()
    said = {name for text in code for name in re.findall(r"""say\(\s*[\w.()]+,\s*"(\w+)\"""", text)}
    assert said <= set(TEXTS)
    assert made_up <= set(TEXTS)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: kind.__name__)
def test_every_refusal_has_a_sentence_that_says_what_to_do(kind: type[SegueError], language: Language) -> None:
    text = describe(example(kind), language)
    assert text != say(language, "ours")
    assert "{" not in text
    assert len(re.split("[.?。？]\\s*", text.rstrip(".。"))) >= 2 or "；" in text or ";" in text, text  # noqa: RUF001


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_user_cannot_mend_is_said_without_details(language: Language) -> None:
    text = describe(DatabaseError("postgresql://somewhere", "no route"), language)
    assert text == say(language, "ours")
    assert "somewhere" not in text


def test_every_number_that_can_be_out_of_range_has_a_name_in_every_language() -> None:
    code = [path.read_text() for folder in ("bot", "composer") for path in (ROOT / folder).rglob("*.py")]
    named = {found for text in code for found in re.findall(r'OutOfRangeError\(f?"([^"]+)"', text)}
    named = (named - {"the number of {name}"}) | {"the number of bars", "the number of takes"}
    assert named == set(NUMBERS)


@pytest.mark.parametrize(("kind", "name"), [("in_line", "line_mine"), ("a_day", "line_day"), ("table", "line_full")])
def test_a_full_line_says_which_limit_was_met(kind: str, name: str) -> None:
    text = describe(errors.LineFullError(kind, 8, 3, 7200.0), "en")  # type: ignore[arg-type]
    assert text == say("en", name, limit=8, time="2 h") if "{time}" in TEXTS[name].en else say("en", name, limit=8)


# --- commands ---


class Registered:
    """What the bot hands to Discord, walked through."""

    def __init__(self) -> None:
        self.strings: set[str] = set()
        tree = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
        for module in (compose, settings, queue, about, admin):
            for command in module.commands():
                self._walk(command.to_dict(tree))

    def _walk(self, body: dict[str, object]) -> None:
        for name in ("name", "description"):
            if body.get(name):
                self.strings.add(str(body[name]))
        for below in (*body.get("options", ()), *body.get("choices", ())):  # type: ignore[misc]
            self._walk(below)


def test_every_command_option_and_description_has_its_chinese() -> None:
    strings = Registered().strings
    assert strings - set(CHINESE_COMMANDS) == set()
    assert set(CHINESE_COMMANDS) - strings == set(), "what is no longer registered"


def test_chinese_names_are_such_as_discord_takes() -> None:
    for english, chinese in CHINESE_COMMANDS.items():
        if " " not in english and english.islower():
            assert re.fullmatch(r"[-_\w]{1,32}", chinese), chinese
        assert 1 <= len(chinese) <= 100


# --- the small ones ---


@pytest.mark.parametrize(
    ("locale", "language"), [("en-US", "en"), ("de", "en"), ("zh-CN", "zh"), ("zh-TW", "en"), ("ja", "en")]
)
def test_the_language_follows_the_client(locale: str, language: str) -> None:
    assert language_of(locale) == language


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "1 s"), (0.2, "1 s"), (41, "41 s"), (90, "90 s"), (91, "2 min"), (5000, "84 min"), (7200, "2 h")],
)
def test_times_are_told_as_people_do_and_never_too_short(seconds: float, text: str) -> None:
    assert say_time("en", seconds) == text


def test_a_users_text_cannot_act_as_markdown_or_as_a_mention() -> None:
    assert plain("a_b *c* [x](y) @everyone <@1>") == r"a\_b \*c\* \[x\]\(y\) \@everyone \<\@1\>"


def test_keys_are_told_in_both_languages() -> None:
    assert (say_key("en", "Eb minor"), say_key("zh", "Eb minor")) == ("Eb minor", "Eb 小调")
    assert say_key("en", None) == "no clear key"


@given(total=st.integers(1, 500), share=st.floats(0, 1))
def test_the_bar_fills_from_left_to_right_and_is_full_only_at_the_end(total: int, share: float) -> None:
    done = int(share * total)
    bar = progress_bar(done, total)
    assert len(bar) == BAR_LENGTH
    assert bar == "".join(sorted(bar, key="🟦⬛".index))
    assert ("⬛" not in bar) == (done == total)


def test_settings_are_told_by_their_musical_names_and_only_where_they_differ() -> None:
    params = SamplingParams().with_setting("temperature", "pitch", 0.5).with_setting("top_p", "family", 0.9)
    assert say_settings("en", params) == "temperature pitch 0.5; top-p bar 0.9"
    assert say_settings("en", SamplingParams().with_setting("temperature", "all", 0.7)) == "temperature 0.7"
    assert say_settings("en", SamplingParams()) == "default settings"


def test_every_attribute_has_one_musical_name() -> None:
    assert sorted(MUSICAL_NAMES.values()) == sorted(ATTRIBUTES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_shows_yours_the_default_and_what_each_does(language: Language) -> None:
    table = settings_table(language, SamplingParams().with_setting("temperature", "pitch", 0.5))
    assert len(table) < LONGEST_MESSAGE
    lines = table.splitlines()[1:-1]
    assert len(lines) == len(MUSICAL_NAMES)
    pitch = lines[list(MUSICAL_NAMES).index("pitch")]
    assert "0.50 / 0.95 (1.00 / 0.95)" in pitch
    assert pitch.endswith(say(language, "does_pitch"))
