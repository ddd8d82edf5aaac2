"""Which part does what, in scores of strangers: by name, by program, by what it plays."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn_scores import scores
from hypothesis import given

from composer.music.meter import TICKS_PER_BAR
from composer.music.roles import HIGHEST_BASS, is_melody, with_roles
from composer.music.score import Note, Part, Role, Score, in_four

MELODY, INNER, CHORDS, BASS, UNSAID = Role.MELODY, Role.INNER, Role.ACCOMPANIMENT, Role.BASS, Role.UNSAID


def line(pitch: int, name: str = "", program: int = 0) -> Part:
    """A note at a time."""
    return Part(
        tuple(Note(beat * 480, pitch + beat % 3, beat * 480 + 400, 80) for beat in range(8)), name=name, program=program
    )


def chords(pitch: int, name: str = "", program: int = 0) -> Part:
    notes = [Note(beat * 480, pitch + tone, beat * 480 + 400, 80) for beat in range(8) for tone in (0, 4, 7)]
    return Part(tuple(sorted(notes)), name=name, program=program)


def legato(part: Part, longer: int) -> Part:
    """Each note held so many ticks longer."""
    return replace(part, notes=tuple(replace(note, end=note.end + longer) for note in part.notes))


DRUMS = replace(line(36, "Drums"), is_drum=True, channel=9)


def roles(*parts: Part) -> list[Role]:
    found = with_roles(Score(parts, in_four((), end=2 * TICKS_PER_BAR).bars)).parts
    assert [replace(part, role=UNSAID) for part in found] == list(parts)  # the role is all that is said
    return [part.role for part in found]


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        # One alone is a piece by itself, as are a piano's hands.
        ((line(72),), [UNSAID]),
        ((line(72, "Melody"),), [UNSAID]),
        ((DRUMS, chords(60)), [UNSAID, UNSAID]),
        ((chords(72), line(40)), [UNSAID, UNSAID]),
        ((line(72, "Piano, right", 2), chords(48, "Piano, left", 5)), [UNSAID, UNSAID]),
        ((line(72), Part((), name="Nothing")), [UNSAID, UNSAID]),
        # Two that are no two hands: by name, or because another instrument plays.
        ((line(72, "Melody"), chords(55)), [MELODY, CHORDS]),
        ((chords(55), line(72, "", 40)), [CHORDS, MELODY]),
        ((line(74, "Flute", 73), line(40, "Cello", 42)), [MELODY, BASS]),
        # By name: more than by height, and the highest one of several.
        ((line(60, "Lead vocal", 53), line(80, "Flute", 73), chords(55)), [MELODY, INNER, CHORDS]),
        ((line(60, "Soprano", 52), line(64, "Vocals", 52), line(58, "Alto", 52)), [INNER, MELODY, INNER]),
        ((chords(60, "MELODY"), line(80)), [MELODY, INNER]),
        ((line(72, "Bridge"), line(67, "Clarinet", 71), chords(55)), [INNER, MELODY, CHORDS]),
        # A bass is one by its program, its name, or as the lowest single line that is low; beside chords it is one
        # with them.
        ((line(50, "", 33), line(72), chords(55)), [CHORDS, MELODY, CHORDS]),
        ((line(57, "E-Bass"), line(72, "Violin", 40), chords(30)), [CHORDS, MELODY, CHORDS]),
        ((line(40, "", 70), line(45, "", 71), line(72, "", 73)), [BASS, INNER, MELODY]),
        ((line(HIGHEST_BASS + 5, "", 70), line(72, "", 73)), [INNER, MELODY]),
        ((chords(36), line(72, "", 73), line(60, "", 71)), [CHORDS, MELODY, INNER]),
        ((line(43, "", 33), line(31, "", 32), line(72)), [INNER, BASS, MELODY]),
        # A quartet.
        (
            (
                line(76, "Violino I", 40),
                line(69, "Violino II", 40),
                line(60, "Viola", 41),
                line(48, "Violoncello", 42),
            ),
            [MELODY, INNER, INNER, BASS],
        ),
        # A band, with drums and a track on which nobody plays.
        (
            (DRUMS, line(36, "Bass", 33), chords(52, "Guitar", 27), Part((), name="Vocals"), line(70, "Sax", 66)),
            [UNSAID, CHORDS, CHORDS, UNSAID, MELODY],
        ),
        # Chords alone have no melody.
        ((chords(60, "Guitar", 25), chords(50, "Organ", 16)), [CHORDS, CHORDS]),
    ],
)
def test_parts_do_what_their_names_programs_and_notes_say(parts: tuple[Part, ...], expected: list[Role]) -> None:
    assert roles(*parts) == expected


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((line(72),), True),
        ((DRUMS, line(50, "", 70), Part((), name="Vocals")), True),
        ((legato(line(72), 100),), True),
        ((legato(line(72), 500),), False),
        ((chords(60, "Melody"),), True),
        ((chords(60),), False),
        ((line(72, "Melody"), chords(50)), False),
        ((line(72), line(60)), False),
    ],
)
def test_a_melody_is_alone_and_a_note_at_a_time_or_called_so(parts: tuple[Part, ...], expected: bool) -> None:
    assert is_melody(Score(parts, in_four((), end=2 * TICKS_PER_BAR).bars)) == expected


def test_what_roles_parts_had_does_not_matter() -> None:
    parts = [replace(line(72, "Melody"), role=BASS), replace(chords(55), role=MELODY), replace(DRUMS, role=INNER)]
    score = Score(tuple(parts), in_four((), end=2 * TICKS_PER_BAR).bars)
    assert [part.role for part in with_roles(score).parts] == [MELODY, CHORDS, UNSAID]
    alone = replace(score, parts=(parts[0],))
    assert [part.role for part in with_roles(alone).parts] == [UNSAID]


@given(scores())
def test_there_is_one_melody_at_most_and_one_bass(score: Score) -> None:
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    score = replace(score, parts=(drums, *score.parts))
    once = with_roles(score)
    assert [replace(part, role=UNSAID) for part in once.parts] == [replace(part, role=UNSAID) for part in score.parts]
    found = [part.role for part in once.parts]
    assert found.count(MELODY) <= 1
    assert found.count(BASS) <= 1
    assert all((part.role is UNSAID) == (part.is_drum or not part.notes) for part in once.parts) or set(found) == {
        UNSAID
    }
    assert with_roles(once) == once
