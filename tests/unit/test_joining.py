"""What was composed comes into the score that it was composed to, and the rest of that score stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from drawn_scores import VOCABULARY, grid_scores, scores
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scores import changed, in_meters, pedal

from composer.music.chords import chords_of, say_chords
from composer.music.drums import Drums
from composer.music.joining import BASS, ENDING_BARS, NAMES, PEDAL_TICKS, PIANO, joined
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT, Meter, bars_of
from composer.music.midi import dump_midi, parse_midi
from composer.music.roles import with_roles
from composer.music.score import (
    BEND,
    CONTROLLER,
    EARLY_TICKS,
    NO_BEND,
    PEDAL,
    PROGRAM,
    Chord,
    Control,
    Note,
    Part,
    Role,
    Score,
    TempoChange,
    cut_at_repeats,
    in_four,
    pedal_of,
)
from composer.music.words import parse_chord

EMPTY_BARS = in_four(  # at the beginning, in the middle and at the end
    notes=(Note(TICKS_PER_BAR, 60, TICKS_PER_BAR + 480, 64), Note(3 * TICKS_PER_BAR, 60, 3 * TICKS_PER_BAR + 120, 64)),
    tempos=(TempoChange(0, VOCABULARY.tempos[30]),),
    chords=(Chord(0, None),),
    end=6 * TICKS_PER_BAR,
)


def shifted(note: Note, ticks: int) -> Note:
    return replace(note, start=note.start + ticks, end=note.end + ticks)


def opening_at(bpm: float) -> Score:
    """Two bars as played: early, late, and one note that is held beyond the bar line."""
    notes = (Note(3, 60, 470, 71), Note(478, 64, 961, 66), Note(1925, 67, 2411, 50), Note(3000, 72, 4321, 99))
    return in_four(notes, (TempoChange(0, bpm),), end=2 * TICKS_PER_BAR)


def continued(opening: Score, continuation: Score) -> Score:
    return joined(opening, continuation, len(opening.bars))


def of_role(role: Role, *notes: Note, **fields: object) -> Part:
    return Part(tuple(sorted(notes)), role, **fields)  # type: ignore[arg-type]


def beats(pitch: int, first: int, behind: int, step: int = TICKS_PER_BEAT, length: int = 400) -> tuple[Note, ...]:
    """Notes from bar `first` up to `behind`, in 4/4."""
    return tuple(Note(at, pitch, at + length, 80) for at in range(first * TICKS_PER_BAR, behind * TICKS_PER_BAR, step))


def in_parts_of_their_own(parts: Iterable[Part]) -> dict[str, tuple[Note, ...]]:
    """By name. Inner voices and chords that no part can play are one accompaniment."""
    found: dict[str, tuple[Note, ...]] = {}
    for part in parts:
        name = NAMES[part.role]
        found[name] = cut_at_repeats([*found.get(name, ()), *part.notes])
    return found


def played_new(score: Score, new: Score) -> list[Note]:
    """What is new as it is played: by parts of the score, or by ones of their own."""
    taken = {part.role for part in with_roles(score).playing}
    notes = [note for part in new.parts if part.role in taken for note in part.notes]
    own = in_parts_of_their_own(part for part in new.parts if part.role not in taken)
    return sorted([*notes, *(note for some in own.values() for note in some)])


# ------------------------------------------------------------------ an opening that goes on


@given(scores(), grid_scores())
def test_behind_the_opening_as_it_was_played_comes_the_continuation(opening: Score, continuation: Score) -> None:
    end = opening.end
    whole = continued(opening, continuation)
    assert len(whole.bars) == len(opening.bars) + len(continuation.bars)
    assert whole.bars[: len(opening.bars)] == opening.bars
    assert [(bar.start, bar.ticks) for bar in whole.bars[len(opening.bars) :]] == [
        (bar.start + end, bar.ticks) for bar in continuation.bars
    ]
    new = [note for part in whole.parts for note in part.notes if note.start >= end]
    assert sorted(new) == [shifted(note, end) for note in played_new(opening, continuation)]
    for before, after in zip(opening.parts, whole.parts, strict=False):
        own = [note for note in after.notes if note.start >= end]
        restruck = {note.pitch: note.start for note in reversed(own)}
        assert [note for note in after.notes if note.start < end] == sorted(
            replace(note, end=min(note.end, restruck.get(note.pitch, note.end))) for note in before.notes
        )
        assert (after.name, after.program, after.channel) == (before.name, before.program, before.channel)


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


@pytest.mark.parametrize("meter", [Meter(4, 4), Meter(3, 4), Meter(7, 8)])
@given(
    drawn=st.lists(st.tuples(st.integers(0, 3 * TICKS_PER_BAR), st.integers(1, 2000)), min_size=1, max_size=5),
    changes=st.lists(st.integers(1, 71).map(lambda position: 40 * position), max_size=4),
)
@settings(max_examples=25)
def test_the_pedal_of_the_opening_stays_as_it_was_up_to_its_end(
    meter: Meter, drawn: list[tuple[int, int]], changes: list[int]
) -> None:
    starts = sorted({down for down, _ in drawn})
    ups = [*starts[1:], 99 * TICKS_PER_BAR]
    told = tuple((down, min(down + dict(drawn)[down], up)) for down, up in zip(starts, ups, strict=True))
    bars = bars_of([(0, meter)], 2 * meter.ticks - 1)
    tune = replace(opening_at(100.0), bars=bars)
    tune = changed(tune, notes=tuple(note for note in tune.parts[0].notes if note.start < bars[-1].end))
    roots = tuple(Chord(tick, number % 12) for number, tick in enumerate(sorted({0, *changes})))
    continuation = Score((Part((Note(0, 50, 480, 80),)),), bars, chords=roots)
    opening = changed(tune, controls=())
    opening = replace(opening, parts=(replace(opening.parts[0], controls=controls_of(told)),))
    dry, whole = continued(tune, continuation), continued(opening, continuation)
    end = opening.end
    assert [note for note in whole.notes if note.start < end] == [note for note in dry.notes if note.start < end]
    heard = pedal_of(opening.parts)  # up to the last key
    assert [span for span in pedal(whole) if span[0] < end] == [(d, min(u, end)) for d, u in heard if d < end]
    if not heard:
        assert [span for span in pedal(whole) if span[0] >= end] == []
        return
    # Behind it the pedal is down but for a moment behind each bar line and each new chord.
    changed_at = {end + chord.tick for chord in roots if chord.tick < 2 * meter.ticks}
    changed_at |= {end, end + meter.ticks, end + 2 * meter.ticks}
    assert [span for span in pedal(whole) if span[0] >= end] == [
        (tick + PEDAL_TICKS, following) for tick, following in pairwise(sorted(changed_at))
    ]
    assert pedal(parse_midi(dump_midi(whole))) == pedal(whole)


def controls_of(spans: Sequence[tuple[int, int]]) -> tuple[Control, ...]:
    timed = ((tick, value) for down, up in spans for tick, value in ((down, 127), (up, 0)))
    return tuple(Control(tick, CONTROLLER, PEDAL, value) for tick, value in timed)


def test_a_tempo_between_two_bins_does_not_jump_at_the_boundary() -> None:
    opening = opening_at(101.3)
    its_bin = VOCABULARY.tempos[VOCABULARY.tempo_id(101.3) - 1]
    assert its_bin != 101.3
    whole = continued(opening, replace(EMPTY_BARS, tempos=(TempoChange(0, its_bin),)))
    assert whole.tempos == (TempoChange(0, 101.3),)


LURCHING = tuple(TempoChange(bar * TICKS_PER_BAR, bpm) for bar, bpm in enumerate((55, 60, 50, 55, 44, 33)))


@pytest.mark.parametrize("bpm", [24.0, 101.3, 214.0, 300.0])
@pytest.mark.parametrize("ending", [False, True])
def test_behind_a_steady_opening_its_tempo_goes_on_but_for_an_end(bpm: float, ending: bool) -> None:
    opening = opening_at(bpm)
    whole = joined(opening, replace(EMPTY_BARS, tempos=LURCHING), len(opening.bars), ending=ending)
    before_the_end = opening.end + (len(EMPTY_BARS.bars) - ENDING_BARS + 1) * TICKS_PER_BAR
    begin, *others = whole.tempos
    assert begin == opening.tempos[0]
    if ending:
        assert [tempo.tick for tempo in others] == [before_the_end + bar * TICKS_PER_BAR for bar in range(3)]
        assert [tempo.bpm / bpm for tempo in others] == pytest.approx([1.0, 44 / 50, 33 / 50])
    else:
        assert others == []


def test_a_new_tempo_that_is_kept_goes_on_and_a_ritardando_gives_way_to_the_one_before() -> None:
    long = in_four(opening_at(100).notes, end=20 * TICKS_PER_BAR)
    slow, fast = TempoChange(0, 60.0), TempoChange(4 * TICKS_PER_BAR, 140.0)
    slowing = [TempoChange(bar * TICKS_PER_BAR, bpm) for bar, bpm in ((18, 120.0), (19, 90.0))]
    for tempos, goes_on in (((slow, fast), ()), ((slow, fast, *slowing), (TempoChange(long.end, 140.0),))):
        whole = joined(replace(long, tempos=tempos), replace(EMPTY_BARS, tempos=LURCHING), 20)
        assert whole.tempos == (*tempos, *goes_on)


def test_where_the_opening_is_played_freely_the_continuation_has_its_own_tempos() -> None:
    free = tuple(TempoChange(beat * TICKS_PER_BEAT, 100.0 + 20 * (beat % 3)) for beat in range(8))
    opening = replace(opening_at(100), tempos=free)
    whole = continued(opening, replace(EMPTY_BARS, tempos=LURCHING))
    assert whole.tempos == (*free, *(replace(tempo, tick=tempo.tick + opening.end) for tempo in LURCHING))


def test_a_chord_is_named_where_it_changes() -> None:
    chords = (parse_chord("G"), parse_chord("Am", TICKS_PER_BAR))
    opening = opening_at(100.0)
    whole = continued(opening, replace(EMPTY_BARS, chords=chords))
    end = 2 * TICKS_PER_BAR
    assert [chord for chord in whole.chords if chord.tick < end] == list(chords_of(opening))
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


def test_an_overlap_that_sounds_beyond_the_end_stays_too() -> None:
    notes = (Note(0, 62, 3000, 90), Note(480, 62, 1000, 50))
    whole = continued(in_four(notes, end=TICKS_PER_BAR), EMPTY_BARS)
    assert whole.notes[:2] == notes


def test_what_bends_at_the_end_of_an_opening_is_let_go() -> None:
    bent, volume = Control(0, BEND, 0, 96), Control(0, CONTROLLER, 7, 90)
    opening = changed(opening_at(100.0), controls=(volume, bent, Control(5000, CONTROLLER, 7, 0)))
    (part,) = continued(opening, EMPTY_BARS).parts
    assert part.controls == (volume, bent, Control(opening.end, BEND, *NO_BEND))


# ------------------------------------------------------------------ in which part


def test_one_part_goes_on_beside_drums_that_do_not() -> None:
    violin = Part((Note(0, 76, 480, 90),), name="Violin", program=40, channel=2)
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    whole = continued(Score((violin, drums), in_four(()).bars), EMPTY_BARS)
    assert [(part.name, part.program, len(part.notes)) for part in whole.parts] == [("Violin", 40, 3), ("", 0, 1)]
    assert whole.parts[1] == drums


def a_band() -> Score:
    """Two bars. The guitar's chords lie above the organ's."""
    chord = [note for pitch in (60, 64, 67) for note in beats(pitch, 0, 2)]
    low = [note for pitch in (48, 52) for note in beats(pitch, 0, 2)]
    parts = (
        of_role(Role.UNSAID, *beats(36, 0, 2, 240, 60), name="Drums", is_drum=True, channel=9),
        of_role(Role.UNSAID, *beats(36, 0, 2), name="Bass", program=33, channel=1),
        of_role(Role.UNSAID, *chord, name="Guitar", program=25, channel=2),
        of_role(Role.UNSAID, *low, name="Organ", program=16, channel=4),
        of_role(Role.UNSAID, *beats(76, 0, 2), name="Lead vocal", program=54, channel=3),
        of_role(Role.UNSAID, name="Nothing", program=70, channel=5),
    )
    return Score(parts, in_four((), end=2 * TICKS_PER_BAR).bars)


def test_a_bands_parts_each_go_on_by_their_role() -> None:
    opening = a_band()
    roles = {part.name: part.role for part in with_roles(opening).parts}
    assert roles["Lead vocal"] is Role.MELODY
    assert roles["Guitar"] is roles["Organ"] is roles["Bass"] is Role.ACCOMPANIMENT
    new = Score(
        (
            of_role(Role.MELODY, Note(0, 74, 480, 90)),
            of_role(
                Role.ACCOMPANIMENT,
                *(Note(0, 69, 480, 70), Note(0, 45, 480, 70), Note(480, 60, 900, 70)),
                *(Note(0, 41, 480, 60), Note(960, 38, 1440, 60)),
            ),
        ),
        in_four(()).bars,
    )
    whole = continued(opening, new)
    end = opening.end
    assert len(whole.parts) == len(opening.parts)
    behind = {part.name: [note for note in part.notes if note.start >= end] for part in whole.parts}
    assert behind == {
        "Drums": [Note(end + at, 36, end + at + 60, 80) for at in range(0, TICKS_PER_BAR, 240)],
        "Bass": [Note(end, 41, end + 480, 60), Note(end + 960, 38, end + 1440, 60)],
        "Guitar": [Note(end, 69, end + 480, 70), Note(end + 480, 60, end + 900, 70)],
        "Organ": [Note(end, 45, end + 480, 70)],
        "Lead vocal": [Note(end, 74, end + 480, 90)],
        "Nothing": [],
    }
    for before, after in zip(opening.parts, whole.parts, strict=True):
        assert [note for note in after.notes if note.start < end] == list(before.notes)
        assert (after.name, after.program, after.channel, after.is_drum) == (
            before.name,
            before.program,
            before.channel,
            before.is_drum,
        )


def test_a_role_that_no_part_has_gets_one_of_its_own_on_a_free_channel() -> None:
    opening = a_band()
    new = Score(
        (of_role(Role.UNSAID, Note(0, 60, 480, 80)), of_role(Role.INNER, Note(0, 62, 480, 80))), in_four(()).bars
    )
    *given, first, second = joined(opening, new, len(opening.bars), drums=Drums.OFF).parts
    assert tuple(given) == opening.parts
    assert (first.name, first.program, first.channel) == (NAMES[Role.UNSAID], PIANO, 0)
    assert (second.name, second.program, second.channel) == (NAMES[Role.INNER], PIANO, 6)
    assert first.controls[0] == Control(opening.end, PROGRAM, PIANO)
    assert [len(part.notes) for part in (first, second)] == [1, 1]


def test_new_inner_voices_and_chords_are_one_accompaniment() -> None:
    inner, chords = Note(0, 62, 480, 80), (Note(0, 50, 960, 60), Note(0, 62, 960, 60))
    new = Score((of_role(Role.INNER, inner), of_role(Role.ACCOMPANIMENT, *chords)), in_four(()).bars)
    melody, added = joined(in_four((Note(0, 72, 1900, 90),)), new, 0, beside=True).parts
    assert added.name == NAMES[Role.INNER] == NAMES[Role.ACCOMPANIMENT] == "Accompaniment"
    assert added.notes == chords
    assert melody.notes == (Note(0, 72, 1900, 90),)


def test_a_new_bass_plays_a_bass() -> None:
    new = Score((of_role(Role.BASS, Note(0, 40, 480, 80)),), in_four(()).bars)
    *_, bass = continued(opening_at(100.0), new).parts
    assert (bass.name, bass.program, bass.channel) == ("Bass", BASS, 1)
    assert bass.controls == (Control(2 * TICKS_PER_BAR, PROGRAM, BASS),)


def test_where_nothing_is_pedalled_a_part_of_its_own_is_not_either() -> None:
    new = Score((of_role(Role.INNER, Note(0, 62, 480, 80)),), in_four(()).bars)
    *_, added = continued(a_band(), new).parts
    assert pedal_of([added]) == ()
    band = a_band()
    guitar = replace(band.parts[2], controls=controls_of([(0, 1900)]))
    *_, added = continued(replace(band, parts=(*band.parts[:2], guitar, *band.parts[3:])), new).parts
    assert pedal_of([added]) != ()


def test_where_all_channels_are_taken_a_new_part_sounds_as_the_last_one() -> None:
    notes = (Note(0, 60, 480, 90),)
    parts = tuple(Part(notes, program=40, channel=channel) for channel in range(16) if channel != 9)
    new = Score((of_role(Role.UNSAID, *notes),), in_four(()).bars)
    *given, unsaid = continued(Score(parts, in_four(()).bars), new).parts
    assert tuple(given) == parts
    assert unsaid.channel == 15
    assert unsaid.program == 40
    assert unsaid.controls[0] == Control(TICKS_PER_BAR, PROGRAM, 40)


@pytest.mark.parametrize("program", [0, 7])
def test_of_two_hands_each_goes_on_where_it_lies(program: int) -> None:
    right = Part(beats(76, 0, 1), name="Piano", program=program)
    left = Part(beats(43, 0, 1), name="Piano", program=program)
    opening = Score((right, left), in_four(()).bars)
    new = in_four((Note(0, 40, 480, 80), Note(0, 58, 480, 80), Note(0, 62, 480, 80), Note(0, 80, 480, 80)))
    whole = continued(opening, new)
    behind = [[note.pitch for note in part.notes if note.start >= opening.end] for part in whole.parts]
    assert behind == [[62, 80], [40, 58]]


def test_a_waltz_goes_on_in_three_in_its_own_parts() -> None:
    meters = (0, 3, 4)
    bars = in_meters((), meters, end=4 * 1440).bars
    tune = Part(tuple(Note(bar * 1440, 72 + bar, bar * 1440 + 1400, 90) for bar in range(4)), name="Violin", program=40)
    tune = replace(tune, channel=2)
    oompah = [Note(bar * 1440, 43, bar * 1440 + 400, 60) for bar in range(4)]
    oompah += [Note(bar * 1440 + beat * 480, p, bar * 1440 + beat * 480 + 300, 60)
               for bar in range(4) for beat in (1, 2) for p in (55, 59)]  # fmt: skip
    piano = Part(tuple(sorted(oompah)), name="Piano", controls=controls_of([(0, 1400), (1440, 2800)]))
    opening = Score((tune, piano), bars, (TempoChange(0, 180.0),))
    assert [part.role for part in with_roles(opening).parts] == [Role.MELODY, Role.ACCOMPANIMENT]
    new = Score(
        (of_role(Role.MELODY, Note(0, 74, 1440, 90)), of_role(Role.ACCOMPANIMENT, Note(1920, 57, 2400, 60))),
        bars_of([(0, Meter(3, 4))], 2 * 1440 - 1),
        (TempoChange(0, 180.0),),
        (parse_chord("G"),),
    )
    whole = continued(opening, new)
    assert [(bar.start, bar.meter.name) for bar in whole.bars] == [(bar * 1440, "3/4") for bar in range(6)]
    end = opening.end
    assert [[n for n in part.notes if n.start >= end] for part in whole.parts] == [
        [Note(end, 74, end + 1440, 90)],
        [Note(end + 1920, 57, end + 2400, 60)],
    ]
    spans = [span for span in pedal_of([whole.parts[1]]) if span[0] >= end]
    assert [up - end for _, up in spans][:1] == [1440]  # it is changed with the bar, not with a whole note
    assert pedal_of([whole.parts[0]]) == ()
    back = parse_midi(dump_midi(whole))
    assert [bar.meter.name for bar in back.bars] == ["3/4"] * 6


@pytest.mark.parametrize(("last", "new", "written"), [("2/2", "4/4", "2/2"), ("3/2", "6/4", "3/2"), ("3/4", "6/8", "3/4"), ("3/4", "4/4", "4/4")])  # fmt: skip # noqa: E501
def test_bars_that_are_as_long_are_written_in_the_last_meter(last: str, new: str, written: str) -> None:
    meter, other = Meter.parse(last), Meter.parse(new)
    opening = Score((Part((Note(0, 60, 480, 80),)),), bars_of([(0, meter)], meter.ticks - 1))
    whole = continued(opening, Score((), bars_of([(0, other)], other.ticks - 1)))
    assert [bar.meter.name for bar in whole.bars] == [last, written]


# ------------------------------------------------------------------ bars that are composed again


@st.composite
def redone(draw: st.DrawFn) -> tuple[Score, Score, int]:
    """A score, new bars as long as some of its own, and the first of these."""
    score = draw(scores())
    first = draw(st.integers(0, len(score.bars) - 1))
    behind = draw(st.integers(first + 1, len(score.bars)))
    start, end = score.line(first), score.line(behind)
    bars = tuple(bar.later(-start) for bar in score.bars[first:behind])
    note = st.builds(
        lambda at, pitch, length, velocity: Note(at, pitch, at + length, velocity),
        st.integers(0, end - start - 1),
        st.integers(50, 70),
        st.integers(40, 4000),
        st.integers(1, 127),
    )
    roles = draw(st.lists(st.sampled_from(Role), unique=True, min_size=1, max_size=3))
    parts = tuple(
        of_role(role, *draw(st.lists(note, max_size=8, unique_by=lambda n: (n.start, n.pitch)))) for role in roles
    )
    told = st.builds(
        Control,
        st.integers(0, score.end + 200),
        st.just(CONTROLLER),
        st.sampled_from([PEDAL, 7, 11]),
        st.integers(0, 127),
    ) | st.builds(Control, st.integers(0, score.end + 200), st.just(BEND), st.just(0), st.integers(0, 127))
    controls = (tuple(sorted(draw(st.lists(told, max_size=8)), key=lambda c: c.tick)) for _ in score.parts)
    drums = Part((Note(0, 36, 9000, 80), Note(0, 38, 10, 80)), is_drum=True, channel=9)
    pitched = (replace(part, controls=own) for part, own in zip(score.parts, controls, strict=True))
    whole = replace(score, parts=(drums, *pitched))
    return whole, Score(parts, bars, score.tempos[:1], (Chord(0, 5, "m"),)), first


def is_inside(note: Note, start: int, end: int) -> bool:
    return start <= note.start + EARLY_TICKS < end


@given(redone())
def test_outside_of_the_bars_that_are_composed_again_every_note_and_control_stays(
    drawn: tuple[Score, Score, int],
) -> None:
    score, new, first = drawn
    start, end = score.line(first), score.line(first + len(new.bars))
    whole = joined(score, new, first)
    assert whole.bars == score.bars
    assert whole.tempos == score.tempos
    drums, *pitched = whole.parts
    assert drums == score.parts[0]
    for before, after in zip(score.parts[1:], pitched, strict=False):
        added = [shifted(n, start) for part in new.parts for n in part.notes]
        own = [note for note in before.notes if not is_inside(note, start, end)]
        kept = [note for note in after.notes if not is_inside(note, start, end)]
        for note in own:
            again = [n.start for n in added if n.pitch == note.pitch and n.start > note.start]
            shortest = min(again, default=note.end)
            assert any(
                (n.start, n.pitch, n.velocity) == (note.start, note.pitch, note.velocity)
                and (n.end == note.end or shortest <= n.end < note.end)
                for n in kept
            ), note
        assert {(n.start, n.pitch, n.velocity) for n in own} <= {(n.start, n.pitch, n.velocity) for n in kept}
        # What lies wholly outside is the very same.
        assert {n for n in own if n.end <= start or n.start >= end} <= set(kept)
        assert [c for c in after.controls if c.tick < start] == [c for c in before.controls if c.tick < start]
        if end < score.end:
            behind = [c for c in before.controls if c.tick >= end]
            again = [c for c in after.controls if c.tick >= end]
            assert again[len(again) - len(behind) :] == behind
            assert all(c.tick == end for c in again[: len(again) - len(behind)])


@given(redone())
def test_in_the_bars_that_are_composed_again_stands_what_is_new_and_nothing_else(
    drawn: tuple[Score, Score, int],
) -> None:
    score, new, first = drawn
    start, end = score.line(first), score.line(first + len(new.bars))
    whole = joined(score, new, first)
    found = sorted(
        (n.start, n.pitch, n.velocity) for part in whole.pitched for n in part.notes if start <= n.start < end
    )
    added = [(n.start + start, n.pitch, n.velocity) for n in played_new(score, new)]
    # An early note before the next line belongs to the bar behind it and stays.
    early = [
        (n.start, n.pitch, n.velocity)
        for part in score.pitched
        for n in part.notes
        if n.start < end <= n.start + EARLY_TICKS
    ]
    assert found == sorted([*added, *early])


PEDALLED = controls_of([(100, 3000), (3800, 9000), (9100, 15000)])


def eight_bars(*controls: Control) -> Score:
    part = Part(beats(60, 0, 8), controls=tuple(sorted(controls, key=lambda control: control.tick)))
    return replace(in_four((), (TempoChange(0, 90.0),), end=8 * TICKS_PER_BAR), parts=(part,))


def test_the_pedal_is_let_go_for_bars_that_are_composed_again_and_is_down_again_behind_them() -> None:
    score = eight_bars(*PEDALLED)
    start, end = 3 * TICKS_PER_BAR, 5 * TICKS_PER_BAR
    whole = joined(score, in_four(beats(64, 0, 2), end=2 * TICKS_PER_BAR), 3)
    (part,) = whole.parts
    told = [control for control in part.controls if control.is_pedal]
    assert [c for c in told if c.tick < start] == [c for c in PEDALLED if c.tick < start]
    assert [c for c in told if start <= c.tick < end + 1] == [
        Control(start, CONTROLLER, PEDAL, 0),
        Control(start + PEDAL_TICKS, CONTROLLER, PEDAL, 127),
        Control(start + TICKS_PER_BAR, CONTROLLER, PEDAL, 0),
        Control(start + TICKS_PER_BAR + PEDAL_TICKS, CONTROLLER, PEDAL, 127),
        Control(end, CONTROLLER, PEDAL, 0),
        Control(end, CONTROLLER, PEDAL, 127),  # it was down there before
    ]
    assert [c for c in told if c.tick > end] == [c for c in PEDALLED if c.tick > end]
    assert pedal(parse_midi(dump_midi(whole))) == pedal(whole)


def test_a_bend_is_let_go_for_bars_that_are_composed_again_and_holds_again_behind_them() -> None:
    bend, volume, further = Control(200, BEND, 5, 96), Control(6000, CONTROLLER, 7, 90), Control(6100, BEND, 9, 40)
    later = Control(11000, BEND, *NO_BEND)
    score = eight_bars(bend, volume, further, later)
    whole = joined(score, in_four(beats(64, 0, 2), end=2 * TICKS_PER_BAR), 3)
    (part,) = whole.parts
    start, end = 3 * TICKS_PER_BAR, 5 * TICKS_PER_BAR
    assert part.controls == (bend, Control(start, BEND, *NO_BEND), volume, Control(end, BEND, 9, 40), later)


def test_what_was_not_pedalled_is_not_and_a_silent_part_gets_nothing() -> None:
    score = eight_bars(Control(0, CONTROLLER, 7, 90))
    silent = Part((), name="Strings", channel=3, controls=(Control(0, CONTROLLER, 7, 1), Control(7000, BEND, 0, 96)))
    whole = joined(replace(score, parts=(*score.parts, silent)), in_four(beats(64, 0, 1)), 3)
    assert whole.parts[0].controls == score.parts[0].controls
    assert whole.parts[1] == silent


@pytest.mark.parametrize(("first", "count"), [(0, 3), (2, 3), (5, 3)])
def test_beside_pedal_and_bends_all_that_a_part_was_told_in_them_stays(first: int, count: int) -> None:
    """Its program, its volume: at the beginning, in the middle and at the end."""
    told = [Control(tick, CONTROLLER, 11, tick // 200) for tick in range(0, 8 * TICKS_PER_BAR, 700)]
    told += [Control(0, PROGRAM, 4), Control(13000, PROGRAM, 5)]
    score = eight_bars(*told)
    whole = joined(score, in_four(beats(64, 0, count), end=count * TICKS_PER_BAR), first)
    assert sorted(whole.parts[0].controls) == sorted(told)


def test_the_chords_around_bars_that_are_composed_again_are_those_that_were() -> None:
    def played(*roots: int) -> Score:
        notes = (
            Note(bar * TICKS_PER_BAR + beat * 480, 48 + root + tone, bar * TICKS_PER_BAR + beat * 480 + 480, 80)
            for bar, root in enumerate(roots)
            for beat in range(4)
            for tone in (0, 4, 7)
        )
        return in_four(tuple(sorted(notes)), end=len(roots) * TICKS_PER_BAR)

    roots = (0, 5, 7, 0, 5, 10, 3, 8)
    chords = tuple(Chord(bar * TICKS_PER_BAR, root) for bar, root in enumerate(roots))
    score = played(*roots)
    assert chords_of(score) == chords
    new = in_four((), chords=(Chord(0, 11, "m"), Chord(960, 10)), end=2 * TICKS_PER_BAR)
    assert joined(score, new, 3).chords == (
        *chords[:3],
        Chord(3 * TICKS_PER_BAR, 11, "m"),
        Chord(3 * TICKS_PER_BAR + 960, 10),
        *chords[5:],
    )
    assert joined(played(0, 0, 0, 0, 0, 0, 0, 7), new, 3).chords == (
        Chord(0, 0),
        Chord(3 * TICKS_PER_BAR, 11, "m"),
        Chord(3 * TICKS_PER_BAR + 960, 10),
        Chord(5 * TICKS_PER_BAR, 0),  # what held before holds again
        Chord(7 * TICKS_PER_BAR, 7),
    )


@pytest.mark.parametrize("first", [0, 3, 6])
def test_the_first_chord_stands_at_tick_0_whatever_is_silent(first: int) -> None:
    """A piece that is composed again from its first bar on, and one whose accompaniment says nothing."""
    score = eight_bars()
    silent = in_four((), end=2 * TICKS_PER_BAR)
    redone = joined(score, silent, first)
    assert redone.chords[0].tick == 0
    assert say_chords(redone).count("|") == 9
    beside = joined(score, replace(in_four((), end=8 * TICKS_PER_BAR), parts=()), 0, beside=True)
    assert say_chords(beside) == say_chords(replace(score, chords=chords_of(score)))
    late = replace(in_four((), end=8 * TICKS_PER_BAR), chords=(Chord(first * TICKS_PER_BAR, 11, "m"),))
    told = joined(score, late, 0, beside=True).chords
    assert told == (*(chord for chord in chords_of(score) if chord.tick < first * TICKS_PER_BAR), *late.chords)


def test_an_early_note_belongs_to_the_bar_behind_it() -> None:
    """One just before the first line gives way, one just before the line behind the last bar stays."""
    notes = (Note(3 * TICKS_PER_BAR - 20, 70, 3 * TICKS_PER_BAR + 300, 80), Note(4 * TICKS_PER_BAR - 20, 71, 9000, 80))
    score = replace(eight_bars(), parts=(Part(notes),))
    assert joined(score, in_four(()), 3).parts[0].notes == notes[1:]


def test_each_part_of_a_band_is_composed_again_in_itself() -> None:
    band = a_band()
    new = Score(
        (of_role(Role.MELODY, Note(0, 74, 1920, 90)), of_role(Role.ACCOMPANIMENT, Note(0, 41, 480, 60))),
        in_four(()).bars,
    )
    whole = joined(band, new, 1)
    assert len(whole.parts) == len(band.parts)
    for before, after in zip(band.parts, whole.parts, strict=True):
        early = [note for note in before.notes if note.start < TICKS_PER_BAR]
        inside = {"Lead vocal": [Note(1920, 74, 3840, 90)], "Bass": [Note(1920, 41, 2400, 60)]}.get(before.name, [])
        if before.is_drum:
            assert after == before
        else:
            assert after.notes == (*early, *inside)


# ------------------------------------------------------------------ beside what is there


@given(scores(), grid_scores())
@example(opening_at(100.0), EMPTY_BARS)
def test_beside_what_is_there_every_part_stays_as_it_is_and_new_ones_come(score: Score, drawn: Score) -> None:
    parts = tuple(replace(part, notes=tuple(n for n in part.notes if n.start < score.end)) for part in drawn.parts)
    new = Score(parts, score.bars, score.tempos, (Chord(0, 7),))
    whole = joined(score, new, 0, beside=True)
    assert whole.parts[: len(score.parts)] == score.parts
    assert whole.bars == score.bars
    assert whole.tempos == score.tempos
    added = whole.parts[len(score.parts) :]
    assert {part.name: part.notes for part in added} == in_parts_of_their_own(parts)
    assert 9 not in {part.channel for part in added}
    channels = [part.channel for part in added]
    assert len(set(channels)) == len(channels)
    assert {part.channel for part in score.parts}.isdisjoint(channels)


def test_an_accompaniment_is_a_piano_beside_the_melody() -> None:
    flute = Part(beats(76, 0, 2), name="Flute", program=73, channel=0, controls=(Control(0, PROGRAM, 73),))
    score = Score((flute,), in_four((), end=2 * TICKS_PER_BAR).bars)
    chords = tuple(note for pitch in (48, 52, 55) for note in beats(pitch, 0, 2, TICKS_PER_BAR, 1800))
    new = replace(in_four((), end=2 * TICKS_PER_BAR), parts=(of_role(Role.ACCOMPANIMENT, *chords),))
    whole = joined(score, new, 0, beside=True)
    melody, accompaniment = whole.parts
    assert melody == flute
    assert (accompaniment.name, accompaniment.program, accompaniment.channel) == ("Accompaniment", PIANO, 1)
    assert accompaniment.notes == tuple(sorted(chords))
    back = parse_midi(dump_midi(whole))
    assert [part.notes for part in back.parts] == [flute.notes, accompaniment.notes]
