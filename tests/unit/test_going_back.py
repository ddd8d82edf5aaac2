"""Guard rails in the engine: pieces that go back, and are for all that what they would be alone."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from engine_models import (
    TINY,
    WHOLE_KINDS,
    anchors_told,
    looping_checkpoint,
    nats_of,
    random_checkpoint,
    steps_of,
    stuck_checkpoint,
)
from some_words import BAR, metrical, note, runs_of

from composer.audition.copying import CopyIndex
from composer.audition.grid import Notes, notes_of_words
from composer.audition.metrics import bar_sets, loops
from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.guards import MOST_RETURNS, MOST_TRIES
from composer.engine.scheduler import Piece
from composer.engine.torch_steps import TorchSteps
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.music.words import END, Family, Word, default_vocabulary
from composer.request import Guards, Request, Watched
from composer.rules import broken_rules
from composer.sampling import SamplingParams

VOCABULARY = default_vocabulary()
FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])
GREEDY = FREE.with_setting("top_p", "all", 0.01)  # at any temperature: warmer changes nothing
BARS = 20
SLOTS = 3


@cache
def looping() -> Checkpoint:
    return looping_checkpoint()


@cache
def stuck() -> Checkpoint:
    return stuck_checkpoint()


def opening(bars: int = 2, pitch: int = 60) -> tuple[Word, ...]:
    notes = tuple(Note(tick, pitch + tick // 480 % 7, tick + 240, 80) for tick in range(0, bars * TICKS_PER_BAR, 480))
    return tuple(encode(in_four(notes, end=bars * TICKS_PER_BAR), VOCABULARY))


def asked(seed: int, bars: int = BARS, sampling: SamplingParams = FREE, guards: Guards | None = None) -> Request:
    return Request(opening(1 + seed % 3, 50 + 3 * seed), bars, seed, sampling, guards or Guards(drift=False))


def compose(generator: Generator, requests: Sequence[Request]) -> list[Piece]:
    *_, pieces = generator.compose(requests)
    return pieces


def run_until_idle(generator: Generator) -> None:
    while not generator.scheduler.idle:
        generator.step()


def watched(piece: Piece) -> Watched:
    assert piece.watch is not None
    return piece.watch.watched


def grid(words: Sequence[Word]) -> Notes:
    return notes_of_words(np.array(words), VOCABULARY)


def longest_loop(piece: Piece) -> int:
    """In bars, by the measure that compares every bar with every other. The opening counts."""
    return loops(bar_sets(grid([*piece.request.words, *piece.words])))[1]


REQUESTS = [asked(seed, BARS + seed % 2) for seed in range(5)]


@pytest.fixture(scope="module")
def together() -> list[Piece]:
    """Five pieces that loop, through three slots."""
    return compose(Generator(looping(), SLOTS), REQUESTS)


# ---------------------------------------------------------------------- loops


def test_without_the_guard_the_model_loops() -> None:
    pieces = compose(Generator(looping(), SLOTS), [replace(request, guards=Guards.off()) for request in REQUESTS[:3]])
    assert all(longest_loop(piece) >= 8 for piece in pieces)
    assert all(piece.drawn == len(piece.words) - 1 for piece in pieces), "nothing is drawn again"
    assert all(watched(piece) == Watched() for piece in pieces)


def test_with_it_no_piece_loops_and_every_bar_is_there(together: list[Piece]) -> None:
    for piece in together:
        assert list(broken_rules(piece.words, VOCABULARY, piece.request.bars)) == []
        assert piece.bars_done == piece.request.bars
        assert longest_loop(piece) == 0
        assert 1 <= watched(piece).loops <= MOST_RETURNS
        assert not watched(piece).stuck
        assert piece.drawn > len(piece.words) - 1, "what was given up has been drawn too"
        assert len(piece.nats) == len(piece.words)


def test_a_piece_that_goes_back_is_what_it_is_alone(together: list[Piece]) -> None:
    """In the slot that it had, bit for bit; another slot may round otherwise."""
    generator = Generator(looping(), SLOTS)
    for number, piece in enumerate(together[:3]):
        (alone,) = compose(generator, [piece.request])
        assert alone.words == piece.words
        assert (watched(alone), alone.drawn) == (watched(piece), piece.drawn)
        if number == 0:
            assert alone.nats == piece.nats


def test_a_piece_is_what_it_is_alone_behind_one_that_was_cancelled_while_it_went_back(together: list[Piece]) -> None:
    generator = Generator(looping(), SLOTS)
    first, *others = [generator.submit(request) for request in REQUESTS]
    while not first.warm_bars:
        generator.step()
    generator.cancel(first)
    run_until_idle(generator)
    assert not first.finished
    assert [piece.words for piece in others] == [piece.words for piece in together[1:]]


def test_a_loop_that_cannot_be_left_is_kept_and_told() -> None:
    (piece,) = compose(Generator(stuck(), 1), [asked(0, 12, GREEDY)])
    assert watched(piece) == Watched(loops=MOST_RETURNS, stuck=True)
    assert longest_loop(piece) == 12
    assert list(broken_rules(piece.words, VOCABULARY, 12)) == []
    a_bar = piece.words.index(BAR, 1)
    assert piece.drawn == len(piece.words) - 1 + MOST_RETURNS * a_bar


def test_a_piece_is_what_it_is_alone_behind_one_that_ended_stuck() -> None:
    """Its last bars were warm; the slot's next piece begins as its settings say."""
    cold = asked(3, 2, FREE.with_setting("temperature", "pitch", 0.1))
    before, behind = compose(Generator(stuck(), 1), [asked(0, 7, GREEDY), cold])
    assert watched(before).stuck
    assert behind.words == compose(Generator(stuck(), 1), [cold])[0].words


# ---------------------------------------------------------------------- going back is exact


def gone_back(generator: Generator, piece: Piece) -> Piece:
    """Step until the piece has gone back and what it goes on from is read again, and no farther."""
    length = 0
    while len(piece.words) >= length:
        length = len(piece.words)
        generator.step()
        assert not piece.finished
    drawn = piece.drawn
    while piece.unread:
        slot = piece.slot
        generator._read(piece)  # without the step that would follow
    assert (piece.slot, piece.drawn) == (slot, drawn)
    return piece


@pytest.mark.parametrize("ending", [True, False])
@torch.inference_mode()
def test_behind_going_back_the_model_knows_what_it_knew_when_it_was_there(ending: bool) -> None:
    """The next context, against the parallel form of all words at once, with all that it tells them."""
    checkpoint, request = looping(), replace(asked(1, 12), ending=ending)
    steps = TorchSteps(checkpoint, 2, torch.device("cpu"))
    generator = Generator(checkpoint, 2, steps=steps)
    neighbour = generator.submit(asked(4, 30))
    piece = gone_back(generator, generator.submit(request))
    assert piece.bars_done >= 2
    assert len(piece.words) > 1
    assert not neighbour.finished
    slot, words = piece.slot, [*request.words, *piece.words]
    told = anchors_told(request, piece.words, VOCABULARY)
    expected = checkpoint.model(torch.tensor([words]), anchors=told)[:, -1]

    anchors = steps.anchors
    assert anchors[slot].tolist() == told[0, -1].tolist()
    cache = copy.deepcopy(steps.cache)
    context = checkpoint.model.cached(steps.words[:, None], steps.positions, cache, anchors[:, None])[:, 0]
    torch.testing.assert_close(context.vector[slot], expected.vector[0])
    assert context.hinted is not None
    assert expected.hinted is not None
    assert torch.equal(context.hinted[slot], expected.hinted[0])
    # ... and by the anchors it does make a difference what is told.
    other = checkpoint.model(torch.tensor([words]), anchors=torch.zeros_like(told))[:, -1]
    assert not torch.allclose(other.vector, expected.vector, atol=1e-3)


def test_behind_going_back_the_rules_are_those_of_the_bar_that_begins() -> None:
    steps = TorchSteps(looping(), 1, torch.device("cpu"))
    generator = Generator(looping(), 1, steps=steps)
    piece = gone_back(generator, generator.submit(asked(1)))
    state = steps.grammar.state
    assert (int(state.position), int(state.pitch), int(state.role)) == (0, 0, VOCABULARY.sizes["role"])
    assert bool(state.last) == (piece.bars_done == BARS - 1)
    assert piece.words[-1] == BAR
    assert piece.bars_done == piece.words.count(BAR) - 1


# ---------------------------------------------------------------------- how likely


@pytest.mark.parametrize("kind", WHOLE_KINDS)
@pytest.mark.parametrize("ending", [True, False])
def test_nats_are_the_models_own(ending: bool, kind: str) -> None:
    """Whatever the settings are; and the answer gives their mean. Hints, anchors and the end in sight count."""
    checkpoint = looping_checkpoint(certainty=1.0)
    hot = FREE.with_settings(["temperature.pitch=1.7", "top_p.duration=0.5"])
    generator = Generator(checkpoint, 2, steps=steps_of(kind, checkpoint, 2))
    pieces = compose(generator, [replace(asked(seed, 5, hot), ending=ending) for seed in (1, 2)])
    for piece in pieces:
        assert watched(piece) == Watched()
        assert piece.nats[0] == 0, "the first word is given"
        assert piece.nats[1:] == pytest.approx(nats_of(checkpoint, piece.request, piece.words), abs=1e-3)
        mean = sum(piece.nats) / (len(piece.words) - 1)
        assert generator.composed(piece, 1.0).nats == pytest.approx(mean)
    other = replace(pieces[0].request, ending=not ending)
    assert sum(nats_of(checkpoint, other, pieces[0].words)) != pytest.approx(sum(pieces[0].nats), abs=0.01)


@pytest.mark.parametrize("kind", WHOLE_KINDS)
def test_nats_of_what_was_given_up_do_not_count(kind: str) -> None:
    """A piece that went back six times, from a model that has no hints to be kept from."""
    generator = Generator(stuck(), 1, steps=steps_of(kind, stuck(), 1))
    (piece,) = compose(generator, [asked(0, 9, GREEDY)])
    assert watched(piece).loops == MOST_RETURNS
    assert piece.nats[1:] == pytest.approx(nats_of(stuck(), piece.request, piece.words), abs=1e-3)


# ---------------------------------------------------------------------- copies


def knowing(checkpoint: Checkpoint, **songs: Sequence[Word]) -> Checkpoint:
    return replace(checkpoint, runs=runs_of(**songs))


def in_common(piece: Piece, song: Sequence[Word]) -> tuple[int, str]:
    found = CopyIndex([("song", grid(song))]).look_up(grid(piece.words))
    return found.common, found.song


COPIED = [asked(seed, 10, FREE) for seed in (1, 2, 3)]


@cache
def composing() -> Checkpoint:
    """In the first bar of its pieces are fewer notes than a run has."""
    return random_checkpoint(seed=3, **TINY)


@pytest.fixture(scope="module")
def songs() -> list[list[Word]]:
    """What comes where no guard rail is."""
    pieces = compose(Generator(composing(), SLOTS), [replace(request, guards=Guards.off()) for request in COPIED])
    return [piece.words for piece in pieces]


@pytest.fixture
def knows(songs: list[list[Word]]) -> Checkpoint:
    return knowing(composing(), **{f"song {number}": words for number, words in enumerate(songs)})


def test_a_piece_that_would_be_a_training_song_becomes_another(songs: list[list[Word]], knows: Checkpoint) -> None:
    pieces = compose(Generator(knows, SLOTS), COPIED)
    for piece, song in zip(pieces, songs, strict=True):
        assert in_common(piece, song) == (0, "")
        assert list(broken_rules(piece.words, VOCABULARY, 10)) == []
        assert watched(piece).redrawn >= 1
        assert watched(piece).common == 0
        line = piece.words.index(BAR, 1)
        assert piece.words[:line] == song[:line], "nothing in the first bar was a run yet"
    alone = [compose(Generator(knows, SLOTS), [request])[0] for request in COPIED[:2]]
    assert [piece.words for piece in alone] == [piece.words for piece in pieces[:2]]


def test_with_the_guard_off_it_is_that_song(songs: list[list[Word]], knows: Checkpoint) -> None:
    request = replace(COPIED[0], guards=Guards(copies=False, drift=False))
    (piece,) = compose(Generator(knows, SLOTS), [request])
    assert piece.words == songs[0]
    assert watched(piece) == Watched()


def test_what_cannot_but_be_copied_is_told(songs: list[list[Word]], knows: Checkpoint) -> None:
    """Drawn greedily, what is drawn again is the same."""
    request = asked(5, 8, GREEDY)
    (song,) = compose(Generator(knows, 1), [replace(request, guards=Guards.off())])
    notes = sum(word.family == Family.NOTE for word in song.words)
    checkpoint = knowing(knows, other=songs[0], song=song.words)
    (piece,) = compose(Generator(checkpoint, 1), [replace(request, guards=Guards(loops=False, drift=False))])
    assert piece.words == song.words
    assert in_common(piece, song.words) == (notes, "song")
    heard = np.cumsum([word.family == Family.NOTE for word in song.words])
    ends = [count for count, word in zip(heard, song.words, strict=True) if word in (BAR, END)][1:]
    assert watched(piece) == Watched(redrawn=MOST_TRIES * sum(count >= 17 for count in ends), common=notes, song="song")


# ---------------------------------------------------------------------- a piece by itself


def test_what_is_given_up_is_a_number_of_bars() -> None:
    first, low = metrical(1), note(5)
    words = [first, low, BAR, BAR, first, low, low, END]
    for given_up, length, bars_done in ((1, 5, 2), (2, 4, 1), (3, 1, 0)):
        piece = Piece(asked(0), words=[BAR], nats=[0.0])
        for number, word in enumerate(words, start=1):
            piece.append(word, float(number))
        assert piece.finished
        piece.give_up(given_up)
        assert piece.words == [BAR, *words][:length]
        assert piece.words[-1] == BAR
        assert piece.nats == [float(number) for number in range(length)]
        assert (piece.bars_done, piece.drawn) == (bars_done, len(words))
        assert not piece.finished
