"""The figures of pieces so small that one can reckon them by hand."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

import numpy as np
import pytest

from composer.audition.grid import Notes, notes_of, notes_of_words, read_notes
from composer.audition.metrics import (
    bar_overlap,
    bar_sets,
    best_earlier_overlap,
    chord_sequence,
    continuation,
    judge,
    loops,
    measure,
)
from composer.audition.structureness import structureness
from composer.engine.runs import run_hashes
from composer.music.encoding import decode, encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi
from composer.music.score import Note, Score, cut_at_repeats, in_four
from composer.music.words import default_vocabulary

STEP = TICKS_PER_BAR // 16
C_MAJOR = (60, 62, 64, 65, 67, 69, 71, 72)


def piece(*bars: Sequence[int], length: int = 2) -> Notes:
    """A bar a sequence: its pitches one after the other, two steps each."""
    notes = [
        Note(bar * TICKS_PER_BAR + at * 2 * STEP, pitch, bar * TICKS_PER_BAR + (at * 2 + length) * STEP, 80)
        for bar, pitches in enumerate(bars)
        for at, pitch in enumerate(pitches)
    ]
    return notes_of(in_four(tuple(notes), end=len(bars) * TICKS_PER_BAR))


def random_score(seed: int, bars: int = 12) -> Score:
    draw = random.Random(seed)
    notes = []
    for _ in range(bars * 8):
        start = draw.randrange(bars * TICKS_PER_BAR)
        notes.append(Note(start, draw.randint(30, 90), start + draw.randint(10, 4000), draw.randint(20, 120)))
    return in_four(cut_at_repeats(notes), end=bars * TICKS_PER_BAR)


@pytest.mark.parametrize("seed", range(8))
def test_a_score_is_measured_as_its_file_is(seed: int) -> None:
    score = random_score(seed)
    ours, theirs = notes_of(score), read_notes(dump_midi(score))
    assert ours.bars == theirs.bars
    for name in ("bar", "step", "pitch", "duration", "velocity"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()


@pytest.mark.parametrize("seed", range(8))
def test_words_are_measured_as_the_score_that_they_stand_for(seed: int) -> None:
    words = encode(random_score(seed), default_vocabulary())
    ours = notes_of_words(np.array(words, dtype=np.uint8), default_vocabulary())
    theirs = notes_of(decode(words, default_vocabulary()))
    first = int(ours.bar[0])  # words may begin with empty bars
    assert (ours.bar - first).tolist() == theirs.bar.tolist()
    for name in ("step", "pitch", "velocity", "duration"):
        assert getattr(ours, name).tolist() == getattr(theirs, name).tolist()


def test_density_and_pitch() -> None:
    figures = measure(piece(C_MAJOR, [60, 60, 60, 60]))
    assert figures["bars"] == 2
    assert figures["notes_bar"] == 6
    assert figures["onsets_bar"] == 6
    assert figures["polyphony"] == 1
    assert figures["silence"] == 0.25  # the second half of the second bar
    assert figures["pitches"] == 8
    assert figures["pitch_range"] == 12
    assert figures["dur_beats"] == 0.5
    assert figures["vel_std"] == 0


def test_entropy_is_that_of_the_pitch_classes() -> None:
    assert measure(piece([60] * 8))["H1"] == 0
    assert measure(piece([60, 72] * 4))["H1"] == 0  # octaves are one class
    assert measure(piece([60, 61, 62, 63] * 2))["H1"] == pytest.approx(2)
    figures = measure(piece([60] * 8, [61] * 8, [62] * 8, [63] * 8))
    assert figures["H1"] == 0
    assert figures["H4"] == pytest.approx(2)


def test_scales_and_keys() -> None:
    figures = measure(piece(C_MAJOR))
    assert figures["in_key"] == 1
    assert measure(piece([60, 61] * 4))["in_key"] == 1  # of D flat major, for one
    assert measure(piece([60, 61, 62, 63] * 2))["in_key"] == 0.75
    assert figures["key_clarity"] > 0.8


def test_chords_and_their_progressions() -> None:
    def chords(*roots: int) -> Notes:
        """Two half notes a bar, each a major triad."""
        notes = [
            Note(at * TICKS_PER_BAR // 2, root + interval, (at + 1) * TICKS_PER_BAR // 2, 80)
            for at, root in enumerate(roots)
            for interval in (0, 4, 7)
        ]
        return notes_of(in_four(tuple(notes), end=len(roots) * TICKS_PER_BAR // 2))

    assert len(chord_sequence(chords(60, 60, 65, 67))) == 3
    assert measure(chords(60, 65, 67, 60, 65, 67, 60, 65))["CPI"] == 0.5  # 3 of 6 trigrams
    assert math.isnan(measure(chords(60, 60, 60, 60))["CPI"])


def test_grooving_compares_all_bars() -> None:
    assert measure(piece(C_MAJOR, C_MAJOR))["GS"] == 1
    assert measure(piece(C_MAJOR, C_MAJOR[:4]))["GS"] == 0.75  # four of sixteen steps differ
    assert math.isnan(measure(piece(C_MAJOR))["GS"])


def test_echo_is_what_comes_back() -> None:
    a, b, c = [60, 62, 64, 65], [72, 74, 76, 77], [48, 50, 52, 53]
    wandering = measure(piece(a, b, c))
    assert wandering["echo"] == wandering["rep_bar"] == 0
    back = measure(piece(a, b, a, b))
    assert back["echo"] == pytest.approx(2 / 3)  # of bars 2 to 4
    assert back["rep_bar"] == 0.5
    half = measure(piece(a, [60, 62, 88, 89]))
    assert half["echo"] == pytest.approx(2 / 6)
    assert best_earlier_overlap(bar_overlap(piece(a, b, a)), 2, 2) == 1
    assert math.isnan(back["far"])


@pytest.mark.parametrize(
    ("bars", "share", "longest"),
    [
        ([C_MAJOR] * 12, 1.0, 12),
        ([C_MAJOR] * 7, 0.0, 0),  # shorter than eight bars
        ([[60], [62], [64], [65]] * 3, 1.0, 12),
        ([[60], [62], [64], [65]] * 2, 0.0, 0),  # two periods are a repetition, not a loop
        ([*([60 + i] for i in range(8)), *[[80]] * 8], 0.5, 8),
    ],
)
def test_loops(bars: list[list[int]], share: float, longest: int) -> None:
    assert loops(bar_sets(piece(*bars))) == (share, longest)


def test_empty_bars_neither_repeat_nor_loop() -> None:
    figures = measure(piece(C_MAJOR, *[[]] * 10, C_MAJOR))
    assert figures["loop"] == 0
    assert figures["empty_bar"] == pytest.approx(10 / 12)
    assert figures["echo"] == 1


def test_structure_is_what_returns_as_a_whole() -> None:
    draw = random.Random(3)
    melodies = [[[draw.randint(50, 80) for _ in range(8)] for _ in range(4)] for _ in range(4)]
    a, b, c, d = melodies
    returning = structureness(piece(*a, *b, *a, *b))
    wandering = structureness(piece(*a, *b, *c, *d))
    assert returning["SI_mid"] == pytest.approx(0.5)  # half the piece is covered by what comes back, half of it alike
    assert wandering["SI_mid"] < 0.1
    assert all(map(math.isnan, structureness(piece(*[C_MAJOR] * 7)).values()))


def test_a_continuation_is_compared_with_its_opening() -> None:
    same = continuation(piece(*[C_MAJOR] * 4), 2)
    assert same["c_key_match"] == same["c_copy_open"] == same["c_motif"] == same["c_groove"] == 1
    assert same["c_density_log2"] == same["c_pitch_shift"] == 0
    assert same["c_chroma_cos"] == pytest.approx(1)
    up = [pitch + 6 for pitch in C_MAJOR]
    moved = continuation(piece(C_MAJOR, C_MAJOR, up, up), 2)
    assert moved["c_key_match"] == moved["c_copy_open"] == 0
    assert moved["c_pitch_shift"] == 6
    assert moved["c_motif"] == 1  # the same figures in another key
    assert moved["c_in_open_key"] == pytest.approx(2 / 8)  # F and B


def test_what_is_too_short_is_not_judged() -> None:
    assert judge(piece(C_MAJOR, C_MAJOR[:7]), 1) == {}
    assert "c_key_match" not in judge(piece(C_MAJOR[:7], C_MAJOR), 1)


def test_runs_are_the_same_in_any_key_and_at_any_bar() -> None:
    figure = [60, 64, 62, 67]
    one, other = piece(figure, figure), piece([50], [p + 5 for p in figure], [p + 5 for p in figure])
    assert set(run_hashes(one.time, one.pitch, 7).tolist()) <= set(run_hashes(other.time, other.pitch, 7).tolist())
    assert len(run_hashes(one.time, one.pitch, 7)) == 1
    assert len(run_hashes(one.time, one.pitch, 8)) == 0
