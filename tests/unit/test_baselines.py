"""That what the engine is held against computes what it claims to."""

from __future__ import annotations

import math
import random

import numpy as np
import torch
from drawn_scores import grid_scores, scores
from engine_models import random_checkpoint
from hypothesis import given
from torch.nn import functional as F

from bench.baselines.gpt2 import Gpt2, gpt2
from bench.baselines.paper import LinearAttention, Paper, PaperConfig, PaperModel, sample
from bench.baselines.remi import (
    RemiToken,
    RemiTransformer,
    from_remi,
    remi_ids,
    remi_vocabulary_size,
    to_remi,
)
from bench.baselines.uncached import Uncached
from bench.music import density, example_words
from composer.engine.model import ModelConfig
from composer.music.encoding import decode, encode, quantise
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import CHORD_QUALITIES, Chord, Note, Part, Role, Score, TempoChange, in_four
from composer.music.words import END, IGNORE, Family, Word, default_vocabulary

VOCABULARY = default_vocabulary()
OPENING = example_words(VOCABULARY)


@torch.inference_mode()
def test_the_recurrence_of_linear_attention_is_its_parallel_form() -> None:
    """Katharopoulos et al. 2020: the sum over all words before, against the state."""
    torch.manual_seed(0)
    attention = LinearAttention(dim=12, heads=3)
    words = torch.randn(9, 12)
    state = attention.new_state()
    recurrent = torch.stack([attention(word, state) for word in words])

    q, k, v = attention.queries_keys_values(words).view(9, 3, 3, 4).permute(1, 2, 0, 3)  # (heads, words, head_dim)
    weights = ((F.elu(q) + 1) @ (F.elu(k) + 1).transpose(1, 2)).tril()
    parallel = attention.out(((weights / weights.sum(-1, keepdim=True)) @ v).transpose(0, 1).reshape(9, 12))
    assert torch.allclose(recurrent, parallel, atol=1e-5)


def test_the_papers_model_is_as_large_as_the_paper_says() -> None:
    with torch.device("meta"):
        model = PaperModel(VOCABULARY)
    assert round(sum(weight.numel() for weight in model.parameters()) / 1e6) == 39


def test_the_papers_piece_hears_its_opening_and_goes_on_from_what_it_draws() -> None:
    torch.manual_seed(0)
    model = PaperModel(VOCABULARY, PaperConfig(dim=16, layers=2, heads=2, feed=32))
    piece = Paper(model, OPENING[:5], seed=3)
    drawn = [piece.draw() for _ in range(4)]
    sizes = VOCABULARY.sizes.values()
    assert all(0 <= i < size for word in drawn for size, i in zip(sizes, word, strict=False))
    again = Paper(model, [*OPENING[:5], *drawn])
    assert torch.allclose(piece.context, again.context, atol=1e-5)
    other = Paper(model, [*OPENING[1:5], *drawn])
    assert not torch.allclose(piece.context, other.context, atol=1e-3)


def test_sampling_draws_from_the_nucleus_and_as_often_as_it_should() -> None:
    random = np.random.default_rng(0)
    logits = np.log(np.array([0.05, 0.5, 0.15, 0.3], dtype=np.float32))
    drawn = [sample(logits, 1.0, 0.7, random) for _ in range(4000)]
    assert set(drawn) == {1, 3}  # .5 alone does not reach .7
    assert abs(drawn.count(1) / 4000 - 0.5 / 0.8) < 0.04
    assert {sample(logits, 1.0, 0.3, random) for _ in range(50)} == {1}
    everything = [sample(logits, 1.0, 1.0, random) for _ in range(4000)]
    assert abs(everything.count(0) / 4000 - 0.05) < 0.02
    assert [sample(logits, 0.01, 1.0, random) for _ in range(50)] == [1] * 50


def test_gpt2_draws_with_its_cache_what_it_draws_without() -> None:
    torch.manual_seed(0)
    model = gpt2(VOCABULARY, dim=32, layers=2, heads=2)
    tokens = remi_ids(to_remi(OPENING[:20]), VOCABULARY)
    piece = Gpt2(model, tokens)
    for _ in range(6):
        whole = model(input_ids=torch.tensor([tokens])).logits[:, -1]
        assert torch.allclose(piece.logits, whole, atol=1e-5)
        tokens.append(piece.draw())


def test_each_remi_token_has_an_id_of_its_own() -> None:
    tokens = to_remi(OPENING)
    ids = remi_ids(tokens, VOCABULARY)
    assert len(set(ids)) == len(set(tokens))
    assert max(ids) < remi_vocabulary_size(VOCABULARY)
    every = [RemiToken(name, i) for name, size in VOCABULARY.sizes.items() if name != "family" for i in range(1, size)]
    found = remi_ids([RemiToken("family", Family.END), *every], VOCABULARY)
    assert found == list(range(remi_vocabulary_size(VOCABULARY)))


# ------------------------------------------------------------------ REMI tokens


def ballad(bars: int = 8) -> Score:
    """A left hand in eighths, chords on the beats and a tune: about what a page of pop has."""
    rng = random.Random(8)
    notes, tune, chords = [], [], []
    for bar in range(bars):
        root, quality = rng.choice([(0, ""), (7, ""), (9, "m"), (5, "")])
        tick = bar * TICKS_PER_BAR
        chords.append(Chord(tick, root, quality))
        tones = [root + interval for interval in CHORD_QUALITIES[quality]]
        notes += [Note(tick + i * 240, 36 + tones[i % 3], tick + (i + 1) * 240, 64) for i in range(8)]
        notes += [Note(tick + i * 480, 60 + tone, tick + (i + 1) * 480, 60) for i in range(4) for tone in tones]
        tune += [Note(tick + i * 480, 80 + rng.randrange(7), tick + i * 480 + 240, 88) for i in range(4)]
    parts = (Part(tuple(tune), Role.MELODY), Part(tuple(sorted(notes)), Role.ACCOMPANIMENT))
    return Score(
        parts,
        in_four((), end=bars * TICKS_PER_BAR).bars,
        (TempoChange(0, VOCABULARY.tempos[28]),),
        tuple(chords),
    )


@given(scores())
def test_remi_gives_the_words_back(score: Score) -> None:
    words = encode(score, VOCABULARY)
    assert from_remi(to_remi(words)) == words
    assert from_remi(to_remi([*words, END])) == [*words, END]


@given(grid_scores())
def test_music_comes_back_from_remi_as_from_words(score: Score) -> None:
    assert decode(from_remi(to_remi(encode(score, VOCABULARY))), VOCABULARY) == score


@given(scores())
def test_remi_takes_three_tokens_a_note_and_one_for_all_else_that_is_said(score: Score) -> None:
    quantised = quantise(score, VOCABULARY)
    said = {tempo.tick for tempo in quantised.tempos} | {chord.tick for chord in quantised.chords}
    notes = sorted((note.start, part.role) for part in quantised.parts for note in part.notes)
    positions = said | {start for start, _ in notes}
    roles = [role for _, role in notes]
    changes = sum(one is not other for one, other in zip([None, *roles], roles, strict=False))
    assert len(to_remi(encode(score, VOCABULARY))) == (
        len(quantised.bars) + len(positions) + len(quantised.tempos) + len(quantised.chords) + changes + 3 * len(notes)
    )


def test_remi_is_more_than_twice_as_long_for_music() -> None:
    words = encode(ballad(), VOCABULARY)
    assert len(words) == 8 * (1 + 8 + 8 + 12 + 4)
    assert 2 < len(to_remi(words)) / len(words) < 3


def test_remi_token_for_token() -> None:
    c, g = VOCABULARY.chord_ids["C"], VOCABULARY.chord_ids["G"]
    words = [
        Word(Family.BAR, meter=9),
        Word(Family.METRICAL, position=1, chord=c, tempo=9),
        Word(Family.NOTE, pitch=40, velocity=12, duration=4, role=2),
        Word(Family.NOTE, pitch=30, velocity=12, duration=4, role=4),
        Word(Family.METRICAL, position=9, chord=c, tempo=9),
        Word(Family.NOTE, pitch=41, velocity=13, duration=5, role=4),
        Word(Family.BAR, meter=6),
        Word(Family.METRICAL, position=1, chord=g, tempo=9),
        END,
    ]
    names = (
        "meter position chord tempo role pitch velocity duration role pitch velocity duration "
        "position pitch velocity duration meter position chord"
    )
    ids = (9, 1, c, 9, 2, 40, 12, 4, 4, 30, 12, 4, 9, 41, 13, 5, 6, 1, g)
    assert to_remi(words) == [
        *(RemiToken(name, i) for name, i in zip(names.split(), ids, strict=True)),
        RemiToken("family", Family.END),
    ]


def test_the_remi_vocabulary_counts_every_token_once() -> None:
    values = (
        VOCABULARY.meters,
        VOCABULARY.pitches,
        VOCABULARY.velocities,
        VOCABULARY.durations,
        VOCABULARY.chords,
        VOCABULARY.tempos,
    )
    assert remi_vocabulary_size(VOCABULARY) == 1 + 96 + len(Role) + sum(map(len, values))


# ------------------------------------------------------------------ without a cache, and in training


@torch.inference_mode()
def test_without_a_cache_each_word_is_drawn_behind_the_whole_window() -> None:
    """Words that hardly leave a choice, against the parallel form over the same words."""
    checkpoint = random_checkpoint(dim=16, layers=2, heads=2, kv_heads=1, window=12, lags=(1,), memory=40)
    model = checkpoint.model
    for stage in model.stages:
        stage.heads.weight *= 1000.0  # type: ignore[union-attr, operator]
        stage.heads.bias *= 1000.0  # type: ignore[union-attr, operator]
    length = model.config.past + model.config.window
    opening = (OPENING * 3)[-length:]
    piece = Uncached(model, opening)
    heard = list(opening)
    for _ in range(3):
        word = piece.draw()
        window = torch.tensor([heard[-length:]])[..., : len(VOCABULARY.sizes)]
        context = model(window, model.config.past)[:, -1]
        logits = model.logits(context, torch.tensor([word])[:, : len(VOCABULARY.sizes)])
        likeliest = [int(logits[name].argmax()) for name in VOCABULARY.sizes]
        assert likeliest == list(word[: len(likeliest)])
        heard.append(word)


def test_the_remi_backbone_learns_what_it_is_shown() -> None:
    torch.manual_seed(0)
    config = ModelConfig(VOCABULARY.sizes, dim=16, layers=1, heads=2, kv_heads=2, window=64)
    model = RemiTransformer(config, VOCABULARY)
    tokens = torch.tensor([remi_ids(to_remi(OPENING[:16]), VOCABULARY)])
    before = model.loss(tokens).item()
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    for _ in range(20):
        optimiser.zero_grad()
        model.loss(tokens).backward()
        optimiser.step()
    assert abs(before - math.log(remi_vocabulary_size(VOCABULARY))) < 0.5  # it knows nothing yet
    assert model.loss(tokens).item() < before / 2


def test_density_counts_what_is_there() -> None:
    found = density([OPENING, OPENING], VOCABULARY)
    assert found.words == 2 * len(OPENING)
    assert found.notes == 2 * sum(word.pitch != IGNORE for word in OPENING)
    assert found.tokens == 2 * len(to_remi(OPENING))
    assert from_remi(to_remi(OPENING)) == list(OPENING)
    assert math.isclose(found.notes_a_word, found.notes_a_token * found.tokens_a_word)
