from __future__ import annotations

import pytest

from composer.rules import broken_rules
from composer.words import BAR, END, Family, Word, default_vocabulary

AT_ONE = Word(Family.METRICAL, position=1, chord=1, tempo=1)
AT_FIVE = AT_ONE._replace(position=5)
HIGH, LOW = (Word(Family.NOTE, pitch=pitch, velocity=9, duration=4) for pitch in (50, 40))


def test_words_by_the_rules() -> None:
    assert list(broken_rules([BAR, AT_ONE, HIGH, LOW, AT_FIVE, HIGH, BAR, AT_ONE, END], default_vocabulary(), 2)) == []


@pytest.mark.parametrize(
    ("words", "bars", "said"),
    [
        ([BAR, HIGH, END], 1, "1: a note before any position"),
        ([BAR, AT_FIVE, AT_ONE, END], 1, "2: position 1 after 5"),
        ([BAR, AT_ONE, LOW, HIGH, END], 1, "3: pitch 50 after 40"),
        ([BAR, AT_ONE, HIGH], 1, "no end"),
        ([BAR, END, BAR, END], 2, "1: an end in the middle"),
        ([BAR, END], 3, "1 bars instead of 3"),
        ([BAR, AT_ONE._replace(pitch=4), END], 1, "1: METRICAL with pitch 4"),
        ([BAR, Word(0), END], 1, "1: padding"),
        ([], 0, "no end"),
    ],
)
def test_each_broken_rule_is_said(words: list[Word], bars: int, said: str) -> None:
    assert list(broken_rules(words, default_vocabulary(), bars)) == [said]
