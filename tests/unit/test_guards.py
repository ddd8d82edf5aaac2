from __future__ import annotations

import pytest

from composer.engine.guards import LoopGuard
from composer.words import BAR, Family, Word


def bar(pitch: int) -> list[Word]:
    notes = [Word(Family.NOTE, pitch=pitch - k, velocity=1, duration=1) for k in range(4)]
    return [BAR, Word(Family.METRICAL, position=1, chord=1, tempo=1), *notes]


def acted(pitches: list[int]) -> int:
    guard = LoopGuard([])
    for pitch in pitches:
        for word in bar(pitch):
            guard.read(word)
    return guard.acted


@pytest.mark.parametrize("period", [1, 2, 3, 4, 8])
def test_bars_that_go_round_are_noticed_before_they_are_a_loop(period: int) -> None:
    song = [10 * (k % period) + 10 for k in range(40)]
    first = max(8, 3 * period)  # so many bars make a loop; the last of them is still open
    assert acted(song[: first - 1]) == 0
    assert acted(song[: first + 1]) == 1


def test_a_verse_heard_twice_is_no_loop() -> None:
    verse = [10, 20, 30, 40, 10, 20, 50, 60]
    assert acted([*verse, *verse, 70, 80]) == 0


def test_music_that_goes_on_is_left_alone() -> None:
    assert acted([10 + k % 70 for k in range(70)]) == 0


def test_what_the_opening_does_is_its_own_affair_until_the_piece_goes_on_so() -> None:
    looping = [word for _ in range(12) for word in bar(10)]
    guard = LoopGuard(looping)
    assert guard.free_bars == 0
