"""What people type into the forms of "Again with …" and "Chords …", and what stands in a button's custom_id."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Any, get_args

import discord
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.desk.again import AgainForm, parse_bars, parse_knob
from bot.desk.buttons import PATTERN, Act, custom_id, row
from bot.desk.chords import MOST_LETTERS, ChordsForm, to_chords
from bot.desk.press import PieceButton
from bot.errors import FormError
from bot.intake import MAX_BARS
from bot.messages import LANGUAGES, MUSICAL_NAMES, Language, Stranger, describe
from bot.storage.piece import Piece, Place
from composer.errors import OutOfRangeError, SegueError, SettingsError, TaskError, UnknownNameError
from composer.parsing import chords_from
from composer.sampling import ALL, MAX_TEMPERATURE, MIN_TOP_P, SETTABLE, Knob, Nucleus, SamplingParams

KNOBS: tuple[Knob, ...] = get_args(Knob)
RANGES = {"temperature": (0.0, MAX_TEMPERATURE), "top_p": (MIN_TOP_P, 1.0)}
USUAL = SamplingParams()
MINE = USUAL.with_settings(["temperature.all=1.5", "top_p.all=0.25"])

words = ["pitch", "beat", "ALL", "tempo", "0.5", "2", "9", "=", ",", ";", "\n", "x", "nan", "1e999"]
typed = st.text() | st.text("09.,;=-+e \npitchbeatall") | st.lists(st.sampled_from(words)).map(" ".join)


def refusal(parse: Callable[[], object]) -> SegueError | None:
    """What is said against a text; None if it is taken."""
    try:
        parse()
    except (FormError, SettingsError) as error:
        return error
    return None


# ---------------------------------------------------------------------- temperature and top-p


@pytest.mark.parametrize("knob", KNOBS)
@pytest.mark.parametrize("text", ["0.9", " 0.9 ", "all 0.9", "ALL = .9", "0.5, 0.9", "=0.9", "0.9,", "\n0.9;"])
def test_a_number_alone_is_for_every_attribute(text: str, knob: Knob) -> None:
    assert parse_knob(text, knob, MINE) == MINE.with_setting(knob, ALL, 0.9)


@pytest.mark.parametrize(
    "text",
    [
        "pitch 0.5, beat 1",
        "pitch=0.5;beat=1",
        "Pitch 0.5，BEAT 1",  # noqa: RUF001
        "beat 1\npitch\t.5",
        "pitch 2, beat 1, pitch 0.5",
        "音高 0.5，节拍=1",  # noqa: RUF001
    ],
)
def test_attributes_are_named_as_musicians_do(text: str) -> None:
    expected = USUAL.with_setting("temperature", "pitch", 0.5).with_setting("temperature", "position", 1.0)
    assert parse_knob(text, "temperature", USUAL) == expected


def test_what_stands_behind_all_changes_it_again() -> None:
    assert parse_knob("0.9, chord 0.2", "top_p", USUAL) == USUAL.with_settings(["top_p.all=0.9", "top_p.chord=0.2"])


@pytest.mark.parametrize("knob", KNOBS)
@pytest.mark.parametrize("text", ["", "  ", "\n", ", ;", "，；"])  # noqa: RUF001
def test_an_empty_field_leaves_everything_as_it_was(text: str, knob: Knob) -> None:
    assert parse_knob(text, knob, MINE) == MINE


@given(
    knob=st.sampled_from(KNOBS),
    parts=st.lists(st.tuples(st.sampled_from([*MUSICAL_NAMES, ALL]), st.floats(MIN_TOP_P, 1)), max_size=9),
    between=st.sampled_from([" ", "=", " = ", "  "]),
    behind=st.sampled_from([",", ";", "\n", "，", "； "]),  # noqa: RUF001
)
def test_every_value_that_is_named_is_taken_in_turn_and_nothing_else_is_touched(
    knob: Knob, parts: list[tuple[str, float]], between: str, behind: str
) -> None:
    text = behind.join(f"{name}{between}{value!r}" for name, value in parts)
    expected = MINE
    for name, value in parts:
        expected = expected.with_setting(knob, MUSICAL_NAMES.get(name, ALL), value)
    found = parse_knob(text, knob, MINE)
    assert found == expected
    other: Knob = "top_p" if knob == "temperature" else "temperature"
    assert found.to_json()[other] == MINE.to_json()[other]


@given(text=typed, knob=st.sampled_from(KNOBS))
@example(text="=", knob="temperature")
@example(text="pitch =", knob="top_p")
@example(text="pitch", knob="top_p")
@example(text="9" * 5000, knob="temperature")
def test_whatever_is_typed_there_are_settings_or_a_refusal_in_a_sentence(text: str, knob: Knob) -> None:
    if error := refusal(lambda: parse_knob(text, knob, USUAL)):
        assert all(10 < len(describe(error, language)) < 500 for language in LANGUAGES)
    else:
        found = parse_knob(text, knob, USUAL)
        lowest, highest = RANGES[knob]
        assert all(lowest <= getattr(found[name], knob) <= highest for name in SETTABLE)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("many", "many"),
        ("pitch", "pitch"),
        ("pitch 0.5, beat", "beat"),
        ("pitch beat 0.5", "pitch beat 0.5"),
        ("0.5 pitch", "0.5 pitch"),
        ("pitch 0.5 beat 1", "pitch 0.5 beat 1"),
        ("pitch: 0.5", "pitch: 0.5"),
        ("0.9, =", "="),
    ],
)
def test_what_is_not_understood_is_shown_as_it_was_typed(text: str, wrong: str) -> None:
    with pytest.raises((FormError, UnknownNameError)) as refused:
        parse_knob(text, "temperature", USUAL)
    assert str(Stranger(wrong.split()[0])) in describe(refused.value, "en")


@pytest.mark.parametrize("text", ["pich 0.5", "family 0.5", "position 1"])
def test_an_unknown_attribute_is_told_with_those_there_are(text: str) -> None:
    with pytest.raises(UnknownNameError) as unknown:
        parse_knob(text, "temperature", USUAL)
    assert unknown.value.name == text.split()[0]
    assert set(unknown.value.known) == {*MUSICAL_NAMES, ALL}


@pytest.mark.parametrize(
    ("knob", "text"), [("temperature", "2.1"), ("temperature", "pitch -0.1"), ("top_p", "0"), ("top_p", "beat nan")]
)
def test_a_value_out_of_range_is_told_with_the_range(knob: Knob, text: str) -> None:
    with pytest.raises(OutOfRangeError) as refused:
        parse_knob(text, knob, USUAL)
    assert (refused.value.lowest, refused.value.highest) == RANGES[knob]


# ---------------------------------------------------------------------- bars


@given(st.integers(1, MAX_BARS), st.integers(1, MAX_BARS), st.sampled_from(["{}", " {} ", "{}\n", "+{}", "0{}"]))
def test_bars_are_a_whole_number(bars: int, default: int, written: str) -> None:
    assert parse_bars(written.format(bars), default) == bars


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_no_bars_are_as_many_as_before(text: str) -> None:
    assert parse_bars(text, 17) == 17


@pytest.mark.parametrize("bars", [0, -1, MAX_BARS + 1, 10**30])
def test_too_few_or_too_many_bars_are_told_with_the_range(bars: int) -> None:
    with pytest.raises(OutOfRangeError) as refused:
        parse_bars(str(bars), 17)
    assert (refused.value.lowest, refused.value.highest) == (1, MAX_BARS)


@given(typed)
@example("9" * 5000)
def test_whatever_is_typed_there_are_bars_or_a_refusal_in_a_sentence(text: str) -> None:
    if error := refusal(lambda: parse_bars(text, 17)):
        assert isinstance(error, OutOfRangeError) or (isinstance(error, FormError) and error.whole)
        assert all(10 < len(describe(error, language)) < 500 for language in LANGUAGES)
    else:
        assert 1 <= parse_bars(text, 17) <= MAX_BARS


def test_what_is_no_whole_number_is_shown() -> None:
    with pytest.raises(SegueError) as refused:
        parse_bars("12.5", 17)
    assert str(Stranger("12.5")) in describe(refused.value, "en")


# ---------------------------------------------------------------------- the form, and the buttons

LARGEST_ID, LARGEST_JOB = 2**64 - 1, 2**63 - 1
PLACE = Place(1, 2, 3, None, private=False, reachable=True, filesize_limit=1, language="en")
PIECE = Piece(
    1, 2, None, "title", 4, MAX_BARS, 5, 0, SamplingParams(pitch=Nucleus(0.5, 0.5)), PLACE, 0.0, None, None, False
)


@pytest.mark.parametrize("language", LANGUAGES)
async def test_discord_takes_the_form_and_it_says_how_many_bars_there_were(language: Language) -> None:
    form = AgainForm(PIECE, language).to_dict()
    assert 1 <= len(form["title"]) <= 45
    fields = [field for line in form["components"] for field in line.get("components", [line])]
    assert len(fields) == 3
    assert all(1 <= len(field["label"]) <= 45 for field in fields)
    assert [field.get("value") for field in fields] == [str(MAX_BARS), None, None]
    assert not any(field["required"] for field in fields)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("text", ["| Am | F G | N |", "| " + "Bm7b5 | " * 700 + "C |"])
async def test_discord_takes_the_form_with_as_many_last_bars_as_it_holds(text: str, language: Language) -> None:
    bars = len(chords_from(text))
    form = ChordsForm(replace(PIECE, opening_bars=bars - 2, bars=2, receipt={"chords": text}), language).to_dict()
    (field,) = [field for line in form["components"] for field in line.get("components", [line])]
    assert len(form["title"]) <= 45
    assert len(field["label"]) <= 45
    assert len(field["value"]) <= field["max_length"] <= 4000 == MOST_LETTERS
    assert text.endswith(field["value"])
    shown = len(chords_from(field["value"]))
    assert shown == min(bars, shown)
    assert {str(bars), str(bars - shown + 1)} <= set(re.findall(r"\d+", field["label"]))


@pytest.mark.parametrize(
    ("task", "written", "expected"),
    [
        # Eight bars, of which five are new: what is changed is composed again, and what lies between.
        ({}, "Am | F | C | G | Am | E | C | G", {"redo": (6, 6), "chords": (("E",),)}),
        (
            {},
            "Am | F | C | C/G Dm | Am | F | C | D",
            {"redo": (4, 8), "chords": (("C/G", "Dm"), "Am", "F", "C", "D")},
        ),
        ({}, "Am | F | E | G", {"redo": (3, 7), "chords": (("E",), ("G",), ("Am",), ("F",), ("E",))}),
        # Nothing is changed: all that was composed is composed again, to these chords.
        ({}, "Amin | Fmaj | C | G", None),
        ({"redo": (2, 3), "style": "song"}, "Am | F | C | G", None),
        # A melody stays.
        ({"accompany": True}, "Am | E | C | G", None),
    ],
)
def test_other_chords_are_for_the_bars_that_they_are_written_for(
    task: Mapping[str, Any], written: str, expected: dict[str, Any] | None
) -> None:
    opening, bars = (8, 8) if "accompany" in task else (8, 2) if "redo" in task else (3, 5)
    piece = replace(PIECE, opening_bars=opening, bars=bars, task=task)
    order, anew = to_chords(piece, chords_from("Am | F | C | G | Am | F | C | G"), chords_from(written))
    if expected is not None:
        expected["chords"] = tuple(bar if isinstance(bar, tuple) else (bar,) for bar in expected["chords"])
        assert (order.task, anew) == (expected, False)
        return
    assert anew
    assert {name: order.task.get(name) for name in task} == task
    everywhere = chords_from(written) * 2
    assert order.chords == everywhere[piece.first_new : piece.first_new + bars]
    assert (order.bars, order.sampling) == (bars, PIECE.sampling)


def test_more_changed_bars_than_can_be_redone_are_composed_as_they_were_and_more_than_there_are_refused() -> None:
    piece = replace(PIECE, opening_bars=2, bars=30)
    shown = chords_from("C " * 32)
    order, anew = to_chords(piece, shown, chords_from("C C " + "G " * 30))
    assert anew
    assert order.chords == (("G",),) * 30
    order, anew = to_chords(piece, shown, chords_from("G " * 32))
    assert not anew
    assert order.redo == (1, 32), "which is more than can be redone at once, and is said so"
    with pytest.raises(TaskError) as refused:
        to_chords(piece, shown, chords_from("C " * 33))
    assert "33 bars" in describe(refused.value, "en")


@pytest.mark.parametrize("act", Act)
def test_a_custom_id_says_what_for_which_piece_and_whose(act: Act) -> None:
    for piece, owner in product((0, 1, LARGEST_JOB), (0, LARGEST_ID)):
        text = custom_id(act, piece, owner)
        assert len(text) <= 100
        match = re.fullmatch(PATTERN, text)
        assert match is not None
        assert (Act(match["act"]), int(match["piece"]), int(match["owner"])) == (act, piece, owner)


@pytest.mark.parametrize("act", Act)
async def test_a_button_that_comes_back_from_discord_is_the_one_that_was_sent(act: Act) -> None:
    for language in LANGUAGES:
        (sent,) = row([act], LARGEST_JOB, LARGEST_ID, language).children
        assert isinstance(sent, discord.ui.Button)
        assert 1 <= len(sent.label or "") <= 80
        match = PieceButton.__discord_ui_compiled_template__.fullmatch(sent.custom_id or "")
        assert match is not None
        button = await PieceButton.from_custom_id(None, sent, match)  # type: ignore[arg-type]
        assert (button.act, button.piece, button.owner) == (act, LARGEST_JOB, LARGEST_ID)
        assert button.item.custom_id == sent.custom_id


@pytest.mark.parametrize(
    "text", ["", "c2:info:1:2", "c1:info:1", "c1:info:1:2:3", "c1:info:x:2", "xc1:info:1:2", "c1:info:1:2\n"]
)
def test_what_others_put_into_a_custom_id_is_not_taken_for_ours(text: str) -> None:
    assert re.fullmatch(PATTERN, text) is None
