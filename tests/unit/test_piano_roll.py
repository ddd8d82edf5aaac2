"""What is to be seen on the piano roll: pixels of the PNG, not calls."""

from __future__ import annotations

import io
import random
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from scores import in_meters

from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import Chord, Note, Part, Score, in_four
from composer.rendering.pen import (
    CHORD_SIZE,
    CONTINUATION,
    DIVIDER,
    LOUD,
    OPENING,
    PARTS,
    SOFT,
    WIDTH,
    Colour,
    Palette,
    shade,
    text_width,
)
from composer.rendering.piano_roll import CHORDS_HEIGHT, LEFT, RIGHT, draw_piano_roll, layout_of, place_chords

Pixels = npt.NDArray[np.int16]

PLOT = WIDTH - LEFT - RIGHT  # pixels over which a row of bars is spread
DISCORD_WIDTH = 550  # at which Discord shows it


def score_of(*notes: Note, bars: int, chords: tuple[Chord, ...] = ()) -> Score:
    return in_four(tuple(sorted(notes)), chords=chords, end=bars * TICKS_PER_BAR)


def bar(number: int) -> int:
    """The tick at which a bar begins, counted from 1 as in the picture."""
    return (number - 1) * TICKS_PER_BAR


def note(start: int, pitch: int = 60, length: int = TICKS_PER_BEAT, velocity: int = 100) -> Note:
    return Note(start, pitch, start + length, velocity)


def music(bars: int, notes_a_bar: int) -> Score:
    """Any notes at all, the same ones at each call."""
    dice = random.Random(bars)
    notes = [
        note(dice.randrange(bars * TICKS_PER_BAR), dice.randint(21, 108), dice.randint(60, 1920), dice.randint(1, 127))
        for _ in range(bars * notes_a_bar)
    ]
    qualities = ("", "m", "m7b5", "maj7")
    chords = tuple(Chord(beat * TICKS_PER_BEAT, dice.randrange(12), dice.choice(qualities)) for beat in range(4 * bars))
    return score_of(*notes, bars=bars, chords=chords)


def pixels(png: bytes) -> Pixels:
    """Shape (height, width, 3)."""
    picture = Image.open(io.BytesIO(png))
    assert picture.format == "PNG"
    assert picture.mode == "RGB"
    return np.asarray(picture).astype(np.int16)


def drawn(score: Score, opening_bars: int = 0) -> Pixels:
    return pixels(draw_piano_roll(score, opening_bars))


def is_colour(picture: Pixels, colour: Colour) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs(picture - np.array(colour)).max(axis=2) <= 2)


def row_top(score: Score, row: int) -> int:
    layout = layout_of(score)
    return layout.header + row * layout.row_height


def plot(picture: Pixels, score: Score, row: int = 0) -> Pixels:
    """Where the notes of `row` are drawn: no keys, no names, no numbers."""
    top = row_top(score, row) + CHORDS_HEIGHT
    return picture[top : top + layout_of(score).notes_height, LEFT : WIDTH - RIGHT]


def where(picture: Pixels, colour: Colour, score: Score, row: int = 0) -> tuple[int, int, int, int]:
    """The rectangle around all of `colour` among the notes of `row`: left, top, right, bottom."""
    top = row_top(score, row) + CHORDS_HEIGHT
    found = is_colour(picture[top : top + layout_of(score).notes_height, LEFT:], colour)  # the right margin, too
    assert found.any(), "the colour is nowhere"
    ys, xs = np.nonzero(found)
    return int(xs.min()) + LEFT, int(ys.min()) + top, int(xs.max()) + LEFT + 1, int(ys.max()) + top + 1


def test_a_note_stands_where_and_as_long_as_it_sounds() -> None:
    score = score_of(note(bar(3), length=2 * TICKS_PER_BEAT, velocity=127), bars=4)
    left, _, right, _ = where(drawn(score), CONTINUATION.loud, score)
    assert left == pytest.approx(LEFT + PLOT / 2, abs=2)
    assert right == pytest.approx(LEFT + PLOT * (2.5 / 4), abs=3)


def test_a_higher_note_stands_higher_by_the_interval() -> None:
    low, high = note(0, 60, velocity=SOFT), note(0, 72, velocity=LOUD)
    score = score_of(low, high, bars=4)
    picture = drawn(score)
    _, low_top, _, low_bottom = where(picture, CONTINUATION.soft, score)
    _, high_top, _, high_bottom = where(picture, CONTINUATION.loud, score)
    semitone = layout_of(score).notes_height / (layout_of(score).highest - layout_of(score).lowest + 1)
    assert low_top - high_top == pytest.approx(12 * semitone, abs=1.5)
    assert low_bottom - high_bottom == pytest.approx(12 * semitone, abs=1.5)


def test_without_the_note_nothing_is_there() -> None:
    present = score_of(note(0, 60, velocity=127), note(bar(2), 67, velocity=127), bars=4)
    absent = score_of(note(0, 60, velocity=127), bars=4)
    assert is_colour(drawn(present), CONTINUATION.loud).sum() > 1.5 * is_colour(drawn(absent), CONTINUATION.loud).sum()


def test_the_opening_is_cool_and_the_continuation_warm() -> None:
    score = score_of(*(note(bar(b), 60, TICKS_PER_BAR, 80) for b in range(1, 9)), bars=8)
    picture = drawn(score, opening_bars=4)
    top, bottom = (round(row_top(score, 0) + y) for y in layout_of(score).lane(60))
    line = picture[(top + bottom) // 2, LEFT : WIDTH - RIGHT]
    red, blue = line[:, 0], line[:, 2]
    half = PLOT // 2
    assert np.mean(blue[: half - 4] > red[: half - 4] + 40) > 0.95
    assert np.mean(red[half + 4 :] > blue[half + 4 :] + 40) > 0.95


def test_the_ground_of_the_opening_is_shaded() -> None:
    score = score_of(note(0, 60), bars=8)
    picture = plot(drawn(score, opening_bars=4), score)
    ground = is_colour(picture, OPENING.ground) | is_colour(picture, OPENING.shade)
    other = is_colour(picture, CONTINUATION.ground) | is_colour(picture, CONTINUATION.shade)
    middle = PLOT // 2
    assert ground[:, :middle].sum() > 50_000
    assert other[:, middle:].sum() > 50_000
    assert not ground[:, middle + 2 :].any()
    assert not other[:, : middle - 2].any()


@pytest.mark.parametrize("opening_bars", [1, 4, 7])
def test_a_line_divides_them_from_top_to_bottom(opening_bars: int) -> None:
    score = score_of(note(0, 60), bars=8)
    columns = np.count_nonzero(is_colour(drawn(score, opening_bars), DIVIDER), axis=0)
    expected = LEFT + PLOT * opening_bars / 8
    assert int(columns.argmax()) == pytest.approx(expected, abs=2)
    assert columns.max() > layout_of(score).notes_height


def test_a_continuation_that_begins_a_row_has_its_line_there() -> None:
    score = score_of(note(0, 60), bars=24)
    line = is_colour(drawn(score, opening_bars=12), DIVIDER)
    second = row_top(score, 1)
    assert np.count_nonzero(line[second:, LEFT - 2 : LEFT + 2]) > layout_of(score).notes_height
    assert not line[row_top(score, 0) : second].any()


@pytest.mark.parametrize(("opening_bars", "palette"), [(0, CONTINUATION), (8, OPENING), (99, OPENING)])
def test_a_piece_of_one_part_has_one_colour(opening_bars: int, palette: Palette) -> None:
    score = score_of(note(0, 60, velocity=127), note(bar(8), 60, velocity=127), bars=8)
    picture = plot(drawn(score, opening_bars), score)
    own, other = (OPENING, CONTINUATION) if palette is OPENING else (CONTINUATION, OPENING)
    assert is_colour(picture, own.loud).any()
    assert not is_colour(picture, other.loud).any()
    assert not is_colour(picture, other.ground).any()


@pytest.mark.parametrize("palette", [OPENING, CONTINUATION])
def test_louder_is_brighter(palette: Palette) -> None:
    velocities = [20, 30, 50, 70, 90, 110, 127]
    score = score_of(*(note(bar(i + 1), velocity=velocity) for i, velocity in enumerate(velocities)), bars=8)
    layout = layout_of(score)
    picture = drawn(score, opening_bars=8 if palette is OPENING else 0)
    middle = round(row_top(score, 0) + sum(layout.lane(60)) / 2)
    shown = [int(picture[middle, round(layout.x(bar(i + 1), 0)) + 12].sum()) for i in range(len(velocities))]
    assert shown[0] == shown[1]
    assert shown[5] == shown[6]
    assert all(later > earlier + 40 for earlier, later in pairwise(shown[1:6]))


def test_no_shade_of_one_part_is_a_shade_of_the_other() -> None:
    for velocity in range(1, 128):
        cool, warm = shade(OPENING, velocity), shade(CONTINUATION, velocity)
        assert cool[2] > cool[0] + 60
        assert warm[0] > warm[2] + 60


def test_the_softest_note_stands_out_from_its_ground() -> None:
    for palette in (OPENING, CONTINUATION):
        assert sum(palette.soft) > sum(palette.ground) + 120


def test_a_note_across_the_end_of_a_row_goes_on_in_the_next() -> None:
    score = score_of(note(bar(12), length=2 * TICKS_PER_BAR, velocity=127), bars=24)
    picture = drawn(score)
    assert where(picture, CONTINUATION.loud, score, row=0)[2] == pytest.approx(WIDTH - RIGHT, abs=2)
    left, _, right, _ = where(picture, CONTINUATION.loud, score, row=1)
    assert left == pytest.approx(LEFT, abs=2)
    assert right == pytest.approx(LEFT + PLOT / 12, abs=3)


def test_a_note_that_sounds_on_after_the_last_bar_ends_with_it() -> None:
    score = score_of(note(bar(5), length=9 * TICKS_PER_BAR, velocity=127), bars=5)
    assert where(drawn(score), CONTINUATION.loud, score)[2] <= WIDTH - RIGHT


def test_a_very_short_note_can_be_seen_even_at_the_end_of_a_row() -> None:
    score = score_of(note(0, length=1, velocity=127), note(bar(9) - 1, 72, length=1, velocity=127), bars=8)
    assert is_colour(drawn(score), CONTINUATION.loud)[row_top(score, 0) :].sum() >= 2 * 8
    assert where(drawn(score), CONTINUATION.loud, score)[2] <= WIDTH - RIGHT


def test_a_repeated_note_is_told_from_a_held_one() -> None:
    held = score_of(note(0, length=2 * TICKS_PER_BEAT, velocity=127), bars=4)
    repeated = score_of(note(0, velocity=127), note(TICKS_PER_BEAT, velocity=127), bars=4)
    middle = round(row_top(held, 0) + sum(layout_of(held).lane(60)) / 2)
    seam = LEFT + PLOT // 16  # after one of sixteen beats
    darkest = [drawn(score)[middle, seam - 4 : seam + 4].sum(axis=1).min() for score in (held, repeated)]
    assert darkest[0] == sum(CONTINUATION.loud)
    assert darkest[1] < 0.75 * darkest[0]


@pytest.mark.parametrize("bars", [*range(1, 101), 136, 192, 193, 384, 385, 520, 640, 641, 2000])
def test_the_rows_hold_every_bar_and_the_picture_stays_sane(bars: int) -> None:
    layout = layout_of(music(bars, 1))
    assert layout.rows * layout.bars_a_row >= bars > (layout.rows - 1) * layout.bars_a_row
    assert layout.row_ticks(layout.rows - 1)[1] == bars * TICKS_PER_BAR
    assert layout.rows <= 20
    assert layout.height <= 6500
    if bars <= 96:
        assert layout.bars_a_row <= 12
        assert layout.bar_width >= 80


@pytest.mark.parametrize(
    ("bars", "notes_a_bar", "limit"), [(1, 8, 50_000), (24, 30, 300_000), (136, 30, 1_000_000), (520, 60, 3_000_000)]
)
def test_the_file_is_small(bars: int, notes_a_bar: int, limit: int) -> None:
    png = draw_piano_roll(music(bars, notes_a_bar), 8, "How large?")
    picture = pixels(png)
    assert picture.shape[1] == WIDTH
    assert picture.shape[0] <= 6500
    assert len(png) < limit


@pytest.mark.parametrize("pitches", [(60,), (0, 127), (21, 108), (0,), (127,), (58, 62)])
def test_every_pitch_has_a_lane_and_the_range_fits(pitches: tuple[int, ...]) -> None:
    score = score_of(*(note(0, pitch) for pitch in pitches), bars=1)
    layout = layout_of(score)
    assert 0 <= layout.lowest <= min(pitches)
    assert max(pitches) <= layout.highest <= 127
    assert layout.highest - layout.lowest + 1 <= max(24, max(pitches) - min(pitches) + 5)
    for sounding in score.notes:
        box = layout.note_box(sounding, 0)
        assert CHORDS_HEIGHT - 1 <= box.top < box.bottom <= CHORDS_HEIGHT + layout.notes_height + 1


def test_chord_names_never_overlap_and_stay_in_the_picture() -> None:
    for bars in (1, 5, 12, 24, 136, 520):
        score = music(bars, 1)
        layout = layout_of(score)
        for row in range(layout.rows):
            placed = sorted((x, chord.name) for x, chord in place_chords(score.chords, layout, row))
            assert placed
            for (x, name), (following, _) in pairwise(placed):
                assert x + text_width(name, CHORD_SIZE) < following
            assert placed[-1][0] + text_width(placed[-1][1], CHORD_SIZE) <= WIDTH


def test_where_names_are_crowded_those_on_the_bar_line_stay() -> None:
    chords = tuple(Chord(beat * TICKS_PER_BEAT, beat % 12, "m7") for beat in range(48))
    placed = place_chords(chords, layout_of(score_of(note(0), bars=12)), 0)
    assert {chord.tick for _, chord in placed} >= {bar(number) for number in range(1, 13)}


def test_a_chord_is_written_above_its_beat_in_the_colour_of_its_part() -> None:
    chords = Chord(0, 0), Chord(bar(2), None), Chord(bar(3), 9, "m")
    score = score_of(note(0), bars=4, chords=chords)
    top = row_top(score, 0)
    lane = drawn(score, opening_bars=2)[top : top + CHORDS_HEIGHT]
    first, third = LEFT, LEFT + PLOT // 2
    assert is_colour(lane[:, first : first + 60], OPENING.text).any()
    assert is_colour(lane[:, third : third + 60], CONTINUATION.text).any()
    assert not is_colour(lane[:, third : third + 60], OPENING.text).any()
    nowhere = lane[:, LEFT + PLOT // 4 + 4 : third - 4]  # bar 2, where no chord sounds
    assert np.ptp(nowhere) == np.ptp(nowhere[0, 0])


def test_text_is_large_enough_where_discord_shows_it() -> None:
    chords = (Chord(0, 0),)
    score = score_of(note(0), bars=12, chords=chords)
    top = row_top(score, 0)
    ink = is_colour(drawn(score, 12)[top : top + CHORDS_HEIGHT, LEFT : LEFT + 40], OPENING.text)
    height = np.ptp(np.nonzero(ink)[0]) + 1
    assert height * DISCORD_WIDTH / WIDTH >= 7  # of a capital C, as in 10 pixel type


def test_the_title_is_drawn_as_far_as_the_font_goes() -> None:
    score = score_of(note(0), bars=4)
    untitled, titled = draw_piano_roll(score, 2), draw_piano_roll(score, 2, "Étude")
    assert pixels(titled).shape[0] > pixels(untitled).shape[0]
    assert titled == draw_piano_roll(score, 2, "Etude")
    assert titled != draw_piano_roll(score, 2, "Prelude")
    assert untitled == draw_piano_roll(score, 2, "月光\n\0")


def test_a_title_of_any_length_fits() -> None:
    score = score_of(note(0), bars=4)
    picture = pixels(draw_piano_roll(score, 2, "On and on " * 1000))
    assert picture.shape[1] == WIDTH
    assert np.ptp(picture[:50, WIDTH - RIGHT + 2 :]) == np.ptp(picture[0, 0])  # the margin is empty


def test_the_same_score_gives_the_same_bytes() -> None:
    assert draw_piano_roll(music(24, 20), 8, "Twice") == draw_piano_roll(music(24, 20), 8, "Twice")


def test_each_part_of_an_opening_has_its_colour_and_its_name() -> None:
    tune = score_of(note(0, 72, velocity=127), bars=4)
    bass = Part((note(bar(2), 60, velocity=127), note(bar(4), 60, velocity=127)), program=33)
    drums = Part((note(bar(3), 36, velocity=127),), is_drum=True, channel=9)
    score = replace(tune, parts=(*tune.parts, bass, drums))
    picture = plot(drawn(score, opening_bars=3), score)
    assert [is_colour(picture, palette.loud).any() for palette in (*PARTS[:3], CONTINUATION)] == [
        True,
        True,
        False,
        True,
    ]
    assert layout_of(score).header > layout_of(tune).header
    assert layout_of(score).lowest > 36 + 12
    assert len({shade(palette, 127) for palette in PARTS}) == len(PARTS)


@pytest.mark.parametrize("names", [("a" * 500, "b" * 500, "c" * 500), ("Ré", "\0", "")])
def test_names_of_parts_of_any_length_fit(names: tuple[str, ...]) -> None:
    parts = tuple(Part((note(0, 60 + number),), name=name) for number, name in enumerate(names * 9))
    picture = pixels(draw_piano_roll(Score(parts, score_of(bars=1).bars), 1))
    header = layout_of(Score(parts, score_of(bars=1).bars)).header
    assert np.ptp(picture[:header, WIDTH - RIGHT + 2 :]) == np.ptp(picture[0, 0])


def test_bars_are_as_wide_as_they_are_long() -> None:
    meters = (0, 1, 4), (TICKS_PER_BEAT, 4, 4), (TICKS_PER_BEAT + 4 * TICKS_PER_BAR, 3, 4)
    layout = layout_of(in_meters((note(0),), *meters, end=TICKS_PER_BEAT + 5 * TICKS_PER_BAR))
    widths = [layout.x(bar.end, 0) - layout.x(bar.start, 0) for bar in layout.bars]
    assert widths == pytest.approx([PLOT * bar.ticks / layout.bars[-1].end for bar in layout.bars])


def test_a_score_without_notes_is_an_empty_roll() -> None:
    picture = drawn(score_of(bars=2), opening_bars=1)
    assert is_colour(picture, OPENING.ground).any()
    assert is_colour(picture, CONTINUATION.ground).any()
