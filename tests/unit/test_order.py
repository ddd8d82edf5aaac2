"""What is asked for, as it crosses the table: bars again, an accompaniment, chords, a key."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from drawn_scores import VOCABULARY, scores
from hypothesis import assume, given
from hypothesis import strategies as st
from scores import in_meters

from composer.engine.anchors import FIELDS
from composer.engine.model import ModelConfig
from composer.engine.prompt import Prompt
from composer.errors import NoNotesError, OutOfRangeError, TaskError, UnknownNameError
from composer.music.encoding import decode, encode, quantise, to_words
from composer.music.meter import TICKS_PER_BAR, Bar, Meter, bars_of
from composer.music.roles import with_roles
from composer.music.score import Note, Part, Role, Score, TempoChange, in_four
from composer.music.words import END, Family, Word
from composer.opening import Place, to_opening
from composer.order import HEARD_BARS, MOST_REDONE, REDO_BARS, STYLES, Order, heard
from composer.parsing import AMOUNTS, chords_from, key_id
from composer.piece import finish
from composer.request import MAX_BARS, Composed, Request, Wish


def piano(bars: int, meter: str = "4/4", pitch: int = 60) -> Score:
    """Chords on every quarter, and a low note with each bar."""
    ticks = Meter.parse(meter).ticks
    notes = [Note(at, pitch + tone, at + 450, 80) for at in range(0, bars * ticks, 480) for tone in (0, 4, 7)]
    notes += [Note(bar * ticks, 40, bar * ticks + ticks, 70) for bar in range(bars)]
    meters = bars_of([(0, Meter.parse(meter))], bars * ticks - 1)
    return Score((Part(tuple(sorted(notes))),), meters, (TempoChange(0, 100.0),))


def tune(bars: int, name: str = "", program: int = 73, meter: str = "4/4") -> Part:
    ticks = Meter.parse(meter).ticks
    notes = tuple(Note(at, 72 + at // 480 % 5, at + 400, 90) for at in range(0, bars * ticks, 480))
    return Part(notes, name=name, program=program)


def band(bars: int, meter: str = "4/4") -> Score:
    score = piano(bars, meter)
    chords = replace(score.parts[0], name="Guitar", program=25, channel=1)
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    return replace(score, parts=(drums, tune(bars, "Vocals", meter=meter), chords))


def request_of(order: Order, opening: Score) -> Request:
    (request,) = order.requests(opening, VOCABULARY)
    return request


def bars_in(words: tuple[Word, ...]) -> list[Word]:
    return [word for word in words if word.family == Family.BAR]


def words_of(score: Score) -> tuple[Word, ...]:
    return tuple(to_words(score, VOCABULARY))


def test_an_unknown_amount_is_named_with_those_there_are() -> None:
    with pytest.raises(UnknownNameError) as refused:
        Order(amounts=(("density", "fullest"),))
    assert (refused.value.what, refused.value.known) == ("amount of density", tuple(AMOUNTS["density"]))
    with pytest.raises(UnknownNameError) as refused:
        Order(amounts=(("colour", "red"),))
    assert refused.value.known == tuple(AMOUNTS)


def test_bars_again_and_an_accompaniment_are_not_had_at_once() -> None:
    with pytest.raises(TaskError, match="one after the other"):
        Order(redo=(2, 3), accompany=True)


tasks = st.fixed_dictionaries(
    {},
    optional={
        "redo": st.tuples(st.integers(1, 99), st.integers(1, 99)),
        "chords": st.lists(st.lists(st.sampled_from(["Am", "C#m7", "F/A", "N"]), min_size=1).map(tuple)).map(tuple),
        "key": st.sampled_from(["", "A minor", "Eb"]),
        "amounts": st.lists(st.sampled_from([("density", "fuller"), ("loudness", "softer")])).map(tuple),
        "from_bar": st.integers(0, 99),
        "to_bar": st.integers(0, 99),
        "cut": st.booleans(),
        "style": st.sampled_from(["", *STYLES]),
        "sheet": st.booleans(),
    },
).filter(lambda task: "redo" not in task or not {"from_bar", "to_bar", "cut"} & set(task)) | st.just(
    {"accompany": True}
)


@given(tasks)
def test_a_task_is_kept_as_json(task: dict[str, Any]) -> None:
    order = Order(bars=3, seed=5, **task)
    assert all(order.task.values())
    assert Order.doing(json.loads(json.dumps(order.task)), bars=3, seed=5) == order
    assert Order(bars=9).task == {}


@pytest.mark.parametrize("place", [{"from_bar": 2}, {"to_bar": 9}, {"cut": True}])
def test_of_a_piece_whose_bars_are_composed_again_nothing_is_left_out(place: dict[str, Any]) -> None:
    with pytest.raises(TaskError, match="counted in the whole piece"):
        Order(redo=(2, 3), **place)


def test_the_first_bar_is_the_openings_or_the_one_from_which_something_holds() -> None:
    assert Order(from_bar=5, to_bar=8, cut=True).place == Place(5, 8, cut=True)
    assert Order(from_bar=5, key="C").place == Order(amounts=(("density", "fuller"),), from_bar=5).place == Place()


def test_so_many_bars_are_composed() -> None:
    assert Order(bars=7).bars_of(20) == 7
    assert Order(bars=7, redo=(3, 5)).bars_of(20) == 3
    assert Order(bars=7, accompany=True).bars_of(20) == 20


@pytest.mark.parametrize("order", [Order(), Order(redo=(2, 2)), Order(accompany=True)])
def test_an_unknown_style_is_refused_and_a_known_one_is_its_id(order: Order) -> None:
    opening = Score((tune(4),), piano(4).bars)
    with pytest.raises(UnknownNameError) as refused:
        replace(order, style="jazz")
    assert (refused.value.what, refused.value.known) == ("style", STYLES)
    assert request_of(replace(order, style="classical"), opening).style == STYLES.index("classical") + 1
    assert request_of(order, opening).style == 0


# ---------------------------------------------------------------------- an opening that goes on


@pytest.mark.parametrize("meter", ["4/4", "3/4", "6/8", "7/8"])
def test_what_goes_on_has_heard_the_opening_in_its_meter_and_parts(meter: str) -> None:
    opening = band(3, meter)
    request = request_of(Order(bars=5), opening)
    assert request.words == words_of(with_roles(opening))
    assert {word.role for word in request.words if word.family == Family.NOTE} == {
        Role.MELODY + 1,
        Role.ACCOMPANIMENT + 1,
    }
    assert {VOCABULARY.meters[word.meter - 1] for word in bars_in(request.words)} == {meter}
    assert (request.bars, request.before, request.behind, request.given) == (5, 0, (), ())
    late = request_of(Order(bars=5), piano(HEARD_BARS + 6))
    assert late.before == 6


@pytest.mark.parametrize(
    ("meters", "goes_on"),
    [
        (["4/4", "4/4", "2/4"], "4/4"),
        (["4/4", "2/4", "2/4"], "2/4"),
        (["4/4", "2/4", "4/4", "2/4"], "2/4"),
        (["2/4", "2/4", "4/4"], "4/4"),
        (["6/8", "6/8", "3/8"], "6/8"),
    ],
)
def test_behind_one_bar_that_is_shorter_the_meter_before_it_goes_on(meters: list[str], goes_on: str) -> None:
    bars, tick = [], 0
    for meter in map(Meter.parse, meters):
        bars.append(Bar(tick, tick + meter.ticks, meter))
        tick = bars[-1].end
    notes = tuple(Note(bar.start, 60, bar.start + 240, 64) for bar in bars)
    request = request_of(Order(bars=3), Score((Part(notes),), tuple(bars)))
    prompt = Prompt(request, VOCABULARY, ModelConfig(VOCABULARY.sizes))
    assert {VOCABULARY.meters[prompt.meter(bar) - 1] for bar in range(3)} == {goes_on}


def test_chords_are_spread_over_the_beats_of_each_new_bar_in_turn() -> None:
    order = Order(bars=3, chords=chords_from("Am F | C | D E G#"))
    request = request_of(order, piano(2))
    ids = {name: VOCABULARY.chord_ids[name] for name in ("Am", "F", "C", "D", "E", "Ab")}
    assert [[(word.position, word.chord) for word in bar if word.chord] for bar in request.given] == [
        [(1, ids["Am"]), (25, ids["F"])],
        [(1, ids["C"])],
        [(1, ids["D"]), (13, ids["E"]), (25, ids["Ab"])],
    ]
    again = request_of(replace(order, bars=5), piano(2))
    assert again.given[3:] == again.given[:2]
    waltz = request_of(replace(order, bars=2), piano(2, "3/4"))
    assert [[word.position for word in bar if word.chord] for bar in waltz.given] == [[1, 13], [1]]
    assert {VOCABULARY.meters[bar[0].meter - 1] for bar in waltz.given} == {"3/4"}
    assert all(word.tempo == 0 for bar in waltz.given for word in bar)


def test_more_chords_than_a_bar_has_beats_are_refused() -> None:
    with pytest.raises(TaskError) as refused:
        request_of(Order(chords=chords_from("| Am F C |")), piano(2, "6/8"))
    assert refused.value.values == {"beats": 2, "chords": 3}
    request_of(Order(chords=chords_from("| Am F |")), piano(2, "6/8"))


def test_a_key_and_amounts_are_wished_for_from_a_bar_on() -> None:
    order = Order(bars=4, key="F# minor", amounts=(("density", "fuller"), ("loudness", "softer")))
    key = Wish(0, "key", key_id("F#m"))
    amounts = (Wish(0, "notes", 2, True), Wish(0, "onsets", 2, True), Wish(0, "velocity", -2, True))
    assert request_of(order, piano(3)).wishes == (key, *amounts)
    assert {wish.field for wish in (key, *amounts)} <= set(FIELDS)
    for from_bar, first in ((1, 0), (3, 0), (4, 0), (5, 1), (7, 3)):
        wishes = request_of(replace(order, from_bar=from_bar), piano(3)).wishes
        assert wishes == tuple(wish._replace(first=first) for wish in (key, *amounts))
    late = request_of(replace(order, from_bar=HEARD_BARS + 9), piano(HEARD_BARS + 6))
    assert late.wishes[0].first == 2


@pytest.mark.parametrize(
    ("order", "first", "last"),
    [
        (Order(bars=4, from_bar=8), 4, 7),
        (Order(bars=4, from_bar=999), 4, 7),
        (Order(redo=(2, 2), key="C", from_bar=3), 2, 2),
        (Order(accompany=True, from_bar=4), 1, 3),
    ],
)
def test_a_bar_behind_the_new_ones_is_refused(order: Order, first: int, last: int) -> None:
    with pytest.raises(TaskError) as refused:
        request_of(replace(order, key="C"), Score((tune(3),), piano(3).bars))
    assert refused.value.values == {"bar": order.from_bar, "first": first, "last": last}


# ---------------------------------------------------------------------- bars again


@pytest.mark.parametrize(
    ("first", "last"), [(1, 2), (1, 1), (20, 20), (3, 18), (9, 10), (10, 20), (12, 12)], ids=lambda bar: str(bar)
)
def test_bars_again_are_led_to_and_lead_on(first: int, last: int) -> None:
    opening = piano(20, "3/4")
    request = request_of(Order(bars=99, redo=(first, last)), opening)
    before, behind = max(0, first - 1 - REDO_BARS), min(20, last + REDO_BARS)
    assert request.bars == last - first + 1
    assert request.before == before
    assert request.words == (words_of(opening.excerpt(before, first - 1)) if first > 1 else ())
    assert request.behind == (words_of(opening.excerpt(last, behind)) if last < 20 else ())
    assert [VOCABULARY.meters[meter - 1] for meter in request.meters] == ["3/4"] * request.bars
    assert request.roles == (1,)
    assert request.given == ()


def test_bars_again_have_the_meters_that_they_have_and_the_roles_of_all_parts() -> None:
    meters = (0, 4, 4), (1920, 3, 4), (1920 + 1440, 6, 8), (1920 + 2880, 4, 4)
    opening = in_meters((Note(0, 60, 480, 80), Note(5000, 62, 6000, 80)), *meters, end=1920 * 2 + 2880)
    request = request_of(Order(redo=(2, 3)), opening)
    assert [VOCABULARY.meters[meter - 1] for meter in request.meters] == ["3/4", "6/8"]
    assert request_of(Order(redo=(2, 3)), band(6)).roles == (Role.MELODY + 1, Role.ACCOMPANIMENT + 1)
    chords = request_of(Order(redo=(2, 3), chords=chords_from("G | C")), opening)
    assert [bar[0].meter for bar in chords.given] == list(request.meters)


@pytest.mark.parametrize(("first", "last"), [(0, 2), (3, 2), (19, 21), (21, 21), (100, 200)])
def test_bars_that_are_not_there_are_refused(first: int, last: int) -> None:
    with pytest.raises(TaskError) as refused:
        request_of(Order(redo=(first, last)), piano(20))
    assert refused.value.values == {"first": first, "last": last, "bars": 20}
    assert (
        str(refused.value) == f"Bars {first} to {last} are not there: the piece has bars 1 to 20. Take some of these."
    )


def test_too_many_bars_at_once_and_all_of_them_are_refused() -> None:
    with pytest.raises(TaskError) as refused:
        request_of(Order(redo=(2, 2 + MOST_REDONE)), piano(40))
    assert refused.value.values == {"bars": MOST_REDONE + 1, "most": MOST_REDONE}
    assert request_of(Order(redo=(2, 1 + MOST_REDONE)), piano(40)).bars == MOST_REDONE
    with pytest.raises(TaskError, match="Keep at least one"):
        request_of(Order(redo=(1, 4)), piano(4))


# ---------------------------------------------------------------------- an accompaniment


@pytest.mark.parametrize("meter", ["4/4", "3/4", "6/8"])
def test_to_a_melody_an_accompaniment_is_composed_that_is_given_all_of_it(meter: str) -> None:
    melody = Score((tune(4, meter=meter),), piano(4, meter).bars, (TempoChange(0, 100.0),))
    request = request_of(Order(bars=99, accompany=True), melody)
    assert (request.words, request.bars, request.before) == ((), 4, 0)
    assert request.roles == (Role.INNER + 1, Role.ACCOMPANIMENT + 1)
    sung = replace(melody, parts=(replace(melody.parts[0], role=Role.MELODY),))
    notes = [word for word in to_words(sung, VOCABULARY) if word.family == Family.NOTE]
    assert [word for bar in request.given for word in bar if word.family == Family.NOTE] == notes
    places = [word for bar in request.given for word in bar if word.family == Family.METRICAL]
    assert all(word.chord == word.tempo == 0 for word in places)


def test_chords_are_put_among_the_notes_that_are_given() -> None:
    notes = (Note(0, 72, 400, 80), Note(960 + 240, 74, 1600, 80), Note(1920 + 480, 76, 3000, 80))
    melody = in_four(notes, end=2 * TICKS_PER_BAR)
    request = request_of(Order(accompany=True, chords=chords_from("Am F | C")), melody)
    am, f, c = (VOCABULARY.chord_ids[name] for name in ("Am", "F", "C"))
    assert [[(w.position, w.chord, w.pitch) for w in bar[1:]] for bar in request.given] == [
        [(1, am, 0), (0, 0, 72 - 20), (25, f, 0), (31, 0, 0), (0, 0, 74 - 20)],
        [(1, c, 0), (13, 0, 0), (0, 0, 76 - 20)],
    ]


def test_other_parts_than_the_accompaniment_are_given_too() -> None:
    score = piano(4)
    parts = (tune(4, "Vocals"), replace(tune(4, "Bass", 33), channel=1), replace(tune(4, "Alto"), channel=2))
    request = request_of(Order(accompany=True), replace(score, parts=parts))
    assert request.roles == (Role.ACCOMPANIMENT + 1,)
    roles = {word.role - 1 for bar in request.given for word in bar if word.family == Family.NOTE}
    assert roles == {Role.MELODY, Role.INNER, Role.BASS}


def test_where_there_is_an_accompaniment_none_is_composed() -> None:
    with pytest.raises(TaskError, match="There is an accompaniment already"):
        request_of(Order(accompany=True), band(4))


def test_a_piece_that_is_too_long_gets_none() -> None:
    with pytest.raises(TaskError) as refused:
        request_of(Order(accompany=True), Score((tune(1),), piano(MAX_BARS + 1).bars))
    assert refused.value.values == {"bars": MAX_BARS + 1, "most": MAX_BARS}


# ---------------------------------------------------------------------- what crosses the table

AROUND = {
    "chords": st.sampled_from([(), (("Am",),), (("C#m7/E",), ("N",), ("F",))]),
    "key": st.sampled_from(["", "A minor", "Eb"]),
    "amounts": st.sampled_from([(), (("density", "fuller"),), (("loudness", "softer"), ("density", "thinner"))]),
    "style": st.sampled_from(["", *STYLES]),
    "ending": st.booleans(),
}


@st.composite
def openings(draw: st.DrawFn) -> Score:
    """Files of strangers: any meters, a pickup now and then, some parts, drums beside them."""
    score = draw(scores())
    meter = draw(st.sampled_from([None, None, Meter(3, 4), Meter(6, 8), Meter(4, 4)]))
    if meter is not None:
        pickup = draw(st.sampled_from([0, 240, 480, 720, 960]))
        bars = bars_of([(0, meter), (pickup, meter)] if 0 < pickup < meter.ticks else [(0, meter)], score.end)
        score = replace(score, bars=bars)
    names = draw(st.lists(st.sampled_from(["", "Melody", "Bass", "Viola"]), min_size=3, max_size=3))
    programs = draw(st.lists(st.sampled_from([0, 33, 73]), min_size=3, max_size=3))
    parts = tuple(
        replace(part, role=Role.UNSAID, name=name, program=program, channel=channel)
        for channel, (part, name, program) in enumerate(zip(score.parts, names, programs, strict=False))
    )
    drums = Part((Note(0, 36, 60, 90),), is_drum=True, channel=9)
    try:
        opening = to_opening(replace(score, parts=(*parts, drums)[draw(st.integers(0, 1)) :])).score
    except NoNotesError:
        assume(False)
    assume(opening.notes)
    return opening


@given(openings(), st.data())
def test_every_request_keeps_to_the_rules_and_crosses_the_table(opening: Score, data: st.DataObject) -> None:
    bars = len(opening.bars)
    redo = st.tuples(st.integers(1, bars), st.integers(1, bars)).map(lambda ends: tuple(sorted(ends)))
    task = data.draw(
        st.just({"bars": 3})
        | (redo.filter(lambda ends: ends != (1, bars)).map(lambda ends: {"redo": ends}) if bars > 1 else st.nothing())
        | st.just({"accompany": True})
    )
    order = Order(takes=2, seed=5, **task, **data.draw(st.fixed_dictionaries(AROUND)))
    if order.accompany and any(part.role is Role.ACCOMPANIMENT for part in with_roles(opening).parts):
        with pytest.raises(TaskError, match="accompaniment already"):
            order.requests(opening, VOCABULARY)
        return
    requests = order.requests(opening, VOCABULARY)
    assert [request.seed for request in requests] == [5, 6]
    for request in requests:
        assert list(request.broken(VOCABULARY)) == []
        assert Request.from_json(json.loads(json.dumps(request.to_json())), VOCABULARY) == request
        assert request.bars == order.bars_of(bars)
    if order.redo is None and not order.accompany:
        expected = quantise(heard(with_roles(opening)), VOCABULARY)
        assert decode(requests[0].words, VOCABULARY).parts == expected.parts


@given(openings(), st.data())
def test_what_is_composed_to_a_request_comes_where_it_was_asked_for(opening: Score, data: st.DataObject) -> None:
    """The answer is the opening's own first bars again, in one of the roles that are asked for."""
    bars = len(opening.bars)
    assume(bars > 1)
    first = data.draw(st.integers(1, bars))
    last = data.draw(st.integers(first, bars).filter(lambda last: (first, last) != (1, bars)))
    order = data.draw(st.sampled_from([Order(bars=2), Order(redo=(first, last)), Order(accompany=True)]))
    try:
        request = request_of(order, opening)
    except TaskError:
        assume(False)
    meters = request.meters or [word.meter for bar in request.given for word in bar if word.family == Family.BAR]
    meters = list(meters) or [bars_in(request.words)[-1].meter] * request.bars
    role = Role((request.roles or [word.role for word in request.words if word.role])[0] - 1)
    lines = [0]
    for meter in meters:
        lines.append(lines[-1] + VOCABULARY.lengths[meter - 1] * 40)
    notes = tuple(Note(at, 60, at + 40, 80) for at in lines[:-1])
    own = [bar._replace(start=at, end=to) for bar, (at, to) in zip(opening.bars * 9, pairwise(lines), strict=False)]
    own = [bar._replace(meter=Meter.parse(VOCABULARY.meters[m - 1])) for bar, m in zip(own, meters, strict=True)]
    following = Score((Part(notes, role),), tuple(own), (TempoChange(0, 120.0),))
    words = (*encode(following, VOCABULARY), END)
    take = finish(opening, request, Composed(words, "", "", "cpu", 1.0), VOCABULARY)
    start = {True: opening.end, False: 0}[order.redo is None and not order.accompany]
    start = opening.line(order.redo[0] - 1) if order.redo else start
    assert take.boundary == start
    assert take.composed_bars == (opening.bar_at(start) if start < opening.end else bars, take.first + len(meters))
    found = {(n.start, n.pitch) for part in take.score.pitched for n in part.notes}
    assert {(note.start + start, 60) for note in notes} <= found
    assert len(take.score.bars) == bars + (2 if order == Order(bars=2) else 0)
    if order.accompany:
        assert take.score.parts[: len(opening.parts)] == opening.parts
        assert len(take.score.parts) == len(opening.parts) + 1
    assert [part.name for part in take.score.parts[: len(opening.parts)]] == [part.name for part in opening.parts]


def test_numbers_are_refused_with_their_range() -> None:
    with pytest.raises(OutOfRangeError, match="number of bars lies between 1 and 512"):
        Order(bars=MAX_BARS + 1)
