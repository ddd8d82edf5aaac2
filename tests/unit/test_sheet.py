"""Sheet music, read back by music21: every note at its place."""

from __future__ import annotations

import io
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from composer.music.chords import chords_of
from composer.music.grid import TICKS_PER_POSITION, snap
from composer.music.key import Key
from composer.music.meter import Bar, Meter
from composer.music.midi import parse_midi
from composer.music.score import Chord, Note, Part, Role, Score, TempoChange
from composer.rendering.sheet.engraving import WIDTH, engrave, to_pdf
from composer.rendering.sheet.hands import SPAN, hands
from composer.rendering.sheet.musicxml import staves_of, to_musicxml
from composer.rendering.sheet.spelling import fifths_of, spell

EXAMPLE = Path(__file__).parents[2] / "examples" / "opening.mid"
METERS = ("4/4", "3/4", "2/4", "6/8", "5/4", "9/8", "12/8", "7/8", "3/8")


def score_of(meter: str, bars: int, notes: list[tuple[int, int, int]], role: Role = Role.UNSAID) -> Score:
    """notes: onset and length in positions, and pitch"""
    length = Meter.parse(meter).ticks
    lines = [number * length for number in range(bars + 1)]
    played = {
        (start, pitch): Note(start * TICKS_PER_POSITION, pitch, (start + held) * TICKS_PER_POSITION, 80)
        for start, held, pitch in notes
        if start * TICKS_PER_POSITION < lines[-1]
    }
    return Score(
        parts=(Part(tuple(sorted(played.values())), role),),
        bars=tuple(Bar(start, stop, Meter.parse(meter)) for start, stop in pairwise(lines)),
        tempos=(TempoChange(0, 96.0),),
        chords=(Chord(0, 0),),
    )


def read(written: bytes) -> Any:
    import music21  # a second, that every worker would pay

    return music21.converter.parseData(written.decode(), format="musicxml")


def placed(sheet: Any) -> Counter[tuple[int, float, int]]:
    """Of every note that is struck: its bar, where in it in quarters, and its pitch."""
    found: Counter[tuple[int, float, int]] = Counter()
    for part in sheet.parts:
        for measure in part.getElementsByClass("Measure"):
            for element in measure.recurse().notes:
                if "ChordSymbol" in element.classes:
                    continue
                at = float(element.getOffsetInHierarchy(measure))
                for note in element.notes if element.isChord else [element]:
                    if note.tie is None or note.tie.type == "start":
                        found[measure.number - 1, round(at, 3), note.pitch.midi] += 1
    return found


def expected(score: Score) -> Counter[tuple[int, float, int]]:
    notes = [note for part in score.pitched for note in part.notes]
    found = set()
    for note, tick in zip(notes, snap([note.start for note in notes], score.bars).tolist(), strict=True):
        if tick < score.end:
            bar = score.bar_at(tick)
            found.add((bar, round((tick - score.bars[bar].start) / 480, 3), note.pitch))
    return Counter(found)


def check(score: Score) -> None:
    sheet = read(to_musicxml(score, "a piece"))
    assert placed(sheet) == expected(score)
    for part in sheet.parts:
        for number, measure in enumerate(part.getElementsByClass("Measure")):
            quarters = score.bars[number].ticks / 480
            for voice in measure.voices or [measure]:
                assert float(voice.duration.quarterLength) == pytest.approx(quarters)


def test_the_example_comes_back_note_by_note() -> None:
    score = parse_midi(EXAMPLE.read_bytes())
    check(score)


@st.composite
def scores(draw: st.DrawFn) -> Score:
    meter = draw(st.sampled_from(METERS))
    positions = Meter.parse(meter).ticks // TICKS_PER_POSITION
    steps = draw(st.sampled_from((3, 6, 4)))
    starts = st.integers(0, 2 * positions // steps - 1).map(lambda step: step * steps)
    notes = draw(
        st.lists(
            st.tuples(starts, st.sampled_from((2, 3, 4, 6, 9, 12, 20, 24, 40, 60)), st.integers(36, 84)),
            min_size=1,
            max_size=14,
        )
    )
    return score_of(meter, 2, notes)


@settings(max_examples=60)
@given(scores())
def test_every_note_is_at_its_place_in_bars_that_are_full(score: Score) -> None:
    check(score)


def test_a_triplet_is_written_as_one_and_beamed() -> None:
    sheet = read(to_musicxml(score_of("2/4", 1, [(0, 4, 72), (4, 4, 74), (8, 4, 76), (12, 12, 77)]), "three"))
    first, *_ = [note for note in sheet.recurse().notes if note.isNote]
    assert first.duration.tuplets[0].numberNotesActual == 3
    assert [beam.type for beam in first.beams] == ["start"]
    assert first.duration.type == "eighth"


def test_six_in_a_quarter_are_six_for_four() -> None:
    sheet = read(to_musicxml(score_of("2/4", 1, [(2 * step, 2, 72 + step) for step in range(6)]), "six"))
    six = [note for note in sheet.recurse().notes if note.isNote]
    assert {(note.duration.tuplets[0].numberNotesActual, note.duration.type) for note in six} == {(6, "16th")}


def test_what_is_held_under_what_moves_is_a_voice_of_its_own() -> None:
    score = score_of("4/4", 1, [(0, 48, 64), (0, 6, 76), (12, 12, 77), (24, 12, 79), (36, 12, 81)])
    sheet = read(to_musicxml(score, "two voices"))
    (measure,) = sheet.parts[0].getElementsByClass("Measure")
    upper, lower = measure.voices
    assert [note.pitch.midi for note in upper.notes] == [76, 77, 79, 81]
    assert [(note.pitch.midi, float(note.duration.quarterLength)) for note in lower.notes] == [(64, 4.0)]


def test_key_meter_tempo_chords_and_the_boundary_stand_there() -> None:
    opening = parse_midi(EXAMPLE.read_bytes())
    score = Score(opening.parts, opening.bars, opening.tempos, chords_of(opening))
    sheet = read(to_musicxml(score, "Evening", boundary=4))
    assert sheet.metadata.title == "Evening"
    part = sheet.parts[0]
    assert part.recurse().getElementsByClass("KeySignature")[0].sharps == 0
    assert part.recurse().getElementsByClass("TimeSignature")[0].ratioString == "4/4"
    assert part.recurse().getElementsByClass("MetronomeMark")[0].number == pytest.approx(score.tempos[0].bpm, abs=1)
    symbols = [symbol.figure for symbol in part.recurse().getElementsByClass("ChordSymbol")]
    assert symbols[:4] == ["Am", "F", "C", "G"]
    assert part.getElementsByClass("Measure")[3].rightBarline.type == "double"


def test_a_known_melody_has_its_own_staff_and_an_instrument_its_own() -> None:
    tune, left = (Note(0, 72, 480, 80),), (Note(0, 48, 480, 80),)
    bars = (Bar(0, 1920, Meter(4, 4)),)
    score = Score((Part(tune, Role.MELODY), Part(left, Role.ACCOMPANIMENT)), bars)
    assert [len(player.notes) for player in staves_of(score)] == [1, 2]
    score = Score((Part(left, program=42), Part(tune, name="Flute", program=73)), bars)
    assert [(player.name, player.clefs) for player in staves_of(score)] == [("Flute", ("G",)), ("Cello", ("F",))]


def test_hands_take_what_they_can_reach() -> None:
    chord = [Note(0, pitch, 480, 80) for pitch in (36, 43, 48, 64, 67, 72)]
    right, left = hands(chord)
    assert [note.pitch for note in left] == [36, 43, 48]
    assert [note.pitch for note in right] == [64, 67, 72]
    assert all(notes[-1].pitch - notes[0].pitch <= SPAN for notes in (right, left))


@pytest.mark.parametrize(
    ("key", "fifths", "pitch", "name"),
    [
        (Key(0, minor=False), 0, 61, "C1 4"),
        (Key(9, minor=True), 0, 68, "G1 4"),
        (Key(5, minor=False), -1, 70, "B-1 4"),
        (Key(1, minor=False), -5, 61, "D-1 4"),
        (Key(2, minor=False), 2, 60, "C0 4"),
        (Key(4, minor=True), 1, 63, "D1 4"),
        (Key(6, minor=False), 6, 65, "E1 4"),
        (Key(1, minor=False), -5, 71, "C-1 5"),
    ],
)
def test_pitches_are_called_what_their_key_calls_them(key: Key, fifths: int, pitch: int, name: str) -> None:
    assert fifths_of(key) == fifths
    step, alter, octave = spell(pitch, fifths, key.minor)
    assert f"{step}{alter} {octave}" == name


def test_pages_are_pictures_and_a_pdf() -> None:
    opening = parse_midi(EXAMPLE.read_bytes())
    score = Score(opening.parts, opening.bars, opening.tempos, chords_of(opening))
    pages = engrave(to_musicxml(score, "Evening"), "Evening & <Night>")
    (page,) = (Image.open(io.BytesIO(page)).convert("L") for page in pages)
    assert page.width == WIDTH
    black = sum(page.histogram()[:128]) / (page.width * page.height)
    assert 0.01 < black < 0.2
    assert to_pdf(pages).startswith(b"%PDF")
