"""What repeats, in pieces that one can count by hand, in examples of ours, and in real songs where they are at hand."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from composer.audition.grid import read_notes
from composer.audition.metrics import bar_sets
from composer.music.repetition import ALIKE, LONGEST_PERIOD, MOST_ALIKE, WINDOW, Onsets, Repetition, distinct, overlap

CORPUS = next((p / "shared/data" for p in Path(__file__).parents if (p / "shared/data").is_dir()), None)


def bars(*names: int) -> list[Onsets]:
    """A bar a number, of which no two share an onset; 0 is empty."""
    return [frozenset((position, name) for position in (1, 13, 25, 37)) if name else frozenset() for name in names]


def longest(names: Sequence[int]) -> int:
    return Repetition(bars(*names)).longest


@pytest.mark.parametrize("period", range(1, LONGEST_PERIOD + 1))
def test_a_loop_is_a_run_of_its_period_however_long_that_is(period: int) -> None:
    assert longest([*range(100, 110), *[1 + k % period for k in range(period + 30)]]) == 30


def test_what_comes_back_later_than_the_longest_period_is_no_run() -> None:
    assert longest([1 + k % (LONGEST_PERIOD + 1) for k in range(120)]) == 0


def test_a_chorus_that_comes_back_is_a_run_of_its_length() -> None:
    chorus = range(1, 17)
    song = [*range(20, 28), *chorus, *range(30, 38), *chorus, *range(40, 48), *chorus]
    heard = Repetition(bars(*song))
    assert heard.longest == 16 < MOST_ALIKE
    assert distinct(heard.bars) == 40 / 72
    assert heard.novelty == 1, "in itself the chorus is new"


def test_a_run_ends_with_the_first_bar_that_is_another() -> None:
    heard = Repetition(bars(1, 2, 1, 2, 1))
    assert (heard.runs[2], heard.runs[4], heard.longest) == (3, 1, 3)
    heard.hear(bars(9)[0])
    assert (heard.runs[2], heard.longest) == (0, 3)


def test_novelty_is_of_the_last_bars() -> None:
    heard = Repetition(bars(*range(1, 30)))
    assert heard.novelty == 1
    for said in range(1, WINDOW + 1):
        heard.hear(bars(50)[0])
        assert heard.novelty == (WINDOW - said + 1) / WINDOW


def test_empty_bars_are_neither_new_nor_do_they_repeat() -> None:
    heard = Repetition(bars(*[0] * 30))
    assert (heard.longest, heard.novelty) == (0, 1)
    assert distinct(bars(1, 0, 0, 1)) == 0.5


def test_bars_are_alike_that_share_seven_tenths_of_what_sounds_in_either() -> None:
    ten = frozenset((1, pitch) for pitch in range(10))
    for fewer, same in ((7, True), (6, False)):
        part = frozenset([*ten][:fewer])
        assert overlap(part, ten) == overlap(ten, part) == fewer / 10
        assert (Repetition([ten, part], ALIKE).longest == 1) == same
        assert Repetition([ten, part]).longest == 0
    assert overlap(ten, frozenset((2, pitch) for pitch in range(10))) == 0, "at another position"


@pytest.mark.skipif(CORPUS is None, reason="the corpora are beside the project, not in it: ../shared")
def test_real_songs_come_back_without_being_stuck() -> None:
    """Of 41 to 112 bars, every twentieth of the corpus."""
    assert CORPUS is not None
    (archive,) = (CORPUS / "pop909_aligned").glob("*.tar.gz")
    found = []
    with tarfile.open(archive) as members:
        for member in [m for m in members if m.name.endswith(".mid")][::20]:
            content = members.extractfile(member)
            assert content is not None
            notes = read_notes(content.read())
            if 41 <= notes.bars <= 112:
                found.append(Repetition(bar_sets(notes)))
    assert len(found) > 20
    within = [heard for heard in found if distinct(heard.bars) >= 0.5 and heard.longest <= MOST_ALIKE]
    assert len(within) >= 0.9 * len(found)
    assert sum(heard.longest >= 8 for heard in found) > len(found) / 4, "a chorus is heard all the same"
