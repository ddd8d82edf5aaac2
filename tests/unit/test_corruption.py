from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from some_words import BAR, SIXTEENTH, metrical, note
from test_returns import a_piece

from composer.engine.returns import places_of
from composer.music.score import Role
from composer.music.words import ATTRIBUTES, END, IGNORE, Family, Word, default_vocabulary
from composer.rules import broken_rules
from composer.training.corruption import LAGS, LONGEST_CROWD, SHARE_CROWDED, SHARE_THINNED, corrupted, crowded

VOCABULARY = default_vocabulary()
SEEDS = 120


def test_slips_change_notes_alone_and_keep_their_order() -> None:
    torch.manual_seed(0)
    words = a_piece().expand(8, -1, -1)
    slipped = corrupted(words, most=0.5)
    notes = words[..., 0] == Family.NOTE
    assert torch.equal(slipped[~notes], words[~notes])
    assert torch.equal(slipped == IGNORE, words == IGNORE)
    names = enumerate(ATTRIBUTES)
    changed = {name for i, name in names if not torch.equal(slipped[..., i], words[..., i])}
    assert changed == {"pitch", "velocity", "duration"}
    assert (places_of(slipped).key.diff() > 0).all()


def test_the_words_themselves_are_left_alone() -> None:
    torch.manual_seed(0)
    words = a_piece()
    before = words.clone()
    corrupted(words, most=0.5)
    assert torch.equal(words, before)


# ------------------------------------------------------------------ bars too full or too thin


def music(bars: int = 11) -> list[Word]:
    """Up to four notes a sixteenth, of any roles, from end to end of the piano; each position names a chord and a tempo
    of its own.
    """
    rng = np.random.default_rng(3)
    words = []
    for bar in range(bars):
        words.append(BAR)
        onsets = rng.choice(np.arange(16), 0 if bar == 5 else int(rng.integers(2, 9)), replace=False)
        for onset in sorted(onsets.tolist()):
            words.append(metrical(1 + onset * SIXTEENTH, chord=bar + onset + 1, tempo=onset + 1))
            pitches = sorted(rng.choice(np.arange(1, 89), int(rng.integers(0, 5)), replace=False).tolist())
            roles = sorted(rng.choice(list(Role), len(pitches)).tolist())
            played = sorted(zip(roles, pitches, strict=True), key=lambda pair: (pair[0], -pair[1]))
            words += [note(pitch, 1 + bar, 1 + len(pitches), Role(role)) for role, pitch in played]
    return words


BEGINNINGS = {
    "from a bar line to the end": [*music(), END],
    "to a word in the middle": music()[:-7],
    "from a position in the middle": [*music()[6:], END],
    "from a note in the middle": [*music()[2:], END],
}
whichever = pytest.mark.parametrize("begins", BEGINNINGS)

Pair = tuple[list[Word], list[Word]]  # what is heard, and what is asked for after each of its words


@cache
def pairs(begins: str) -> list[Pair]:
    """What becomes of the words, a seed each."""
    words = np.array(BEGINNINGS[begins])
    before = words.copy()
    found = [crowded(words, VOCABULARY, np.random.default_rng(seed)) for seed in range(SEEDS)]
    assert (words == before).all(), "the words themselves are left alone"
    return [([Word(*row) for row in heard.tolist()], [Word(*row) for row in asked.tolist()]) for heard, asked in found]


Place = tuple[int, int, int, int]


def places(words: Sequence[Word]) -> list[Place]:
    """Bar, position, role and depth of each word: in this order music is written."""
    found, bar, position = [], 0, 0
    for word in words:
        if word.family in (Family.BAR, Family.END):
            bar, position = bar + 1, 0
        if word.family == Family.METRICAL:
            position = word.position
        found.append((bar, position, word.role, 999 - word.pitch if word.family == Family.NOTE else 0))
    return found


def bars(words: Sequence[Word]) -> list[list[Word]]:
    """The words of each bar; the first are those before any bar line."""
    found: list[list[Word]] = [[]]
    for word in words:
        if word.family == Family.BAR:
            found.append([])
        found[-1].append(word)
    return found


def notes(words: Sequence[Word]) -> set[tuple[Place, Word]]:
    return {(at, word) for at, word in zip(places(words), words, strict=True) if word.family == Family.NOTE}


@whichever
def test_what_is_heard_rises_word_by_word(begins: str) -> None:
    for heard, _ in pairs(begins):
        assert all(earlier < later for earlier, later in pairwise(places(heard)))


@whichever
def test_after_each_word_the_first_true_one_behind_its_place_is_asked_for(begins: str) -> None:
    true = BEGINNINGS[begins]
    at = places(true)
    for heard, asked in pairs(begins):
        assert asked == [true[bisect_right(at, place)] for place in places(heard)]


@whichever
def test_what_is_asked_for_may_follow_what_was_heard(begins: str) -> None:
    for heard, asked in pairs(begins):
        if heard == BEGINNINGS[begins][:-1]:
            continue  # it is as it was
        start = next(i for i, word in enumerate(heard) if word.family == Family.BAR)
        for number in range(start, len(heard)):
            start = number if heard[number].family == Family.BAR else start
            tried = [*heard[start : number + 1], asked[number]]
            opened = sum(word.family == Family.BAR for word in tried)
            ended = tried if tried[-1] == END else [*tried, END]
            assert list(broken_rules(ended, VOCABULARY, opened)) == []


def test_a_few_bars_are_changed_or_all_that_follow() -> None:
    true = bars(BEGINNINGS["from a bar line to the end"][:-1])
    spans, returned = [], 0
    for heard, _ in pairs("from a bar line to the end"):
        here = bars(heard)
        assert len(here) == len(true)
        changed = [n for n, (old, new) in enumerate(zip(true, here, strict=True)) if old != new]
        spans += [changed[-1] - changed[0] + 1] if changed else []
        returned += bool(changed) and changed[-1] < len(true) - 1
    assert max(spans) > LONGEST_CROWD > min(spans)
    assert returned > len(spans) / 5  # the true music is heard again behind them


@whichever
def test_a_sequence_that_is_not_chosen_comes_back_unchanged_and_a_chosen_one_is_either_fuller_or_thinner(
    begins: str,
) -> None:
    true = BEGINNINGS[begins]
    fuller = thinner = 0
    for heard, asked in pairs(begins):
        if heard == true[:-1]:
            assert asked == true[1:]
        added, gone = notes(heard) - notes(true[:-1]), notes(true[:-1]) - notes(heard)
        assert not (added and gone)
        fuller, thinner = fuller + bool(added), thinner + bool(gone)
    # Now and then nothing fits in or nothing falls out: less than all that were chosen.
    assert SEEDS * SHARE_CROWDED * SHARE_THINNED / 3 < thinner < SEEDS * SHARE_CROWDED * SHARE_THINNED * 2
    assert SEEDS * SHARE_CROWDED * (1 - SHARE_THINNED) / 3 < fuller < SEEDS * SHARE_CROWDED * 1.4


def test_what_was_put_in_is_heard_elsewhere_too() -> None:
    """In its own bar, later or an octave away; or at the same place of a bar before."""
    true = bars([*music()])
    ways = set()
    for heard, _ in pairs("from a bar line to the end"):
        here = bars(heard)
        for at, (old, new) in enumerate(zip(true, here, strict=True)):
            own = {word._replace(pitch=0) for word in old}
            placed = [(word, position) for word, position in placed_notes(new) if word not in old]
            for word, position in placed:
                lags = [lag for lag in LAGS if lag <= at and (word, position) in placed_notes(here[at - lag])]
                octaves = {shift for shift in (-12, 0, 12) if word._replace(pitch=word.pitch - shift) in old}
                assert lags or (word._replace(pitch=0) in own and octaves)
                ways |= {"overlaid"} if lags else {f"octave {shift}" for shift in octaves}
    assert ways >= {"overlaid", "octave -12", "octave 12"}


def placed_notes(bar: Sequence[Word]) -> list[tuple[Word, int]]:
    """Each note and its position."""
    return [(word, at[1]) for at, word in zip(places(bar), bar, strict=True) if word.family == Family.NOTE]


def test_the_same_draws_give_the_same_words() -> None:
    words = np.array(music())
    for seed in range(20):
        once, again = (crowded(words, VOCABULARY, np.random.default_rng(seed)) for _ in range(2))
        assert all((one == other).all() for one, other in zip(once, again, strict=True))
