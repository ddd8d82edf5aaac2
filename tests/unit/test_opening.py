"""Openings: where they begin, which meters they may have, and what is too much."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import changed, in_meters, pedal

from composer.errors import MeterError, NoNotesError, OpeningTooDenseError, OpeningTooLongError, TaskError
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import (
    CONTROLLER,
    EARLY_TICKS,
    SHORTEST_TICKS,
    Chord,
    Control,
    Note,
    Part,
    Score,
    Spans,
    TempoChange,
    in_four,
)
from composer.music.words import METERS, default_vocabulary
from composer.opening import KNOWN_METERS, Opening, Place, to_opening

BAR = TICKS_PER_BAR
IN_4_4 = ((0, 4, 4),)


def score(*onsets: int, bars: int, meters: tuple[tuple[int, int, int], ...] = IN_4_4) -> Score:
    """Half a beat of middle C at each onset."""
    return in_meters(tuple(Note(onset, 60, onset + 240, 64) for onset in onsets), *meters, end=bars * BAR)


def onsets(opening: Opening) -> list[int]:
    return [note.start for note in opening.score.notes]


# --- where an opening begins ---


def test_time_begins_with_the_first_bar_that_sounds() -> None:
    opening = to_opening(score(2 * BAR, 3 * BAR + 5, bars=4))
    assert onsets(opening) == [0, BAR + 5]
    assert opening.bars == 2


def test_a_pickup_stays_late_in_its_bar() -> None:
    assert onsets(to_opening(score(BAR + 1440, 2 * BAR, bars=3))) == [1440, BAR]


@pytest.mark.parametrize("early", [1, EARLY_TICKS])
def test_notes_slightly_before_the_bar_line_begin_on_it(early: int) -> None:
    opening = to_opening(score(BAR - early, BAR + 480, bars=2))
    assert opening.score.notes == (Note(0, 60, 240 - early, 64), Note(480, 60, 720, 64))
    assert opening.bars == 1


def test_notes_earlier_than_that_are_a_pickup() -> None:
    assert onsets(to_opening(score(BAR - EARLY_TICKS - 1, BAR, bars=2))) == [BAR - EARLY_TICKS - 1, BAR]


def test_a_note_that_ends_before_its_bar_line_is_still_struck() -> None:
    short = in_four((Note(BAR - 25, 60, BAR - 10, 64), Note(BAR, 48, BAR + 100, 64)), end=2 * BAR)
    assert to_opening(short).score.notes == (Note(0, 48, 100, 64), Note(0, 60, SHORTEST_TICKS, 64))


def test_what_holds_at_the_first_bar_line_holds_from_0() -> None:
    tempos = (TempoChange(0, 60.0), TempoChange(960, 90.0), TempoChange(BAR + 480, 100.0))
    chords = (Chord(0, 0), Chord(BAR, 7, "7"))
    part = to_opening(replace(score(BAR, bars=2), tempos=tempos, chords=chords)).score
    assert part.tempos == (TempoChange(0, 90.0), TempoChange(480, 100.0))
    assert part.chords == (Chord(0, 7, "7"),)


def test_empty_bars_at_the_end_count() -> None:
    assert to_opening(score(0, bars=4)).bars == 4


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(21, 108), st.integers(1, 3000)), min_size=1, max_size=30),
    st.integers(0, 9),
)
def test_silence_before_it_does_not_change_an_opening(notes: list[tuple[int, int, int]], bars: int) -> None:
    def after(silence: int) -> Score:
        placed = (Note(silence + tick, pitch, silence + tick + ticks, 64) for tick, pitch, ticks in notes)
        return in_four(tuple(sorted(placed)), end=silence + 6 * BAR)

    opening = to_opening(after(0))
    assert to_opening(after(bars * BAR)) == opening
    assert len(opening.score.notes) == len(notes)
    assert 0 <= opening.score.notes[0].start < BAR - EARLY_TICKS
    assert all(note.start < note.end for note in opening.score.notes)


@given(
    st.lists(st.tuples(st.integers(0, 5 * BAR), st.integers(1, 3 * BAR)), min_size=1, max_size=8),
    st.integers(0, 4),
    st.integers(1, 4),
)
def test_an_excerpt_keeps_the_pedal_at_its_ticks(drawn: list[tuple[int, int]], first: int, bars: int) -> None:
    starts = sorted({down for down, _ in drawn})
    ups = [*starts[1:], 99 * BAR]
    told = tuple((down, min(down + dict(drawn)[down], up)) for down, up in zip(starts, ups, strict=True))
    start, end = first * BAR, (first + bars) * BAR
    part = changed(score(0, bars=9), pedal=told).excerpt(first, first + bars)

    def is_down(spans: Spans, tick: int) -> bool:
        return any(down <= tick < up for down, up in spans)

    edges = {tick + by for span in told for tick in span for by in (-1, 0)} | {start, end - 1}
    for tick in edges:
        if start <= tick < end:
            assert is_down(pedal(part), tick - start) == is_down(told, tick)
    assert all(0 <= down < up and down < end - start for down, up in pedal(part))
    assert [(down, up) for down, up in told if start < down < end] == [
        (down + start, up + start) for down, up in pedal(part) if down > 0
    ]


def test_the_pedal_stays_where_it_was_when_time_begins_later() -> None:
    played = changed(
        score(2 * BAR, 3 * BAR, bars=4), pedal=((0, 100), (2 * BAR - 50, 2 * BAR + 300), (3 * BAR, 4 * BAR))
    )
    opening = to_opening(played)
    assert pedal(opening.score) == ((0, 300), (BAR, 2 * BAR))


# --- meters ---


@pytest.mark.parametrize(
    ("meters", "found", "bar"),
    [
        pytest.param([(0, 11, 16)], (11, 16), 1, id="throughout"),
        pytest.param([(0, 4, 4), (2 * BAR, 13, 8)], (13, 8), 3, id="in the middle"),
        pytest.param([(0, 4, 4), (2 * BAR, 9, 16), (2 * BAR + 1080, 4, 4)], (9, 16), 3, id="for one bar"),
        pytest.param([(0, 15, 8), (2 * 3600, 4, 4)], (15, 8), 1, id="for longer than a pickup"),
        pytest.param([(0, 4, 4), (BAR + 1800, 3, 4)], (3, 4), 3, id="a bar that is cut, to a length that is none"),
        pytest.param([(0, 4, 4), (BAR + 360, 2, 2)], (2, 2), 3, id="as long as 4/4, but off the bar line"),
    ],
)
def test_a_bar_that_no_word_says_is_refused_where_it_begins(
    meters: list[tuple[int, int, int]], found: tuple[int, int], bar: int
) -> None:
    with pytest.raises(MeterError) as caught:
        to_opening(score(0, BAR, 3 * BAR, bars=4, meters=tuple(meters)))
    assert (caught.value.numerator, caught.value.denominator) == found
    assert caught.value.bar == bar
    assert caught.value.known == KNOWN_METERS


@pytest.mark.parametrize(
    ("place", "struck"),
    [
        (Place(), [0, BAR, 2 * BAR, 3 * BAR]),
        (Place(2), [0, BAR, 2 * BAR]),
        (Place(last=3), [0, BAR, 2 * BAR]),
        (Place(3, 3), [0]),
        (Place(2, 4), [0, BAR, 2 * BAR]),
    ],
)
def test_bars_are_chosen_from_the_first_that_sounds_on(place: Place, struck: list[int]) -> None:
    opening = to_opening(score(2 * BAR, 3 * BAR, 4 * BAR, 5 * BAR, bars=6), place)
    assert onsets(opening) == struck
    assert opening.bars == len(struck)


@pytest.mark.parametrize("place", [Place(5), Place(last=5), Place(0), Place(3, 2)])
def test_bars_that_are_not_there_are_refused(place: Place) -> None:
    with pytest.raises(TaskError) as refused:
        to_opening(score(0, BAR, 3 * BAR, bars=4), place)
    assert refused.value.kind == "not_there"


def test_a_long_or_silent_place_is_refused_and_a_short_one_of_a_long_piece_is_not() -> None:
    whole = score(0, 100 * BAR, bars=101)
    with pytest.raises(OpeningTooLongError, match="from which bar"):
        to_opening(whole, max_minutes=1)
    assert to_opening(whole, Place(last=20), max_minutes=1).bars == 20
    with pytest.raises(NoNotesError):
        to_opening(whole, Place(5, 20))


def test_a_meter_that_no_word_says_may_stand_outside_of_the_place() -> None:
    meters = (0, 4, 4), (2 * BAR, 13, 8), (2 * BAR + 13 * 240, 4, 4)
    odd = score(0, BAR, 2 * BAR, 2 * BAR + 13 * 240, bars=5, meters=meters)
    assert to_opening(odd, Place(last=2)).bars == 2
    assert to_opening(odd, Place(4)).bars >= 1


@pytest.mark.parametrize(
    ("last_onset", "ends_early", "beats"),
    [(0, True, 1), (240, True, 1), (480, True, 2), (720, True, 2), (721, False, 2), (960, False, 3), (1440, False, 4)],
)
def test_a_last_bar_that_ends_early_is_told_and_may_be_cut(last_onset: int, ends_early: bool, beats: int) -> None:
    whole = score(0, BAR + last_onset, bars=2)
    assert to_opening(whole).ends_early is ends_early
    cut = to_opening(whole, Place(cut=True)).score
    assert cut.bars[-1].ticks == beats * 480
    assert cut.notes == whole.notes
    again = to_opening(parse_midi(dump_midi(cut))).score
    assert (again.bars, again.notes) == (cut.bars, cut.notes)


def test_bars_are_counted_as_a_notation_program_counts_them() -> None:
    meters = (0, 3, 4), (3 * 1440, 4, 4), (3 * 1440 + 2 * BAR, 11, 4)
    with pytest.raises(MeterError) as caught:
        to_opening(score(3 * 1440, 3 * 1440 + 2 * BAR, bars=8, meters=meters))
    assert (caught.value.numerator, caught.value.denominator, caught.value.bar) == (11, 4, 6)


def test_the_meters_that_are_named_are_taken() -> None:
    assert set(KNOWN_METERS.split(", ")) <= set(METERS)


@pytest.mark.parametrize("name", [*METERS, "2/2", "3/2", "4/8", "8/8", "16/16", "6/16", "8/4"])
def test_every_meter_whose_bars_have_a_word_is_taken_as_it_is(name: str) -> None:
    numerator, denominator = map(int, name.split("/"))
    played = score(0, BAR, bars=2, meters=((0, numerator, denominator),))
    assert to_opening(played).score == played


@pytest.mark.parametrize(
    ("meters", "lengths"),
    [
        pytest.param([(0, 4, 4), (2 * BAR, 2, 4), (2 * BAR + 960, 4, 4)], [4, 4, 2, 4, 4], id="for one bar"),
        pytest.param([(0, 3, 4), (1440, 6, 8), (2880, 5, 4)], [3, 3, 5, 5], id="one after another"),
        pytest.param([(0, 4, 4), (BAR + 480, 3, 4)], [4, 1, 3, 3, 3], id="a bar that is cut to a quarter"),
        pytest.param([(0, 1, 8), (240, 6, 8)], [0.5, 3, 3, 3], id="an upbeat"),
    ],
)
def test_meters_may_change(meters: list[tuple[int, int, int]], lengths: list[float]) -> None:
    played = score(0, 240, 2 * BAR + 5, bars=4, meters=tuple(meters))
    opening = to_opening(played)
    assert opening.score == played
    assert [bar.ticks / 480 for bar in opening.score.bars][: len(lengths)] == lengths
    assert all(default_vocabulary().meter_id(bar.meter, bar.ticks) for bar in opening.score.bars)


def test_a_meter_replaced_before_the_first_note_does_not_matter() -> None:
    late = in_meters((Note(1320 + BAR, 60, 1320 + BAR + 9, 64),), (0, 11, 16), (1320, 4, 4), end=1320 + 2 * BAR)
    assert to_opening(late).score == in_four((Note(0, 60, 9, 64),), end=BAR)


def test_a_pickup_written_as_a_short_bar_stays_one() -> None:
    """As notation programs write it: one bar of 1/4, then 4/4."""
    notes = (Note(0, 67, 480, 64), Note(480, 72, 960, 64))
    written = in_meters(notes, (0, 1, 4), (480, 4, 4), end=480 + BAR, tempos=(TempoChange(0, 90.0),))
    assert to_opening(written).score == written
    assert to_opening(written).bars == 2


# --- parts ---


def test_drums_begin_an_opening_too() -> None:
    drums = Part((Note(BAR, 36, BAR + 60, 90),), is_drum=True, channel=9)
    late = score(3 * BAR, bars=4)
    opening = to_opening(replace(late, parts=(*late.parts, drums)))
    assert opening.bars == 3
    assert [part.notes[0].start for part in opening.score.parts] == [2 * BAR, 0]


def test_what_a_part_is_told_before_the_first_bar_is_told_at_its_line_in_the_same_order() -> None:
    told = tuple(Control(tick, CONTROLLER, number, 9) for tick, number in ((0, 101), (0, 100), (5, 6), (BAR + 7, 11)))
    (part,) = to_opening(changed(score(BAR, bars=2), controls=told)).score.parts
    assert [(control.tick, control.first) for control in part.controls] == [(0, 101), (0, 100), (0, 6), (7, 11)]


# --- limits ---


def test_an_opening_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert to_opening(score(0, bars=30), max_minutes=1).bars == 30
    with pytest.raises(OpeningTooLongError) as caught:
        to_opening(score(0, bars=31), max_minutes=1)
    assert (caught.value.minutes, caught.value.limit) == (2, 1)


def test_silence_before_it_does_not_make_an_opening_too_long() -> None:
    assert to_opening(score(100 * BAR, bars=101), max_minutes=0.1).bars == 1


def test_an_opening_may_be_as_dense_as_the_limit_and_no_denser() -> None:
    assert len(to_opening(score(0, 1, 2, bars=1), max_notes=3).score.notes) == 3
    with pytest.raises(OpeningTooDenseError) as caught:
        to_opening(score(0, 1, 2, 3, bars=1), max_notes=3)
    assert (caught.value.notes, caught.value.limit) == (4, 3)


@pytest.mark.parametrize("pitch", [0, 20, 21, 108, 109, 127])
def test_every_key_is_taken_and_those_off_the_piano_too(pitch: int) -> None:
    played = in_four((Note(0, 60, 9, 64), Note(9, pitch, 19, 64)), end=BAR)
    assert to_opening(played).score == played


def test_a_score_without_notes_is_no_opening() -> None:
    with pytest.raises(NoNotesError):
        to_opening(in_four((), end=BAR))


def test_a_note_that_hangs_ends_two_bars_behind_the_opening() -> None:
    held = Note(0, 60, 300 * TICKS_PER_BAR, 64)
    opening = to_opening(in_four((held, Note(480, 64, 960, 64)), end=TICKS_PER_BAR))
    assert opening.score.notes == (Note(0, 60, 3 * TICKS_PER_BAR, 64), Note(480, 64, 960, 64))
    assert opening.bars == 1


def test_a_pedal_that_hangs_is_let_go_two_bars_behind_the_opening() -> None:
    opening = to_opening(changed(score(0, bars=1), pedal=((10, 20), (100, 300 * BAR))))
    assert pedal(opening.score) == ((10, 20), (100, 3 * BAR))
    assert [note.end for note in opening.score.sounding] == [3 * BAR]
