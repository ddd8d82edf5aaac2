"""Keys: scales and cadences in every transposition and both modes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.music.key import Key, find_key
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import Note

BEAT = TICKS_PER_BEAT
SCALES = {False: (0, 2, 4, 5, 7, 9, 11, 12), True: (0, 2, 3, 5, 7, 8, 11, 12)}  # minor with its leading note
CADENCES = {
    False: ((0, 4, 7), (5, 9, 12), (7, 11, 14), (0, 4, 7)),
    True: ((0, 3, 7), (5, 8, 12), (7, 11, 14), (0, 3, 7)),
}


def scale(tonic: int, minor: bool) -> list[Note]:
    """Up and down in beats."""
    degrees = (*SCALES[minor], *SCALES[minor][::-1])
    return [Note(i * BEAT, 60 + tonic + degree, (i + 1) * BEAT, 80) for i, degree in enumerate(degrees)]


def cadence(tonic: int, minor: bool) -> list[Note]:
    """I IV V I, a bar each."""
    return [
        Note(bar * TICKS_PER_BAR, 48 + tonic + degree, (bar + 1) * TICKS_PER_BAR, 80)
        for bar, chord in enumerate(CADENCES[minor])
        for degree in chord
    ]


@pytest.mark.parametrize("minor", [False, True], ids=["major", "minor"])
@pytest.mark.parametrize("tonic", range(12))
@pytest.mark.parametrize("music", [scale, cadence])
def test_scales_and_cadences_are_in_their_key(music: object, tonic: int, minor: bool) -> None:
    assert callable(music)
    assert find_key(music(tonic, minor)) == Key(tonic, minor)


@given(st.lists(st.tuples(st.integers(36, 84), st.integers(1, 2000)), min_size=1, max_size=20), st.integers(0, 11))
def test_the_octave_the_order_and_the_loudness_do_not_matter(heard: list[tuple[int, int]], octave: int) -> None:
    notes = [Note(i, pitch, i + ticks, 64) for i, (pitch, ticks) in enumerate(heard)]
    others = [replace(note, pitch=note.pitch + 12 * (octave % 4 - 2), velocity=1 + octave) for note in reversed(notes)]
    assert find_key(others) == find_key(notes)


def test_a_drone_counts_for_a_bar_and_no_more() -> None:
    # Held for 99 bars, F sharp would drown the scale of C.
    assert find_key([*scale(0, False), Note(0, 66, 99 * TICKS_PER_BAR, 80)]) == find_key(
        [*scale(0, False), Note(0, 66, TICKS_PER_BAR, 80)]
    )
    held = [Note(0, 66, 3 * TICKS_PER_BAR, 80)]
    assert find_key([*scale(0, False), *scale(0, False), *held]) == Key(0, False)


def test_no_notes_no_key() -> None:
    assert find_key([]) is None


@pytest.mark.parametrize("tonic", range(12))
def test_a_minor_key_has_the_scale_of_the_major_key_a_minor_third_above(tonic: int) -> None:
    assert Key(tonic, minor=False).scale == tonic
    relative = Key(tonic, minor=True)
    natural_minor = {(tonic + degree) % 12 for degree in (0, 2, 3, 5, 7, 8, 10)}
    assert {(relative.scale + degree) % 12 for degree in (0, 2, 4, 5, 7, 9, 11)} == natural_minor


def test_names() -> None:
    assert [Key(0, False).name, Key(9, True).name, Key(6, True).name, Key(10, False).name] == [
        "C major",
        "A minor",
        "F# minor",
        "Bb major",
    ]
