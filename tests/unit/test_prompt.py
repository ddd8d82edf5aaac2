"""What a piece reads of its request, as in training, and that the words which answer it are what was asked for."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from asked import (
    ACCOMPANIMENT,
    MELODY,
    REQUESTS,
    accompanied,
    bars_of,
    given_of,
    go_on,
    redone,
    song,
    versatile_checkpoint,
)
from engine_models import steps_of
from some_words import BAR, bar_word, words_of

from composer.engine.anchors import BARS_LEFT
from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.model import BEHIND, DRAWN, HEARD
from composer.engine.prompt import Prompt
from composer.engine.scheduler import Piece
from composer.engine.torch_steps import TorchSteps
from composer.errors import RequestError
from composer.music.encoding import decode
from composer.music.words import COLUMN, Family, Word, default_vocabulary
from composer.order import STYLES
from composer.places import DEFAULT_CHECKPOINT
from composer.request import Request
from composer.rules import broken_rules
from composer.training.tasks import given, redo, split_bars

VOCABULARY = default_vocabulary()
CHECKPOINT = versatile_checkpoint()
FOUR, THREE, SIX = (bar_word(meter).meter for meter in ("4/4", "3/4", "6/8"))


def compose(kind: str, requests: Sequence[Request], slots: int = 2) -> list[Piece]:
    *_, pieces = Generator(CHECKPOINT, slots, steps=steps_of(kind, CHECKPOINT, slots)).compose(requests)
    return pieces


# ---------------------------------------------------------------------- as in training


def test_a_redo_is_laid_out_as_it_was_learned() -> None:
    bars = bars_of(song(12))
    lesson = redo(bars, 4, 6, 10**6)
    assert lesson is not None
    request = Request(words_of(np.concatenate(bars[:4])), 2, 0, behind=words_of(np.concatenate(bars[6:])))
    hole = words_of(np.concatenate(bars[4:6]))
    last = max(at for at, word in enumerate(hole) if word.family == Family.BAR)
    known = Prompt(request, VOCABULARY, CHECKPOINT.model.config).known(hole[: last + 1])
    assert [one.word for one in known] == list(words_of(lesson.heard))[: len(known)]
    assert [one.segment for one in known] == lesson.segments[: len(known)].tolist()
    assert {one.segment for one in known} == {HEARD, BEHIND, DRAWN}
    left = [one.anchors[BARS_LEFT] for one in known]
    assert left == [1 + bars if bars >= 0 else 0 for bars in lesson.left[: len(known)].tolist()]


@pytest.mark.parametrize("roles", [[MELODY], [ACCOMPANIMENT], []])
@pytest.mark.parametrize("chords", [True, False])
def test_what_is_given_is_laid_out_as_it_was_learned(roles: list[int], chords: bool) -> None:
    if not roles and not chords:
        return
    words = song(5)
    lesson = given(bars_of(words), 0, roles, chords, 10**6)
    rest = words_of(lesson.heard[lesson.segments == HEARD])
    last = max(at for at, word in enumerate(rest) if word.family == Family.BAR)
    request = Request((), 5, 0, given=given_of(words, roles, chords))
    known = Prompt(request, VOCABULARY, CHECKPOINT.model.config).known(rest[: last + 1])
    assert [one.word for one in known] == list(words_of(lesson.heard))[: len(known)]
    assert [one.segment for one in known] == lesson.segments[: len(known)].tolist()


@pytest.mark.parametrize("task", REQUESTS)
@torch.inference_mode()
def test_a_step_knows_what_the_whole_sequence_says(task: str) -> None:
    """The next context of a piece that is half done, against the parallel form of all that stands before."""
    model = CHECKPOINT.model
    steps = TorchSteps(CHECKPOINT, 2, torch.device("cpu"))
    generator = Generator(CHECKPOINT, 2, steps=steps)
    generator.submit(go_on())
    piece = generator.submit(REQUESTS[task]())
    while piece.bars_done < 1 or piece.words[-1].family != Family.BAR or piece.unread:
        generator.step()
    assert piece.prompt is not None
    known = piece.prompt.known(piece.words)
    bar = piece.prompt.opened(piece.bars_done, piece.words[-1])
    words = torch.tensor([[*(one.word for one in known), piece.words[-1]]])
    anchors = torch.tensor([[*(one.anchors for one in known), bar.anchors]])
    segments = torch.tensor([[*(one.segment for one in known), bar.segment]])
    expected = model(words, anchors=anchors, segments=segments)[:, -1]
    cache = copy.deepcopy(steps.cache)
    context = model.cached(
        steps.words[:, None], steps.positions, cache, steps.anchors[:, None], segments=steps.segments[:, None]
    )[:, 0]
    torch.testing.assert_close(context.vector[piece.slot], expected.vector[0], atol=1e-4, rtol=1e-4)
    assert context.hinted is not None
    assert expected.hinted is not None
    assert torch.equal(context.hinted[piece.slot], expected.hinted[0])


# ---------------------------------------------------------------------- the words that answer


@pytest.mark.parametrize("kind", ["torch", "native int8"])
@pytest.mark.parametrize("task", REQUESTS)
def test_pieces_keep_to_the_rules_and_to_what_is_asked(task: str, kind: str) -> None:
    request = REQUESTS[task]()
    asked = [replace(request, seed=seed) for seed in range(6)]
    for piece in compose(kind, asked, 6):
        assert list(broken_rules(piece.words, VOCABULARY, request.bars)) == []
        assert len(decode(piece.words, VOCABULARY).bars) == request.bars
        lines = [word for word in piece.words if word.family == Family.BAR]
        meter = request.given[0][0].meter if request.given else request.words[0].meter
        assert {line.meter for line in lines} == {meter}
        roles = {word.role for word in piece.words if word.family == Family.NOTE}
        assert roles <= {*(request.roles or {MELODY, ACCOMPANIMENT})}
        if task in ("accompany", "chords"):
            for bar, shown in zip(split_bars(np.array(piece.words)), request.given, strict=True):
                chords = bar[bar[:, COLUMN["family"]] == Family.METRICAL, COLUMN["chord"]]
                assert set(chords.tolist()) <= {shown[1].chord}


@pytest.mark.parametrize("kind", ["torch", "native int8"])
def test_each_bar_has_the_meter_that_is_asked_for_or_any(kind: str) -> None:
    asked = [replace(go_on(4), meters=(SIX, THREE, 0, FOUR), seed=seed) for seed in range(16)]
    free = set()
    for piece in compose(kind, asked, 16):
        first, second, third, fourth = (word.meter for word in piece.words if word.family == Family.BAR)
        assert (first, second, fourth) == (SIX, THREE, FOUR)
        free.add(third)
        assert list(broken_rules(piece.words, VOCABULARY, 4)) == []
    assert len(free) > 1


def test_without_a_word_of_them_the_meter_and_the_roles_go_on() -> None:
    request = Request(tuple(song(2, "6/8")), 3, 0)
    prompt = Prompt(request, VOCABULARY, CHECKPOINT.model.config)
    assert [prompt.meter(bar) for bar in range(4)] == [SIX, SIX, SIX, 0]
    assert list(prompt.roles) == [MELODY, ACCOMPANIMENT]


def test_what_lies_out_of_sight_is_not_read_again() -> None:
    config = CHECKPOINT.model.config
    known = Prompt(Request(tuple(song(200)), 1, 0), VOCABULARY, config).known([BAR])
    assert len(known) == config.layers * config.window + config.past < len(song(200))


# ---------------------------------------------------------------------- at the door


@pytest.mark.parametrize("task", REQUESTS)
def test_a_request_crosses_the_table(task: str) -> None:
    request = REQUESTS[task]()
    assert Request.from_json(request.to_json(), VOCABULARY) == request


GOOD = accompanied()


@pytest.mark.parametrize(
    "bad",
    [
        replace(GOOD, given=GOOD.given[1:]),
        replace(GOOD, given=((*GOOD.given[0], *GOOD.given[1]), *GOOD.given[1:])),
        replace(GOOD, given=((), *GOOD.given[1:])),
        replace(GOOD, given=(GOOD.given[0][1:], *GOOD.given[1:])),
        replace(GOOD, roles=(9,)),
        replace(GOOD, meters=(FOUR,)),
        replace(GOOD, meters=(99,) * 5),
        replace(GOOD, before=-1),
        replace(GOOD, given=()),
        replace(redone(), behind=redone().behind[1:]),
        replace(go_on(), words=(BAR._replace(meter=0),)),
    ],
)
def test_what_contradicts_itself_is_refused(bad: Request) -> None:
    with pytest.raises(RequestError):
        Request.from_json(bad.to_json(), VOCABULARY)


# ---------------------------------------------------------------------- past bars, where chords are asked for


@pytest.mark.parametrize("kind", ["torch", "native float32"])
def test_where_chords_are_asked_for_past_bars_count_as_in_training(kind: str) -> None:
    as_learned, stronger = (versatile_checkpoint(copying=copying) for copying in (1.0, 3.0))
    for stage in [*as_learned.model.stages, *stronger.model.stages]:
        torch.nn.init.constant_(stage.copying.gates.bias, 2.0)  # type: ignore[union-attr, arg-type]

    def composed(checkpoint: Checkpoint, task: str) -> list[Word]:
        *_, (piece,) = Generator(checkpoint, 1, steps=steps_of(kind, checkpoint, 1)).compose([REQUESTS[task]()])
        return piece.words

    assert composed(stronger, "chords") == composed(as_learned, "chords")
    assert composed(stronger, "go on") != composed(as_learned, "go on")


@pytest.mark.parametrize("kind", ["torch", "native int8"])
def test_a_style_that_the_checkpoint_was_not_taught_ends_its_piece_and_no_other(kind: str) -> None:
    checkpoint = versatile_checkpoint()
    good = REQUESTS["go on"]()
    asked = [replace(good, style=style) for style in (2, 3, 4_000_000)]
    *_, pieces = Generator(checkpoint, 3, steps=steps_of(kind, checkpoint, 3)).compose(asked)
    assert [piece.error is None for piece in pieces] == [True, False, False]
    assert "knows 2 styles, and number 3 is not one" in str(pieces[1].error)


def test_the_checkpoint_of_the_project_knows_every_style_that_can_be_asked_for() -> None:
    assert json.loads((DEFAULT_CHECKPOINT / "config.json").read_text())["model"]["styles"] == list(STYLES)
