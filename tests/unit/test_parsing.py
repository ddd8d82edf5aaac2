"""What people type of an order: bars, chords, a key, settings."""

from __future__ import annotations

import pytest
from drawn_scores import VOCABULARY

from composer.engine.anchors import KEYS
from composer.errors import SettingsError, TaskError
from composer.music.key import Key
from composer.music.score import CHORD_QUALITIES, PITCH_CLASSES
from composer.order import Order
from composer.parsing import bars_from, chord_named, chords_from, key_id, settings_from
from composer.sampling import SamplingParams

SPELLINGS = {"C#": "Db", "D#": "Eb", "Gb": "F#", "G#": "Ab", "A#": "Bb", "Cb": "B", "Fb": "E", "E#": "F", "B#": "C"}


@pytest.mark.parametrize(
    ("text", "bars"),
    [("9-12", (9, 12)), ("9", (9, 9)), (" 9 - 12 ", (9, 12)), ("1-1", (1, 1)), ("12-9", (12, 9)), ("0", (0, 0))],
)
def test_bars(text: str, bars: tuple[int, int]) -> None:
    assert bars_from(text) == bars


@pytest.mark.parametrize("text", ["", " ", "-", "9-", "-12", "9-12-15", "nine", "9,12", "9.5", "9:12", "1" * 10])
def test_what_are_no_bars(text: str) -> None:
    with pytest.raises(TaskError, match=r"are no bars\. Say for example 9-12") as refused:
        bars_from(text)
    assert refused.value.values == {"text": text}


@pytest.mark.parametrize(
    ("text", "chords"),
    [
        ("", ()),
        ("  ", ()),
        ("Am F C G", (("Am",), ("F",), ("C",), ("G",))),
        ("Am F | C", (("Am", "F"), ("C",))),
        ("| Am F | C ||", (("Am", "F"), ("C",))),
        ("Am F | | % | C", (("Am", "F"), ("F",), ("F",), ("C",))),
        ("Am F | % || C |", (("Am", "F"), ("Am", "F"), ("C",))),
        ("Am % F", (("Am",), ("Am",), ("F",))),
        ("C", (("C",),)),
        ("bb7 F#m7b5", (("bb7",), ("F#m7b5",))),
    ],
)
def test_chords(text: str, chords: tuple[tuple[str, ...], ...]) -> None:
    assert chords_from(text) == chords


@pytest.mark.parametrize("text", [" | | ", "|", "%", "| | C |"])
def test_what_holds_no_chord_before_it_names_none(text: str) -> None:
    with pytest.raises(TaskError, match="names no chord"):
        chords_from(text)


@pytest.mark.parametrize("text", ["Am H", "Am F | C13", "Am, F", "C|x"])
def test_a_chord_that_nobody_knows_is_named_with_those_that_are_known(text: str) -> None:
    with pytest.raises(TaskError) as refused:
        chords_from(text)
    name = str(refused.value.values["text"])
    assert name in text
    assert f"“{name}”" in str(refused.value)
    for quality in CHORD_QUALITIES:
        assert f"C{quality}" in str(refused.value.values["known"]).split(", ")


@pytest.mark.parametrize("root", PITCH_CLASSES)
@pytest.mark.parametrize("quality", CHORD_QUALITIES)
def test_every_chord_of_the_vocabulary_is_called_as_it_is(root: str, quality: str) -> None:
    assert chord_named(root + quality) == root + quality
    assert chord_named(root[0].lower() + root[1:] + quality) == root + quality
    assert root + quality in VOCABULARY.chord_ids


@pytest.mark.parametrize("quality", ["", "m", "maj7", "m7b5"])
@pytest.mark.parametrize(("written", "known"), SPELLINGS.items())
def test_a_root_may_be_spelled_the_other_way(written: str, known: str, quality: str) -> None:
    assert chord_named(written + quality) == known + quality
    assert chord_named(written.replace("#", "♯").replace("b", "♭") + quality) == known + quality


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("Cmaj", "C"),
        ("CM", "C"),
        ("Amin", "Am"),
        ("A-", "Am"),
        ("CM7", "Cmaj7"),
        ("Amin7", "Am7"),
        ("A-7", "Am7"),
        ("C+", "Caug"),
        ("Bo", "Bdim"),
        ("A#min", "Bbm"),
        ("C/E", "C"),
        ("am7/G", "Am7"),
        ("F#m7b5/A", "F#m7b5"),
        ("Bb/D", "Bb"),
        ("N", "N"),
        ("N.C.", "N"),
        ("NC", "N"),
    ],
)
def test_chords_are_written_in_many_ways(name: str, known: str) -> None:
    assert chord_named(name) == known


@pytest.mark.parametrize("name", ["", "H", "Hm", "Cmaj9", "C9", "C/", "C/H", "n", "C##", "Ebb", "m", "7", "Am7/"])
def test_no_other_name_is_a_chord(name: str) -> None:
    with pytest.raises(TaskError, match="No chord is called"):
        chord_named(name)


@pytest.mark.parametrize("minor", [False, True])
@pytest.mark.parametrize("tonic", range(12))
def test_every_key_has_its_id(tonic: int, minor: bool) -> None:
    expected = 1 + tonic + 12 * minor
    assert key_id(Key(tonic, minor).name) == expected <= KEYS
    others = [written for written, known in SPELLINGS.items() if known == PITCH_CLASSES[tonic]]
    for root in (PITCH_CLASSES[tonic], *others):
        for ending in (" minor", "minor", "m", " min") if minor else (" major", "", " maj", "maj"):
            assert key_id(f" {root}{ending} ") == expected
            assert key_id(root.lower().replace("b", "b") + ending if root[0] != "B" else root + ending) == expected


@pytest.mark.parametrize("name", ["", "H", "A dorian", "minor", "A  minor key", "C7", "Abb", "A Minor!"])
def test_what_is_no_key(name: str) -> None:
    with pytest.raises(TaskError, match="No key is called"):
        key_id(name)


def test_settings_say_how_words_are_drawn_and_how_much_there_is_to_be() -> None:
    sampling, amounts = settings_from(["temperature.pitch=0.8", " density = fuller ", "loudness=softer"])
    assert sampling == SamplingParams().with_settings(["temperature.pitch=0.8"])
    assert amounts == (("density", "fuller"), ("loudness", "softer"))
    assert settings_from([]) == (SamplingParams(), ())
    order = Order(sampling=sampling, amounts=amounts)
    assert settings_from(order.settings()) == (sampling, amounts)


@pytest.mark.parametrize("settings", [["density"], ["densities=fuller"], ["temperature.pitch=9"], ["=fuller"]])
def test_settings_that_are_none(settings: list[str]) -> None:
    def order() -> Order:
        sampling, amounts = settings_from(settings)
        return Order(sampling=sampling, amounts=amounts)

    with pytest.raises(SettingsError):
        order()
