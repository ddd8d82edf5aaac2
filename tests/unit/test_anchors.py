"""Anchors: what is said of an opening, and what a model makes of it that is told."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any

import numpy as np
import pytest
import some_words
import torch
from engine_models import random_checkpoint, random_words
from hypothesis import given
from hypothesis import strategies as st
from some_words import BAR, at_sixteenth, bar_word, metrical
from torch import Tensor

from composer.engine.anchors import (
    BARS_BEFORE,
    BARS_LEFT,
    FARTHEST_BAR,
    FARTHEST_END,
    FIELDS,
    LONGEST_OPENING,
    SIZES,
    UNKNOWN,
    Bars,
    Row,
    anchors_of,
    begun,
    begun_id,
    end_id,
    end_in,
)
from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.model import CompoundWordTransformer
from composer.engine.scheduler import Piece
from composer.music.grid import POSITIONS_PER_QUARTER
from composer.music.key import find_key
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT, Meter
from composer.music.score import Note, Role
from composer.music.words import ATTRIBUTES, END, Family, Word, default_vocabulary
from composer.request import Guards, Request
from composer.sampling import SamplingParams

VOCABULARY = default_vocabulary()
FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])
GREEDY = SamplingParams().with_settings(["temperature.all=0"])
RETURNS: dict[str, Any] = {"lags": (1, 2), "farthest": 4, "memory": 300}
C_MAJOR = (60, 60, 60, 62, 64, 64, 65, 67, 67, 67, 69, 71)
LOUDEST = VOCABULARY.sizes["velocity"] - 1


def note(pitch: int, velocity: int = 10, quarters: float = 1, role: Role = Role.UNSAID) -> Word:
    """pitch: of MIDI   velocity: its id"""
    duration = VOCABULARY.duration_id(quarters * POSITIONS_PER_QUARTER)
    return some_words.note(VOCABULARY.pitch_id(pitch), velocity, duration, role)


def bar_of(onsets: int, notes: int = 1, velocity: int = 10, pitches: Sequence[int] = C_MAJOR) -> list[Word]:
    """A bar with so many onsets of so many notes each."""
    words, cycled = [BAR], [pitches[n % len(pitches)] for n in range(onsets)]
    for onset, pitch in enumerate(cycled):
        words += [at_sixteenth(onset + 1), *(note(pitch - 12 * octave, velocity) for octave in range(notes))]
    return words


def said(opening: Iterable[Word]) -> dict[str, int]:
    return dict(zip(FIELDS, anchors_of(list(opening), VOCABULARY), strict=True))


# ------------------------------------------------------------------ what an opening says


def test_an_opening_word_for_word() -> None:
    """Two bars in C major of 4 notes on 2 onsets and of 12 on 12: 8 notes and 7 onsets a bar."""
    first = [BAR, at_sixteenth(1), note(72, 9), note(67, 9), at_sixteenth(9), note(64, 9), note(60, 9)]
    opening = [*first, *bar_of(12, velocity=9)]
    assert said(opening) == {
        "key": 1 + 0,
        "notes": 1 + 3 * 3,  # three octaves above 1
        "onsets": 1 + 11,  # 4 log2 7 is 11.2
        "velocity": 1 + 9 // 2,
        "bars_before": UNKNOWN,
        "bars_left": UNKNOWN,
    }


@pytest.mark.parametrize("transposed", range(12))
@pytest.mark.parametrize("minor", [False, True])
def test_the_key_is_that_of_the_notes(transposed: int, minor: bool) -> None:
    scale = (57, 57, 57, 59, 60, 60, 62, 64, 64, 64, 65, 68) if minor else C_MAJOR
    tonic = (scale[0] + transposed) % 12
    assert said(bar_of(12, pitches=[pitch + transposed for pitch in scale]))["key"] == 1 + tonic + 12 * minor


def test_in_a_key_long_notes_count_more_and_none_more_than_a_bar() -> None:
    def key(bass: float) -> int:
        """Of a fifth on B, so many quarters long, below C major in quarters."""
        low = [at_sixteenth(1), note(54, quarters=bass), note(47, quarters=bass)]
        places = [at_sixteenth(n + 2) for n in range(6)]
        upper = [word for at, pitch in zip(places, (60, 64, 67, 72, 65, 62), strict=True) for word in (at, note(pitch))]
        return said([BAR, *low, *upper])["key"]

    def found(bass: float) -> int:
        """The key by the notes themselves."""
        low = [Note(0, pitch, int(bass * TICKS_PER_BEAT), 50) for pitch in (47, 54)]
        upper = [Note(0, pitch, TICKS_PER_BEAT, 50) for pitch in (60, 64, 67, 72, 65, 62)]
        key = find_key([*low, *upper])
        assert key is not None
        return 1 + key.tonic + 12 * key.minor

    assert key(0.25) == 1 + 0
    assert key(4) == key(5) == key(8) != key(0.25)
    for bass in (0.25, 0.5, 1, 1.5, 2, 3, 4, 8, 12):
        assert key(bass) == found(bass)


@pytest.mark.parametrize(
    ("onsets", "notes", "field", "expected"),
    [
        (1, 1, "notes", 1),
        (2, 1, "notes", 4),
        (5, 1, "notes", 8),  # 3 log2 5 is 6.97
        (16, 2, "notes", 16),
        (16, 3, "notes", 16),  # no denser than the last
        (1, 1, "onsets", 1),
        (1, 4, "onsets", 1),  # a chord is one onset
        (3, 1, "onsets", 7),  # 4 log2 3 is 6.3
        (16, 1, "onsets", 17),
    ],
)
def test_notes_and_onsets_a_bar_go_by_the_octave(onsets: int, notes: int, field: str, expected: int) -> None:
    assert said(bar_of(onsets, notes))[field] == expected
    assert expected < SIZES[FIELDS.index(field)]


def test_silent_bars_count_and_less_than_a_note_a_bar_is_the_lowest_bin() -> None:
    full = bar_of(8)
    assert said([*full, BAR])["notes"] == said(bar_of(4))["notes"]
    assert said([*full, BAR])["onsets"] == said(bar_of(4))["onsets"]
    sparse = said([*bar_of(1), BAR, BAR])
    assert (sparse["notes"], sparse["onsets"]) == (1, 1)


@pytest.mark.parametrize("meter", ["1/8", "2/4", "3/4", "6/8", "5/4", "12/8"])
def test_a_bar_of_another_meter_counts_as_much_as_it_is_long(meter: str) -> None:
    """Notes and onsets are counted by the whole note."""
    bar = Meter.parse(meter).ticks
    once = [bar_word(meter), metrical(1), note(64), note(60)]
    wholes = bar / TICKS_PER_BAR
    assert said(once * 8)["notes"] == 1 + max(0, round(3 * math.log2(2 / wholes)))
    assert said(once * 8)["onsets"] == 1 + max(0, round(4 * math.log2(1 / wholes)))


def test_the_roles_of_notes_change_nothing() -> None:
    plain, parts = (
        [BAR, metrical(1), *(note(pitch, role=role) for pitch, role in zip((72, 67, 60), roles, strict=True))]
        for roles in ((Role.UNSAID,) * 3, (Role.MELODY, Role.INNER, Role.BASS))
    )
    assert said(parts) == said(plain)


def test_a_position_without_a_note_is_no_onset() -> None:
    chords_change = [BAR, metrical(1), note(60), metrical(5), metrical(9)]
    assert said(chords_change)["onsets"] == 1
    # Nor is the last word of the opening, whatever comes behind it.
    assert said([*bar_of(3), at_sixteenth(16)])["onsets"] == said(bar_of(3))["onsets"]


@pytest.mark.parametrize(("velocity", "expected"), [(1, 1), (2, 2), (3, 2), (4, 3), (28, 15), (29, 15)])
def test_two_velocities_are_a_step_of_loudness(velocity: int, expected: int) -> None:
    assert said(bar_of(5, velocity=velocity))["velocity"] == expected


def test_the_loudness_is_the_mean_and_changes_at_the_edge_of_a_bin() -> None:
    below = [*bar_of(3, velocity=11), *bar_of(1, velocity=14)]  # 11.75
    at = [*bar_of(2, velocity=11), *bar_of(2, velocity=13)]  # 12
    assert (said(below)["velocity"], said(at)["velocity"]) == (1 + 5, 1 + 6)


@pytest.mark.parametrize("opening", [[BAR], [BAR] * 40, [BAR, metrical(1), metrical(9)]])
def test_an_opening_without_notes_says_nothing(opening: list[Word]) -> None:
    assert anchors_of(opening, VOCABULARY) == (UNKNOWN,) * len(FIELDS)


@given(st.integers(0, 40), st.integers(1, 2), st.integers(1, 28))
def test_of_a_long_opening_the_last_bars_speak(before: int, onsets: int, velocity: int) -> None:
    last = [*bar_of(6, velocity=9), *[BAR] * (LONGEST_OPENING - 1)]
    earlier = [word for _ in range(before) for word in bar_of(7 * onsets, 2, velocity, (61, 63, 66))]
    assert said([*earlier, *last]) == said(last)


def test_the_first_of_the_last_bars_speaks_too() -> None:
    last = [*bar_of(6), *[BAR] * (LONGEST_OPENING - 1)]
    assert said([BAR, *last])["notes"] == 1
    assert said([*last, BAR]) == dict.fromkeys(FIELDS, UNKNOWN)


def random_opening(rng: np.random.Generator, bars: int) -> list[list[Word]]:
    """Bars of several meters, with chords at some positions."""
    found = []
    for _ in range(bars):
        words = [bar_word(str(rng.choice(["4/4", "3/4", "6/8"])))]
        positions = np.arange(1, VOCABULARY.bar_lengths[words[0].meter] + 1)
        for position in sorted(rng.choice(positions, int(rng.integers(0, 9)), replace=False)):
            words.append(metrical(int(position)))
            pitches = sorted(rng.choice(np.arange(30, 96), int(rng.integers(0, 4)), replace=False), reverse=True)
            words += [note(int(pitch), int(rng.integers(1, 30)), int(rng.integers(1, 97)) / 12) for pitch in pitches]
        found.append(words)
    return found


@given(st.integers(0, 2**32), st.integers(1, 12))
def test_any_stretch_says_what_it_would_say_alone(seed: int, bars: int) -> None:
    rng = np.random.default_rng(seed)
    opening = random_opening(rng, bars)
    summed = Bars(np.array([*chain(*opening), END]), VOCABULARY)
    assert summed.count == bars
    first = int(rng.integers(bars))
    behind = int(rng.integers(first, bars)) + 1
    alone = [*chain(*opening[first:behind])]
    assert summed.anchors(first, behind) == anchors_of(alone, VOCABULARY)[:BARS_BEFORE]
    assert all(0 <= i < size for i, size in zip(anchors_of(alone, VOCABULARY), SIZES, strict=True))


@pytest.mark.parametrize("semitones", range(-6, 6))
def test_transposed_bars_say_another_key_and_all_else_the_same(semitones: int) -> None:
    bars = Bars(np.array(bar_of(12)), VOCABULARY)
    key, *rest = bars.anchors(0, 1, semitones)
    assert key == 1 + semitones % 12
    assert rest == list(bars.anchors(0, 1)[1:])
    moved = bar_of(12, pitches=[pitch + semitones for pitch in C_MAJOR])
    assert (key, *rest) == anchors_of(moved, VOCABULARY)[:BARS_BEFORE]


@pytest.mark.parametrize(
    ("bars", "expected"), [(-3, 1), (0, 1), (1, 2), (FARTHEST_END, 1 + FARTHEST_END), (500, 1 + FARTHEST_END)]
)
def test_the_bars_left_are_counted_up_to_the_farthest(bars: int, expected: int) -> None:
    assert end_in(np.array([bars])).tolist() == [end_id(bars)] == [expected]
    assert UNKNOWN < expected < SIZES[BARS_LEFT]


@pytest.mark.parametrize(
    ("bars", "expected"), [(0, 1), (1, 2), (FARTHEST_BAR, 1 + FARTHEST_BAR), (511, 1 + FARTHEST_BAR)]
)
def test_the_bars_before_are_counted_up_to_the_farthest(bars: int, expected: int) -> None:
    assert begun(np.array([bars])).tolist() == [begun_id(bars)] == [expected]
    assert UNKNOWN < expected < SIZES[BARS_BEFORE]


# ------------------------------------------------------------------ a model that is told


def told_checkpoint(**config: Any) -> Checkpoint:
    """A random model with random tables of anchors."""
    checkpoint = random_checkpoint(anchors=True, **config)
    for table in checkpoint.model.anchors.embeddings:  # type: ignore[union-attr]
        torch.nn.init.normal_(table.weight)  # type: ignore[arg-type]
    return checkpoint


def without_anchors(checkpoint: Checkpoint) -> Checkpoint:
    """The same weights in a model that is told nothing."""
    model = CompoundWordTransformer(replace(checkpoint.model.config, anchors=False))
    model.load_state_dict({k: v for k, v in checkpoint.model.state_dict().items() if not k.startswith("anchors.")})
    return replace(checkpoint, model=model.eval().requires_grad_(False))


def random_anchors(batch: int, length: int) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.stack([torch.randint(0, size, (batch, length), generator=generator) for size in SIZES], dim=-1)


def compose(checkpoint: Checkpoint, requests: Iterable[Request], slots: int = 4, ending: bool = False) -> list[Piece]:
    """With weights as they are, so that what is likeliest is what it is in the parallel form."""
    asked = [replace(request, ending=ending, guards=Guards.off()) for request in requests]
    *_, pieces = Generator(checkpoint, slots, whole=True).compose(asked)
    return pieces


@pytest.mark.parametrize("config", [{}, RETURNS], ids=["plain", "with returns"])
@torch.inference_mode()
def test_a_model_starts_out_as_if_it_were_told_nothing(config: dict[str, Any]) -> None:
    """Its tables are 0 before training."""
    new = random_checkpoint(anchors=True, **config)
    words = random_words(VOCABULARY, 3, 60)
    told = new.model(words, anchors=random_anchors(3, 60))
    silent = without_anchors(new).model(words)
    assert torch.equal(told.vector, silent.vector)
    if config:
        assert torch.equal(told.hinted, silent.hinted)
    asked = [Request(tuple(bar_of(8)), 3, seed, FREE) for seed in range(3)]
    ending = [piece.words for piece in compose(new, asked, ending=True)]
    assert ending == [piece.words for piece in compose(without_anchors(new), asked)]


@pytest.mark.parametrize("field", FIELDS)
@torch.inference_mode()
def test_every_field_is_heard_from_its_word_on(field: str) -> None:
    model, words, anchors = told_checkpoint().model, random_words(VOCABULARY, 1, 30), random_anchors(1, 30)
    other = anchors.clone()
    column = FIELDS.index(field)
    other[0, 20, column] = (anchors[0, 20, column] + 1) % SIZES[column]
    before, after = model(words, anchors=anchors).vector, model(words, anchors=other).vector
    assert torch.equal(before[:, :20], after[:, :20])
    assert not torch.isclose(before[:, 20:], after[:, 20:]).all(dim=-1).any()


@torch.inference_mode()
def test_to_be_told_nothing_is_to_be_told_that_all_is_unknown() -> None:
    model, words = told_checkpoint().model, random_words(VOCABULARY, 2, 20)
    unknown = torch.full((2, 20, len(FIELDS)), UNKNOWN)
    assert torch.equal(model(words).vector, model(words, anchors=unknown).vector)
    assert not torch.allclose(model(words).vector, model(words, anchors=random_anchors(2, 20)).vector)


@pytest.mark.parametrize("chunk", [1, 40])
@pytest.mark.parametrize("config", [{}, RETURNS], ids=["plain", "with returns"])
@torch.inference_mode()
def test_the_cached_form_gives_what_the_parallel_form_gives(chunk: int, config: dict[str, Any]) -> None:
    model, words, anchors = told_checkpoint(**config).model, random_words(VOCABULARY, 2, 100), random_anchors(2, 100)
    cache, done, parts = model.new_cache(slots=2, new=chunk), torch.zeros(2, dtype=torch.long), []
    for part, told in zip(words.split(chunk, dim=1), anchors.split(chunk, dim=1), strict=True):
        parts.append(model.cached(part, done, cache, told))
        done = done + part.shape[1]
    torch.testing.assert_close(torch.cat([part.vector for part in parts], dim=1), model(words, anchors=anchors).vector)


@torch.inference_mode()
def test_anchors_are_those_of_the_words_behind_the_past() -> None:
    model, words, anchors = told_checkpoint().model, random_words(VOCABULARY, 2, 50), random_anchors(2, 30)
    with_past = model(words, past=20, anchors=anchors)
    assert torch.equal(with_past.vector, model(words[:, 20:], anchors=anchors).vector)


# ------------------------------------------------------------------ what the generator tells


def likeliest(model: CompoundWordTransformer, words: Sequence[Word], anchors: Tensor) -> tuple[int, int]:
    """Of the attributes that no rule confines: how many words hold the likeliest ids, and how many there are.

    words: an opening and its continuation   anchors: (words - 1, fields), of all words but the last; those with a
    key have words behind them that are counted
    """
    new = anchors[:, 0] != UNKNOWN
    ids = torch.tensor(words)
    following = ids[1:][new]
    logits = model.logits(model(ids[None, :-1], anchors=anchors[None])[0][new], following)
    right = used = 0
    for name in ("velocity", "duration", "chord", "tempo"):
        column = following[:, ATTRIBUTES.index(name)]
        best = logits[name][:, 1:].argmax(-1) + 1
        right, used = right + int((best == column)[column > 0].sum()), used + int((column > 0).sum())
    return right, used


@pytest.mark.parametrize("ending", [False, True])
@torch.inference_mode()
def test_each_new_word_is_told_of_the_opening_and_of_the_bars_around_it(ending: bool) -> None:
    """Greedy pieces hold the likeliest words of the parallel form that is told so, and of no other.

    The opening's own words are told how many bars stand before them, and nothing else.
    """
    checkpoint = told_checkpoint(window=2000)
    openings = [bar_of(7, velocity=20), bar_of(3, 2) * 2]
    for opening, piece in zip(
        openings, compose(checkpoint, [Request(tuple(o), 8, 5, GREEDY) for o in openings], ending=ending), strict=True
    ):
        words = [*opening, *piece.words]
        new = np.arange(len(words) - 1) >= len(opening)
        bar = np.cumsum([word.family == Family.BAR for word in words[:-1]]) - 1
        count = bar[len(opening) - 1] + 1  # bars of the opening
        rows = torch.tensor([anchors_of(opening, VOCABULARY) if is_new else (UNKNOWN,) * len(FIELDS) for is_new in new])
        rows[:, BARS_BEFORE] = torch.tensor(1 + bar)
        if ending:
            rows[new, BARS_LEFT] = torch.tensor(1 + 7 - (bar[new] - count))
        right, used = likeliest(checkpoint.model, words, rows)
        assert right == used > 50
        for column in range(len(FIELDS)):
            others = rows.clone()
            others[new, column] = others[new, column] % (SIZES[column] - 1) + 1
            assert likeliest(checkpoint.model, words, others)[0] < used, FIELDS[column]


def with_early_bars(velocity: int, first: int, count: int, bars: int = 28) -> tuple[Word, ...]:
    """An opening in which some bars have another velocity."""
    loud = range(first, first + count)
    return tuple(word for bar in range(bars) for word in bar_of(6, velocity=velocity if bar in loud else 10))


def test_what_attention_cannot_see_any_more_is_told() -> None:
    """Openings that differ before all that two layers of a window of 48 words can see, but within the last bars."""
    far, farther, plain = with_early_bars(29, 12, 6), with_early_bars(29, 0, 12), with_early_bars(10, 0, 0)
    sight = 2 * 47 + 1
    assert plain[-sight:] == far[-sight:] == farther[-sight:]
    assert anchors_of(far, VOCABULARY) != anchors_of(plain, VOCABULARY) == anchors_of(farther, VOCABULARY)

    def pieces(checkpoint: Checkpoint) -> list[list[Word]]:
        return [piece.words for piece in compose(checkpoint, [Request(o, 3, 1, FREE) for o in (plain, far, farther)])]

    checkpoint = told_checkpoint()
    here, there, beyond = pieces(checkpoint)
    assert here == beyond != there
    silent = pieces(without_anchors(checkpoint))
    assert silent == [silent[0]] * 3


def test_neighbours_do_not_change_a_piece() -> None:
    """Nine pieces through four slots, each told of its own opening and of its own bars left."""
    checkpoint = told_checkpoint()
    asked = [
        Request(tuple(bar_of(2 + seed, 1 + seed % 2, 3 * seed + 1, [p + seed for p in C_MAJOR])), 3 + seed % 2, 9, FREE)
        for seed in range(9)
    ]
    together = compose(checkpoint, asked, ending=True)
    for request, piece in zip(asked, together, strict=True):
        (alone,) = compose(checkpoint, [request], ending=True)
        assert alone.words == piece.words
    assert len({tuple(piece.words) for piece in together}) == 9


def test_an_end_in_sight_changes_what_stands_near_it_alone() -> None:
    """A model that plays as loud as it can where it is told that there is no bar left, or one."""
    checkpoint = random_checkpoint(anchors=True)
    weights = dict(checkpoint.model.named_parameters())
    last = len(checkpoint.model.stages) - 1  # of velocity
    weights[f"anchors.embeddings.{BARS_LEFT}.weight"][1:3, 0] = 1000.0
    weights[f"stages.{last}.heads.weight"][LOUDEST] = torch.eye(checkpoint.model.config.dim)[0] * 100
    weights[f"stages.{last}.heads.bias"][LOUDEST] = -450.0

    def loudest_bars(ending: bool) -> list[set[bool]]:
        """Of pieces of six bars: whether the notes of the first four, of the fifth and of the last are the loudest."""
        found: list[set[bool]] = [set(), set(), set()]
        asked = [Request(tuple(bar_of(6)), 6, seed, FREE) for seed in range(64)]
        for piece in compose(checkpoint, asked, slots=64, ending=ending):
            bars = np.cumsum([word.family == Family.BAR for word in piece.words]) - 1
            for word, bar in zip(piece.words, bars, strict=True):
                if word.family == Family.NOTE:
                    found[max(0, bar - 3)].add(word.velocity == LOUDEST)
        return found

    assert loudest_bars(ending=True) == [{False}, {True}, {True}]
    assert loudest_bars(ending=False) == [{False}, {False}, {False}]


def test_a_slot_forgets_what_the_opening_before_was_like() -> None:
    checkpoint = told_checkpoint()
    loud = Request(tuple(bar_of(7, velocity=29)), 2, 1, FREE)
    silent = Request((BAR, BAR), 2, 1, FREE)
    row: Row = anchors_of(silent.words, VOCABULARY)
    assert set(row) == {UNKNOWN}
    assert compose(checkpoint, [loud, silent], slots=1)[1].words == compose(checkpoint, [silent], slots=1)[0].words
