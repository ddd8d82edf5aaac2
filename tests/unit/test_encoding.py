"""Words and back: nothing is lost on the grid, and off it no more than quantise says."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby, pairwise
from typing import TypeVar

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scores import changed, pedal

from composer.encoding import (
    CONTINUATION,
    PEDAL_TICKS,
    PIANO,
    STEADY_BARS,
    RemiToken,
    decode,
    encode,
    from_remi,
    join,
    quantise,
    remi_vocabulary_size,
    steady_tempo,
    to_remi,
    to_words,
)
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import (
    BEND,
    CHORD_QUALITIES,
    CONTROLLER,
    DEFAULT_BPM,
    NO_BEND,
    PROGRAM,
    TICKS_PER_BAR,
    TICKS_PER_BEAT,
    Chord,
    Control,
    Note,
    Part,
    Score,
    TempoChange,
    cut_at_repeats,
    in_four,
)
from composer.words import ATTRIBUTES, BAR, END, USED, Family, Vocabulary, Word, default_vocabulary, parse_chord

DEFAULT = default_vocabulary()
FINER = Vocabulary(  # straight sixteenths do not fit on it, eighths and their triplets do
    positions=24,
    pitches=tuple(range(36, 97)),
    velocities=(20, 50, 90, 127),
    durations=(1, 2, 3, 4, 6, 8, 12, 18, 24, 48),
    chords=("F", "C", "N", "Am", "G7"),
    tempos=(60.0, 72.5, 90.0, 120.0, 180.0),
)
VOCABULARIES = pytest.mark.parametrize("vocabulary", [DEFAULT, FINER], ids=["default", "finer"])
Value = TypeVar("Value", str, float)
SIXTEENTH = TICKS_PER_BEAT // 4
MOST_BARS = 6


# ------------------------------------------------------------------ what is drawn


@st.composite
def grid_scores(draw: st.DrawFn, vocabulary: Vocabulary = DEFAULT, bars: int | None = None) -> Score:
    """A score that the vocabulary can say exactly, some of its bars silent."""
    bars = bars or draw(st.integers(1, MOST_BARS))
    positions, step = bars * vocabulary.positions, vocabulary.ticks_per_position
    silent = draw(st.sets(st.integers(0, bars - 1), max_size=2))
    few = st.sampled_from(vocabulary.pitches[24:27])  # so that a pitch comes again soon
    struck = draw(
        st.lists(
            st.tuples(
                st.integers(0, positions - 1),
                few | st.sampled_from(vocabulary.pitches),
                st.sampled_from(vocabulary.durations),
                st.sampled_from(vocabulary.velocities),
            ),
            max_size=24,
            unique_by=lambda drawn: drawn[:2],
        )
    )
    sounding = sorted(note for note in struck if note[0] // vocabulary.positions not in silent)
    notes = []
    for position, pitch, duration, velocity in sounding:
        room = min([other[0] - position for other in sounding if other[1] == pitch and other[0] > position] or [9999])
        length = max(d for d in vocabulary.durations if d <= min(duration, room))
        notes.append(Note(position * step, pitch, (position + length) * step, velocity))
    tempos = draw(changes(vocabulary.tempos, positions))
    chords = draw(changes(vocabulary.chords, positions))
    return in_four(
        tuple(sorted(notes)),
        tempos=tuple(TempoChange(position * step, bpm) for position, bpm in tempos),
        chords=tuple(parse_chord(name, position * step) for position, name in chords),
        end=bars * TICKS_PER_BAR,
    )


@st.composite
def changes(draw: st.DrawFn, values: Sequence[Value], positions: int) -> list[tuple[int, Value]]:
    """(position, value): one at 0, no two alike in a row."""
    drawn = draw(st.dictionaries(st.integers(1, positions - 1), st.sampled_from(values), max_size=4))
    drawn[0] = draw(st.sampled_from(values))
    return [next(same) for _, same in groupby(sorted(drawn.items()), key=lambda change: change[1])]


@st.composite
def any_scores(draw: st.DrawFn, vocabulary: Vocabulary = DEFAULT) -> Score:
    """Played music: microtiming, unisons, overlaps, any tempo anywhere, an end that may be no bar line."""
    ticks = st.integers(0, MOST_BARS * TICKS_PER_BAR)
    pitches = st.integers(vocabulary.pitches[0], vocabulary.pitches[-1]) | st.sampled_from(vocabulary.pitches[24:26])
    lengths = st.integers(1, 200) | st.integers(1, 9000)
    struck = draw(st.lists(st.tuples(ticks, pitches, lengths, st.integers(1, 127)), max_size=24))
    tempos = draw(st.lists(st.tuples(ticks, st.floats(10, 400)), max_size=6))
    chords = draw(st.lists(st.tuples(ticks, st.sampled_from(vocabulary.chords)), max_size=6))
    return in_four(
        notes=tuple(sorted(Note(start, pitch, start + length, velocity) for start, pitch, length, velocity in struck)),
        tempos=tuple(TempoChange(*tempo) for tempo in sorted(tempos)),
        chords=tuple(parse_chord(name, tick) for tick, name in sorted(chords)),
        end=draw(st.integers(0, (MOST_BARS + 2) * TICKS_PER_BAR)),
    )


def grammar_fault(words: Sequence[Word], vocabulary: Vocabulary) -> str | None:
    """What is wrong with the words, in words; None where nothing is."""
    if not words or words[0] != BAR:
        return "the first word is no bar"
    last_position, last_pitch = 0, 0
    for at, word in enumerate(words):
        family = Family(word.family)
        for name in ATTRIBUTES[1:]:
            value = getattr(word, name)
            used = name in USED[family] and name in vocabulary.sizes
            if used and not 1 <= value < vocabulary.sizes[name]:
                return f"word {at}: {name} {value} is out of range"
            if not used and value != 0:
                return f"word {at}: {name} belongs to no {family.name} word"
        if family is Family.BAR:
            last_position, last_pitch = 0, 0
        elif family is Family.METRICAL:
            if word.position <= last_position:
                return f"word {at}: the position does not rise"
            last_position, last_pitch = word.position, vocabulary.sizes["pitch"]
        elif family is Family.NOTE:
            if word.pitch >= last_pitch:
                return f"word {at}: the pitch does not fall, or no position comes first"
            last_pitch = word.pitch
        else:
            return f"word {at}: {family.name} does not belong into a piece"
    return None


EMPTY_BARS = in_four(  # at the beginning, in the middle and at the end
    notes=(Note(TICKS_PER_BAR, 60, TICKS_PER_BAR + 480, 64), Note(3 * TICKS_PER_BAR, 60, 3 * TICKS_PER_BAR + 120, 64)),
    tempos=(TempoChange(0, DEFAULT.tempos[30]),),
    chords=(Chord(0, None),),
    end=6 * TICKS_PER_BAR,
)


# ------------------------------------------------------------------ there and back


@given(grid_scores())
@example(EMPTY_BARS)
@settings(max_examples=200)
def test_on_the_grid_nothing_is_lost(score: Score) -> None:
    assert decode(encode(score, DEFAULT), DEFAULT) == score


@given(grid_scores(FINER))
def test_on_another_grid_nothing_is_lost_either(score: Score) -> None:
    assert decode(encode(score, FINER), FINER) == score


@given(any_scores())
@settings(max_examples=200)
def test_of_any_music_what_quantise_keeps_comes_back(score: Score) -> None:
    assert decode(encode(score, DEFAULT), DEFAULT) == quantise(score, DEFAULT)


@given(any_scores(FINER))
def test_of_any_music_another_grid_keeps_what_its_quantise_keeps(score: Score) -> None:
    assert decode(encode(score, FINER), FINER) == quantise(score, FINER)


@VOCABULARIES
@given(data=st.data())
def test_what_is_quantised_stays(vocabulary: Vocabulary, data: st.DataObject) -> None:
    once = quantise(data.draw(any_scores(vocabulary)), vocabulary)
    assert quantise(once, vocabulary) == once


@VOCABULARIES
@given(data=st.data())
def test_words_follow_the_grammar(vocabulary: Vocabulary, data: st.DataObject) -> None:
    score = data.draw(any_scores(vocabulary))
    words = encode(score, vocabulary)
    assert grammar_fault(words, vocabulary) is None
    assert words.count(BAR) == len(quantise(score, vocabulary).bars)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        ([Word(Family.METRICAL, 1, chord=1, tempo=1)], "first word"),
        ([BAR, Word(Family.METRICAL, 2, chord=1, tempo=1), Word(Family.METRICAL, 2, chord=1, tempo=1)], "rise"),
        ([BAR, Word(Family.NOTE, pitch=9, velocity=1, duration=1)], "fall"),
        ([BAR, Word(Family.METRICAL, 1, chord=1)], "tempo 0"),
        ([BAR, Word(Family.BAR, position=1)], "belongs to no BAR"),
    ],
)
def test_the_checker_sees_faults(words: list[Word], fault: str) -> None:
    assert fault in str(grammar_fault(words, DEFAULT))


def test_a_bar_word_for_word() -> None:
    score = in_four(
        notes=(Note(0, 48, 1920, 80), Note(0, 64, 480, 80), Note(600, 67, 720, 40)),
        tempos=(TempoChange(0, DEFAULT.tempos[9]), TempoChange(960, DEFAULT.tempos[10])),
        chords=(parse_chord("C"),),
        end=2 * TICKS_PER_BAR,
    )
    c = DEFAULT.chord_ids["C"]
    assert encode(score, DEFAULT) == [
        BAR,
        Word(Family.METRICAL, position=1, chord=c, tempo=10),
        Word(Family.NOTE, pitch=64 - 20, velocity=(80 - 8) // 4, duration=4),
        Word(Family.NOTE, pitch=48 - 20, velocity=(80 - 8) // 4, duration=16),
        Word(Family.METRICAL, position=6, chord=c, tempo=10),
        Word(Family.NOTE, pitch=67 - 20, velocity=(40 - 8) // 4, duration=1),
        Word(Family.METRICAL, position=9, chord=c, tempo=11),
        BAR,
    ]


def test_triplets_need_a_grid_that_has_them() -> None:
    onsets = (0, 160, 320, 480)
    score = in_four(tuple(Note(tick, 60, tick + 160, 90) for tick in onsets), end=TICKS_PER_BAR)
    assert [note.start for note in decode(encode(score, FINER), FINER).notes] == list(onsets)
    assert [note.start for note in decode(encode(score, DEFAULT), DEFAULT).notes] == [0, 120, 360, 480]


# ------------------------------------------------------------------ what quantise does


def one(*notes: Note, end: int = TICKS_PER_BAR) -> tuple[Note, ...]:
    return quantise(in_four(tuple(sorted(notes)), end=end), DEFAULT).notes


@given(any_scores())
def test_no_onset_moves_by_more_than_half_a_position(score: Score) -> None:
    quantised = quantise(score, DEFAULT)
    for note in score.notes:
        assert any(abs(q.start - note.start) <= SIXTEENTH // 2 and q.pitch == note.pitch for q in quantised.notes)
    for q in quantised.notes:
        assert any(abs(q.start - note.start) <= SIXTEENTH // 2 and q.pitch == note.pitch for note in score.notes)


@given(any_scores())
def test_no_pitch_sounds_twice_at_a_time(score: Score) -> None:
    for _, notes in groupby(
        sorted(quantise(score, DEFAULT).notes, key=lambda n: (n.pitch, n.start)), lambda n: n.pitch
    ):
        assert all(earlier.start < earlier.end <= later.start for earlier, later in pairwise(notes))


def test_early_and_late_notes_go_to_their_line() -> None:
    assert one(Note(475, 60, 960, 64), Note(967, 62, 1440, 64)) == (Note(480, 60, 960, 64), Note(960, 62, 1440, 64))


def test_unisons_merge_and_the_louder_and_the_longer_wins() -> None:
    assert one(Note(0, 60, 240, 100), Note(10, 60, 960, 40)) == (Note(0, 60, 960, 100),)


def test_a_note_ends_where_its_pitch_starts_again() -> None:
    assert one(Note(0, 60, 960, 64), Note(480, 60, 600, 64)) == (Note(0, 60, 480, 64), Note(480, 60, 600, 64))


def test_lengths_stay_between_a_position_and_two_bars() -> None:
    assert one(Note(0, 60, 3, 64), Note(0, 62, 9 * TICKS_PER_BAR, 64)) == (
        Note(0, 60, SIXTEENTH, 64),
        Note(0, 62, 2 * TICKS_PER_BAR, 64),
    )


def test_a_cut_note_takes_a_duration_that_the_vocabulary_has() -> None:
    step = FINER.ticks_per_position
    score = in_four((Note(0, 60, 48 * step, 50), Note(11 * step, 60, 12 * step, 50)), end=TICKS_PER_BAR)
    assert quantise(score, FINER).notes[0].end == 8 * step  # 9, 10 and 11 positions are none


def test_a_note_just_before_the_last_bar_line_opens_a_bar() -> None:
    early = in_four((Note(TICKS_PER_BAR - 10, 60, TICKS_PER_BAR + 90, 64),), end=TICKS_PER_BAR)
    assert len(quantise(early, DEFAULT).bars) == 2


def test_silence_is_a_bar_of_default_tempo_without_a_chord() -> None:
    silence = quantise(in_four((), tempos=()), DEFAULT)
    assert len(silence.bars) == 1
    assert silence.tempos == (TempoChange(0, DEFAULT.tempos[DEFAULT.tempo_id(DEFAULT_BPM) - 1]),)
    assert silence.chords == (Chord(0, None),)


def test_changes_that_change_nothing_are_left_out() -> None:
    score = replace(
        EMPTY_BARS,
        tempos=(TempoChange(5, 100.0), TempoChange(480, 100.4), TempoChange(958, 80.0), TempoChange(961, 150.0)),
        chords=(parse_chord("C", 3), parse_chord("C", 960), parse_chord("G", 1920), parse_chord("F", 99 * 1920)),
    )
    quantised = quantise(score, DEFAULT)
    assert [change.tick for change in quantised.tempos] == [0, 960]
    assert [change.bpm for change in quantised.tempos] == pytest.approx([100, 150], rel=0.02)
    assert [(chord.tick, chord.name) for chord in quantised.chords] == [(0, "C"), (1920, "G")]


@given(st.floats(32, 236))
def test_a_tempo_moves_by_two_percent_at_most(bpm: float) -> None:
    (tempo,) = quantise(replace(EMPTY_BARS, tempos=(TempoChange(0, bpm),)), DEFAULT).tempos
    assert tempo.bpm == pytest.approx(bpm, rel=0.0215)


# ------------------------------------------------------------------ cut_at_repeats


def test_cut_at_repeats() -> None:
    held, again, other = Note(0, 60, 900, 64), Note(500, 60, 700, 80), Note(0, 64, 900, 64)
    assert cut_at_repeats([again, other, held]) == (Note(0, 60, 500, 64), other, again)


def test_a_note_that_ends_before_its_pitch_comes_again_is_not_cut() -> None:
    notes = (Note(0, 60, 500, 64), Note(500, 60, 700, 80), Note(900, 60, 901, 1))
    assert cut_at_repeats(notes) == notes


def test_of_notes_struck_together_the_longest_stays() -> None:
    assert cut_at_repeats([Note(0, 60, 900, 64), Note(0, 60, 240, 80)]) == (Note(0, 60, 900, 64),)


@given(any_scores())
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
    st.lists(st.tuples(st.integers(0, 12 * TICKS_PER_BAR), st.floats(10, 400)), max_size=20),
)
def test_a_steady_tempo_takes_as_long_as_the_played_one(phrases: int, played: list[tuple[int, float]]) -> None:
    span = STEADY_BARS * TICKS_PER_BAR
    score = in_four((), tuple(TempoChange(*tempo) for tempo in sorted(played)), end=phrases * span)
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
    words = to_words(changed(replace(EMPTY_BARS, tempos=wavering), end=8 * TICKS_PER_BAR), DEFAULT)
    assert {word.tempo for word in words if word.family == Family.METRICAL} == {DEFAULT.tempo_id(99.75)}


# ------------------------------------------------------------------ join


def shifted(note: Note, ticks: int) -> Note:
    return replace(note, start=note.start + ticks, end=note.end + ticks)


def opening_at(bpm: float) -> Score:
    """Two bars as played: early, late, and one note that is held beyond the bar line."""
    notes = (Note(3, 60, 470, 71), Note(478, 64, 961, 66), Note(1925, 67, 2411, 50), Note(3000, 72, 4321, 99))
    return in_four(notes, (TempoChange(0, bpm),), end=2 * TICKS_PER_BAR)


def continued(opening: Score, continuation: Score) -> Score:
    words = [*to_words(opening, DEFAULT), *encode(continuation, DEFAULT), END]
    return join(opening, words, len(opening.bars), DEFAULT)


@given(any_scores(), grid_scores())
def test_behind_the_opening_as_it_was_played_comes_the_continuation(played: Score, continuation: Score) -> None:
    end = MOST_BARS * TICKS_PER_BAR
    struck = [note for note in played.notes if note.start < end - SIXTEENTH // 2]
    tempos = played.tempos or (TempoChange(0, DEFAULT_BPM),)
    opening = replace(changed(played, notes=tuple(struck), end=end), tempos=tempos)
    whole = continued(opening, continuation)
    assert [note for note in whole.notes if note.start >= end] == [shifted(note, end) for note in continuation.notes]
    assert whole.end == end + continuation.end
    restruck = {note.pitch: note.start + end for note in reversed(continuation.notes)}
    assert [note for note in whole.notes if note.start < end] == sorted(
        replace(note, end=min(note.end, restruck.get(note.pitch, note.end))) for note in opening.notes
    )


def test_behind_an_opening_with_pedal_the_continuation_has_one_too() -> None:
    """Its chords last for a bar: each note sounds until the pedal is changed, in the file that is written as well."""
    dry = opening_at(100)
    played = changed(dry, pedal=((0, 2 * TICKS_PER_BAR),))
    chords = tuple(Chord(bar * TICKS_PER_BAR, bar, "") for bar in range(2))
    notes = tuple(Note(bar * TICKS_PER_BAR, 50 + bar, bar * TICKS_PER_BAR + 240, 80) for bar in range(2))
    continuation = in_four(notes, dry.tempos, chords, end=2 * TICKS_PER_BAR)
    whole = continued(played, continuation)
    new = slice(len(dry.notes), None)
    assert [note.end - note.start for note in whole.notes[new]] == [240, 240]
    assert [note.end - note.start for note in whole.sounding[new]] == [TICKS_PER_BAR] * 2
    assert parse_midi(dump_midi(whole)).sounding == whole.sounding
    assert pedal(continued(dry, continuation)) == ()


@given(
    st.lists(st.tuples(st.integers(0, 3 * TICKS_PER_BAR), st.integers(1, 2000)), min_size=1, max_size=5),
    grid_scores(bars=2),
)
@settings(max_examples=25)
def test_the_pedal_of_the_opening_stays_as_it_was_up_to_its_end(
    drawn: list[tuple[int, int]], continuation: Score
) -> None:
    starts = sorted({down for down, _ in drawn})
    ups = [*starts[1:], 99 * TICKS_PER_BAR]
    told = tuple((down, min(down + dict(drawn)[down], up)) for down, up in zip(starts, ups, strict=True))
    opening = changed(opening_at(100.0), pedal=told)
    dry, whole = continued(opening_at(100.0), continuation), continued(opening, continuation)
    end = opening.end
    assert [note for note in whole.notes if note.start < end] == [note for note in dry.notes if note.start < end]
    assert [span for span in pedal(whole) if span[0] < end] == [(d, min(u, end)) for d, u in told if d < end]
    # Behind it the pedal is down but for a moment behind each bar line and each new chord.
    changes = {chord.tick for chord in whole.chords if chord.tick >= end}
    changes |= {*range(end, whole.end + 1, TICKS_PER_BAR)}
    assert [span for span in pedal(whole) if span[0] >= end] == [
        (tick + PEDAL_TICKS, following) for tick, following in pairwise(sorted(changes))
    ]
    assert pedal(parse_midi(dump_midi(whole))) == pedal(whole)


def test_a_tempo_between_two_bins_does_not_jump_at_the_boundary() -> None:
    opening = opening_at(101.3)
    its_bin = DEFAULT.tempos[DEFAULT.tempo_id(101.3) - 1]
    assert its_bin != 101.3
    whole = continued(opening, replace(EMPTY_BARS, tempos=(TempoChange(0, its_bin),)))
    assert whole.tempos == (TempoChange(0, 101.3),)


def test_behind_a_last_beat_that_slows_down_the_tempo_of_the_phrase_goes_on() -> None:
    last_beat = TempoChange(2 * TICKS_PER_BAR - TICKS_PER_BEAT, 60.0)
    opening = replace(opening_at(101.3), tempos=(TempoChange(0, 101.3), last_beat))
    heard = decode(to_words(opening, DEFAULT), DEFAULT).tempos[-1].bpm
    assert 90 < heard < 101
    whole = continued(opening, replace(EMPTY_BARS, tempos=(TempoChange(0, heard),)))
    assert whole.tempos == (*opening.tempos, TempoChange(opening.end, heard))


def test_a_tempo_that_the_continuation_changes_is_heard() -> None:
    slower, slowest = DEFAULT.tempos[20], DEFAULT.tempos[10]
    tempos = (TempoChange(0, slower), TempoChange(TICKS_PER_BAR, slowest))
    whole = continued(opening_at(101.3), replace(EMPTY_BARS, tempos=tempos))
    end = 2 * TICKS_PER_BAR
    assert whole.tempos == (TempoChange(0, 101.3), TempoChange(end, slower), TempoChange(3 * TICKS_PER_BAR, slowest))


def test_a_chord_is_named_where_it_changes() -> None:
    chords = (parse_chord("G"), parse_chord("Am", TICKS_PER_BAR))
    whole = continued(opening_at(100.0), replace(EMPTY_BARS, chords=chords))
    end = 2 * TICKS_PER_BAR
    assert [(chord.tick, chord.name) for chord in whole.chords if chord.tick >= end] == [
        (end, "G"),
        (end + TICKS_PER_BAR, "Am"),
    ]


def test_a_note_held_over_the_boundary_sounds_until_it_is_struck_again() -> None:
    end = 2 * TICKS_PER_BAR
    struck = changed(EMPTY_BARS, notes=(Note(120, 72, 480, 64),))
    assert Note(3000, 72, end + 120, 99) in continued(opening_at(100.0), struck).notes
    assert Note(3000, 72, 4321, 99) in continued(opening_at(100.0), EMPTY_BARS).notes


def test_unisons_and_overlaps_of_the_opening_come_back() -> None:
    notes = (Note(0, 60, 240, 90), Note(0, 60, 960, 70), Note(480, 60, 1000, 50))
    whole = continued(in_four(notes, end=TICKS_PER_BAR), EMPTY_BARS)
    assert [note for note in parse_midi(dump_midi(whole)).notes if note.start < TICKS_PER_BAR] == list(notes)


def test_one_part_goes_on_and_of_several_a_piano() -> None:
    violin = Part((Note(0, 76, 480, 90),), name="Violin", program=40, channel=2)
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    cello = Part((Note(0, 48, 960, 90),), name="Cello", program=42, channel=0)
    alone = continued(Score((violin, drums), in_four(()).bars), EMPTY_BARS).parts
    assert [(part.name, part.program, len(part.notes)) for part in alone] == [("Violin", 40, 3), ("", 0, 1)]
    opening = Score((violin, drums, cello), in_four(()).bars)
    *given, new = continued(opening, EMPTY_BARS).parts
    assert tuple(given) == opening.parts
    assert (new.name, new.program, new.channel, len(new.notes)) == (CONTINUATION, PIANO, 1, 2)
    again = continued(continued(opening, EMPTY_BARS), EMPTY_BARS)
    assert [len(part.notes) for part in again.parts] == [1, 1, 1, 4]


def test_where_all_channels_are_taken_a_part_that_is_over_gives_its_own() -> None:
    parts = tuple(Part((Note(0, 60, 480, 90),), program=40, channel=channel) for channel in range(16) if channel != 9)
    *given, new = continued(Score(parts, in_four(()).bars), EMPTY_BARS).parts
    assert tuple(given) == parts
    assert new.channel == 15
    assert new.controls == (Control(TICKS_PER_BAR, PROGRAM, PIANO),)


def test_what_bends_at_the_end_of_an_opening_is_let_go() -> None:
    bent, volume = Control(0, BEND, 0, 96), Control(0, CONTROLLER, 7, 90)
    opening = changed(opening_at(100.0), controls=(volume, bent, Control(5000, CONTROLLER, 7, 0)))
    (part,) = continued(opening, EMPTY_BARS).parts
    assert part.controls == (volume, bent, Control(opening.end, BEND, *NO_BEND))


# ------------------------------------------------------------------ REMI


def ballad(bars: int = 8) -> Score:
    """A left hand in eighths, chords on the beats and a tune: about what a page of pop has."""
    rng = random.Random(8)
    notes, chords = [], []
    for bar in range(bars):
        root, quality = rng.choice([(0, ""), (7, ""), (9, "m"), (5, "")])
        tick = bar * TICKS_PER_BAR
        chords.append(Chord(tick, root, quality))
        tones = [root + interval for interval in CHORD_QUALITIES[quality]]
        notes += [Note(tick + i * 240, 36 + tones[i % 3], tick + (i + 1) * 240, 64) for i in range(8)]
        notes += [Note(tick + i * 480, 60 + tone, tick + (i + 1) * 480, 60) for i in range(4) for tone in tones]
        notes += [Note(tick + i * 480, 80 + rng.randrange(7), tick + i * 480 + 240, 88) for i in range(4)]
    return in_four(tuple(sorted(notes)), (TempoChange(0, DEFAULT.tempos[28]),), tuple(chords), end=bars * TICKS_PER_BAR)


@VOCABULARIES
@given(data=st.data())
def test_remi_gives_the_words_back(vocabulary: Vocabulary, data: st.DataObject) -> None:
    words = encode(data.draw(any_scores(vocabulary)), vocabulary)
    assert from_remi(to_remi(words)) == words
    assert from_remi(to_remi([*words, END])) == [*words, END]


@given(grid_scores())
def test_music_comes_back_from_remi_as_from_words(score: Score) -> None:
    assert decode(from_remi(to_remi(encode(score, DEFAULT))), DEFAULT) == score


@given(any_scores())
def test_remi_takes_three_tokens_a_note_and_one_for_all_else_that_is_said(score: Score) -> None:
    quantised = quantise(score, DEFAULT)
    said = {tempo.tick for tempo in quantised.tempos} | {chord.tick for chord in quantised.chords}
    positions = said | {note.start for note in quantised.notes}
    assert len(to_remi(encode(score, DEFAULT))) == (
        len(quantised.bars) + len(positions) + len(quantised.tempos) + len(quantised.chords) + 3 * len(quantised.notes)
    )


def test_remi_is_more_than_twice_as_long_for_music() -> None:
    words = encode(ballad(), DEFAULT)
    assert len(words) == 8 * (1 + 8 + 8 + 12 + 4)
    assert 2 < len(to_remi(words)) / len(words) < 3


def test_remi_token_for_token() -> None:
    c, g = DEFAULT.chord_ids["C"], DEFAULT.chord_ids["G"]
    words = [
        BAR,
        Word(Family.METRICAL, position=1, chord=c, tempo=9),
        Word(Family.NOTE, pitch=40, velocity=12, duration=4),
        Word(Family.METRICAL, position=9, chord=c, tempo=9),
        Word(Family.NOTE, pitch=41, velocity=13, duration=5),
        BAR,
        Word(Family.METRICAL, position=1, chord=g, tempo=9),
        END,
    ]
    names = "family position chord tempo pitch velocity duration position pitch velocity duration family position chord"
    ids = (1, 1, c, 9, 40, 12, 4, 9, 41, 13, 5, 1, 1, g)
    assert to_remi(words) == [
        *(RemiToken(name, i) for name, i in zip(names.split(), ids, strict=True)),
        RemiToken("family", Family.END),
    ]


def test_the_remi_vocabulary_counts_every_token_once() -> None:
    values = (FINER.pitches, FINER.velocities, FINER.durations, FINER.chords, FINER.tempos)
    assert remi_vocabulary_size(FINER) == 2 + 24 + sum(map(len, values))
