from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scores import changed, pedal
from singing import line

from composer.errors import OutOfRangeError, TooFewNotesError
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, Score, TempoChange, in_four
from composer.opening import to_opening
from composer.transcription.performance import Performance, PlayedNote
from composer.transcription.synchronise import Listening, on_its_grid, performance_of, synchronise

OPENING = Path(__file__).parents[2] / "examples" / "opening.mid"
PITCHES = [67, 67, 69, 67, 72, 71, 67, 67, 69, 67, 74, 72] * 2
BEATS = [
    0.75,
    0.25,
    1,
    1,
    1,
    2,
    0.75,
    0.25,
    1,
    1,
    1,
    2,
] * 2  # begins on the third beat of a bar in 3/4; here as it comes


@pytest.fixture(scope="module")
def opening() -> Score:
    return parse_midi(OPENING.read_bytes())


def without_click(score: Score, bpm: float, seed: int = 1) -> Score:
    """The same music in a file whose own tempo has nothing to do with it, as a recording program writes it."""
    draw = random.Random(seed)
    ticks = 120 * TICKS_PER_BEAT / 60

    def tick(at: int) -> int:
        seconds = score.seconds_at(at) * score.tempos[0].bpm / bpm
        return max(0, round((0.37 + seconds + draw.gauss(0, 0.008)) * ticks))

    notes = []
    for note in score.notes:
        start = tick(note.start)
        notes.append(Note(start, note.pitch, max(tick(note.end), start + 60), note.velocity))
    end = -(-max(note.end for note in notes) // TICKS_PER_BAR) * TICKS_PER_BAR
    return in_four(tuple(sorted(notes)), (TempoChange(0, 120.0),), end=end)


def test_what_was_played_without_a_click_gets_its_bars_back(opening: Score) -> None:
    loose = parse_midi(dump_midi(without_click(opening, 83)))
    assert not on_its_grid(loose)
    heard = synchronise(performance_of(loose))
    assert heard.tempo == pytest.approx(83, rel=0.03)
    assert (heard.bars, heard.kind, heard.key) == (len(opening.bars), "midi", "C major")
    where = {(round(note.start / 120), note.pitch) for note in heard.score.notes}
    written = {(round(note.start / 120), note.pitch) for note in opening.notes}
    assert len(where & written) > 0.95 * len(written)
    assert on_its_grid(heard.score)


def test_a_file_on_its_grid_is_known_and_so_is_one_in_triplets(opening: Score) -> None:
    assert on_its_grid(opening)
    triplets = tuple(Note(tick, 60 + tick % 7, tick + 100, 80) for tick in range(0, 8000, 160))
    assert on_its_grid(in_four(triplets, end=9600))
    assert on_its_grid(in_four((Note(37, 60, 99, 80),), end=TICKS_PER_BAR)), "a few notes say nothing"


def test_nothing_moves_in_time(opening: Score) -> None:
    performance = performance_of(without_click(opening, 97))
    heard = synchronise(performance)
    onsets = sorted(note.onset for note in performance.notes)
    again = sorted(heard.score.seconds_at(note.start) for note in heard.score.notes)
    assert np.ptp(np.array(onsets) - np.array(again)) < 0.01
    assert [n.velocity for n in heard.score.notes].count(80) == [n.velocity for n in performance.notes].count(80)


def test_half_and_double_are_asked_for_by_the_tempo(opening: Score) -> None:
    performance = performance_of(opening)
    heard = synchronise(performance)
    for factor in (0.5, 2.0):
        again = synchronise(performance, Listening(bpm=heard.tempo * factor))
        assert again.tempo == pytest.approx(heard.tempo * factor, rel=0.03)
        assert again.bars == pytest.approx(heard.bars * factor, abs=1)


def test_pedal_and_tempo_become_those_of_an_opening(opening: Score) -> None:
    pedalled = changed(opening, pedal=((0, 1800), (1920, 3700)))
    score = to_opening(synchronise(performance_of(pedalled)).score).score
    assert [round(down / 480) for down, _ in pedal(score)] == [0, 4]
    assert all(50 < tempo.bpm < 200 for tempo in score.tempos)


def test_a_hummed_line_gets_a_left_hand_on_the_grid() -> None:
    notes = line(PITCHES, BEATS, 88)
    draw = random.Random(2)
    sung = tuple(sorted(note._replace(onset=note.onset + draw.gauss(0, 0.02), pitch=note.pitch - 12) for note in notes))
    performance = Performance(sung, sung[-1].offset, "melody")
    bare = synchronise(performance, Listening(accompany=False))
    assert not bare.accompanied
    assert [note.pitch for note in bare.score.notes] == [note.pitch for note in sung]
    assert all(note.start % 120 == 0 and note.end % 120 == 0 for note in bare.score.notes)
    assert all(a.end <= b.start for a, b in zip(bare.score.notes, bare.score.notes[1:], strict=False)), "one voice"
    full = synchronise(performance)
    assert full.accompanied
    assert full.notes == bare.notes == len(sung)
    lifted = {(note.start, note.pitch + 12) for note in bare.score.notes}
    assert lifted <= {(note.start, note.pitch) for note in full.score.notes}
    hand = [note for note in full.score.notes if (note.start, note.pitch) not in lifted]
    assert max(note.pitch for note in hand) < 64
    assert {note.pitch % 12 for note in hand} <= {0, 2, 4, 5, 7, 9, 11}, "C major has no other notes"
    to_opening(full.score)


def test_too_few_notes_are_refused() -> None:
    three = Performance(tuple(PlayedNote(float(at), 60, at + 0.5, 80) for at in range(3)), 3.0, "piano")
    with pytest.raises(TooFewNotesError) as refusal:
        synchronise(three)
    assert (refusal.value.notes, refusal.value.least) == (3, 4)


@pytest.mark.parametrize("wrong", [{"bpm": 20}, {"bpm": 301}, {"downbeat": 0}, {"downbeat": 5}])
def test_what_cannot_be_is_no_listening(wrong: dict[str, int]) -> None:
    with pytest.raises(OutOfRangeError):
        Listening(**wrong)  # type: ignore[arg-type]


def test_a_listening_crosses_the_table() -> None:
    listening = Listening(84.5, 3, accompany=False)
    assert Listening(**listening.to_json()) == listening


ms = st.integers(0, 40_000).map(lambda count: count / 1000)
played = st.builds(PlayedNote, ms, st.integers(21, 108), ms, st.integers(1, 127))


@given(st.lists(played), ms, st.sampled_from(["piano", "melody", "midi"]), st.lists(st.tuples(ms, ms)))
def test_a_performance_crosses_the_table(notes: list[PlayedNote], seconds: float, kind, pedal) -> None:  # type: ignore[no-untyped-def]
    performance = Performance(tuple(notes), seconds, kind, tuple(pedal))
    assert Performance.from_json(performance.to_json()) == performance
