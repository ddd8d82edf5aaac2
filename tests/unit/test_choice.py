"""The rule, on figures of real songs that play the part of composed ones."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from composer.audition import choice as module
from composer.audition.choice import choose, failed_gates, summarise
from composer.audition.comparison import COMPARED, load_reference
from composer.audition.copying import Copying
from composer.audition.grid import notes_of
from composer.audition.metrics import Figures
from composer.audition.openings import Group, Song
from composer.audition.trials import Candidate, Judged, Result
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.opening import Opening
from composer.sampling import SamplingParams

REFERENCE = load_reference("pop1k7")
REAL = {name: REFERENCE.figures[name] for name in COMPARED}
SCORE = in_four((Note(0, 60, 480, 80),), end=TICKS_PER_BAR)
OPENINGS = 24
GROUP = Group("songs", [Song(str(at), Opening(SCORE)) for at in range(OPENINGS)], REFERENCE)
CLEAN, COPY = Copying(0.0, 0, 0, ""), Copying(0.5, 90, 90, "a song")


def figures(at: int, off: float = 0.0, loop: float = 0.0) -> Figures:
    """Those of a real song, moved by so many deviations."""
    return {name: float(values[at] + off * values.std()) for name, values in REAL.items()} | {"loop": loop}


def judged(row: Figures, copying: Copying = CLEAN, broken: int = 0, pitch: int = 60) -> Judged:
    notes = notes_of(in_four((Note(0, pitch, 480, 80),), end=TICKS_PER_BAR))
    return Judged(notes, row, copying, broken)


def result(name: str, pieces: list[list[Judged]]) -> Result:
    return Result(Candidate(name, Path(name), SamplingParams()), "", 1.0, "int8", {"songs": pieces})


@pytest.fixture
def _few_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """Intervals say nothing of what is chosen."""
    monkeypatch.setattr(module, "DRAWS", 10)


quickly = pytest.mark.usefixtures("_few_draws")
NEAR = result("near", [[judged(figures(at))] for at in range(OPENINGS)])
FAR = result("far", [[judged(figures(at, off=1.5))] for at in range(OPENINGS)])


@quickly
def test_what_is_nearest_to_real_music_is_chosen() -> None:
    choice = choose([FAR, NEAR], [GROUP])
    assert (choice.chosen, choice.by, choice.passed, choice.halved) == (1, "AUC", True, True)
    assert choice.seen[1]["songs"].pieces == choice.unseen[1]["songs"].pieces == OPENINGS / 2
    assert choice.unseen[1]["songs"].auc < choice.unseen[0]["songs"].auc


@quickly
def test_the_gates_come_first() -> None:
    def spoilt(name: str, **what: object) -> Result:
        worst = [judged(figures(at), **what) if at < 4 else judged(figures(at)) for at in range(OPENINGS)]  # type: ignore[arg-type]
        return result(name, [[piece] for piece in worst])

    stuck = result("stuck", [[judged(figures(at, loop=0.5 if at < 4 else 0))] for at in range(OPENINGS)])
    silent = result("silent", [[judged({} if at == 2 else figures(at))] for at in range(OPENINGS)])
    failing = [spoilt("copying", copying=COPY), spoilt("broken", broken=1), stuck, silent]
    names = [failed_gates([summarise(one.pieces["songs"], REFERENCE)]) for one in failing]
    assert names == [["copying"], ["grammar"], ["loops"], ["silence"]]
    assert choose([*failing, FAR], [GROUP]).chosen == 4
    nobody = choose(failing, [GROUP])
    assert not nobody.passed


@quickly
@pytest.mark.parametrize(("pieces", "copies", "failed"), [(9, 1, True), (10, 1, False), (20, 2, True), (40, 2, False)])
def test_some_pieces_may_be_copies_as_real_ones_are(pieces: int, copies: int, failed: bool) -> None:
    """The gates take the groups together: here two of them."""
    rows = [[judged(figures(at), COPY if at < copies else CLEAN)] for at in range(pieces)]
    half = pieces // 2
    summaries = [summarise(rows[:half], REFERENCE), summarise(rows[half:], REFERENCE)]
    assert failed_gates(summaries) == (["copying"] if failed else [])
    assert (summaries[0].longest_common, summaries[0].copied_song) == (90, "a song")


@quickly
def test_few_pieces_are_judged_by_their_overlap() -> None:
    few = Group("songs", GROUP.songs[:8], REFERENCE)
    first = [result(one.candidate.name, list(one.pieces["songs"][:8])) for one in (FAR, NEAR)]
    choice = choose(first, [few])
    assert (choice.chosen, choice.by) == (1, "OA")


def test_one_opening_has_no_halves() -> None:
    alone = Group("songs", GROUP.songs[:1], REFERENCE)
    choice = choose([result("one", [[judged(figures(0))]])], [alone])
    assert not choice.halved
    assert choice.seen[0]["songs"].pieces == choice.unseen[0]["songs"].pieces == 1


@quickly
def test_takes_of_one_opening_do_not_tell_each_other_apart() -> None:
    draw = np.random.default_rng(1)
    once = [
        [judged({name: float(draw.normal(values.mean(), values.std())) for name, values in REAL.items()})]
        for _ in range(OPENINGS)
    ]
    auc = summarise(once, REFERENCE).auc
    assert summarise([song * 4 for song in once], REFERENCE).auc == auc
    assert summarise(once * 4, REFERENCE).auc > auc + 0.1  # as if each take had an opening of its own


def test_intervals_hold_the_figure_and_are_those_of_the_openings() -> None:
    pieces = [[judged(figures(at, off=0.3) | {"c_key_match": float(at % 3 > 0)})] for at in range(OPENINGS)]
    found = summarise(pieces, REFERENCE)
    for name in ("gap", "overlap", "auc", "echo", "key_kept"):
        low, high = found.intervals[name]
        assert low < getattr(found, name) < high
    twice = summarise([song * 2 for song in pieces], REFERENCE).intervals
    assert twice["echo"] == found.intervals["echo"], "a second take like the first tells nothing"
    low, high = found.intervals["key_kept"]
    assert high - low == pytest.approx(2 * 1.96 * (2 / 9 / OPENINGS) ** 0.5, rel=0.2)


def test_what_could_not_be_measured_has_no_interval() -> None:
    found = summarise([[judged({})], [judged({})]], REFERENCE)
    assert all(math.isnan(bound) for interval in found.intervals.values() for bound in interval)
    silent = [[judged({} if at == 3 else figures(at))] for at in range(OPENINGS)]
    assert summarise(silent, REFERENCE).intervals["auc"].low > 0.5


def test_the_spread_is_how_much_seeds_differ() -> None:
    same, other = judged(figures(0)), judged(figures(0), pitch=62)
    assert summarise([[same, same]], REFERENCE).spread == 0
    assert summarise([[same, other]], REFERENCE).spread == 1
    assert summarise([[same, same, other]], REFERENCE).spread == 2 / 3
