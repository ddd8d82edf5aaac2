"""Several candidates for a request, and which of them is kept."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from engine_models import TINY, random_checkpoint
from scores import arpeggios, in_meters

from composer import candidates
from composer.audition import critic
from composer.audition.critic import BARS, NAMES, OF_OPENING, OPENING_BARS, Critic, Critics, Features, features
from composer.audition.grid import notes_of
from composer.candidates import ALL_BARS, MOST, Candidates, choose, compose_all
from composer.composing import compose
from composer.engine.checkpoint import CRITICS, Checkpoint, load_checkpoint, save_checkpoint
from composer.engine.generator import Generator
from composer.engine.runs import LONGEST_COMMON
from composer.engine.scheduler import Piece
from composer.errors import CheckpointError, PieceError
from composer.music.encoding import decode
from composer.music.key import near
from composer.music.score import Note
from composer.opening import Opening
from composer.order import Order
from composer.piece import Take
from composer.request import Chosen, Composed, Request, Watched
from composer.sampling import SamplingParams

OPENING = Opening(arpeggios(60, 8))
SAMPLING = SamplingParams().with_settings(["temperature.all=1", "top_p.all=0.3"])


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    return random_checkpoint(seed=9, **TINY)


def rows(count: int, seed: int, new: float, opening: float = 0.0) -> list[Features]:
    draw = np.random.default_rng(seed)
    wide = len(OF_OPENING), len(NAMES)
    return [Features(draw.normal(opening, 1, wide[0]), draw.normal(new, 1, wide[1])) for _ in range(count)]


def taught() -> Critics:
    """One of songs that begin low, one of others that begin high and go on the other way."""
    low = Critic.taught(rows(60, 1, 0.4, -1), rows(60, 2, 0, -1))
    high = Critic.taught(rows(60, 3, 0, 1), rows(60, 4, 0.4, 1))
    return Critics({"pop": low, "song": high})


def found_by(critics: Critics, piece: Features | None) -> float:
    critic = critics.critic_of(piece) if piece else None
    return critic.real(piece) if critic and piece else -math.inf


def alone(checkpoint: Checkpoint, request: Request) -> list[Take]:
    """Each of its candidates as a take by itself."""
    requests = [replace(request, seed=one.request.seed) for one in Candidates(Generator(checkpoint, 1), request).pieces]
    orders = [Order(request.bars, seed=one.seed, sampling=SAMPLING, candidates=1) for one in requests]
    return [take for order in orders for take in compose(OPENING, checkpoint, order)]


# ---------------------------------------------------------------------- which is kept


@pytest.mark.parametrize("drawn", [1, 3, 7])
def test_without_a_critic_the_first_that_passes_the_gates_is_kept(checkpoint: Checkpoint, drawn: int) -> None:
    order = Order(4, 2, seed=6, sampling=SAMPLING, candidates=drawn)
    takes = compose(OPENING, checkpoint, order)
    assert [take.request.seed for take in takes] == [6, 7]
    for take, request in zip(takes, order.requests(OPENING.score, checkpoint.vocabulary), strict=True):
        each = alone(checkpoint, request)
        assert len({one.composed.words for one in each}) == drawn
        best = next((number for number, one in enumerate(each) if near(*one.keys)), 0)
        assert take.composed.words == each[best].composed.words
        assert take.composed.chosen == Chosen(drawn, best + 1)


def test_of_those_that_pass_the_critic_keeps_the_likest_to_real_music(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    critics = taught()
    critics.save(tmp_path)
    told = json.loads((tmp_path / CRITICS).read_text())
    monkeypatch.setattr(critic, "FARTHEST", math.inf)
    order = Order(8, seed=3, sampling=SAMPLING, candidates=8)
    (take,) = compose(OPENING, replace(checkpoint, critics=told), order)
    each = alone(checkpoint, order.requests(OPENING.score, checkpoint.vocabulary)[0])
    words = [[*one.request.words, *one.composed.words] for one in each]
    judged = [features(notes_of(decode(row, checkpoint.vocabulary)), 8) for row in words]
    odds = [found_by(critics, one) for one in judged]
    best = max(range(8), key=lambda number: (near(*each[number].keys), odds[number]))
    assert take.composed.words == each[best].composed.words
    assert take.composed.chosen.kept == best + 1
    assert take.composed.chosen.odds == pytest.approx(odds[best])


def answer(watched: Watched) -> Composed:
    return Composed((), "tiny", "0" * 64, "cpu", 0.1, watched=watched)


@pytest.mark.parametrize(
    ("watched", "passes"),
    [
        (Watched(stuck=True), False),
        (Watched(common=LONGEST_COMMON + 1), False),
        (Watched(common=LONGEST_COMMON), True),
        (Watched(loops=6), True),
        (Watched(redrawn=30), True),
    ],
)
def test_what_is_stuck_or_a_copy_passes_no_gate(checkpoint: Checkpoint, watched: Watched, passes: bool) -> None:
    request = Request((), 1, 0)
    answers = [answer(watched), answer(Watched())]
    assert choose(request, answers, checkpoint.vocabulary, None) == (0 if passes else 1, None)


def test_what_breaks_off_is_not_kept(checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Order(2, seed=4, candidates=3).requests(OPENING.score, checkpoint.vocabulary)[0]
    broken = {0}
    begin = Generator._begin

    def breaking(generator: Generator, piece: Piece) -> None:
        if piece.request.seed in {one.request.seed for at, one in enumerate(asked.pieces) if at in broken}:
            raise PieceError("broken")
        begin(generator, piece)

    monkeypatch.setattr(Generator, "_begin", breaking)
    for broken in ({0}, {0, 1}):
        generator = Generator(checkpoint, 2)
        asked = Candidates(generator, request)
        while not asked.ended:
            generator.step()
        assert asked.composed(1.0).chosen.kept not in {1 + at for at in broken}
        assert asked.composed(1.0).chosen.drawn == 3
    broken = {0, 1, 2}
    generator = Generator(checkpoint, 2)
    asked = Candidates(generator, request)
    while not asked.ended:
        generator.step()
    with pytest.raises(PieceError):
        asked.composed(1.0)


def test_no_two_takes_come_upon_one_candidate(checkpoint: Checkpoint) -> None:
    requests = Order(2, 64, seed=0, candidates=16).requests(OPENING.score, checkpoint.vocabulary)
    seeds = {one.seed for request in requests for one in candidates._drawn_for(request, checkpoint)}
    assert len(seeds) == 64 * 16
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_cancelled_ones_leave_their_slots(checkpoint: Checkpoint) -> None:
    generator = Generator(checkpoint, 2)
    request = Order(2, candidates=3).requests(OPENING.score, checkpoint.vocabulary)[0]
    long = Candidates(generator, request)
    generator.step()
    long.cancel()
    assert generator.scheduler.idle
    other = Candidates(generator, replace(request, seed=5))
    while not other.ended:
        generator.step()
    (undisturbed,) = compose_all(checkpoint, [other.request], 1)
    assert other.composed(0.0) == undisturbed.composed(0.0)


@pytest.mark.parametrize(
    ("order", "drawn"),
    [
        (Order(1), MOST),
        (Order(ALL_BARS // 4), 4),
        (Order(ALL_BARS // 4 + 1), 1),
        (Order(4, chords=(("Am",),)), MOST),
        (Order(redo=(2, 3)), 1),
        (Order(accompany=True), 1),
    ],
    ids=str,
)
def test_as_many_are_drawn_as_pay(checkpoint: Checkpoint, order: Order, drawn: int) -> None:
    (request,) = order.requests(OPENING.score, checkpoint.vocabulary)
    judged = replace(checkpoint, critics={"features": [], "styles": {}})
    for asked, of, count in (
        (request, judged, drawn),
        (request, checkpoint, 1),  # there is no critic
        (replace(request, candidates=3), checkpoint, 3),
    ):
        assert len(candidates._drawn_for(asked, of)) == count
    waltz = Order(1).requests(in_meters((Note(0, 60, 480, 80),), (0, 3, 4), end=1440), checkpoint.vocabulary)[0]
    assert len(candidates._drawn_for(waltz, judged)) == 1


# ---------------------------------------------------------------------- the critic


def test_critics_prefer_what_is_like_the_songs_that_taught_them() -> None:
    critics = taught()
    for seed, composed, real, opening in ((7, 0.4, 0.0, -1), (9, 0.0, 0.4, 1)):
        false, true = rows(40, seed, composed, opening), rows(40, seed + 1, real, opening)
        odds = [[found_by(critics, one) for one in some] for some in (false, true)]
        assert np.mean([one > other for one in odds[1] for other in odds[0]]) > 0.8
        assert all(critics.critic_of(one, "pop") is critics.by_style["pop"] for one in true), "as it is asked for"
        assert all(critics.critic_of(one, "quartet") is None for one in true)
    assert all(critics.critic_of(one) is None for one in rows(9, 5, 0, opening=6)), "nothing that it knows begins so"
    low = critics.by_style["pop"]
    lacking = Features(np.full(len(OF_OPENING), math.nan), np.full(len(NAMES), math.nan))
    assert low.real(lacking) == pytest.approx(low.weights[0]), "what a piece lacks is as in the mean"


def test_features_look_at_so_many_bars_on_either_side() -> None:
    whole = notes_of(arpeggios(60, 4 + OPENING_BARS + BARS + 6))
    part = found(features(whole.part(4, 4 + OPENING_BARS + BARS), OPENING_BARS))
    again = found(features(whole, 4 + OPENING_BARS))
    assert np.array_equal(again.new, part.new, equal_nan=True)
    assert np.array_equal(again.opening, part.opening, equal_nan=True)
    assert features(whole, 0) is None, "there is nothing before"
    told = dict(zip(NAMES, part.new, strict=True))
    assert told["notes_bar"] == 8
    assert told["notes_bar - opening"] == 0


def found(piece: Features | None) -> Features:
    assert piece is not None
    return piece


def test_critics_lie_beside_their_checkpoint(checkpoint: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(tmp_path, checkpoint.model, checkpoint.vocabulary)
    before = load_checkpoint(tmp_path)
    taught().save(tmp_path)
    after = load_checkpoint(tmp_path)
    assert before.critics is None
    assert after.critics is not None
    read = Critics.read(after.critics)
    assert read is not None
    for style, one in taught().by_style.items():
        assert np.array_equal(read.by_style[style].weights, one.weights)
        assert np.array_equal(read.by_style[style].openings.scale, one.openings.scale)
    assert before.digest != after.digest, "other critics, other pieces"
    assert Critics.read({**after.critics, "features": list(NAMES[1:])}) is None
    (tmp_path / CRITICS).write_text("{")
    with pytest.raises(CheckpointError, match=r"critics\.json is damaged"):
        load_checkpoint(tmp_path)


def test_a_style_that_the_model_does_not_know_is_no_style(checkpoint: Checkpoint) -> None:
    assert not checkpoint.model.config.styles
    (take,) = compose(OPENING, checkpoint, Order(2, style="song", candidates=2))
    assert take.composed.chosen.drawn == 2


def test_what_breaks_while_one_is_chosen_is_the_pieces_own(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(candidates, "choose", broken)
    with pytest.raises(PieceError, match="ZeroDivisionError"):
        compose(OPENING, checkpoint, Order(2, candidates=2))


def test_critics_are_not_asked_about_what_they_do_not_know(checkpoint: Checkpoint, tmp_path: Path) -> None:
    taught().save(tmp_path)
    judged = replace(checkpoint, critics=json.loads((tmp_path / CRITICS).read_text()))
    waltz = Opening(in_meters(tuple(Note(at, 60, at + 240, 80) for at in range(0, 8640, 240)), (0, 3, 4), end=8640))
    for opening, order in ((waltz, Order(4, style="pop", candidates=4)), (OPENING, Order(4, candidates=1))):
        (take,) = compose(opening, judged, order)
        assert take.composed.chosen.odds is None
