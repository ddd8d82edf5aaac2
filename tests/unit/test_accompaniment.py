from __future__ import annotations

from dataclasses import replace

import pytest
from recordings import song

from composer.music.chords import find_chords
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, Score, in_four
from composer.transcription.accompaniment import accompany, without_chords

# Twinkle, twinkle: eight bars of quarters and halves, whose chords everybody knows.
TUNE = ((72, 72, 79, 79), (81, 81, 79), (77, 77, 76, 76), (74, 74, 72))


def tune(up: int = 0, pickup: bool = False) -> Score:
    notes = [Note(3 * 480, 67 + up, TICKS_PER_BAR, 80)] if pickup else []
    for bar, pitches in enumerate(TUNE * 2, start=int(pickup)):
        starts = [bar * TICKS_PER_BAR + 480 * beat for beat in range(len(pitches))]
        ends = [*starts[1:], (bar + 1) * TICKS_PER_BAR]
        notes += [Note(s, p + up, e, 80) for s, p, e in zip(starts, pitches, ends, strict=True)]
    return in_four(tuple(notes), end=(8 + pickup) * TICKS_PER_BAR)


def struck(melody: Score) -> set[tuple[int, int]]:
    """When the left hand plays which pitch class."""
    return {(note.start, note.pitch % 12) for note in hand(accompany(melody), melody)}


def hand(score: Score, melody: Score) -> list[Note]:
    return [note for note in score.notes if note not in melody.notes]


def test_the_melody_stays_and_the_chords_are_those_that_everybody_plays() -> None:
    melody = tune()
    whole = accompany(melody)
    assert set(melody.notes) <= set(whole.notes)
    names = [chord.name for chord in find_chords(whole.notes, whole.end)]
    assert names[0] == "C"
    assert names[-1] == "C"
    assert set(names) <= {"C", "F", "G", "Am", "Dm", "Em", "F/C", "C7", "Am7", "Fmaj7", "Dm7", "Em7", "Cmaj7"}


@pytest.mark.parametrize("up", [-5, 3, 7])
def test_another_key_has_the_same_chords_in_that_key(up: int) -> None:
    assert {(start, (pitch - up) % 12) for start, pitch in struck(tune(up))} == struck(tune())


def test_a_pickup_is_played_alone() -> None:
    melody = tune(pickup=True)
    assert min(note.start for note in hand(accompany(melody), melody)) == TICKS_PER_BAR


def test_a_low_voice_is_written_an_octave_higher() -> None:
    low = tune(-24)
    whole = accompany(low)
    assert {(n.start, n.pitch + 12) for n in low.notes} <= {(n.start, n.pitch) for n in whole.notes}
    assert accompany(in_four(())) == in_four(())


@pytest.mark.parametrize(("up", "pickup"), [(0, False), (5, True), (-24, False), (-14, True)])
def test_the_chords_can_be_taken_away_again_also_from_a_file(up: int, pickup: bool) -> None:
    whole = parse_midi(dump_midi(accompany(tune(up, pickup))))
    assert without_chords(whole).notes == tune(up + 12 if up < 0 else up, pickup).notes


def test_they_can_be_taken_away_from_some_of_its_bars() -> None:
    whole = accompany(tune(-5))
    for first, behind in ((0, 3), (1, 4), (5, 8)):
        assert without_chords(whole.excerpt(first, behind)).notes == tune(-5).excerpt(first, behind).notes


def test_what_has_no_such_chords_stays_as_it_is() -> None:
    for score in (tune(), in_four(()), song(4)):
        assert without_chords(score) is score
    whole = accompany(tune())
    for notes in (
        [*whole.notes, Note(0, 61, 960, 58)],  # of no triad with the others
        [note for note in whole.notes if note.start != 1920 or note.velocity != 58],
        [note for note in whole.notes if note.velocity == 58],
    ):
        changed = replace(whole, parts=(replace(whole.parts[0], notes=tuple(sorted(notes))),))
        assert without_chords(changed) is changed
