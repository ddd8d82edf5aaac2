"""Words: what their ids mean, and that what is written is read back, whatever the meter, the division and the parts."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from itertools import groupby, pairwise

import numpy as np
import pytest
from drawn_scores import grid_scores, meters, scores
from hypothesis import example, given
from hypothesis import strategies as st
from scores import changed

from composer.errors import NoNotesError, NotMidiError, SettingsError
from composer.music.encoding import STEADY_BARS, decode, encode, quantise, steady_tempo, to_words
from composer.music.grid import TICKS_PER_POSITION, snap
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT, Bar, Meter, bars_of
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import (
    CHORD_QUALITIES,
    DEFAULT_BPM,
    PITCH_CLASSES,
    Chord,
    Note,
    Part,
    Role,
    Score,
    TempoChange,
    cut_at_repeats,
)
from composer.music.score import in_four as notes_in_four
from composer.music.words import (
    ATTRIBUTES,
    FAMILY_OF,
    IGNORE,
    METERS,
    USED,
    Family,
    Vocabulary,
    Word,
    default_vocabulary,
    nearest,
    parse_chord,
)

VOCABULARY = default_vocabulary()
SMALL = Vocabulary(
    meters=("4/4", "6/8", "3/4", "1/4"),
    pitches=tuple(range(36, 97)),
    velocities=(20, 50, 90, 127),
    durations=(1, 2, 3, 4, 6, 8, 12, 18, 24, 48),
    chords=("N", *(root + quality for quality in ("m", "7") for root in PITCH_CLASSES)),
    tempos=(60.0, 72.5, 90.0, 120.0, 180.0),
    roles=len(Role),
)
VOCABULARIES = pytest.mark.parametrize("vocabulary", [VOCABULARY, SMALL], ids=["default", "small"])
ALL_CHORDS = [Chord(0, None), *(Chord(0, root, quality) for root in range(12) for quality in CHORD_QUALITIES)]
SIXTEENTH = TICKS_PER_BEAT // 4


EMPTY_BARS = notes_in_four(  # at the beginning, in the middle and at the end
    notes=(Note(TICKS_PER_BAR, 60, TICKS_PER_BAR + 480, 64), Note(3 * TICKS_PER_BAR, 60, 3 * TICKS_PER_BAR + 120, 64)),
    tempos=(TempoChange(0, VOCABULARY.tempos[30]),),
    chords=(Chord(0, None),),
    end=6 * TICKS_PER_BAR,
)


# ------------------------------------------------------------------ there and back


@given(grid_scores())
@example(EMPTY_BARS)
def test_on_the_grid_nothing_is_lost(score: Score) -> None:
    assert decode(encode(score, VOCABULARY), VOCABULARY) == score


@given(grid_scores(SMALL))
def test_in_another_vocabulary_nothing_is_lost_either(score: Score) -> None:
    assert decode(encode(score, SMALL), SMALL) == score


@VOCABULARIES
@given(data=st.data())
def test_words_say_the_quantised_score(vocabulary: Vocabulary, data: st.DataObject) -> None:
    score = data.draw(scores(vocabulary))
    assert decode(encode(score, vocabulary), vocabulary) == quantise(score, vocabulary)


@VOCABULARIES
@given(data=st.data())
def test_what_was_quantised_stays_as_it_is(vocabulary: Vocabulary, data: st.DataObject) -> None:
    once = quantise(data.draw(scores(vocabulary)), vocabulary)
    assert quantise(once, vocabulary) == once


def grammar_fault(words: Sequence[Word], vocabulary: Vocabulary) -> str | None:
    """What is wrong with the words, in words; None where nothing is."""
    if not words or words[0].family != Family.BAR:
        return "the first word is no bar"
    length, last_position, last_note = 0, 0, (0, 0)
    for at, word in enumerate(words):
        family = Family(word.family)
        for name in ATTRIBUTES[1:]:
            value = getattr(word, name)
            if name in USED[family] and not 1 <= value < vocabulary.sizes[name]:
                return f"word {at}: {name} {value} is out of range"
            if name not in USED[family] and value != IGNORE:
                return f"word {at}: {name} belongs to no {family.name} word"
        if family is Family.BAR:
            length, last_position = vocabulary.lengths[word.meter - 1], 0
        elif family is Family.METRICAL:
            if word.position <= last_position:
                return f"word {at}: the position does not rise"
            if word.position > length:
                return f"word {at}: the position lies behind its bar"
            last_position, last_note = word.position, (0, 0)
        elif family is Family.NOTE:
            if last_position == 0:
                return f"word {at}: no position comes before the note"
            if (word.role, -word.pitch) <= last_note:
                return f"word {at}: the role does not rise, nor does the pitch fall in it"
            last_note = word.role, -word.pitch
        else:
            return f"word {at}: {family.name} does not belong into a piece"
    return None


@VOCABULARIES
@given(data=st.data())
def test_words_keep_to_the_grammar(vocabulary: Vocabulary, data: st.DataObject) -> None:
    score = data.draw(scores(vocabulary))
    words = encode(score, vocabulary)
    assert grammar_fault(words, vocabulary) is None
    assert sum(word.family == Family.BAR for word in words) == len(score.bars)


BAR = Word(Family.BAR, meter=METERS.index("3/4") + 1)
PLACE = Word(Family.METRICAL, position=2, chord=1, tempo=1)
HIGH, LOW = (Word(Family.NOTE, pitch=pitch, velocity=1, duration=1, role=2) for pitch in (9, 8))


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([PLACE], "first word"),
        ([BAR, PLACE, PLACE], "rise"),
        ([BAR, PLACE._replace(position=37)], "behind its bar"),
        ([BAR, HIGH], "no position"),
        ([BAR, PLACE, HIGH, BAR, LOW], "no position"),
        ([BAR, PLACE, LOW, HIGH], "fall"),
        ([BAR, PLACE, HIGH, LOW._replace(role=1)], "rise"),
        ([BAR, PLACE._replace(tempo=0)], "tempo 0"),
        ([BAR, PLACE, HIGH._replace(role=0)], "role 0"),
        ([BAR._replace(meter=0)], "meter 0"),
        ([BAR._replace(position=1)], "belongs to no BAR"),
        ([BAR, Word(Family.END)], "END does not belong"),
    ],
)
def test_the_checker_sees_faults(words: list[Word], fault: str) -> None:
    assert fault in str(grammar_fault(words, VOCABULARY))
    assert grammar_fault([BAR, PLACE, HIGH, LOW, HIGH._replace(role=3), BAR], VOCABULARY) is None


def test_a_bar_word_for_word() -> None:
    parts = (
        Part((Note(0, 64, 480, 80), Note(600, 67, 720, 40)), Role.MELODY),
        Part((Note(0, 48, 1440, 80), Note(0, 72, 160, 80)), Role.ACCOMPANIMENT),
    )
    score = Score(
        parts,
        bars_of([(0, Meter(3, 4)), (1440, Meter(6, 8))], 2 * 1440 - 1),
        (TempoChange(0, VOCABULARY.tempos[9]), TempoChange(960, VOCABULARY.tempos[10])),
        (parse_chord("C"),),
    )
    c, loud, soft = VOCABULARY.chord_ids["C"], (80 - 8) // 4, (40 - 8) // 4
    durations = {positions: number for number, positions in enumerate(VOCABULARY.durations, start=1)}
    assert encode(score, VOCABULARY) == [
        Word(Family.BAR, meter=METERS.index("3/4") + 1),
        Word(Family.METRICAL, position=1, chord=c, tempo=10),
        Word(Family.NOTE, pitch=64 - 20, velocity=loud, duration=durations[12], role=Role.MELODY + 1),
        Word(Family.NOTE, pitch=72 - 20, velocity=loud, duration=durations[4], role=Role.ACCOMPANIMENT + 1),
        Word(Family.NOTE, pitch=48 - 20, velocity=loud, duration=durations[36], role=Role.ACCOMPANIMENT + 1),
        Word(Family.METRICAL, position=16, chord=c, tempo=10),
        Word(Family.NOTE, pitch=67 - 20, velocity=soft, duration=durations[3], role=Role.MELODY + 1),
        Word(Family.METRICAL, position=25, chord=c, tempo=11),
        Word(Family.BAR, meter=METERS.index("6/8") + 1),
    ]


# ------------------------------------------------------------------ what quantise does


def one(*notes: Note, vocabulary: Vocabulary = VOCABULARY, end: int = TICKS_PER_BAR) -> tuple[Note, ...]:
    return quantise(notes_in_four(tuple(sorted(notes)), end=end), vocabulary).notes


@given(scores())
def test_every_note_is_found_near_where_it_was_played_and_no_other(score: Score) -> None:
    """In its role, at its pitch or octaves off, no more than half a sixteenth away; some fall behind the last bar."""
    played = [(part.role, note) for part in score.parts for note in part.notes]
    found = [(part.role, note) for part in quantise(score, VOCABULARY).parts for note in part.notes]

    def is_same(one: tuple[Role, Note], other: tuple[Role, Note]) -> bool:
        near = abs(one[1].start - other[1].start) <= SIXTEENTH // 2
        return near and one[0] is other[0] and (one[1].pitch - other[1].pitch) % 12 == 0

    for note in played:
        assert note[1].start >= score.end - SIXTEENTH // 2 or any(is_same(note, other) for other in found)
    for other in found:
        assert any(is_same(note, other) for note in played)


@given(scores())
def test_no_pitch_of_a_role_sounds_twice_at_a_time(score: Score) -> None:
    for part in quantise(score, VOCABULARY).parts:
        by_pitch = sorted(part.notes, key=lambda note: (note.pitch, note.start))
        for _, notes in groupby(by_pitch, lambda note: note.pitch):
            assert all(earlier.start < earlier.end <= later.start for earlier, later in pairwise(notes))
        assert all(note.start < note.end for note in part.notes)


def test_early_and_late_notes_go_to_their_line() -> None:
    assert one(Note(475, 60, 955, 64), Note(967, 62, 1447, 64)) == (Note(480, 60, 960, 64), Note(960, 62, 1440, 64))


def test_unisons_merge_and_the_louder_and_the_longer_wins() -> None:
    assert one(Note(0, 60, 240, 100), Note(10, 60, 970, 40)) == (Note(0, 60, 960, 100),)


def test_a_note_ends_where_its_pitch_starts_again() -> None:
    assert one(Note(0, 60, 960, 64), Note(480, 60, 600, 64)) == (Note(0, 60, 480, 64), Note(480, 60, 600, 64))


def test_lengths_stay_between_a_position_and_three_bars() -> None:
    assert one(Note(0, 60, 3, 64), Note(0, 62, 9 * TICKS_PER_BAR, 64)) == (
        Note(0, 60, TICKS_PER_POSITION, 64),
        Note(0, 62, 3 * TICKS_PER_BAR, 64),
    )


def test_a_cut_note_takes_a_duration_that_the_vocabulary_has() -> None:
    notes = (Note(0, 60, 48 * 40, 50), Note(10 * 40, 60, 12 * 40, 50), Note(4 * 40, 62, 6 * 40, 50))
    first, *_ = one(*notes, vocabulary=SMALL)
    assert first.end == 8 * 40  # 9 and 10 positions are none


def test_a_note_just_before_the_last_bar_line_stands_behind_the_last_bar_and_is_left_out() -> None:
    early = Note(TICKS_PER_BAR - 10, 60, TICKS_PER_BAR + 90, 64)
    assert one(Note(0, 62, 480, 64), early) == (Note(0, 62, 480, 64),)
    assert [n.start for n in one(Note(0, 62, 480, 64), early, end=2 * TICKS_PER_BAR)] == [0, TICKS_PER_BAR]


def test_silence_is_a_bar_of_default_tempo_without_a_chord() -> None:
    silence = quantise(notes_in_four((), tempos=()), VOCABULARY)
    assert len(silence.bars) == 1
    assert silence.parts == ()
    assert silence.tempos == (TempoChange(0, VOCABULARY.tempos[VOCABULARY.tempo_id(DEFAULT_BPM) - 1]),)
    assert silence.chords == (Chord(0, None),)


def test_changes_that_change_nothing_are_left_out() -> None:
    score = replace(
        EMPTY_BARS,
        tempos=(TempoChange(5, 100.0), TempoChange(480, 100.4), TempoChange(958, 80.0), TempoChange(961, 150.0)),
        chords=(parse_chord("C", 3), parse_chord("C", 960), parse_chord("G", 1920), parse_chord("F", 99 * 1920)),
    )
    quantised = quantise(score, VOCABULARY)
    assert [change.tick for change in quantised.tempos] == [0, 960]
    assert [change.bpm for change in quantised.tempos] == pytest.approx([100, 150], rel=0.021)
    assert [(chord.tick, chord.name) for chord in quantised.chords] == [(0, "C"), (1920, "G")]


@given(st.floats(24, 300))
def test_a_tempo_moves_by_two_percent_at_most(bpm: float) -> None:
    (tempo,) = quantise(replace(EMPTY_BARS, tempos=(TempoChange(0, bpm),)), VOCABULARY).tempos
    assert tempo.bpm == pytest.approx(bpm, rel=0.0215)


def test_drums_have_no_words() -> None:
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    with_drums = replace(EMPTY_BARS, parts=(drums, *EMPTY_BARS.parts))
    assert encode(with_drums, VOCABULARY) == encode(EMPTY_BARS, VOCABULARY)


# ------------------------------------------------------------------ cut_at_repeats


def test_cut_at_repeats() -> None:
    held, again, other = Note(0, 60, 900, 64), Note(500, 60, 700, 80), Note(0, 64, 900, 64)
    assert cut_at_repeats([again, other, held]) == (Note(0, 60, 500, 64), other, again)


def test_a_note_that_ends_before_its_pitch_comes_again_is_not_cut() -> None:
    notes = (Note(0, 60, 500, 64), Note(500, 60, 700, 80), Note(900, 60, 901, 1))
    assert cut_at_repeats(notes) == notes


def test_of_notes_struck_together_the_longest_stays() -> None:
    assert cut_at_repeats([Note(0, 60, 900, 64), Note(0, 60, 240, 80)]) == (Note(0, 60, 900, 64),)


@given(scores())
def test_after_the_cut_every_note_sounds_and_none_over_another(score: Score) -> None:
    cut = cut_at_repeats(score.notes)
    assert list(cut) == sorted(cut)
    assert {(n.start, n.pitch) for n in cut} == {(n.start, n.pitch) for n in score.notes}
    by_pitch = sorted(cut, key=lambda n: (n.pitch, n.start))
    assert all(note.start < note.end for note in cut)
    assert all(a.pitch != b.pitch or a.end <= b.start for a, b in pairwise(by_pitch))


# ------------------------------------------------------------------ steady tempo


@given(
    st.integers(1, 3),
    st.sampled_from([Meter(4, 4), Meter(3, 4), Meter(7, 8)]),
    st.lists(st.tuples(st.integers(0, 12 * TICKS_PER_BAR), st.floats(10, 400)), max_size=20),
)
def test_a_steady_tempo_takes_as_long_as_the_played_one(
    phrases: int, meter: Meter, played: list[tuple[int, float]]
) -> None:
    span = STEADY_BARS * meter.ticks
    tempos = tuple(TempoChange(*tempo) for tempo in sorted(played))
    score = Score((), bars_of([(0, meter)], phrases * span - 1), tempos)
    steady = steady_tempo(score)
    assert [change.tick for change in steady.tempos] == [phrase * span for phrase in range(phrases)]
    for bar_line in range(0, score.end + 1, span):
        assert steady.seconds_at(bar_line) == pytest.approx(score.seconds_at(bar_line), rel=1e-9)


def test_a_steady_tempo_leaves_the_rest_alone() -> None:
    score = replace(EMPTY_BARS, tempos=(TempoChange(0, 60.0), TempoChange(2 * TICKS_PER_BAR, 120.0)))
    steady = steady_tempo(score)
    # Two bars of 8 s and 4 s each, twice: 24 s for 16 beats; then two bars that go on at 120.
    assert [change.bpm for change in steady.tempos] == pytest.approx([16 * 60 / (2 * 4 + 2 * 2), 120.0])
    assert replace(steady, tempos=score.tempos) == score


def test_a_drawn_tempo_becomes_one_word_a_phrase() -> None:
    wavering = tuple(TempoChange(beat * TICKS_PER_BEAT, 95.0 + 10 * (beat % 2)) for beat in range(32))
    words = to_words(changed(replace(EMPTY_BARS, tempos=wavering), end=8 * TICKS_PER_BAR), VOCABULARY)
    assert {word.tempo for word in words if word.family == Family.METRICAL} == {VOCABULARY.tempo_id(99.75)}


# ------------------------------------------------------------------ onsets on their lines


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


# ------------------------------------------------------------------ the vocabulary


def ids(vocabulary: Vocabulary, attribute: str) -> list[int]:
    return list(range(1, vocabulary.sizes[attribute]))


def test_sizes_follow_the_order_of_attributes() -> None:
    assert VOCABULARY.sizes == {
        "family": 5,
        "position": 97,  # 4/2 is the longest bar
        "pitch": 89,
        "velocity": 30,
        "duration": 43,
        "chord": 134,
        "tempo": 67,
        "meter": 16,
        "role": 6,
    }
    assert tuple(VOCABULARY.sizes) == ATTRIBUTES
    assert Word._fields == ATTRIBUTES


def test_every_attribute_but_the_family_belongs_to_one_family() -> None:
    assert set(FAMILY_OF) == set(ATTRIBUTES) - {"family"}
    assert FAMILY_OF["chord"] is Family.METRICAL
    assert FAMILY_OF["duration"] is Family.NOTE
    assert FAMILY_OF["meter"] is Family.BAR


def test_positions_are_twelfths_of_a_quarter_and_the_pitches_a_piano() -> None:
    assert TICKS_PER_POSITION == TICKS_PER_BEAT // 12
    assert VOCABULARY.positions_per_whole == 48
    assert (VOCABULARY.pitches[0], VOCABULARY.pitches[-1]) == (21, 108)


def test_tempi_are_four_percent_apart() -> None:
    steps = np.array(VOCABULARY.tempos[1:]) / np.array(VOCABULARY.tempos[:-1])
    assert steps == pytest.approx(1.04, abs=0.003)  # they are rounded to tenths


@VOCABULARIES
def test_ids_count_the_values_from_one(vocabulary: Vocabulary) -> None:
    assert [vocabulary.pitch_id(pitch) for pitch in vocabulary.pitches] == ids(vocabulary, "pitch")
    assert [vocabulary.velocity_id(velocity) for velocity in vocabulary.velocities] == ids(vocabulary, "velocity")
    assert [vocabulary.duration_id(duration) for duration in vocabulary.durations] == ids(vocabulary, "duration")
    assert [vocabulary.tempo_id(bpm) for bpm in vocabulary.tempos] == ids(vocabulary, "tempo")
    assert [vocabulary.chord_ids[name] for name in vocabulary.chords] == ids(vocabulary, "chord")
    assert [vocabulary.chord_at(7, i).name for i in ids(vocabulary, "chord")] == list(vocabulary.chords)
    assert vocabulary.chord_at(7, 1).tick == 7
    known = [Meter.parse(name) for name in vocabulary.meters]
    assert [vocabulary.meter_id(meter, meter.ticks) for meter in known] == ids(vocabulary, "meter")
    assert [vocabulary.bar_lengths[i] for i in ids(vocabulary, "meter")] == list(vocabulary.lengths)
    assert [role + 1 for role in Role] == ids(vocabulary, "role")


@pytest.mark.parametrize(
    ("name", "ticks", "written"),
    [
        ("2/2", 1920, "4/4"),
        ("3/2", 2880, "6/4"),
        ("4/8", 960, "2/4"),
        ("8/8", 1920, "4/4"),
        ("4/4", 480, "1/4"),  # a pickup
        ("4/4", 1440, "3/4"),
        ("6/8", 1440, "6/8"),
        ("12/8", 2880, "12/8"),
        ("6/4", 2880, "6/4"),
        ("11/16", 1320, None),
        ("3/4", 1430, None),
        ("4/4", 0, None),
    ],
)
def test_a_bar_is_written_in_its_meter_or_in_one_as_long(name: str, ticks: int, written: str | None) -> None:
    found = VOCABULARY.meter_id(Meter.parse(name), ticks)
    assert (None if found is None else VOCABULARY.meters[found - 1]) == written


def test_the_beats_of_a_meter_are_counted_in_positions() -> None:
    beats = {name: VOCABULARY.beats(number) for number, name in enumerate(VOCABULARY.meters, start=1)}
    assert beats["4/4"] == (0, 12, 24, 36)
    assert beats["3/4"] == (0, 12, 24)
    assert beats["6/8"] == (0, 18)
    assert beats["7/8"] == (0, 12, 24)
    assert beats["1/8"] == (0,)


# --- as data ---


@VOCABULARIES
def test_a_vocabulary_is_its_json(vocabulary: Vocabulary) -> None:
    again = Vocabulary.from_json(vocabulary.to_json())
    assert again == vocabulary
    assert again.digest == vocabulary.digest


def test_the_digest_does_not_depend_on_how_the_json_is_laid_out() -> None:
    data = json.loads(VOCABULARY.to_json())
    reordered = json.dumps(dict(reversed(list(data.items()))), indent=2)
    assert Vocabulary.from_json(reordered).digest == VOCABULARY.digest


OTHERS = [
    replace(VOCABULARY, meters=VOCABULARY.meters[1:]),
    replace(VOCABULARY, pitches=VOCABULARY.pitches[1:]),
    replace(VOCABULARY, velocities=(*VOCABULARY.velocities[:-1], 127)),
    replace(VOCABULARY, durations=VOCABULARY.durations[:-1]),
    replace(VOCABULARY, chords=(*VOCABULARY.chords[1:], "N")),
    replace(VOCABULARY, tempos=(23.9, *VOCABULARY.tempos[1:])),
    replace(VOCABULARY, roles=3),
]


def test_the_digest_changes_with_any_value() -> None:
    assert len(OTHERS) == len(fields(Vocabulary))
    assert len({VOCABULARY.digest, *(other.digest for other in OTHERS)}) == len(OTHERS) + 1


BAD = {
    "no meters": {"meters": ()},
    "a meter that is no whole number of positions": {"meters": ("4/4", "3/64")},
    "a meter that is none": {"meters": ("4/4", "waltz")},
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
    "more values than a byte holds": {"durations": tuple(range(1, 300))},
    "a chord that nobody knows": {"chords": ("N", "C", "Cb9")},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_bad_vocabulary_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"positions|rise|gaps|begin with 1|chord|byte|values to unpack"):
        replace(VOCABULARY, **change)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "3", '{"positions_per_quarter": "many"}'])
def test_json_that_is_no_vocabulary_is_refused(text: str) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Vocabulary.from_json(text)


@pytest.mark.parametrize("key", json.loads(VOCABULARY.to_json()))
def test_json_without_one_of_its_parts_is_refused(key: str) -> None:
    data = json.loads(VOCABULARY.to_json())
    del data[key]
    with pytest.raises(KeyError, match=key):
        Vocabulary.from_json(json.dumps(data))


def test_json_of_another_grid_is_refused() -> None:
    data = json.loads(VOCABULARY.to_json()) | {"positions_per_quarter": 4}
    with pytest.raises(ValueError, match="12 positions"):
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


# ------------------------------------------------------------------ MIDI, and parts of a score


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
