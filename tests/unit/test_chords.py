"""Chords: what a musician would write over excerpts played in code, in every key, inversion and touch."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from drawn_scores import scores
from hypothesis import given
from hypothesis import strategies as st

from composer.music.chords import chords_of, find_chords, say_chords
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import CHORD_QUALITIES, PITCH_CLASSES, Chord, Note, Score, in_four
from composer.parsing import chords_from

EIGHTH, SIXTEENTH = TICKS_PER_BEAT // 2, TICKS_PER_BEAT // 4
BASS, MIDDLE = 36, 60  # where the left hand's and the right hand's octaves begin

POP = ("C", "G", "Am", "F")
# Eight excerpts of eight bars, one chord a bar, and how often each is played.
PERFORMANCES = 10
PROGRESSIONS = (
    "C G Am F C G F C",
    "Am F C G Am F E7 Am",
    "Dm7 G7 Cmaj7 Am7 Dm7 G7 C C",
    "F#m D A E F#m D E7 F#m",
    "Eb Bb Cm Ab Eb Bb Ab Bb7",
    "Bm G D A Em7 A7 D D",
    "Dbmaj7 Bbm7 Ebm7 Ab7 Fm Bbm Ebm7 Ab",
    "Gm Eb Bb F Gm Cm D7 Gm",
)


def spelled(name: str) -> tuple[int, str]:
    """Root and quality of a chord name."""
    root = max((pc for pc in PITCH_CLASSES if name.startswith(pc)), key=len)
    return PITCH_CLASSES.index(root), name.removeprefix(root)


def tones(name: str) -> list[int]:
    """The chord in close position, its root in the octave of middle C."""
    root, quality = spelled(name)
    return [MIDDLE + root + interval for interval in CHORD_QUALITIES[quality]]


def block(name: str, start: int, end: int, bass: int = 0) -> list[Note]:
    """Both hands hold the chord; the left one plays the note of that number in it (0 is the root, 1 the third)."""
    low = BASS + tones(name)[bass] % 12
    return [Note(start, pitch, end, 80) for pitch in (low, *tones(name))]


def broken(name: str, start: int) -> list[Note]:
    """A bar of eighths: the root in the left hand, the chord up and down in the right."""
    chord = tones(name)
    pitches = [BASS + chord[0] % 12, *chord, *chord[::-1], chord[0]]
    ticks = range(start, start + TICKS_PER_BAR, EIGHTH)
    return [Note(tick, pitch, tick + EIGHTH, 80) for tick, pitch in zip(ticks, pitches, strict=False)]


def bars(names: Iterable[str], bass: int = 0) -> list[Note]:
    spans = ((name, bar * TICKS_PER_BAR) for bar, name in enumerate(names))
    return [note for name, start in spans for note in block(name, start, start + TICKS_PER_BAR, bass)]


def found(notes: Sequence[Note], end: int) -> list[tuple[int, str]]:
    return [(chord.tick, chord.name) for chord in find_chords(notes, end)]


def roots(notes: Sequence[Note], end: int) -> list[tuple[int, int | None]]:
    return [(chord.tick, chord.root) for chord in find_chords(notes, end)]


def transposed(notes: Iterable[Note], semitones: int) -> list[Note]:
    return [replace(note, pitch=note.pitch + semitones) for note in notes]


def moved(chord: Chord, semitones: int) -> Chord:
    return replace(chord, root=None if chord.root is None else (chord.root + semitones) % 12)


def every_bar(names: Sequence[str]) -> list[tuple[int, str]]:
    return [(bar * TICKS_PER_BAR, name) for bar, name in enumerate(names)]


# Any notes at all within eight bars, some of them before the first bar line, in no order, overlapping as they like.
any_notes = st.lists(
    st.builds(
        lambda start, pitch, length, velocity: Note(start, pitch, start + length, velocity),
        st.integers(-SIXTEENTH, 8 * TICKS_PER_BAR),
        st.integers(12, 115),
        st.integers(1, 3 * TICKS_PER_BAR),
        st.integers(1, 127),
    ),
    max_size=40,
)


@pytest.mark.parametrize("quality", CHORD_QUALITIES)
@pytest.mark.parametrize("root", PITCH_CLASSES)
def test_every_chord_of_the_vocabulary_is_heard_in_root_position(root: str, quality: str) -> None:
    assert found(bars([root + quality] * 2), 2 * TICKS_PER_BAR) == [(0, root + quality)]


@pytest.mark.parametrize("inversion", [0, 1, 2])
@pytest.mark.parametrize("semitones", range(12))
def test_a_progression_is_heard_in_every_key_and_inversion(semitones: int, inversion: int) -> None:
    chords = find_chords(transposed(bars(POP, bass=inversion), semitones), 4 * TICKS_PER_BAR)
    assert [moved(chord, -semitones).name for chord in chords] == list(POP)


def test_the_bass_decides_between_chords_of_the_same_notes() -> None:
    on_a, on_c = bars(["Am7"]), [Note(0, BASS, TICKS_PER_BAR, 80), *bars(["Am7"])[1:]]
    assert found(on_a, TICKS_PER_BAR) == [(0, "Am7")]
    assert found(on_c, TICKS_PER_BAR) == [(0, "C")]


def test_a_broken_chord_is_heard_as_one() -> None:
    notes = [note for bar, name in enumerate(POP) for note in broken(name, bar * TICKS_PER_BAR)]
    assert found(notes, 4 * TICKS_PER_BAR) == every_bar(POP)


def test_a_melody_over_the_chords_changes_no_root() -> None:
    melody = [76, 74, 72, 71, 72, 74, 71, 67, 76, 74, 72, 69, 72, 74, 77, 76]
    over = [Note(n * TICKS_PER_BEAT, pitch, (n + 1) * TICKS_PER_BEAT, 100) for n, pitch in enumerate(melody)]
    assert roots(sorted(bars(POP) + over), 4 * TICKS_PER_BAR) == roots(bars(POP), 4 * TICKS_PER_BAR)


def test_chords_may_change_twice_a_bar() -> None:
    half = TICKS_PER_BAR // 2
    notes = [note for n, name in enumerate(POP) for note in block(name, n * half, (n + 1) * half)]
    assert found(notes, 2 * TICKS_PER_BAR) == [(n * half, name) for n, name in enumerate(POP)]


def test_a_passing_chord_on_a_weak_beat_is_no_change() -> None:
    """One beat of E minor within a bar of C passes by; a bar of it is a change."""
    passing = block("C", 0, 480) + block("Em", 480, 960) + block("C", 960, 1920)
    assert found(passing + block("Em", 1920, 3840), 3840) == [(0, "C"), (1920, "Em")]


def test_a_change_prefers_the_bar_line_to_the_weak_beats() -> None:
    """One beat sounds nothing but the note that both chords share; the change is on the bar line on either side."""
    shared = [Note(0, MIDDLE, TICKS_PER_BEAT, 80)]
    before_bar_line = block("C", 0, 3 * TICKS_PER_BEAT) + [replace(n, start=1440, end=1920) for n in shared]
    assert found(before_bar_line + block("F", 1920, 3840), 3840) == [(0, "C"), (1920, "F")]
    after_bar_line = [replace(n, start=1920, end=2400) for n in shared] + block("F", 2400, 3840)
    assert found(block("C", 0, 1920) + after_bar_line, 3840) == [(0, "C"), (1920, "F")]


def test_repeats_are_one_chord() -> None:
    assert found(bars(["C", "C", "F", "F", "C"]), 5 * TICKS_PER_BAR) == [(0, "C"), (3840, "F"), (7680, "C")]


# --- silence --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", [0, 1, TICKS_PER_BAR, 8 * TICKS_PER_BAR])
def test_no_notes_are_no_chord(end: int) -> None:
    assert find_chords([], end) == (Chord(0, None),)


def test_a_chord_goes_on_through_a_short_silence() -> None:
    notes = block("C", 0, 2 * TICKS_PER_BEAT) + block("C", TICKS_PER_BAR, 2 * TICKS_PER_BAR)
    assert found(notes, 2 * TICKS_PER_BAR) == [(0, "C")]


def test_a_chord_goes_on_to_the_end_of_its_bar() -> None:
    assert found(block("C", 0, TICKS_PER_BEAT), TICKS_PER_BAR) == [(0, "C")]


def test_bars_of_silence_are_no_chord() -> None:
    notes = bars(["C"]) + block("F", 3 * TICKS_PER_BAR, 4 * TICKS_PER_BAR)
    assert found(notes, 5 * TICKS_PER_BAR) == [(0, "C"), (1920, "N"), (5760, "F"), (7680, "N")]


def test_a_piece_that_begins_with_a_rest_begins_without_a_chord() -> None:
    assert found(block("Gm", 960, 3840), 3840) == [(0, "N"), (960, "Gm")]


def test_a_note_beyond_the_end_is_not_heard() -> None:
    assert find_chords(bars(["C", "F"]), TICKS_PER_BAR) == find_chords(bars(["C"]), TICKS_PER_BAR)


# --- touch ----------------------------------------------------------------------------------------------------------


def test_a_held_pedal_does_not_blur_the_chords() -> None:
    """Every note sounds on for one more bar, so that all but the first chord sound together with the one before."""
    blurred = [replace(note, end=note.end + TICKS_PER_BAR) for note in bars(POP)]
    assert roots(blurred, 4 * TICKS_PER_BAR) == roots(bars(POP), 4 * TICKS_PER_BAR)


def test_a_low_note_under_the_pedal_is_not_the_bass_for_ever() -> None:
    """A bar of F, the low F held on; above it an A minor, which over a new F would be Fmaj7."""
    old_f, *above = bars(["F", "Am"])
    over_old = [replace(old_f, end=2 * TICKS_PER_BAR), *above]
    assert found(over_old, 2 * TICKS_PER_BAR) == [(0, "F"), (TICKS_PER_BAR, "Am")]
    over_new = [*over_old, replace(old_f, start=TICKS_PER_BAR, end=2 * TICKS_PER_BAR)]
    assert found(over_new, 2 * TICKS_PER_BAR) == [(0, "F"), (TICKS_PER_BAR, "Fmaj7")]


def test_a_note_that_a_pedal_never_lets_go_dies_away() -> None:
    notes = [replace(note, end=40 * TICKS_PER_BAR) for note in bars(["C"])]
    assert find_chords(notes, 40 * TICKS_PER_BAR)[-1].name == "N"


def test_the_shortest_notes_are_heard() -> None:
    assert found(block("C", 0, 1), TICKS_PER_BAR) == [(0, "C")]


def test_what_begins_before_the_first_bar_line_is_heard_from_there() -> None:
    assert found(block("C", -960, TICKS_PER_BAR), 2 * TICKS_PER_BAR) == [(0, "C"), (TICKS_PER_BAR, "N")]


@given(st.lists(st.integers(-SIXTEENTH // 2, SIXTEENTH // 2 - 1), min_size=40, max_size=40))
def test_microtiming_changes_nothing(early: list[int]) -> None:
    """Each note is up to half a sixteenth early or late."""
    straight = [note for bar, name in enumerate(POP) for note in broken(name, bar * TICKS_PER_BAR)]
    played = [replace(n, start=n.start + by, end=n.end + by) for n, by in zip(straight, early, strict=False)]
    assert find_chords(played, 4 * TICKS_PER_BAR) == find_chords(straight, 4 * TICKS_PER_BAR)


# --- promises that hold for any notes -------------------------------------------------------------------------------


@given(any_notes, st.integers(-12, 12))
def test_a_transposed_piece_has_its_chords_transposed(notes: list[Note], semitones: int) -> None:
    chords = find_chords(notes, 8 * TICKS_PER_BAR)
    assert find_chords(transposed(notes, semitones), 8 * TICKS_PER_BAR) == tuple(moved(c, semitones) for c in chords)


@given(any_notes, st.integers(0, 9 * TICKS_PER_BAR))
def test_chords_begin_at_tick_0_and_change_on_beats(notes: list[Note], end: int) -> None:
    chords = find_chords(notes, end)
    ticks = [chord.tick for chord in chords]
    assert ticks[0] == 0
    assert all(tick % TICKS_PER_BEAT == 0 for tick in ticks)
    assert all(earlier < later for earlier, later in pairwise(ticks))
    assert ticks[-1] < max(end, 1)
    assert all(one.name != following.name for one, following in pairwise(chords))
    assert all(chord.quality in CHORD_QUALITIES for chord in chords)


# --- accuracy -------------------------------------------------------------------------------------------------------


def performed(names: Sequence[str], seed: int) -> list[Note]:
    """A bar a chord as a pianist may play it: inverted, or broken with pedal; passing notes on top; loose in time.

    Seventh chords keep their root in the bass, for on its third Dm7 is an F chord as well.
    """
    dice = random.Random(seed)
    notes: list[Note] = []
    for name, start in zip(names, range(0, len(names) * TICKS_PER_BAR, TICKS_PER_BAR), strict=True):
        end = start + TICKS_PER_BAR
        if dice.random() < 0.5:
            notes += block(name, start, end, bass=dice.choice([0, 1, 2]) if len(tones(name)) == 3 else 0)
        else:
            notes += [replace(note, end=end) for note in broken(name, start)]
        for tick in range(start, end, TICKS_PER_BEAT):
            pitch = dice.choice(tones(name)) + 12
            notes.append(Note(tick, pitch, tick + EIGHTH, 100))
            notes.append(Note(tick + EIGHTH, pitch + dice.choice([-3, -2, -1, 1, 2, 3]), tick + TICKS_PER_BEAT, 90))
    return sorted(replace(n, start=n.start + dice.randint(-30, 30), end=n.end + dice.randint(0, 200)) for n in notes)


def roots_by_beat(chords: Sequence[Chord], beats: int) -> list[int | None]:
    return [[c.root for c in chords if c.tick <= beat * TICKS_PER_BEAT][-1] for beat in range(beats)]


@pytest.mark.parametrize("progression", PROGRESSIONS)
def test_roots_of_a_loose_performance(progression: str) -> None:
    names = progression.split()
    beats = 4 * len(names)
    right = 0
    for seed in range(PERFORMANCES):
        chords = find_chords(performed(names, seed), len(names) * TICKS_PER_BAR)
        right += sum(root == spelled(names[beat // 4])[0] for beat, root in enumerate(roots_by_beat(chords, beats)))
    assert right / (PERFORMANCES * beats) >= 0.93


# ---------------------------------------------------------------------- as text


def test_chords_are_written_a_bar_between_two_lines() -> None:
    chords = (Chord(0, 9, "m"), Chord(3 * TICKS_PER_BEAT // 2, 5), Chord(2 * TICKS_PER_BAR, None))
    score = replace(in_four((), end=3 * TICKS_PER_BAR), chords=chords)
    assert say_chords(score) == "| Am F | F | N |"
    assert chords_from(say_chords(score)) == (("Am", "F"), ("F",), ("N",))


@given(scores())
def test_whatever_is_written_can_be_asked_for(score: Score) -> None:
    written = chords_from(say_chords(replace(score, chords=chords_of(score))))
    assert len(written) == len(score.bars)
    assert all(len(names) <= len(list(bar.beats())) for names, bar in zip(written, score.bars, strict=True))
