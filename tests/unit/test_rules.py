from __future__ import annotations

import pytest
from some_words import BAR, IN_A_BAR, bar_word, metrical, note

from composer.errors import RequestError
from composer.music.score import Role
from composer.music.words import END, Word, default_vocabulary
from composer.request import Request
from composer.rules import broken_rules

AT_ONE, AT_FIVE = metrical(1), metrical(5)
HIGH, LOW = note(50), note(40)
HIGH_BASS, LOW_BASS = note(50, role=Role.BASS), note(40, role=Role.BASS)


def test_words_by_the_rules() -> None:
    words = [BAR, AT_ONE, HIGH, LOW, HIGH_BASS, LOW_BASS, AT_FIVE, HIGH, BAR, metrical(IN_A_BAR), END]
    assert list(broken_rules(words, default_vocabulary(), 2)) == []


@pytest.mark.parametrize(
    ("words", "bars", "said"),
    [
        ([BAR, HIGH, END], 1, "1: a note before any position"),
        ([BAR, AT_FIVE, AT_ONE, END], 1, "2: position 1 after 5"),
        ([BAR, AT_ONE, LOW, HIGH, END], 1, "3: pitch 50 after 40"),
        ([BAR, AT_ONE, LOW, LOW, END], 1, "3: pitch 40 after 40"),
        ([BAR, AT_ONE, HIGH_BASS, LOW, END], 1, "3: of role 1 after role 5: pitch 40 after 50"),
        ([BAR, metrical(IN_A_BAR + 1), END], 1, "1: position 49 in a bar of 48"),
        ([bar_word("6/8"), metrical(37), END], 1, "1: position 37 in a bar of 36"),
        ([BAR, AT_ONE, HIGH], 1, "no end"),
        ([BAR, END, BAR, END], 2, "1: an end in the middle"),
        ([BAR, END], 3, "1 bars instead of 3"),
        ([BAR, AT_ONE._replace(pitch=4), END], 1, "1: METRICAL with pitch 4"),
        ([BAR._replace(meter=0), END], 1, "0: BAR with meter 0"),
        ([BAR._replace(meter=99), END], 1, "0: BAR with meter 99"),
        ([BAR, AT_ONE, HIGH._replace(role=0), END], 1, "2: NOTE with role 0"),
        ([BAR, Word(0), END], 1, "1: padding"),
        ([], 0, "no end"),
    ],
)
def test_each_broken_rule_is_said(words: list[Word], bars: int, said: str) -> None:
    assert list(broken_rules(words, default_vocabulary(), bars)) == [said]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "does not begin with a bar"),
        ([AT_ONE, HIGH], "does not begin with a bar"),
        ([BAR, END], "1: an end"),
        ([BAR, END, BAR], "1: an end in the middle"),
        ([BAR, HIGH], "1: a note before any position"),
        ([BAR, AT_FIVE, AT_ONE], "2: position 1 after 5"),
        ([BAR, AT_ONE, HIGH_BASS, LOW], "3: of role 1 after role 5"),
        ([BAR, metrical(IN_A_BAR + 1)], "1: position 49 in a bar of 48"),
        ([BAR, AT_ONE, LOW, HIGH], "3: pitch 50 after 40"),
        ([BAR, Word(0)], "1: padding"),
        ([BAR, Word(9)], "1: no family is 9"),
        ([BAR, Word(-1)], "1: no family is -1"),
        ([BAR, AT_ONE._replace(chord=10_000)], "1: METRICAL with chord 10000"),
        ([BAR, AT_ONE._replace(position=-3)], "1: METRICAL with position -3"),
    ],
)
def test_an_opening_that_breaks_a_rule_is_refused_at_the_door(words: list[Word], said: str) -> None:
    asked = Request(tuple(words), 2, 0).to_json()
    with pytest.raises(RequestError, match=said):
        Request.from_json(asked, default_vocabulary())


def test_an_opening_by_the_rules_is_taken() -> None:
    request = Request((BAR, AT_ONE, HIGH, LOW, HIGH_BASS, AT_FIVE, HIGH, BAR), 2, 0)
    assert Request.from_json(request.to_json(), default_vocabulary()) == request
