"""Sampling settings: how they are typed, what they may be, and the sentences for what they may not."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.errors import SettingsError
from composer.sampling import ALL, KNOBS, MAX_TEMPERATURE, MIN_TOP_P, SETTABLE, Nucleus, SamplingParams, parse_setting

nuclei = st.builds(Nucleus, st.floats(0, MAX_TEMPERATURE), st.floats(MIN_TOP_P, 1))
params = st.builds(SamplingParams, **dict.fromkeys(SETTABLE, nuclei))


@pytest.mark.parametrize("attribute", SETTABLE)
def test_there_is_a_nucleus_for_every_attribute(attribute: str) -> None:
    assert SamplingParams(**{attribute: Nucleus(0.3, 0.4)})[attribute] == Nucleus(0.3, 0.4)
    assert SamplingParams()[attribute] != Nucleus(0.3, 0.4)


# --- ranges ---


@pytest.mark.parametrize("value", [0.0, 1.0, MAX_TEMPERATURE])
def test_temperatures_from_0_to_the_highest_are_taken(value: float) -> None:
    assert Nucleus(temperature=value).temperature == value


@pytest.mark.parametrize("value", [-0.01, MAX_TEMPERATURE + 0.01, float("inf"), float("nan")])
def test_other_temperatures_are_refused(value: float) -> None:
    with pytest.raises(SettingsError) as refused:
        Nucleus(temperature=value)
    assert str(refused.value) == f"A temperature lies between 0 and 2; {value:g} does not."


@pytest.mark.parametrize("value", [MIN_TOP_P, 0.5, 1.0])
def test_every_top_p_from_the_lowest_up_to_1_is_taken(value: float) -> None:
    assert Nucleus(top_p=value).top_p == value


@pytest.mark.parametrize("value", [0.0, 0.0099, -1.0, 1.01, float("nan")])
def test_every_other_top_p_is_refused(value: float) -> None:
    with pytest.raises(SettingsError) as refused:
        Nucleus(top_p=value)
    assert str(refused.value) == f"A top_p lies between 0.01 and 1; {value:g} does not."


# --- as they are typed ---


@pytest.mark.parametrize("text", ["temperature.pitch=0.5", " temperature.pitch = 0.5 ", "temperature.pitch=.5"])
def test_a_setting_is_parsed(text: str) -> None:
    assert parse_setting(text) == ("temperature", "pitch", 0.5)


@pytest.mark.parametrize("text", ["", "temperature.pitch", "temperature=0.5", "pitch", "="])
def test_what_is_no_setting_is_told_how_one_looks(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        parse_setting(text)
    assert str(refused.value) == (
        f"'{text}' is no setting; write it like temperature.pitch=0.5 or top_p.duration=0.95."
    )


@pytest.mark.parametrize("value", ["", "hot", "0,5", "1=2"])
def test_a_value_has_to_be_a_number(value: str) -> None:
    with pytest.raises(SettingsError, match="is no number; write it like") as refused:
        parse_setting(f"temperature.pitch={value}")
    assert str(refused.value).startswith(f"'{value}' ")


@pytest.mark.parametrize("attribute", SETTABLE)
@pytest.mark.parametrize("knob", KNOBS)
def test_a_setting_changes_one_value_and_nothing_else(knob: str, attribute: str) -> None:
    before = SamplingParams()
    after = before.with_settings([f"{knob}.{attribute}=0.25"])
    assert getattr(after[attribute], knob) == 0.25
    assert replace(after, **{attribute: before[attribute]}) == before
    other = next(name for name in KNOBS if name != knob)
    assert getattr(after[attribute], other) == getattr(before[attribute], other)
    assert before == SamplingParams()


@pytest.mark.parametrize("knob", KNOBS)
def test_all_changes_every_attribute(knob: str) -> None:
    after = SamplingParams().with_settings([f"{knob}.{ALL}=0.25"]).to_json()
    assert after[knob] == dict.fromkeys(SETTABLE, 0.25)
    other = next(name for name in KNOBS if name != knob)
    assert after[other] == SamplingParams().to_json()[other]


def test_later_settings_win() -> None:
    after = SamplingParams().with_settings(["temperature.all=0", "temperature.pitch=1.5", "temperature.pitch=1.25"])
    assert after["pitch"].temperature == 1.25
    assert after["duration"].temperature == 0


def test_no_settings_change_nothing() -> None:
    assert SamplingParams().with_settings([]) == SamplingParams()


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ("temperature.pich=1", "No attribute is called 'pich'; did you mean pitch?"),
        ("temperature.Tempo=1", "No attribute is called 'Tempo'; did you mean tempo?"),
        ("top-p.pitch=1", "No setting is called 'top-p'; did you mean top_p?"),
        ("temprature.pitch=1", "No setting is called 'temprature'; did you mean temperature?"),
        ("zeal.pitch=1", "No setting is called 'zeal'; there are temperature, top_p."),
        (
            "top_p.xyz=1",
            "No attribute is called 'xyz'; there are family, position, pitch, velocity, duration, chord, tempo, all.",
        ),
        ("temperature.pitch=2.5", "A temperature lies between 0 and 2; 2.5 does not."),
        ("top_p.all=0", "A top_p lies between 0.01 and 1; 0 does not."),
    ],
)
def test_a_setting_that_cannot_be_used_gets_its_sentence(setting: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as refused:
        SamplingParams().with_settings([setting])
    assert str(refused.value) == sentence


# --- JSON ---


@given(params)
def test_json_gives_the_settings_back(settings: SamplingParams) -> None:
    assert SamplingParams.from_json(json.loads(json.dumps(settings.to_json()))) == settings


def test_json_names_every_setting() -> None:
    data = SamplingParams().to_json()
    assert list(data) == list(KNOBS)
    assert all(tuple(data[knob]) == SETTABLE for knob in KNOBS)


def test_json_that_names_a_few_leaves_the_others_at_their_defaults() -> None:
    assert SamplingParams.from_json({"top_p": {"pitch": 0.5}}) == SamplingParams(
        pitch=Nucleus(SamplingParams().pitch.temperature, 0.5)
    )
    assert SamplingParams.from_json({}) == SamplingParams()


@pytest.mark.parametrize("data", [{"top_k": {"pitch": 5}}, {"top_p": {"rest": 1}}, {"temperature": {"pitch": 9}}])
def test_json_with_unknown_names_or_values_is_refused(data: dict[str, dict[str, float]]) -> None:
    with pytest.raises(SettingsError):
        SamplingParams.from_json(data)
