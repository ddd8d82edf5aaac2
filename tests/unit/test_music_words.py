"""The second edition of the words: what is written is read back, whatever the meter, the division and the parts."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from composer.errors import NoNotesError, NotMidiError, SettingsError
from composer.music.encoding import decode, encode, quantise, steady_tempo, to_words
from composer.music.grid import TICKS_PER_POSITION, snap
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import TICKS_PER_BEAT, Bar, Chord, Meter, Note, Part, Role, Score, TempoChange, bars_of
from composer.music.words import METERS, Vocabulary, default_vocabulary
from composer.words import IGNORE, USED, Family, Word

VOCABULARY = default_vocabulary()
KNOWN = [*METERS, "2/2", "3/2", "4/8", "8/8"]

meters = st.sampled_from(KNOWN).map(Meter.parse)


@st.composite
def scores(draw: Any) -> Score:
    """Bars of any meters, some cut short, and up to three parts of notes that stand anywhere."""
    bars: list[Bar] = []
    for meter in draw(st.lists(meters, min_size=1, max_size=6)):
        start = bars[-1].end if bars else 0
        length = draw(st.sampled_from([meter.ticks, meter.ticks, min(meter.ticks, 2 * TICKS_PER_BEAT)]))
        bars.append(Bar(start, start + length, meter))
    end = bars[-1].end
    note = st.builds(
        lambda start, pitch, length, velocity: Note(start, pitch, start + length, velocity),
        st.integers(0, end - 1),
        st.integers(0, 127),
        st.integers(1, 4000),
        st.integers(1, 127),
    )
    roles = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1, max_size=3))
    parts = tuple(Part(tuple(sorted(draw(st.lists(note, max_size=12)))), role) for role in roles)
    tempos = {0: 120.0} | draw(st.dictionaries(st.integers(0, end), st.floats(20, 350), max_size=3))
    chords = draw(st.dictionaries(st.integers(0, end), st.integers(0, 11), max_size=3))
    return Score(
        parts,
        tuple(bars),
        tuple(TempoChange(tick, bpm) for tick, bpm in sorted(tempos.items())),
        tuple(Chord(tick, root, "m") for tick, root in sorted(chords.items())),
    )


@settings(deadline=None)
@given(scores())
def test_words_say_the_quantised_score(score: Score) -> None:
    assert decode(encode(score, VOCABULARY), VOCABULARY) == quantise(score, VOCABULARY)


@settings(deadline=None)
@given(scores())
def test_what_was_quantised_stays_as_it_is(score: Score) -> None:
    once = quantise(score, VOCABULARY)
    assert quantise(once, VOCABULARY) == once


@settings(deadline=None)
@given(scores())
def test_words_keep_to_the_grammar(score: Score) -> None:
    words = encode(score, VOCABULARY)
    assert words[0].family == Family.BAR
    assert sum(word.family == Family.BAR for word in words) == len(score.bars)
    for word in words:
        used = {name for name in Word._fields if getattr(word, name) != IGNORE} - {"family"}
        assert used == set(USED[Family(word.family)])
        assert all(0 <= getattr(word, name) < size for name, size in VOCABULARY.sizes.items())
    for one, other in pairwise(words):
        if one.family == other.family == Family.NOTE:
            assert (one.role, -one.pitch) < (other.role, -other.pitch)
        if other.family == Family.METRICAL and one.family == Family.METRICAL:
            assert one.position < other.position


@settings(deadline=None)
@given(scores())
def test_no_note_moves_further_than_half_a_sixteenth(score: Score) -> None:
    onsets = [note.start for part in score.parts for note in part.notes]
    if onsets:
        assert np.abs(snap(onsets, score.bars) - np.array(onsets)).max() <= TICKS_PER_BEAT // 8


# ------------------------------------------------------------------ the grid


def in_four(bars: int) -> tuple[Bar, ...]:
    return bars_of([(0, Meter(4, 4))], bars * 4 * TICKS_PER_BEAT - 1)


@pytest.mark.parametrize(
    "places",
    [(0, 3, 6, 9), (0, 4, 8), (0, 2, 4, 6, 8, 10), (0, 8), (0, 6), (3,), (8,)],
    ids=lambda p: "-".join(map(str, p)),
)
def test_an_exact_division_is_kept(places: tuple[int, ...]) -> None:
    onsets = [beat * TICKS_PER_BEAT + place * TICKS_PER_POSITION for beat in range(32) for place in places]
    assert snap(onsets, in_four(8)).tolist() == onsets


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("places", "ternary"), [((0, 3, 6, 9), False), ((0, 6), False), ((0, 4, 8), True)])
def test_scatter_of_20_ms_changes_no_division(places: tuple[int, ...], ternary: bool, seed: int) -> None:
    """At 120 BPM 20 ms are .48 positions; here as the standard deviation, in 64 beats."""
    rng = np.random.default_rng(seed)
    exact = np.array([beat * 12 + place for beat in range(64) for place in places])
    played = np.clip(np.round((exact + rng.normal(0, 0.48, len(exact))) * TICKS_PER_POSITION), 0, None)
    snapped = snap(played.astype(int).tolist(), in_four(16)) // TICKS_PER_POSITION
    divided = np.isin(snapped % 12, (2, 4, 8, 10))
    assert divided.mean() > 0.5 if ternary else divided.mean() < 0.02
    assert (snapped == exact).mean() > 0.9  # .96 and .999 on average


# ------------------------------------------------------------------ meters and bars


@pytest.mark.parametrize(
    ("name", "beats"),
    [
        ("4/4", [480] * 4),
        ("3/4", [480] * 3),
        ("6/8", [720] * 2),
        ("9/8", [720] * 3),
        ("5/8", [480, 720]),
        ("7/8", [480, 480, 720]),
        ("3/8", [720]),
        ("1/8", [240]),
        ("2/2", [480] * 4),
    ],
)
def test_a_meter_has_its_beats(name: str, beats: list[int]) -> None:
    assert list(Meter.parse(name).beats) == beats


@given(meters)
def test_beats_fill_the_bar(meter: Meter) -> None:
    assert sum(meter.beats) == meter.ticks
    assert Meter.parse(meter.name) == meter


def test_a_change_of_meter_begins_a_bar_and_cuts_the_one_before() -> None:
    bars = bars_of([(0, Meter(1, 4)), (480, Meter(3, 4)), (480 + 2 * 1440 + 960, Meter(2, 4))], 480 + 3 * 1440 + 500)
    assert [(bar.ticks, bar.meter.name) for bar in bars] == [
        (480, "1/4"),
        (1440, "3/4"),
        (1440, "3/4"),
        (960, "3/4"),
        (960, "2/4"),
        (960, "2/4"),
    ]
    lengths = [VOCABULARY.lengths[word.meter - 1] for word in encode(Score((), bars), VOCABULARY) if word.meter]
    assert lengths == [12, 36, 36, 24, 24, 24]


def test_a_bar_that_no_word_says_is_refused() -> None:
    with pytest.raises(SettingsError):
        encode(Score((), bars_of([(0, Meter(11, 16))], 100)), VOCABULARY)


def test_a_note_off_the_piano_is_moved_by_octaves() -> None:
    notes = tuple(Note(0, pitch, 480, 80) for pitch in (3, 120))
    (part,) = quantise(Score((Part(notes),), in_four(1)), VOCABULARY).parts
    assert [(note.pitch - pitch) % 12 for note, pitch in zip(part.notes, (3, 120), strict=True)] == [0, 0]
    assert all(21 <= note.pitch <= 108 for note in part.notes)


def test_one_pitch_may_stand_in_two_roles() -> None:
    parts = tuple(Part((Note(0, 60, 960, 90),), role) for role in (Role.MELODY, Role.ACCOMPANIMENT))
    found = quantise(Score(parts, in_four(1)), VOCABULARY).parts
    assert [(part.role, part.notes[0].end) for part in found] == [(Role.MELODY, 960), (Role.ACCOMPANIMENT, 960)]


def test_chords_are_found_on_the_beats_of_the_meter() -> None:
    bars = bars_of([(0, Meter(6, 8))], 4 * 1440 - 1)
    roots = [(48, 64, 67), (53, 57, 60), (55, 59, 62), (48, 64, 67)]
    notes = [
        Note(bar * 1440 + i * 240, pitch, bar * 1440 + 1440, 80)
        for bar in range(4)
        for i, pitch in enumerate(roots[bar])
    ]
    words = to_words(Score((Part(tuple(sorted(notes))),), bars), VOCABULARY)
    chords = [(chord.tick // 1440, chord.name) for chord in decode(words, VOCABULARY).chords]
    assert chords == [(0, "C"), (1, "F"), (2, "G"), (3, "C")]


def test_a_phrase_has_one_tempo() -> None:
    tempos = tuple(TempoChange(beat * 480, 100 + 20 * (beat % 2)) for beat in range(32))
    steady = steady_tempo(Score((), in_four(8), tempos))
    assert [tempo.tick for tempo in steady.tempos] == [0, 4 * 1920]
    assert steady.seconds_at(8 * 1920) == pytest.approx(Score((), in_four(8), tempos).seconds_at(8 * 1920))


# ------------------------------------------------------------------ the vocabulary, and MIDI


def test_a_vocabulary_is_its_json() -> None:
    assert Vocabulary.from_json(VOCABULARY.to_json()) == VOCABULARY
    assert Vocabulary.from_json(VOCABULARY.to_json()).digest == VOCABULARY.digest


def test_transposed_by_an_octave_chords_stay_and_pitches_move() -> None:
    table = VOCABULARY.transposed_ids(12)
    assert table["chord"].tolist() == list(range(VOCABULARY.sizes["chord"]))
    assert table["pitch"][1] == 13
    assert table["pitch"][-1] == IGNORE


def midi_file() -> bytes:
    named = (("MELODY", 72, False), ("PIANO", 48, False), ("CHORD", 50, False), ("Drums", 36, True))
    parts = tuple(
        Part(
            tuple(Note(beat * 480, pitch, beat * 480 + 480, 80) for beat in range(6)),
            name=name,
            is_drum=is_drum,
            channel=9 if is_drum else 0,
        )
        for name, pitch, is_drum in named
    )
    return dump_midi(Score(parts, bars_of([(0, Meter(3, 4))], 2879)))


def test_tracks_play_the_roles_that_their_names_have() -> None:
    known = {"MELODY": Role.MELODY, "PIANO": Role.ACCOMPANIMENT, "CHORD": None}
    score = parse_midi(midi_file(), lambda names: [known[name] for name in names])
    assert [(part.name, part.role, part.is_drum) for part in score.parts] == [
        ("MELODY", Role.MELODY, False),
        ("PIANO", Role.ACCOMPANIMENT, False),
        ("Drums", Role.UNSAID, True),
    ]
    assert [bar.meter.name for bar in score.bars] == ["3/4", "3/4"]
    assert [note.start for note in score.parts[0].notes] == [beat * 480 for beat in range(6)]


def test_a_file_without_notes_and_one_that_is_none_are_refused() -> None:
    with pytest.raises(NotMidiError):
        parse_midi(b"MThd nothing")
    with pytest.raises(NoNotesError):
        parse_midi(midi_file(), lambda names: [None] * len(names))


def test_an_excerpt_begins_at_its_bar_and_keeps_what_holds() -> None:
    notes = tuple(Note(bar * 1920 - (10 if bar else 0), 60 + bar, bar * 1920 + 900, 80) for bar in range(4))
    score = Score((Part(notes),), in_four(4), (TempoChange(0, 90.0), TempoChange(2500, 100.0)), (Chord(0, 2),))
    excerpt = score.excerpt(2, 4)
    assert [(note.start, note.pitch) for note in excerpt.parts[0].notes] == [(0, 62), (1910, 63)]
    assert excerpt.tempos == (TempoChange(0, 100.0),)
    assert excerpt.chords == (Chord(0, 2),)
    assert [bar.start for bar in excerpt.bars] == [0, 1920]
