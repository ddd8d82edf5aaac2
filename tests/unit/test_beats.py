from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from composer.transcription.beats import Pulse, find_pulse
from composer.transcription.performance import PlayedNote
from composer.transcription.readings import READINGS, describe, likelihoods

BARS = 8
CHORDS = ((48, 64, 67, 72), (45, 64, 69, 72), (41, 65, 69, 72), (43, 62, 67, 71))
TUNE = (76, 74, 72, 74, 76, 76, 79, 77, 76, 74, 72, 71)


def song(
    bpm: float, jitter: float = 0.0, drift: float = 0.0, skip_beats: int = 0
) -> tuple[list[PlayedNote], list[float]]:
    """A pop song: a chord a bar, broken in eighths, and a tune. Returns the notes and the beat each one lies on.

    drift: how much slower the end is than the beginning, as a share   skip_beats: left out at the beginning
    """
    draw = np.random.default_rng(3)
    written = []
    for bar in range(BARS):
        chord = CHORDS[bar % 4]
        written += [(4.0 * bar, chord[0] - 12, 3.5), (4.0 * bar, chord[0], 1.0)]
        written += [(4 * bar + eighth / 2, chord[1 + eighth % 3], 0.45) for eighth in range(1, 8)]
        written += [(4 * bar + at, TUNE[(3 * bar + i) % 12], 0.9) for i, at in enumerate((0, 1, 1.75, 3))]
    written = sorted(note for note in written if note[0] >= skip_beats)

    def seconds(beat: float) -> float:
        return 0.4 + 60 / bpm * (beat + drift * beat**2 / (8 * BARS))

    heard = [
        (PlayedNote(seconds(beat) + draw.normal(0, jitter), pitch, seconds(beat + length), 80), beat)
        for beat, pitch, length in written
    ]
    heard.sort()
    return [note for note, _ in heard], [beat for _, beat in heard]


def sixteenths(pulse: Pulse, notes: list[PlayedNote]) -> np.ndarray:  # type: ignore[type-arg]
    return np.rint([4 * pulse.position(note.onset) for note in notes]).astype(int)


@pytest.mark.parametrize("bpm", [66, 84, 104, 126])
def test_notes_of_a_pop_song_stand_where_they_were_written(bpm: float) -> None:
    notes, beats = song(bpm, jitter=0.012)
    pulse = find_pulse(notes)
    assert pulse.bpm == pytest.approx(bpm, rel=0.02)
    assert np.mean(sixteenths(pulse, notes) % 16 == np.rint(4 * np.array(beats)) % 16) > 0.97
    assert 0.3 < pulse.sure <= 1


def test_a_player_who_slows_down_is_followed() -> None:
    notes, beats = song(100, jitter=0.008, drift=0.25)
    pulse = find_pulse(notes)
    off = sixteenths(pulse, notes) - np.rint(4 * np.array(beats))
    assert np.mean(off == np.median(off)) > 0.95
    assert np.diff(pulse.beats)[-6] > 1.15 * np.diff(pulse.beats)[6]


@pytest.mark.parametrize("factor", [0.5, 1, 2])
def test_the_tempo_that_is_told_is_taken(factor: float) -> None:
    notes, _ = song(90, jitter=0.01)
    assert find_pulse(notes, bpm=90 * factor * 1.05).bpm == pytest.approx(90 * factor, rel=0.03)


@pytest.mark.parametrize("downbeat", [1, 2, 3, 4])
def test_the_first_note_lies_on_the_beat_that_is_told(downbeat: int) -> None:
    notes, _ = song(96, jitter=0.01)
    pulse = find_pulse(notes, downbeat=downbeat)
    assert round(pulse.position(notes[0].onset)) % 4 == downbeat - 1


def test_a_pickup_is_no_downbeat() -> None:
    notes, beats = song(92, jitter=0.01, skip_beats=3)
    pulse = find_pulse(notes)
    assert round(pulse.position(notes[0].onset)) % 4 == 3
    assert beats[0] == 3


@given(st.lists(st.floats(0.3, 1.2), min_size=3, max_size=20), st.integers(0, 3), st.floats(-5, 40))
def test_seconds_and_positions_are_inverse(lengths: list[float], first: int, position: float) -> None:
    pulse = Pulse(np.cumsum(lengths), first, 1.0)
    assert pulse.position(pulse.seconds(position)) == pytest.approx(position, abs=1e-6)
    assert pulse.position(pulse.beats[1]) == pytest.approx(first + 1)


def test_four_notes_and_stranger_things_have_beats() -> None:
    few = [PlayedNote(onset, pitch, onset + 0.1, 80) for onset, pitch in ((0.0, 60), (0.01, 64), (9.0, 60), (30.0, 21))]
    together = [PlayedNote(1.0, pitch, 1.5, 80) for pitch in range(60, 66)]
    for notes in (few, together):
        pulse = find_pulse(notes)
        assert np.all(np.diff(pulse.beats) > 0)
        assert pulse.beats[0] <= notes[0].onset
        assert pulse.beats[-1] >= notes[-1].onset


def test_the_likelihoods_of_all_readings_sum_to_one_whatever_the_key() -> None:
    notes, beats = song(90)
    steps = np.array(beats) * 4 + 20
    likely = likelihoods(describe(notes, steps, 60 / 90))
    assert likely.shape == (len(READINGS),)
    assert likely.sum() == pytest.approx(1)
    higher = [note._replace(pitch=note.pitch + 5) for note in notes]
    assert likelihoods(describe(higher, steps, 60 / 90)) == pytest.approx(likely)
