"""Orders, requests and finished pieces: what is asked for, what crosses the table, and how the parts are joined."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer
from hypothesis import example, given
from hypothesis import strategies as st
from scores import changed, in_meters, pedal

from composer.cli import app
from composer.errors import OutOfRangeError, RequestError
from composer.music.drums import Drums
from composer.music.encoding import decode, encode, quantise
from composer.music.joining import PEDAL_TICKS, SAME_TEMPO
from composer.music.key import near
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import EARLY_TICKS, Chord, Note, Part, Score, TempoChange, cut_at_repeats, in_four
from composer.music.words import ATTRIBUTES, END, Family, Word, default_vocabulary
from composer.order import HEARD_BARS, HEARD_NOTES, MAX_SEED, MAX_TAKES, Order, heard
from composer.parsing import bars_from, chords_from, settings_from
from composer.piece import Take, command_line, finish, receipt
from composer.request import MAX_BARS, MAX_CANDIDATES, Composed, Guards, Request, Watched, Wish, packed, unpacked
from composer.sampling import KNOBS, MAX_TEMPERATURE, MIN_TOP_P, SETTABLE, Nucleus, SamplingParams
from composer.transcription.accompaniment import accompany

VOCABULARY = default_vocabulary()

nuclei = st.builds(Nucleus, st.floats(0, MAX_TEMPERATURE), st.floats(MIN_TOP_P, 1))
params = st.builds(SamplingParams, **{name: st.just(SamplingParams()[name]) | nuclei for name in SETTABLE})
guards = st.builds(Guards, loops=st.booleans(), copies=st.booleans())
orders = st.builds(
    Order,
    bars=st.integers(1, MAX_BARS),
    takes=st.integers(1, MAX_TAKES),
    seed=st.integers(0, MAX_SEED - MAX_TAKES),
    sampling=params,
    guards=guards,
    ending=st.booleans(),
    candidates=st.integers(0, MAX_CANDIDATES),
)
chord_names = st.sampled_from(["Am", "C#m7", "F/A", "N", "bb", "E7"])
tasks: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {},
    optional={
        "chords": st.lists(st.lists(chord_names, min_size=1, max_size=3).map(tuple), max_size=4).map(tuple),
        "key": st.sampled_from(["", "A minor", "Eb"]),
        "amounts": st.sampled_from([(), (("density", "fuller"),), (("loudness", "softer"), ("density", "thinner"))]),
        "from_bar": st.integers(0, 99),
        "to_bar": st.integers(0, 99),
        "cut": st.booleans(),
        "style": st.sampled_from(["", "pop", "pop transcribed"]),
        "drums": st.sampled_from(Drums),
    },
)
places_to_compose: st.SearchStrategy[dict[str, Any]] = (
    st.just({})
    | st.just({"accompany": True})
    | st.tuples(st.integers(1, 99), st.integers(1, 99)).map(lambda bars: {"redo": bars})
)


def scores(fewest: int, most: int, least: int = 0) -> st.SearchStrategy[Score]:
    """Played music of so many bars, microtiming and tempo changes included; some of its last bars may be silent."""

    @st.composite
    def some(draw: st.DrawFn) -> Score:
        end = draw(st.integers(fewest, most)) * TICKS_PER_BAR
        onsets = st.integers(0, end - EARLY_TICKS - 1)  # a later one belongs to the next bar
        played = st.tuples(onsets, st.integers(21, 108), st.integers(30, 5000), st.integers(1, 127))
        drawn = draw(st.lists(played, min_size=least, max_size=20))
        notes = [Note(at, pitch, at + ticks, loud) for at, pitch, ticks, loud in drawn]
        changes = draw(st.dictionaries(st.integers(1, end - 1), st.floats(20, 300), max_size=4))
        tempos = [
            TempoChange(0, draw(st.floats(20, 300))),
            *(TempoChange(*change) for change in sorted(changes.items())),
        ]
        return in_four(cut_at_repeats(notes), tuple(tempos), end=end)

    return some()


def steady(bars: int, bpm: float = 90.0, pitch: int = 60, every: int = 480) -> Score:
    """Notes slightly behind the beat, the last of which sounds on for a bar."""
    notes = [Note(at + 7, pitch + at // every % 3, at + every - 20, 80) for at in range(0, bars * TICKS_PER_BAR, every)]
    notes[-1] = replace(notes[-1], end=notes[-1].start + TICKS_PER_BAR)
    return in_four(tuple(notes), (TempoChange(0, bpm),), end=bars * TICKS_PER_BAR)


def finished(opening: Score, following: Score) -> Take:
    """The piece, if the model has composed the following."""
    (request,) = Order(bars=len(following.bars)).requests(opening, VOCABULARY)
    words = (*encode(following, VOCABULARY), END)
    return finish(opening, request, Composed(words, "name", "digest", "cpu", 1.0, 2.0, Watched()), VOCABULARY)


def struck(notes: tuple[Note, ...], shift: int = 0) -> list[tuple[int, int, int]]:
    return [(note.start + shift, note.pitch, note.velocity) for note in notes]


def tempo_at(score: Score, tick: int) -> float:
    return [change.bpm for change in score.tempos if change.tick <= tick][-1]


# ---------------------------------------------------------------------- what the model hears


@pytest.mark.parametrize("bars", [1, HEARD_BARS - 1, HEARD_BARS])
def test_an_opening_is_heard_as_it_is(bars: int) -> None:
    assert heard(steady(bars)) == steady(bars)


@pytest.mark.parametrize("bars", [HEARD_BARS + 1, 300])
def test_of_a_long_opening_the_end_is_heard(bars: int) -> None:
    opening = replace(
        steady(bars), tempos=(TempoChange(0, 60.0), TempoChange(100, 70.0), TempoChange((bars - 1) * 1920, 99.0))
    )
    part = heard(opening)
    assert len(part.bars) == HEARD_BARS
    skipped = (bars - HEARD_BARS) * TICKS_PER_BAR
    assert struck(part.notes, skipped) == struck(opening.notes[-4 * HEARD_BARS :])
    assert [part.seconds_at(tick) for tick in (1920, 62 * 1920, part.end)] == pytest.approx(
        [opening.seconds_at(skipped + tick) - opening.seconds_at(skipped) for tick in (1920, 62 * 1920, part.end)]
    )


@given(scores(1, HEARD_BARS + 20, least=1))
def test_a_request_holds_the_bars_that_are_heard(opening: Score) -> None:
    for request in Order(bars=3, takes=2, seed=5).requests(opening, VOCABULARY):
        assert sum(word.family == Family.BAR for word in request.words) == len(heard(opening).bars)
        assert decode(request.words, VOCABULARY).end == heard(opening).end


# ---------------------------------------------------------------------- a finished piece

openings = scores(1, HEARD_BARS + 20, least=1)


@given(openings, scores(1, 6))
@example(steady(HEARD_BARS + 1), steady(2))
@example(changed(steady(2), end=5 * TICKS_PER_BAR), changed(steady(1), end=4 * TICKS_PER_BAR))
def test_the_opening_is_untouched_and_behind_it_stands_what_was_composed(opening: Score, following: Score) -> None:
    take = finished(opening, following)
    bars = len(opening.bars), len(following.bars)
    assert (take.opening_bars, take.bars, take.boundary) == (*bars, opening.end)
    assert len(take.score.bars) == sum(bars)
    before = [note for note in take.score.notes if note.start < take.boundary]
    after = tuple(note for note in take.score.notes if note.start >= take.boundary)
    assert struck(tuple(before)) == struck(opening.notes)
    again = {note.pitch: note.start for note in reversed(after)}
    for note, played in zip(before, opening.notes, strict=True):
        assert note.end == min(played.end, again.get(played.pitch, played.end)), "until its key is struck again"
    expected = quantise(following, VOCABULARY).notes
    assert after == tuple(replace(n, start=n.start + opening.end, end=n.end + opening.end) for n in expected)
    assert take.new_notes == len(expected)
    assert list(take.score.notes) == sorted(take.score.notes)


@given(openings, scores(1, 6))
def test_the_opening_keeps_its_tempi_and_the_continuation_has_its_own(opening: Score, following: Score) -> None:
    take = finished(opening, following)
    before = tuple(change for change in take.score.tempos if change.tick < take.boundary)
    assert before == opening.tempos
    model = quantise(following, VOCABULARY)
    steady = len(opening.tempos) == 1
    for tick in sorted({0, 1, following.end - 1} | {change.tick for change in model.tempos}):
        there, asked = tempo_at(take.score, take.boundary + tick), tempo_at(model, tick)
        if steady:
            assert there <= opening.tempos[0].bpm * SAME_TEMPO
        elif there != asked:
            assert any(there / change.bpm < SAME_TEMPO for change in opening.tempos)
    in_force, new = take.tempos
    assert in_force == opening.tempos[-1].bpm
    assert new[0] == tempo_at(take.score, take.boundary)
    assert new[1:] == [change.bpm for change in take.score.tempos if change.tick > take.boundary]
    ticks = [change.tick for change in take.score.tempos]
    assert ticks == sorted(set(ticks))


@given(scores(HEARD_BARS + 1, HEARD_BARS + 20, least=1), scores(1, 4))
def test_a_long_opening_leads_to_what_its_last_bars_lead_to(opening: Score, following: Score) -> None:
    line = opening.line(len(opening.bars) - HEARD_BARS)  # where something sounds, for it is from there that one hears
    opening = changed(opening, notes=cut_at_repeats([*opening.notes, Note(line, 60, line + 100, 50)]))
    whole, part = finished(opening, following), finished(heard(opening), following)
    assert replace(whole.request, before=0) == part.request
    assert whole.request.before == len(opening.bars) - HEARD_BARS
    shift = whole.boundary - part.boundary

    def behind(take: Take, by: int) -> Any:
        notes = [n for n in take.score.notes if n.start >= take.boundary]
        changes = [*take.score.tempos, *take.score.chords]
        return struck(tuple(notes), by), [replace(c, tick=c.tick + by) for c in changes if c.tick >= take.boundary]

    assert behind(whole, 0) == behind(part, shift)
    assert [chord.tick for chord in whole.score.chords] == sorted({chord.tick for chord in whole.score.chords})


def pedalled(bars: int) -> Score:
    """The pedal is changed on every second beat, and at the end it hangs over."""
    presses = range(60, bars * TICKS_PER_BAR, 960)
    spans = tuple((press, min(press + 930, bars * TICKS_PER_BAR + 100)) for press in presses)
    last = (bars * TICKS_PER_BAR - 300, bars * TICKS_PER_BAR + 500)
    return changed(steady(bars), pedal=(*spans[:-1], last))


@pytest.mark.parametrize("bars", [2, HEARD_BARS, HEARD_BARS + 1, HEARD_BARS + 7])
def test_behind_a_pedalled_opening_of_any_length_the_pedal_goes_on_by_the_chords(bars: int) -> None:
    opening, following = pedalled(bars), steady(3, pitch=67)
    take = finished(opening, following)
    end = opening.end
    assert struck(tuple(n for n in take.score.notes if n.start < end)) == struck(opening.notes)
    assert [n.end for n in take.score.notes if n.start < end][:-1] == [n.end for n in opening.notes][:-1]
    before = tuple(span for span in pedal(take.score) if span[0] < end)
    assert before == (*pedal(opening)[:-1], (end - 300, end))
    behind = [span for span in pedal(take.score) if span[0] >= end]
    assert [up for _, up in behind if up % TICKS_PER_BAR == 0] == [end + bar * TICKS_PER_BAR for bar in (1, 2, 3)]
    changes = [end, *(up for _, up in behind)]
    assert [down for down, _ in behind] == [change + PEDAL_TICKS for change in changes[:-1]]
    assert {chord.tick for chord in take.score.chords if chord.tick > end} <= set(changes)
    read = parse_midi(dump_midi(take.score))
    assert (pedal(read), read.notes, read.sounding) == (pedal(take.score), take.score.notes, take.score.sounding)
    assert pedal(finished(steady(bars), following).score) == ()


def test_a_pickup_is_heard_at_the_end_of_a_full_bar_and_stays_a_short_one() -> None:
    notes = (Note(0, 67, 400, 80), *(Note(480 + beat * 480, 60, 900 + beat * 480, 80) for beat in range(8)))
    opening = in_meters(notes, (0, 1, 4), (480, 4, 4), end=480 + 2 * TICKS_PER_BAR)
    assert [note.start for note in heard(opening).notes] == [1440 + note.start for note in notes]
    take = finished(opening, steady(2))
    assert take.score.bars[:3] == opening.bars
    assert (take.opening_bars, take.bars, take.boundary) == (3, 2, opening.end)
    assert [n for n in take.score.notes if n.start < opening.end] == list(notes)
    assert struck(tuple(n for n in take.score.notes if n.start >= opening.end)) == struck(
        quantise(steady(2), VOCABULARY).notes, opening.end
    )


def test_of_crowded_bars_fewer_are_heard() -> None:
    def crowded(bars: int, every: int) -> Score:
        notes = tuple(Note(at, 60, at + 30, 80) for at in range(0, bars * TICKS_PER_BAR - EARLY_TICKS, every))
        return in_four(notes, end=bars * TICKS_PER_BAR)

    assert heard(crowded(40, 24)) == crowded(40, 24)
    part = heard(crowded(40, 6))
    assert HEARD_NOTES - 330 <= len(part.notes) <= HEARD_NOTES
    assert len(part.bars) == len(part.notes) // 320
    at_once = in_four(tuple(Note(0, 60, 9 + n, 80) for n in range(HEARD_NOTES + 9)), end=TICKS_PER_BAR)
    assert heard(at_once) == at_once


def test_bars_in_which_only_drums_play_are_not_heard() -> None:
    drums = Part(tuple(Note(beat * 480, 36, beat * 480 + 60, 90) for beat in range(24)), is_drum=True, channel=9)
    piano = steady(3).parts[0].moved(3 * TICKS_PER_BAR)
    opening = replace(steady(6), parts=(drums, piano))
    assert len(heard(opening).bars) == 3
    assert receipt(finished(opening, steady(1)), "")["opening"] == {
        "tracks": [
            {"name": "", "program": 0, "drum": True, "notes": 24, "added": 4},
            {"name": "", "program": 0, "drum": False, "notes": 12, "added": 4},
        ],
        "bars_heard": 3,
        "played": None,
        "sure": 1.0,
        "lost": {"tracks": 0, "notes": 0},
        "ends_early": False,
    }


def test_a_tempo_that_goes_on_is_not_rounded_and_a_ritardando_is_not_carried_on() -> None:
    opening = steady(4, bpm=91.3)
    assert finished(opening, steady(2, bpm=91.3)).tempos == (91.3, [91.3])
    slowing = replace(opening, tempos=(TempoChange(0, 120.0), TempoChange(4 * TICKS_PER_BAR - 480, 40.0)))
    assert finished(slowing, steady(2, bpm=110.0)).tempos == (40.0, [120.0])


def test_a_piece_tells_both_keys() -> None:
    scale = (0, 2, 4, 5, 7, 9, 11, 12)
    c, fsharp = (
        in_four(tuple(Note(n * 240, root + scale[n % 8], n * 240 + 230, 80) for n in range(32)), end=4 * TICKS_PER_BAR)
        for root in (60, 66)
    )
    before, after = finished(c, fsharp).keys
    assert (before and before.name, after and after.name) == ("C major", "F# major")
    silent = finished(c, in_four((), end=TICKS_PER_BAR))
    assert silent.keys[1] is None


@given(openings, scores(1, 4), params)
def test_a_receipt_is_json_and_tells_the_numbers_of_the_piece(
    opening: Score, following: Score, own: SamplingParams
) -> None:
    take = finished(opening, following)
    take = replace(take, request=replace(take.request, sampling=own))
    told = json.loads(json.dumps(receipt(take, "segue compose"), allow_nan=False))
    bars, more = len(opening.bars), len(following.bars)
    assert told["bars"] == {"opening": bars, "added": more, "composed": [bars + 1, bars + more]}
    assert told["opening"]["bars_heard"] == len(heard(opening).bars)
    (track,) = told["opening"]["tracks"]
    added = len(take.score.notes) - len(opening.notes)
    assert track == {"name": "", "program": 0, "drum": False, "notes": len(opening.notes), "added": added}
    assert told["seed"] == take.request.seed
    assert SamplingParams.from_json(told["settings"]) == own
    assert told["notes"]["added"] == len(quantise(following, VOCABULARY).notes)
    assert told["seconds"]["music"] == pytest.approx(take.score.seconds_at(take.score.end), abs=0.01)
    assert told["tempo"]["opening_ends_at"] == round(opening.tempos[-1].bpm, 1)
    assert told["nats_a_word"] == 2.0


def test_a_receipt_tells_the_chords_of_every_bar_and_what_of_it_is_a_melody() -> None:
    chords = replace(steady(3), parts=(*steady(3).parts, *steady(3, pitch=72).parts))
    hummed = accompany(steady(2, pitch=72))
    for opening, following, melody in (
        (steady(2), steady(3), "piece"),
        (steady(2), chords, "opening"),
        (hummed, steady(3), "opening"),
        (chords, steady(3), None),
    ):
        told = receipt(finished(opening, following), "")
        assert told["melody"] == melody
        assert len(chords_from(told["chords"])) == len(opening.bars) + 3
    opening = steady(4)
    (again,) = Order(redo=(2, 3)).requests(opening, VOCABULARY)
    (beside,) = Order(accompany=True).requests(opening, VOCABULARY)
    for request, new, melody in (
        (again, steady(2), "piece"),
        (again, chords.excerpt(0, 2), None),
        (beside, chords, None),
    ):
        words = (*encode(new, VOCABULARY), END)
        take = finish(opening, request, Composed(words, "name", "digest", "cpu", 1.0, 2.0, Watched()), VOCABULARY)
        assert receipt(take, "")["melody"] == melody


def test_a_receipt_tells_what_the_guard_rails_did() -> None:
    take = finished(steady(1), steady(2))
    watched = Watched(loops=2, stuck=True, redrawn=5, common=31, song="corpus/a.mid/0", pulled=7)

    def told(guards: Guards, watched: Watched) -> object:
        composed, request = replace(take.composed, watched=watched), replace(take.request, guards=guards)
        return receipt(replace(take, composed=composed, request=request), "")["guards"]

    loops = {"left": 2, "stuck": True}
    copies = {"bars_drawn_again": 5, "longest_common_run": 31, "song": "corpus/a.mid/0"}
    drift = {"bars_pulled": 7}
    assert told(Guards(), watched) == {"loops": loops, "copies": copies, "drift": drift}
    assert told(Guards(loops=False), watched) == {"loops": "off", "copies": copies, "drift": drift}
    assert told(Guards(copies=False), watched) == {"loops": loops, "copies": "off", "drift": drift}
    assert told(Guards(drift=False), watched) == {"loops": loops, "copies": copies, "drift": "off"}
    assert told(Guards(), Watched()) == {
        "loops": {"left": 0, "stuck": False},
        "copies": {"bars_drawn_again": 0, "longest_common_run": 0, "song": None},
        "drift": {"bars_pulled": 0},
    }


@pytest.mark.parametrize("minor", [False, True])
def test_a_piece_keeps_its_key_that_goes_a_fifth_up_or_down_at_most(minor: bool) -> None:
    def scale(tonic: int) -> Score:
        steps = (0, 2, 3, 5, 7, 8, 10, 12) if minor else (0, 2, 4, 5, 7, 9, 11, 12)
        triad = (0, 3, 7) if minor else (0, 4, 7)
        notes = [Note(n * 240, 52 + tonic + steps[n % 8], n * 240 + 230, 80) for n in range(32)]
        bars = range(0, 4 * TICKS_PER_BAR, TICKS_PER_BAR)
        notes += [Note(at, 40 + tonic + step, at + TICKS_PER_BAR, 80) for at in bars for step in triad]
        return in_four(tuple(sorted(notes)), end=4 * TICKS_PER_BAR)

    kept = [shift for shift in range(12) if near(*finished(scale(3), scale((3 + shift) % 12)).keys)]
    assert kept == [0, 5, 7]
    assert near(*finished(scale(3), in_four((), end=TICKS_PER_BAR)).keys)


@pytest.mark.parametrize("position", [1, 37, 47, 48])
@pytest.mark.parametrize("order", [Order(bars=2), Order(redo=(2, 3)), Order(accompany=True)])
def test_a_note_is_heard_wherever_in_the_last_bar_it_was_composed(order: Order, position: int) -> None:
    """A player who comes so little before a line means the next bar; a model does not."""
    opening = steady(4)
    (request,) = order.requests(opening, VOCABULARY)
    role = (request.roles or (1,))[0]
    bar = Word(Family.BAR, meter=VOCABULARY.meters.index("4/4") + 1)
    place = Word(Family.METRICAL, position=position, chord=1, tempo=35)
    note = Word(Family.NOTE, pitch=70, velocity=9, duration=4, role=role)
    words = (*[bar] * request.bars, place, note, END)
    take = finish(opening, request, Composed(words, "", "", "cpu", 1.0), VOCABULARY)
    line = take.score.line(take.composed_bars[1] - 1)
    assert [n.start - line for part in take.score.parts for n in part.notes if n.pitch == 90] == [40 * (position - 1)]


# ---------------------------------------------------------------------- the command that repeats it

COMPOSE = typer.main.get_command(app).commands["compose"]  # type: ignore[attr-defined]


def typed(line: str) -> Mapping[str, Any]:
    """What the command line makes of a line that is typed into a shell."""
    program, name, *words = shlex.split(line)
    assert (program, name) == ("segue", "compose")
    found: Mapping[str, Any] = COMPOSE.make_context(name, words).params
    return found


names = st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1).map(
    lambda name: f"{name}.mid"
)


@given(
    opening=names | names.map(lambda name: f"a folder/{name}") | names.map(lambda name: f"-{name}"),
    order=orders,
    task=tasks,
    place=places_to_compose,
    instrument=st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(
        lambda text: not text.startswith("-")
    ),
)
@example("--bars.mid", Order(bars=1, takes=1, seed=0), {}, {}, "piano")
@example("$(rm -rf ~) 'and' \"more\" `x`;\n.mid", Order(2, 3, MAX_SEED - 3), {}, {}, "Lead 5 (charang)")
@example("a.mid", Order(guards=Guards(loops=False), ending=False, candidates=4), {}, {}, "piano")
@example("a.mid", Order(guards=Guards(copies=False), takes=2, candidates=1), {}, {"accompany": True}, "piano")
@example("a.mid", Order(guards=Guards(drift=False)), {}, {"redo": (9, 9)}, "piano")
@example("a.mid", Order(), {"chords": (("Am", "F"),)}, {}, "piano")
@example("a.mid", Order(), {"chords": (("Am",), ("F",))}, {}, "piano")
@example("a.mid", Order(), {"chords": (("Am", "F"), ("C",))}, {}, "piano")
def test_the_command_typed_into_a_shell_asks_for_the_same(
    opening: str, order: Order, task: dict[str, Any], place: dict[str, Any], instrument: str
) -> None:
    if "redo" in place:  # in all of the piece
        task = {name: value for name, value in task.items() if name not in ("from_bar", "to_bar", "cut")}
    order = replace(order, **task, **place)
    found = typed(command_line(opening, order, ["--device", "cpu", "--instrument", instrument]))
    assert found["opening"] == Path(opening)
    own, amounts = settings_from(found["settings"] or [])
    guards = Guards(loops=found["loop_guard"], copies=found["copy_guard"], drift=found["drift_guard"])
    same = ("bars", "takes", "seed", "ending", "candidates", "key", "from_bar", "to_bar", "cut", "style")
    drums = Drums.FILLS if found["fills"] else Drums.PATTERN if found["drums"] else Drums.OFF
    told = {name: found[name] for name in same} | {"drums": drums}
    told |= {"redo": bars_from(found["redo"]) if found["redo"] else None, "accompany": found["accompany"] is True}
    told |= {"chords": chords_from(found["chords"]), "amounts": amounts}
    assert Order(**told, sampling=own, guards=guards) == order
    assert (found["device"], found["instrument"]) == ("cpu", instrument)


def test_settings_that_are_the_defaults_are_not_typed() -> None:
    line = command_line("a.mid", Order(bars=8), [])
    assert line == "segue compose a.mid --bars 8 --seed 7 --takes 1"


@given(params)
def test_the_changes_of_settings_give_the_settings(own: SamplingParams) -> None:
    assert SamplingParams().with_settings(own.changes()) == own


@given(params)
def test_none_of_the_changes_could_be_left_out(own: SamplingParams) -> None:
    changes = own.changes()
    for number in range(len(changes)):
        assert SamplingParams().with_settings([*changes[:number], *changes[number + 1 :]]) != own
    assert SamplingParams().changes() == []


# ---------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    "order",
    [
        {"bars": 1},
        {"bars": MAX_BARS},
        {"takes": MAX_TAKES},
        {"seed": 0},
        {"seed": MAX_SEED - MAX_TAKES, "takes": MAX_TAKES},
        {"seed": MAX_SEED - 1},
        {"candidates": MAX_CANDIDATES},
    ],
)
def test_all_that_can_be_ordered_can_be_composed(order: dict[str, int]) -> None:
    asked = Order(**order)
    requests = asked.requests(steady(1), VOCABULARY)
    assert [request.seed for request in requests] == list(range(asked.seed, asked.seed + asked.takes))
    for request in requests:
        assert request.bars == asked.bars
        assert Request.from_json(request.to_json(), VOCABULARY) == request


@pytest.mark.parametrize(
    ("order", "name", "lowest", "highest"),
    [
        ({"bars": 0}, "the number of bars", 1, MAX_BARS),
        ({"bars": MAX_BARS + 1}, "the number of bars", 1, MAX_BARS),
        ({"takes": 0}, "the number of takes", 1, MAX_TAKES),
        ({"takes": MAX_TAKES + 1}, "the number of takes", 1, MAX_TAKES),
        ({"candidates": -1}, "the number of candidates", 0, MAX_CANDIDATES),
        ({"candidates": MAX_CANDIDATES + 1}, "the number of candidates", 0, MAX_CANDIDATES),
        ({"seed": -1}, "a seed", 0, MAX_SEED - 1),
        ({"seed": MAX_SEED - 4, "takes": 5}, "a seed", 0, MAX_SEED - 5),
    ],
)
def test_what_is_out_of_range_is_refused_with_the_range(
    order: dict[str, int], name: str, lowest: int, highest: int
) -> None:
    with pytest.raises(OutOfRangeError) as refused:
        Order(**order)
    assert (refused.value.name, refused.value.lowest, refused.value.highest) == (name, lowest, highest)
    assert refused.value.value in order.values()


# ---------------------------------------------------------------------- requests and answers in the table

SIZES = [VOCABULARY.sizes.get(name, 1) for name in ATTRIBUTES]
inner_words = st.builds(Word, *(st.integers(0, (Family.END if n == 0 else size) - 1) for n, size in enumerate(SIZES)))
places = st.dictionaries(  # position, chord, tempo -> the notes there, by their role and pitch
    st.tuples(*(st.integers(1, VOCABULARY.sizes[name] - 1) for name in ("position", "chord", "tempo"))),
    st.dictionaries(
        st.tuples(st.integers(1, VOCABULARY.sizes["role"] - 1), st.integers(1, VOCABULARY.sizes["pitch"] - 1)),
        st.tuples(*(st.integers(1, VOCABULARY.sizes[name] - 1) for name in ("velocity", "duration"))),
        max_size=3,
    ),
    max_size=4,
)


def bar_of(
    meter: int, there: dict[tuple[int, int, int], dict[tuple[int, int], tuple[int, int]]], given: bool = False
) -> tuple[Word, ...]:
    """The bar, as far as it reaches. given: what is given in part leaves its tempo open"""
    words, last = [Word(Family.BAR, meter=meter)], 0
    for (position, chord, tempo), notes in sorted(there.items()):
        if last < position <= VOCABULARY.bar_lengths[meter]:
            words.append(Word(Family.METRICAL, position, chord=chord, tempo=0 if given else tempo))
            for role, pitch in sorted(notes, key=lambda note: (note[0], -note[1])):
                velocity, duration = notes[role, pitch]
                words.append(Word(Family.NOTE, 0, pitch, velocity, duration, role=role))
            last = position
    return tuple(words)


meter_ids = st.integers(1, VOCABULARY.sizes["meter"] - 1)
heard_bars = st.lists(st.tuples(meter_ids, places), min_size=1, max_size=4).map(
    lambda bars: tuple(word for meter, there in bars for word in bar_of(meter, there))
)


@st.composite
def more_requests(draw: st.DrawFn) -> Request:
    """With something behind, given, or wished for."""
    given = draw(st.lists(st.tuples(meter_ids, places), min_size=1, max_size=3))
    bars = len(given)
    one_a_bar = st.lists(meter_ids, min_size=bars, max_size=bars).map(tuple)
    fields, values = st.sampled_from(["key", "notes", "onsets", "velocity"]), st.integers(0, 9)
    wish = st.builds(Wish, values, fields, values) | st.builds(Wish, values, fields, st.integers(-9, 9), st.just(True))
    return Request(
        draw(heard_bars | st.just(())),
        bars,
        draw(st.integers(0, MAX_SEED)),
        behind=draw(heard_bars),
        given=draw(st.just(()) | st.just(tuple(bar_of(meter, there, given=True) for meter, there in given))),
        roles=tuple(draw(st.lists(st.integers(1, VOCABULARY.sizes["role"] - 1), unique=True))),
        meters=draw(st.just(()) | one_a_bar),
        style=draw(st.integers(0, 9)),
        before=draw(st.integers(0, 600)),
        wishes=tuple(draw(st.lists(wish, max_size=3))),
    )


requests = st.builds(
    Request,
    words=heard_bars,
    bars=st.integers(1, MAX_BARS),
    seed=st.integers(0, MAX_SEED),
    sampling=params,
    guards=guards,
    ending=st.booleans(),
)
BAR = Word(Family.BAR, meter=VOCABULARY.meters.index("3/4") + 1)
PLACE, NOTE = Word(Family.METRICAL, 1, chord=1, tempo=1), Word(Family.NOTE, 0, 5, 5, 5, role=1)
GOOD = Request((BAR, PLACE, NOTE), 8, 7).to_json()


def through_json(data: object) -> Any:
    return json.loads(json.dumps(data))


@given(requests | more_requests())
def test_a_request_crosses_the_table(request: Request) -> None:
    assert Request.from_json(through_json(request.to_json()), VOCABULARY) == request


@given(
    st.builds(
        Composed,
        words=st.lists(inner_words | st.just(END)).map(tuple),
        checkpoint=st.text(),
        digest=st.text(),
        device=st.sampled_from(["cpu", "cuda"]),
        seconds=st.floats(0, 1e6),
        nats=st.none() | st.floats(allow_nan=False),
        watched=st.builds(Watched),
    )
)
def test_an_answer_crosses_the_table(composed: Composed) -> None:
    assert Composed.from_json(through_json(composed.to_json())) == composed
    assert unpacked(packed(composed.words)) == composed.words


def flat(*words: Word) -> list[int]:
    return [number for word in words for number in word]


@pytest.mark.parametrize(
    "words",
    [
        [],
        flat(NOTE),
        flat(PLACE, NOTE),
        flat(Word(Family.BAR)),
        flat(BAR, END),
        flat(BAR, END, BAR),
        flat(BAR)[:-1],
        [*flat(BAR), 1],
        flat(BAR, NOTE),
        flat(BAR, PLACE, NOTE, NOTE),
        flat(BAR, PLACE, NOTE, PLACE),
        flat(BAR, PLACE, NOTE._replace(role=2), NOTE),
        flat(BAR, PLACE._replace(position=37)),
        *(flat(BAR._replace(**{name: size})) for name, size in zip(ATTRIBUTES, SIZES, strict=True)),
        *(flat(BAR, PLACE._replace(**{name: size}), NOTE) for name, size in zip(ATTRIBUTES, SIZES, strict=True)),
        *(flat(BAR, PLACE, NOTE._replace(**{name: size})) for name, size in zip(ATTRIBUTES, SIZES, strict=True)),
        *(flat(BAR, PLACE._replace(**{name: -1}), NOTE) for name in ATTRIBUTES),
        *(flat(BAR, PLACE, NOTE._replace(**{name: -1})) for name in ATTRIBUTES),
        flat(BAR, PLACE._replace(position=10**30)),
    ],
)
def test_words_that_are_no_opening_are_refused(words: list[int]) -> None:
    assert Request.from_json(GOOD, VOCABULARY).to_json() == GOOD
    with pytest.raises(RequestError):
        Request.from_json(GOOD | {"words": words}, VOCABULARY)


@pytest.mark.parametrize(
    "change",
    [
        {"behind": flat(PLACE, NOTE)},
        {"behind": flat(BAR, END)},
        {"given": [flat(BAR)] * 7},
        {"given": [flat(BAR)] * 7 + [flat(BAR, BAR)]},
        {"given": [flat(BAR)] * 7 + [[]]},
        {"given": [flat(BAR)] * 7 + [flat(BAR, PLACE._replace(position=37), NOTE)]},
        {"meters": [1] * 7},
        {"meters": [1] * 7 + [VOCABULARY.sizes["meter"]]},
        {"meters": [1] * 7 + [0]},
        {"roles": [0]},
        {"roles": [VOCABULARY.sizes["role"]]},
        {"before": -1},
        {"wishes": [[0, "bars_left", 1, False]]},
        {"wishes": [[-1, "key", 1, False]]},
        {"wishes": [[0, "key", 999, False]]},
        {"wishes": [[0, "key", -1, False]]},
        {"style": -1},
        {"words": []},
    ],
)
def test_what_a_request_says_beside_its_words_has_to_fit_too(change: dict[str, Any]) -> None:
    with pytest.raises(RequestError):
        Request.from_json(GOOD | change, VOCABULARY)


def test_a_row_from_before_there_was_more_to_ask_for_says_nothing_of_it() -> None:
    old = {name: GOOD[name] for name in ("words", "bars", "seed", "sampling")}
    assert Request.from_json(old, VOCABULARY) == Request((BAR, PLACE, NOTE), 8, 7)


@pytest.mark.parametrize("change", [{"bars": 0}, {"bars": MAX_BARS + 1}, {"seed": -1}, {"seed": MAX_SEED + 1}])
def test_numbers_that_nothing_can_be_composed_from_are_refused(change: dict[str, int]) -> None:
    with pytest.raises(RequestError):
        Request.from_json(GOOD | change, VOCABULARY)


def test_words_of_a_larger_vocabulary_are_refused() -> None:
    smaller = replace(VOCABULARY, durations=VOCABULARY.durations[:4])
    with pytest.raises(RequestError):
        Request.from_json(GOOD, smaller)
    assert Request.from_json(GOOD | {"words": flat(BAR, PLACE, NOTE._replace(duration=4))}, smaller).bars == 8


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from([*GOOD, *KNOBS]),
    lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.sampled_from([*GOOD, *KNOBS, "pitch"]), inner),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(list(GOOD)), junk).map(lambda broken: GOOD | broken)
    | st.dictionaries(st.text(), junk)
)
@example(GOOD | {"seed": float("inf")})
@example(GOOD | {"words": [float("inf")] * 9})
@example(GOOD | {"given": [[float("inf")] * 9] * 8})
@example(GOOD | {"given": [[]] * 8})
@example(GOOD | {"given": 7})
@example(GOOD | {"wishes": [[0]]})
@example(GOOD | {"wishes": [["key", 0, "key", None]]})
@example(GOOD | {"roles": "12"})
@example(GOOD | {"meters": [float("nan")] * 8})
@example(GOOD | {"sampling": {"temperature": {"pitch": 10**400}}})
@example(GOOD | {"sampling": {"temperature": {"pitch": 9}}})
@example(GOOD | {"sampling": {"top_k": {"pitch": 1}}})
@example(GOOD | {"guards": {"wolves": True}})
@example(GOOD | {"guards": []})
@example(GOOD | {"guards": None})
def test_whatever_stands_in_a_row_is_a_request_or_refused(row: dict[str, Any]) -> None:
    try:
        request = Request.from_json(row, VOCABULARY)
    except RequestError:
        return
    assert Request.from_json(request.to_json(), VOCABULARY) == request


def test_a_chord_behind_silent_bars_begins_where_they_end() -> None:
    notes = tuple(Note(at, 65, at + 480, 90) for at in range(TICKS_PER_BAR, 2 * TICKS_PER_BAR, 480))
    following = in_four(notes, (TempoChange(0, 90.0),), (Chord(TICKS_PER_BAR, 5),), end=2 * TICKS_PER_BAR)
    chords = finished(steady(2), following).score.chords
    assert [chord.tick for chord in chords if chord.tick >= 2 * TICKS_PER_BAR] == [3 * TICKS_PER_BAR]
