"""How drums go on."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.music.drums import going_on, period_of
from composer.music.meter import TICKS_PER_BAR, Bar, Meter
from composer.music.score import Note, Part, Score

KICK, SNARE, HAT, CRASH = 36, 38, 42, 49
FOUR = Meter(4, 4)
BEAT = frozenset({(0, KICK), (4, SNARE), (8, KICK), (12, SNARE)})
OTHER = frozenset({(0, KICK), (2, KICK), (6, HAT), (10, HAT), (14, HAT)})
FILL = frozenset({(step, SNARE) for step in range(8)})


def drums(*bars: frozenset[tuple[int, int]], late: int = 0) -> tuple[Part, Score]:
    notes = [
        Note(number * TICKS_PER_BAR + step * 120 + late, pitch, number * TICKS_PER_BAR + step * 120 + late + 60, 90)
        for number, bar in enumerate(bars)
        for step, pitch in bar
    ]
    part = Part(tuple(sorted(notes)), is_drum=True, channel=9)
    return part, Score((part,), lines(len(bars)))


def lines(count: int) -> tuple[Bar, ...]:
    return tuple(Bar(number * TICKS_PER_BAR, (number + 1) * TICKS_PER_BAR, FOUR) for number in range(count))


def in_bar(part: Part, number: int) -> frozenset[tuple[int, int]]:
    inside = (note for note in part.notes if number == (note.start + 60) // TICKS_PER_BAR)
    return frozenset((round((note.start - number * TICKS_PER_BAR) / 120), note.pitch) for note in inside)


@pytest.mark.parametrize(
    ("bars", "period"),
    [
        ([BEAT] * 4, 1),
        ([OTHER, BEAT, BEAT], 1),
        ([BEAT, OTHER] * 2, 2),
        ([BEAT, BEAT, BEAT, FILL] * 2, 4),
        ([BEAT, OTHER, FILL], None),
        ([BEAT], None),
        ([frozenset()] * 4, None),
    ],
)
def test_the_period_is_the_one_at_which_the_last_bars_repeat(
    bars: list[frozenset[tuple[int, int]]], period: int | None
) -> None:
    assert period_of(bars) == period


@given(
    st.lists(st.frozensets(st.tuples(st.integers(0, 15), st.sampled_from([KICK, SNARE, HAT])), min_size=1), min_size=1),
    st.integers(0, 3).map(lambda power: 2**power),
    st.integers(0, 9),
)
def test_what_repeats_goes_on_repeating(pattern: list[frozenset[tuple[int, int]]], count: int, more: int) -> None:
    pattern = (pattern * 8)[:count]
    part, score = drums(*pattern * 2)
    longer = going_on(part, score, replace(score, bars=lines(2 * count + more)))
    assert longer.notes[: len(part.notes)] == part.notes
    period = period_of([frozenset(bar) for bar in pattern * 2])
    assert period is not None
    for number in range(2 * count, 2 * count + more):
        assert in_bar(longer, number) == in_bar(longer, number - period)


def test_a_last_bar_that_leaves_the_pattern_is_a_fill_behind_which_the_pattern_goes_on() -> None:
    part, score = drums(BEAT, OTHER, BEAT, OTHER, BEAT, FILL)
    longer = going_on(part, score, replace(score, bars=lines(10)))
    assert [in_bar(longer, number) for number in range(6, 10)] == [BEAT, OTHER, BEAT, OTHER]
    filled = going_on(part, score, replace(score, bars=lines(23)), fills=True)
    kept = [in_bar(filled, number) for number in range(6, 23)]
    assert [number for number, bar in enumerate(kept) if bar == FILL] == [7, 15]
    assert all(bar in (BEAT, OTHER, FILL) for bar in kept)


def test_who_plays_no_fill_gets_a_plain_one_on_the_last_beat_of_each_phrase() -> None:
    part, score = drums(*[BEAT] * 4)
    filled = going_on(part, score, replace(score, bars=lines(20)), fills=True)
    for number in range(4, 20):
        last = {(12, 38), (13, 38), (14, 48), (15, 45)}
        expected = {strike for strike in BEAT if strike[0] < 12} | last if number in (11, 19) else BEAT
        assert in_bar(filled, number) == expected
    assert going_on(part, score, replace(score, bars=lines(20))).notes[-1].pitch == SNARE


def test_a_drummer_who_is_a_little_early_stays_so() -> None:
    part, score = drums(BEAT, BEAT, BEAT, late=-20)
    part = replace(part, notes=tuple(note for note in part.notes if note.start >= 0))
    longer = going_on(part, score, replace(score, bars=lines(4)))
    assert longer.notes[-4].start == 3 * TICKS_PER_BAR - 20


def test_drums_that_repeat_nothing_end_and_none_are_put_into_bars_of_another_length() -> None:
    part, score = drums(BEAT, OTHER, FILL)
    assert going_on(part, score, replace(score, bars=lines(5))) == part
    part, score = drums(BEAT, BEAT)
    three = Bar(2 * TICKS_PER_BAR, 2 * TICKS_PER_BAR + 1440, Meter(3, 4))
    assert going_on(part, score, replace(score, bars=(*score.bars, three))) == part
