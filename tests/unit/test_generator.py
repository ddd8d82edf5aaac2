from __future__ import annotations

import math
import resource
from collections.abc import Iterable, Sequence
from dataclasses import replace

import pytest
import torch
from asked import FREE, REQUESTS, versatile_checkpoint
from engine_models import KINDS, TINY, random_checkpoint, steps_of
from some_words import BAR, IN_A_BAR, metrical, note

from composer.engine.generator import Generator
from composer.engine.scheduler import Piece
from composer.engine.steps import PREFILL_WORDS, Drawn
from composer.errors import PieceError
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.music.words import Family, Vocabulary, Word, default_vocabulary
from composer.request import Request
from composer.rules import broken_rules
from composer.sampling import Nucleus, SamplingParams

VOCABULARY = default_vocabulary()
CHECKPOINT = random_checkpoint()


def opening(bars: int = 1, pitch: int = 60) -> tuple[Word, ...]:
    notes = tuple(Note(tick, pitch + tick // 480 % 7, tick + 240, 80) for tick in range(0, bars * TICKS_PER_BAR, 480))
    return tuple(encode(in_four(notes, end=bars * TICKS_PER_BAR), VOCABULARY))


def compose(generator: Generator, requests: Iterable[Request]) -> list[Piece]:
    *_, pieces = generator.compose(requests)
    return pieces


def requests(count: int, bars: int = 2) -> list[Request]:
    """Different openings, lengths, seeds and settings."""
    return [
        Request(
            opening(1 + k % 3, 50 + k),
            bars + k % 2,
            seed=k,
            sampling=FREE.with_setting("temperature", "all", 0.5 + k / 10),
        )
        for k in range(count)
    ]


def test_a_hundred_thousand_random_words_break_no_rule() -> None:
    """The model is random and its settings are the hottest there are: every word that can be drawn is drawn."""
    tiny = Vocabulary(
        meters=("1/8", "1/4"),
        pitches=tuple(range(60, 66)),
        velocities=(60, 90),
        durations=(1, 2, 4),
        chords=("N", "C", "Am"),
        tempos=(90.0, 120.0),
        roles=2,
    )
    checkpoint = random_checkpoint(tiny, **(TINY | {"window": 16}))
    slots = 500
    hot = SamplingParams().with_setting("temperature", "all", 2.0).with_setting("top_p", "all", 1.0)
    generator = Generator(checkpoint, slots)
    total, bars, drawn = 0, 24, set[Word]()
    start = Request((Word(Family.BAR, meter=2), metrical(1), note(1)), bars, 0, hot, roles=(1, 2), meters=(0,) * bars)
    while total < 100_000:
        for piece in compose(generator, [replace(start, seed=total + k) for k in range(slots)]):
            assert list(broken_rules(piece.words, tiny, bars)) == []
            total += piece.drawn
            drawn.update(piece.words)
    places, notes = 12 * 3 * 2, 2 * 6 * 2 * 3
    assert len(drawn) == 2 + 1 + places + notes, "both bars, the end, and all the others that there are"


@pytest.mark.parametrize("kind", KINDS)
def test_neighbours_do_not_change_a_piece(kind: str) -> None:
    """Pieces of every task through four slots, so that they join and leave at different steps, against each one
    alone.
    """
    checkpoint = versatile_checkpoint()
    asked = [*requests(9), *(make() for make in REQUESTS.values())]
    together = compose(Generator(checkpoint, 4, steps=steps_of(kind, checkpoint, 4)), asked)
    generator = Generator(checkpoint, 4, steps=steps_of(kind, checkpoint, 4))
    for request, piece in zip(asked, together, strict=True):
        (alone,) = compose(generator, [request])
        assert (alone.words, alone.nats) == (piece.words, piece.nats)


def test_a_piece_is_the_same_in_every_slot() -> None:
    request = requests(1)[0]
    pieces = compose(Generator(CHECKPOINT, 4), [request] * 4)
    assert all(piece.words == pieces[0].words for piece in pieces)


def test_seeds_make_different_pieces_and_greedy_ones_make_the_same() -> None:
    free = compose(Generator(CHECKPOINT, 4), [Request(opening(), 2, seed, FREE) for seed in range(4)])
    assert len({tuple(piece.words) for piece in free}) == 4
    greedy = FREE.with_setting("temperature", "all", 0.0)
    same = compose(Generator(CHECKPOINT, 4), [Request(opening(), 2, seed, greedy) for seed in range(4)])
    assert len({tuple(piece.words) for piece in same}) == 1


def test_each_attribute_has_its_own_temperature() -> None:
    """Greedy pitch with free durations: the first note's pitch is one and the same, its duration is not."""
    cold = SamplingParams(family=Nucleus(0), position=Nucleus(0), chord=Nucleus(0), tempo=Nucleus(0), pitch=Nucleus(0))
    pieces = compose(Generator(CHECKPOINT, 16), [Request(opening(), 2, seed, cold) for seed in range(16)])
    notes = [next((w for w in piece.words if w.family == Family.NOTE), None) for piece in pieces]
    assert len({note.pitch for note in notes if note}) == 1
    assert len({note.duration for note in notes if note}) > 1


def test_cancelling_leaves_the_others_alone() -> None:
    asked = requests(4)
    expected = compose(Generator(CHECKPOINT, 2), asked)
    generator = Generator(CHECKPOINT, 2)
    pieces = [generator.submit(request) for request in asked]
    for _ in range(3):
        generator.step()
    generator.cancel(pieces[0])
    generator.cancel(pieces[3])
    while not generator.scheduler.idle:
        generator.step()
    assert not pieces[0].finished
    assert pieces[3].drawn == 0
    assert [piece.words for piece in pieces[1:3]] == [piece.words for piece in expected[1:3]]


def test_cancelling_one_of_two_equal_requests_takes_out_that_one() -> None:
    generator, request = Generator(CHECKPOINT, 1), requests(1)[0]
    pieces = [generator.submit(request) for _ in range(3)]
    generator.cancel(pieces[2])
    while not generator.scheduler.idle:
        generator.step()
    assert [piece.finished for piece in pieces] == [True, True, False]


def test_progress_counts_finished_bars_and_ends_at_the_asked_number() -> None:
    seen = [pieces[0].bars_done for pieces in Generator(CHECKPOINT, 1).compose([Request(opening(), 5, 3, FREE)])]
    assert seen == sorted(seen)
    assert seen[0] == 0
    assert seen[-1] == 5
    assert set(seen) == set(range(6))


@pytest.mark.parametrize("kind", KINDS[1:])  # torch would take a minute
def test_512_bars_in_constant_memory(kind: str) -> None:
    """The ring of keys and values has gone round dozens of times, and is as large as it was."""
    generator = Generator(CHECKPOINT, 1, steps=steps_of(kind, CHECKPOINT, 1))
    request = Request(opening(), 512, 1, FREE.with_setting("temperature", "family", 0.3))
    compose(generator, [Request(opening(), 2, 0, FREE)])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    piece = compose(generator, [request])[0]
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert list(broken_rules(piece.words, VOCABULARY, 512)) == []
    assert piece.drawn > 20 * CHECKPOINT.model.config.window
    assert grown < 64 * 1024  # kB; the words themselves are a few MB


@pytest.mark.parametrize("kind", KINDS)
def test_an_opening_longer_than_the_window_is_read_to_its_end(kind: str) -> None:
    """Read in chunks through the ring, it leads to the first word that the parallel form gives."""
    long = opening(bars=40)
    assert len(long) > 4 * CHECKPOINT.model.config.window
    greedy = FREE.with_setting("temperature", "all", 0.0)
    generator = Generator(CHECKPOINT, 2, steps=steps_of(kind, CHECKPOINT, 2))
    drawn = compose(generator, [Request(long, 1, 0, greedy)])[0].words[1]

    context = CHECKPOINT.model(torch.tensor([[*long, BAR]]))[:, -1]
    by_family, by_position = CHECKPOINT.model.stages[0], CHECKPOINT.model.stages[1]
    family = by_family(context, {})["family"][0]
    assert family[Family.METRICAL] > torch.logaddexp(family[Family.BAR], family[Family.END])
    assert drawn.family == Family.METRICAL
    position = by_position(context, {"family": torch.tensor([Family.METRICAL])})["position"][0]
    assert drawn.position == int(position[1 : 1 + IN_A_BAR].argmax()) + 1


def test_a_long_opening_holds_nobody_up() -> None:
    """Its chunks are read between the others' words, one at a time."""
    generator = Generator(random_checkpoint(window=300), 2)
    brisk = generator.submit(Request(opening(), 3, 0, FREE))
    while brisk.drawn < 5:
        generator.step()
    long = generator.submit(Request(opening(bars=60), 1, 1, FREE))
    generator.step()
    chunks = -(-len(long.request.words) // PREFILL_WORDS)
    assert chunks > 3
    assert len(long.unread) == len(long.request.words) - PREFILL_WORDS
    drawn = brisk.drawn
    while long.unread:
        generator.step()
    assert brisk.drawn == drawn + chunks - 1
    assert long.drawn == 1


def test_of_two_openings_the_one_that_came_first_is_read_first() -> None:
    far = random_checkpoint(window=300)
    generator = Generator(far, 2)
    first, second = (generator.submit(Request(opening(bars=60), 1, seed, FREE)) for seed in range(2))
    while first.unread or not first.drawn:
        generator.step()
        assert not second.drawn
    generator.cancel(first)
    while not second.finished:
        generator.step()
    assert second.words == compose(Generator(far, 2), [second.request])[0].words


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_the_gpu_keeps_the_rules_and_repeats_itself() -> None:
    device = torch.device("cuda")
    first, second = (compose(Generator(random_checkpoint(), 4, device), requests(6)) for _ in range(2))
    assert [piece.words for piece in first] == [piece.words for piece in second]
    for piece in first:
        assert list(broken_rules(piece.words, VOCABULARY, piece.request.bars)) == []


# ---------------------------------------------------------------------- a piece that breaks off


def compose_with_a_broken_one(generator: Generator) -> list[Piece]:
    """Three pieces in two slots, the first of which breaks off."""
    first, *others = compose(generator, requests(3))
    assert isinstance(first.error, PieceError)
    with pytest.raises(PieceError, match="broken off"):
        generator.composed(first, 1.0)
    return others


@pytest.mark.parametrize("broken", ["_begin", "_read", "_look_after"])
def test_what_breaks_in_one_piece_ends_that_piece_alone(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = compose(Generator(CHECKPOINT, 2), requests(3))
    generator = Generator(CHECKPOINT, 2)
    act = getattr(generator, broken)

    def broken_for_the_first(piece: Piece) -> None:
        if piece.request.seed == 0 and (broken != "_look_after" or piece.drawn == 3):
            raise ZeroDivisionError("by nothing")
        act(piece)

    monkeypatch.setattr(generator, broken, broken_for_the_first)
    others = compose_with_a_broken_one(generator)
    assert [(piece.words, piece.nats) for piece in others] == [(piece.words, piece.nats) for piece in expected[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_numbers_ends_its_piece_alone_and_leaves_a_clean_slot(kind: str) -> None:
    checkpoint = random_checkpoint(**(TINY | {"window": 200}))
    asked = [Request(opening(2, pitch), 2, seed) for seed, pitch in enumerate((50, 60, 62))]
    expected = compose(Generator(checkpoint, 2, steps=steps_of(kind, checkpoint, 2)), asked)
    steps = steps_of(kind, checkpoint, 2)
    generator = Generator(checkpoint, 2, steps=steps)
    step = steps.step

    def step_and_spoil(slots: Sequence[int], drawn: Sequence[int]) -> list[Drawn]:
        made = step(slots, drawn)
        running = [piece.request.seed for piece in generator.scheduler.running if not piece.unread]
        return [Drawn(one.word, math.nan) if seed == 0 else one for seed, one in zip(running, made, strict=True)]

    steps.step = step_and_spoil  # type: ignore[method-assign]
    first, *others = compose(generator, asked)
    assert first.error is not None
    assert "no numbers" in first.error.reason
    assert [(piece.words, piece.nats) for piece in others] == [(piece.words, piece.nats) for piece in expected[1:]]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_gives_no_numbers_breaks_pieces_and_not_the_engine(kind: str) -> None:
    """Weights are finite, what is made of them is not."""
    checkpoint = random_checkpoint(**TINY)
    for name, weight in checkpoint.model.named_parameters():
        if "feed" in name and weight.ndim == 2:
            torch.nn.init.constant_(weight, 1e30)
    generator = Generator(checkpoint, 2, steps=steps_of(kind, checkpoint, 2))
    for piece in compose(generator, requests(3)):
        assert piece.error is not None
        assert "no numbers" in piece.error.reason
