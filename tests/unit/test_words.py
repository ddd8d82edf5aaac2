"""Vocabularies: what the ids mean, that they are data, and what no vocabulary may be."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.music.score import CHORD_QUALITIES, PITCH_CLASSES, TICKS_PER_BAR, Chord
from composer.words import (
    ATTRIBUTES,
    FAMILY_OF,
    IGNORE,
    Family,
    Vocabulary,
    Word,
    default_vocabulary,
    nearest,
    parse_chord,
)

VOCABULARY = default_vocabulary()
ALL_CHORDS = [Chord(0, None), *(Chord(0, root, quality) for root in range(12) for quality in CHORD_QUALITIES)]
SMALL = Vocabulary(
    positions=24,
    pitches=tuple(range(36, 97)),
    velocities=(32, 64, 96),
    durations=(1, 2, 3, 4, 6, 8, 12, 24, 48),
    chords=("N", *PITCH_CLASSES),
    tempos=(60.0, 90.0, 120.0),
)

# --- the default ---


def test_sizes_follow_the_order_of_attributes() -> None:
    assert VOCABULARY.sizes == {
        "family": 5,
        "position": 17,
        "pitch": 89,
        "velocity": 30,
        "duration": 33,
        "chord": 134,
        "tempo": 53,
    }
    assert tuple(VOCABULARY.sizes) == ATTRIBUTES[:7]
    assert Word._fields == ATTRIBUTES


def test_every_attribute_but_the_family_belongs_to_one_family() -> None:
    assert set(FAMILY_OF) == set(ATTRIBUTES) - {"family"}
    assert FAMILY_OF["chord"] is Family.METRICAL
    assert FAMILY_OF["duration"] is Family.NOTE


def test_positions_are_sixteenths_and_the_pitches_a_piano() -> None:
    assert VOCABULARY.ticks_per_position == TICKS_PER_BAR // 16
    assert (VOCABULARY.pitches[0], VOCABULARY.pitches[-1]) == (21, 108)


def test_tempi_are_four_percent_apart() -> None:
    steps = np.array(VOCABULARY.tempos[1:]) / np.array(VOCABULARY.tempos[:-1])
    assert steps == pytest.approx(1.04, abs=0.002)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, SMALL], ids=["default", "small"])
def test_ids_count_the_values_from_one(vocabulary: Vocabulary) -> None:
    assert [vocabulary.pitch_id(pitch) for pitch in vocabulary.pitches] == ids(vocabulary, "pitch")
    assert [vocabulary.velocity_id(velocity) for velocity in vocabulary.velocities] == ids(vocabulary, "velocity")
    assert [vocabulary.duration_id(duration) for duration in vocabulary.durations] == ids(vocabulary, "duration")
    assert [vocabulary.tempo_id(bpm) for bpm in vocabulary.tempos] == ids(vocabulary, "tempo")
    assert [vocabulary.chord_ids[name] for name in vocabulary.chords] == ids(vocabulary, "chord")
    assert [vocabulary.chord_at(7, i).name for i in ids(vocabulary, "chord")] == list(vocabulary.chords)
    assert vocabulary.chord_at(7, 1).tick == 7


def ids(vocabulary: Vocabulary, attribute: str) -> list[int]:
    return list(range(1, vocabulary.sizes[attribute]))


# --- as data ---


@pytest.mark.parametrize("vocabulary", [VOCABULARY, SMALL], ids=["default", "small"])
def test_json_gives_the_vocabulary_back(vocabulary: Vocabulary) -> None:
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.digest == vocabulary.digest


def test_the_digest_does_not_depend_on_how_the_json_is_laid_out() -> None:
    data = json.loads(VOCABULARY.to_json())
    reordered = json.dumps(dict(reversed(list(data.items()))), indent=2)
    assert Vocabulary.from_json(reordered).digest == VOCABULARY.digest


OTHERS = [
    replace(VOCABULARY, positions=32),
    replace(VOCABULARY, pitches=VOCABULARY.pitches[1:]),
    replace(VOCABULARY, velocities=(*VOCABULARY.velocities[:-1], 127)),
    replace(VOCABULARY, durations=VOCABULARY.durations[:-1]),
    replace(VOCABULARY, chords=(*VOCABULARY.chords[1:], "N")),
    replace(VOCABULARY, tempos=(32.1, *VOCABULARY.tempos[1:])),
]


def test_the_digest_changes_with_any_value() -> None:
    assert len(OTHERS) == len(fields(Vocabulary))
    assert len({VOCABULARY.digest, *(other.digest for other in OTHERS)}) == len(OTHERS) + 1


BAD = {
    "positions that do not divide a bar": {"positions": 7},
    "no positions": {"positions": 0},
    "negative positions": {"positions": -16},
    "no pitches": {"pitches": ()},
    "no velocities": {"velocities": ()},
    "no durations": {"durations": ()},
    "no tempi": {"tempos": ()},
    "falling pitches": {"pitches": (60, 59)},
    "a gap between pitches": {"pitches": (60, 62)},
    "a velocity twice": {"velocities": (64, 64)},
    "falling velocities": {"velocities": (64, 32)},
    "falling durations": {"durations": (1, 4, 2)},
    "no duration of one position": {"durations": (2, 4)},
    "falling tempi": {"tempos": (120.0, 60.0)},
    "no chords": {"chords": ()},
    "no word for no chord": {"chords": ("C",)},
    "more values than a byte holds": {"durations": tuple(range(1, 300))},
    "a chord twice": {"chords": ("N", "C", "C")},
    "a chord that nobody knows": {"chords": ("N", "C", "Cb9")},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_bad_vocabulary_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"positions|rise|gaps|one position|chord|byte"):
        replace(VOCABULARY, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "3", '{"positions_per_bar": "many"}'])
def test_json_that_is_no_vocabulary_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Vocabulary.from_json(text)


@pytest.mark.parametrize("key", json.loads(VOCABULARY.to_json()))
def test_json_without_one_of_its_parts_is_refused(key: str) -> None:
    data = json.loads(VOCABULARY.to_json())
    del data[key]
    with pytest.raises(KeyError, match=key):
        Vocabulary.from_json(json.dumps(data))


# --- chords ---


@pytest.mark.parametrize("chord", ALL_CHORDS, ids=lambda chord: chord.name)
def test_every_chord_is_called_by_one_name(chord: Chord) -> None:
    assert parse_chord(chord.name, tick=480) == replace(chord, tick=480)


def test_the_vocabulary_knows_every_chord() -> None:
    assert sorted(VOCABULARY.chords) == sorted(chord.name for chord in ALL_CHORDS)


@pytest.mark.parametrize("name", ["", "H", "c", "C#", "Cmaj", "Nm", "Dbb", "m7", "N "])
def test_no_other_name_is_a_chord(name: str) -> None:
    with pytest.raises(ValueError, match="no chord"):
        parse_chord(name)


# --- nearest ---


@pytest.mark.parametrize(
    ("value", "index"),
    [(-5, 0), (10, 0), (14.9, 0), (15, 0), (15.1, 1), (20, 1), (30, 1), (30.1, 2), (40, 2), (99, 2)],
)
def test_the_nearest_value_and_the_lower_of_two(value: float, index: int) -> None:
    assert nearest((10, 20, 40), value) == index


@given(st.lists(st.integers(-1000, 1000), min_size=1, max_size=20, unique=True).map(sorted), st.integers(-1100, 1100))
def test_no_value_is_nearer_than_the_nearest(values: list[int], value: int) -> None:
    gaps = [abs(value - other) for other in values]
    assert nearest(values, value) == gaps.index(min(gaps))


# --- transposition ---


@pytest.mark.parametrize("semitones", range(-12, 13))
def test_transposed_chords_are_a_permutation_that_keeps_the_quality(semitones: int) -> None:
    table = VOCABULARY.transposed_ids(semitones)["chord"]
    assert sorted(table) == list(range(VOCABULARY.sizes["chord"]))
    assert table[IGNORE] == IGNORE
    assert table[VOCABULARY.chord_ids["N"]] == VOCABULARY.chord_ids["N"]
    for old, new in enumerate(table[2:], start=2):
        before, after = VOCABULARY.chord_at(0, old), VOCABULARY.chord_at(0, int(new))
        assert before.root is not None
        assert (after.root, after.quality) == ((before.root + semitones) % 12, before.quality)


def test_d_flat_goes_up_a_tone_to_e_flat() -> None:
    table = VOCABULARY.transposed_ids(2)["chord"]
    assert table[VOCABULARY.chord_ids["Dbm7"]] == VOCABULARY.chord_ids["Ebm7"]
    assert table[VOCABULARY.chord_ids["Bsus4"]] == VOCABULARY.chord_ids["Dbsus4"]


@pytest.mark.parametrize("semitones", range(-12, 13))
def test_pitches_move_or_leave_the_range(semitones: int) -> None:
    table = VOCABULARY.transposed_ids(semitones)["pitch"]
    assert table[IGNORE] == IGNORE
    for old in ids(VOCABULARY, "pitch"):
        moved = VOCABULARY.pitches[old - 1] + semitones
        assert table[old] == (VOCABULARY.pitch_id(moved) if 21 <= moved <= 108 else IGNORE)


@pytest.mark.parametrize("semitones", range(1, 7))
def test_up_and_down_again_is_where_it_was(semitones: int) -> None:
    up, down = VOCABULARY.transposed_ids(semitones), VOCABULARY.transposed_ids(-semitones)
    there_and_back = down["pitch"][up["pitch"]]
    stayed = up["pitch"] != IGNORE
    assert np.count_nonzero(stayed) == 88 - semitones
    assert (there_and_back[stayed] == np.arange(89)[stayed]).all()
    assert (there_and_back[~stayed] == IGNORE).all()
    assert (down["chord"][up["chord"]] == np.arange(134)).all()
