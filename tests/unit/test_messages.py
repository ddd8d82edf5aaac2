from __future__ import annotations

import ast
import inspect
import re
import string
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import get_type_hints

import discord
import pytest
from discord import app_commands
from hypothesis import given
from hypothesis import strategies as st

from bot import errors as bot_errors
from bot.commands import about, admin, compose, queue, settings, tree, votes
from bot.desk.buttons import Act
from bot.intake import Ask
from bot.letters import Letter
from bot.messages import (
    BAR_LENGTH,
    CHINESE_COMMANDS,
    LANGUAGES,
    LONGEST_CHOICE,
    LONGEST_LIST,
    LONGEST_MESSAGE,
    MUSICAL_NAMES,
    NUMBERS,
    TEXTS,
    Language,
    Stranger,
    describe,
    fit,
    language_of,
    lines_of,
    listed,
    progress_bar,
    say,
    say_channels,
    say_key,
    say_settings,
    say_time,
    settings_table,
)
from bot.storage.piece import Piece
from composer import errors
from composer.errors import CompositionError, DatabaseError, SegueError
from composer.sampling import SETTABLE, SamplingParams

ROOT = Path(__file__).parent.parent.parent
OURS = (CompositionError, DatabaseError)  # what no user can mend

EXAMPLES = {
    "reason": "it hurts",
    "numerator": 3,
    "denominator": 4,
    "bar": 2,
    "bars": 90,
    "minutes": 34,
    "limit": 64,
    "notes": 9000,
}
EXAMPLES |= {"lowest": 21, "highest": 108, "drum_notes": 7, "name": "pich", "value": 9.5, "what": "preset"}
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
    values: dict[str, object] = dict(EXAMPLES)
    if kind is errors.OutOfRangeError:
        values["name"] = "a temperature"
    if kind is errors.MeterError:
        values["known"] = "3/4, 4/4"
    return kind(**{name: values[name] for name in names})


def task(kind: str) -> errors.TaskError:
    """What cannot be done with a piece, of which there are many kinds."""
    values = {"text": "loud", "known": "C, Cm"}
    return errors.TaskError(kind, {name: values.get(name, 7) for name in fields(errors.TaskError.SENTENCES[kind])})


REFUSALS = {kind.__name__: partial(example, kind) for kind in kinds() if kind is not errors.TaskError}
REFUSALS |= {f"TaskError {kind}": partial(task, kind) for kind in errors.TaskError.SENTENCES}
every_refusal = pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)


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
    made_up |= {f"task_{kind}" for kind in errors.TaskError.SENTENCES}
    assert {name for name in TEXTS if name not in asked_for | made_up} == set()
    said = {name for text in code for name in re.findall(r"""say\(\s*[\w.()]+,\s*"(\w+)\"""", text)}
    assert said <= set(TEXTS)
    assert made_up <= set(TEXTS)


@pytest.mark.parametrize("language", LANGUAGES)
@every_refusal
def test_every_refusal_has_a_sentence_that_says_what_to_do(
    refusal: Callable[[], SegueError], language: Language
) -> None:
    text = describe(refusal(), language)
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
        held = app_commands.CommandTree(discord.Client(intents=discord.Intents.none()))
        for module in (compose, settings, queue, tree, votes, about, admin):
            for command in module.commands():
                self._walk(command.to_dict(held))

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
    words = Stranger("a_b *c* [x](y) @everyone <@1>")
    assert f"{words}" == str(words) == r"a\_b \*c\* \[x\]\(y\) \@everyone \<\@1\>"


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
    assert sorted(MUSICAL_NAMES.values()) == sorted(SETTABLE)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_table_shows_yours_the_default_and_what_each_does(language: Language) -> None:
    table = settings_table(language, SamplingParams().with_setting("temperature", "pitch", 0.5))
    assert len(table) < LONGEST_MESSAGE
    lines = table.splitlines()[1:-1]
    assert len(lines) == len(MUSICAL_NAMES)
    pitch = lines[list(MUSICAL_NAMES).index("pitch")]
    assert "0.50 / 0.95 (1.00 / 0.95)" in pitch
    assert pitch.endswith(say(language, "does_pitch"))


# --- nothing is too long ---


def test_discords_limits_are_those_that_texts_are_cut_to() -> None:
    assert (LONGEST_MESSAGE, LONGEST_CHOICE) == (2000, 100)
    assert LONGEST_LIST < LONGEST_MESSAGE / 1.5


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", TEXTS)
def test_every_text_with_endless_values_fits(language: Language, name: str) -> None:
    for value in ("word " * 3000, "x" * 9000, "\\*" * 5000, "字" * 9000):
        text = fit(say(language, name, **dict.fromkeys(fields(TEXTS[name].en), value)))
        assert 0 < len(text) <= LONGEST_MESSAGE
        assert not text.endswith("\\…")


@given(text=st.text(), room=st.integers(2, 50))
def test_what_fits_stays_and_what_does_not_is_cut_to_its_beginning(text: str, room: int) -> None:
    shown = fit(text, room)
    assert shown == text if len(text) <= room else len(shown) <= room and text.startswith(shown.removesuffix("…"))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("count", [1, 40, 84, 500, 5000])
def test_however_many_channels_are_allowed_the_refusal_is_a_sentence(language: Language, count: int) -> None:
    channels = tuple(range(10**18, 10**18 + count))
    refusal = describe(bot_errors.NotHereError(channels), language)
    told = say(language, "channels_some", channels=say_channels(language, channels))
    for text, name in ((refusal, "not_here"), (told, "channels_some")):
        end = getattr(TEXTS[name], language).partition("{channels}")[2]
        assert len(text) <= LONGEST_MESSAGE
        assert text.endswith(end)
        shown = re.findall(r"<#\d+>", text)
        assert shown
        more = [int(number) for number in re.findall(r"(?:and|还有) (\d+)", text)]
        assert len(shown) + sum(more) == count


@pytest.mark.parametrize("language", LANGUAGES)
@every_refusal
def test_every_refusal_fits_and_keeps_its_end_whatever_it_is_about(
    refusal: Callable[[], SegueError], language: Language
) -> None:
    error = refusal()
    if isinstance(error, errors.TaskError):
        endless = {"text": "[*" * 3000, "known": error.values.get("known", "")}
        error.values = {name: endless.get(name, 10**30) for name in error.values}
    for name, value in vars(error).items():
        if name in ("name", "text") and not isinstance(error, errors.OutOfRangeError):
            setattr(error, name, "[*" * 3000)
        elif name in ("known", "channels") and isinstance(value, tuple):
            setattr(error, name, (10**40 if name == "channels" else "preset",) * 900)
        elif isinstance(value, int) and not isinstance(value, bool):
            setattr(error, name, 10**30)
    text = describe(error, language)
    assert len(text) <= LONGEST_MESSAGE
    assert text.endswith((".", "。"))


def test_a_list_is_cut_between_its_items_and_tells_how_many_there_are_besides() -> None:
    assert listed("en", ["a", "b"]) == "a, b"
    assert listed("en", ["a" * 40] * 100, room=100) == f"{'a' * 40}, {'a' * 40}, and 98 more"
    text = lines_of("en", "Pieces:", [f"{number} " + "x" * 90 for number in range(100)])
    assert len(text) <= LONGEST_MESSAGE
    *lines, last = text.splitlines()[1:]
    assert all(len(line) >= 92 for line in lines)
    assert last == f"and {100 - len(lines)} more"


def test_labels_and_titles_are_as_short_as_discord_wants_them() -> None:
    for name, text in TEXTS.items():
        if name.startswith("button_"):
            assert max(map(len, text)) <= 80
        if name in ("form_title", "form_bars", "form_temperature", "form_top_p"):
            assert max(map(len, text)) <= 45


def test_whatever_is_written_goes_through_the_places_that_cut_it() -> None:
    """`whisper`, a Letter, and `suggestions`: nowhere else does anything of ours go to Discord as it is."""
    written, suggested = set(), set()
    for path in {*(ROOT / "bot").rglob("*.py")} - {*(ROOT / "bot" / "playground").rglob("*.py")}:
        for call in (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)):
            called = ast.unparse(call.func)
            texts = [word.value for word in call.keywords if word.arg == "content"]
            texts += call.args[:1] if called.endswith((".send", ".send_message")) else []
            written |= {(path.name, ast.unparse(text)) for text in texts}
            suggested |= {path.name} if called.endswith("Choice") else set()
    assert {text for name, text in written if name != "replies.py"} == {"letter.text"}
    assert {text for name, text in written if name == "replies.py"} == {"text"}
    assert suggested == {"replies.py"}
    assert len(Letter("x" * 9000).text) == len(replace(Letter("x"), text="x" * 9000).text) == LONGEST_MESSAGE


# --- a stranger's words ---

HOSTILE = (
    "`[click](https://evil.example)` https://evil.example discord.gg/evil **b** __u__ ~~s~~ ||p|| <@1> <@&2> <#3> "
    "@here <t:1:R> <:a:4> </c:5> <https://evil.example> \n# head\n> quote\n-# small\n- list\n1. one\r\u2028"
    "\u202egnp.exe\u202c \u200b\u2066\ufeff\x00\x1b[31m\ud800 mailto:a@b ```code``` \\\\ \\"
)
MARKS = "\\*_`~|<>[](){}@#:/."
HARMLESS = "".join(each for each in Stranger(HOSTILE).bare if each not in MARKS)


def without_escapes(text: str) -> str:
    """Only what acts: what is escaped is gone, and so are marks that do nothing."""
    return re.sub(r"\\[^0-9A-Za-z\s]", "", text)


@pytest.mark.parametrize("name", [name for name, text in TEXTS.items() if fields(text.en) & {"title", "name", "text"}])
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_markup_in_a_strangers_words_acts_in_any_text(name: str, language: Language) -> None:
    values = dict.fromkeys(fields(TEXTS[name].en), "7")
    place = (fields(TEXTS[name].en) & {"title", "name", "text"}).pop()
    said = without_escapes(say(language, name, **values | {place: Stranger(HOSTILE)}))
    shown = re.sub(r"[ -]+", "", said)
    assert shown == re.sub(r"[ -]+", "", say(language, name, **values | {place: HARMLESS}))


@given(st.text())
def test_a_strangers_words_are_one_line_without_controls_and_nothing_in_them_acts(text: str) -> None:
    words = Stranger(text)
    assert words.bare.isprintable()
    assert len(words.bare.splitlines()) == 1
    assert not set(without_escapes(words.plain)) & set(MARKS)
    assert "`" not in words.code
    assert not isinstance(words, str), "what takes a text takes none of these by mistake"


@pytest.mark.parametrize("language", LANGUAGES)
@every_refusal
def test_no_refusal_repeats_what_a_stranger_wrote_as_it_is(
    refusal: Callable[[], SegueError], language: Language
) -> None:
    error = refusal()
    if isinstance(error, errors.TaskError) and "text" in error.values:
        error.values = {**error.values, "text": "[a](https://e.example) @here <@1>\n\u202e"}
    for name in {"name", "text", "reason"} & set(vars(error)):
        if not isinstance(error, errors.OutOfRangeError):
            setattr(error, name, "[a](https://e.example) @here <@1>\n\u202e")
    if isinstance(error, errors.UnknownNameError):
        error.known = ("[a](https://e.example)", "<@1>")
    said = without_escapes(describe(error, language))
    assert not re.search(r"://|@|\]\(|\n|\u202e", said)


def test_the_words_of_strangers_that_are_kept_come_out_of_the_table_as_such() -> None:
    assert {name: kind for name, kind in get_type_hints(Piece).items() if name == "title"} == {"title": Stranger}
    assert get_type_hints(Ask)["title"] is Stranger
