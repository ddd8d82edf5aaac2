from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from engine_models import assert_later_stages_alone_change, random_checkpoint, random_words
from some_words import BAR, bar_word, metrical, note
from torch import Tensor

from composer.engine.generator import Generator
from composer.engine.model import Cache, CompoundWordTransformer, Context
from composer.engine.returns import PLACES_PER_POSITION, followers, places_of
from composer.music.score import Role
from composer.music.words import END, Family, Word, default_vocabulary
from composer.request import Guards, Request
from composer.sampling import SamplingParams

VOCABULARY = default_vocabulary()
RETURNS: dict[str, Any] = {"lags": (1, 2, 4), "farthest": 8, "memory": 300}
FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])


def tensor(*words: Word) -> Tensor:
    return torch.tensor([words])


def model_of(**config: object) -> CompoundWordTransformer:
    """A random model whose hints weigh as much as all else."""
    model = random_checkpoint(**(RETURNS | config)).model
    torch.nn.init.normal_(model.returns.project.weight, std=0.3)  # type: ignore[union-attr]
    for stage in model.stages:
        torch.nn.init.normal_(stage.copying.gates.weight, std=0.3)  # type: ignore[union-attr, arg-type]
    return model


def a_piece(bars: int = 80) -> Tensor:
    """Words that follow the grammar: (1, words, attributes)."""
    generator = Generator(random_checkpoint(), slots=1)
    opening = (BAR, metrical(1), *(note(40, role=role) for role in Role))
    *_, (piece,) = generator.compose([Request(opening, bars, 3, FREE, Guards.off())])
    return tensor(*opening, *piece.words)


def test_a_word_is_told_what_followed_its_own_place() -> None:
    first = (BAR, metrical(1), note(60), note(40), metrical(5), note(62))
    words = tensor(*first, BAR, metrical(1), note(60), metrical(3), note(50))
    index, there, same = followers(places_of(words), 5, torch.tensor([1, 2]), memory=100)
    assert there[0].tolist() == [[True, False]] * 5
    assert [words[0, i, :3].tolist() for i in index[0, :, 0]] == [
        [Family.METRICAL, 1, 0],  # after the bar word: the first position
        [Family.NOTE, 0, 60],
        [Family.NOTE, 0, 40],
        [Family.METRICAL, 5, 0],  # nothing stood at position 3: what came after it
        [Family.METRICAL, 5, 0],
    ]
    assert same[0, :, 0].tolist() == [True, True, True, False, False]


def test_a_place_is_that_of_a_role() -> None:
    bass = note(60, role=Role.BASS)
    bars = (BAR, metrical(1), note(60), bass, metrical(5), BAR, metrical(1))
    for last, followed, at_the_same in ((note(40), bass, False), (bass, metrical(5), True)):
        words = tensor(*bars, last)
        index, there, same = followers(places_of(words), 1, torch.tensor([1]), memory=100)
        assert (there.item(), same.item()) == (True, at_the_same)
        assert words[0, int(index)].tolist() == list(followed)


def test_what_lies_beyond_the_memory_is_not_told() -> None:
    words = tensor(BAR, *map(metrical, range(1, 17)), BAR, metrical(1))
    assert followers(places_of(words), 1, torch.tensor([1]), memory=17)[1].all()
    assert not followers(places_of(words), 1, torch.tensor([1]), memory=16)[1].any()


def test_places_rise_through_a_piece() -> None:
    words = a_piece()
    key = places_of(words).key[0]
    assert (key.diff() > 0).all()
    padded = torch.cat([torch.zeros_like(words[:, :9]), words, torch.zeros_like(words[:, :9])], dim=1)
    assert torch.equal(places_of(padded).key[0, 9:-9], key)
    assert max(VOCABULARY.sizes["pitch"] - 1, 88) < PLACES_PER_POSITION


@torch.inference_mode()
def test_later_words_change_nothing() -> None:
    model, words = model_of(), a_piece()
    half = words.shape[1] // 2
    other = torch.cat([words[:, :half], words[:, 7 : words.shape[1] - half + 7]], dim=1)
    before, after = model(words), model(other)
    assert torch.equal(before.hinted[:, :half], after.hinted[:, :half])
    torch.testing.assert_close(before.vector[:, :half], after.vector[:, :half])


def test_logits_depend_on_the_attributes_of_earlier_stages_and_on_no_others() -> None:
    """Training hands a stage the whole true word: what is not drawn yet must not silence a hint."""
    model = model_of()
    word = random_words(VOCABULARY, 1, 1)[0].clamp(min=1)
    hinted = word[:, None].expand(-1, 4, -1).clone()
    context = Context(torch.randn(1, model.config.dim), hinted)
    assert_later_stages_alone_change(model, context, word)


@torch.inference_mode()
def test_how_much_the_hinted_words_count_can_be_set() -> None:
    """At 1 it is what was trained, at 0 as if there were none to copy, and a logit rises in between."""
    trained = model_of()
    words = a_piece(20)
    following = words[:, 1:]

    def logits(strength: float | None, hinted: bool = True) -> dict[str, Tensor]:
        own: dict[str, Any] = {} if strength is None else {"copying": strength}
        model = CompoundWordTransformer(replace(trained.config, **own)).eval()
        model.load_state_dict(trained.state_dict())
        context = model(words)[:, :-1]
        assert context.hinted is not None
        untold = torch.zeros_like(context.hinted)
        return model.logits(context if hinted else Context(context.vector, untold), following)

    none, half, full = logits(0.0), logits(0.5), logits(1.0)
    trained_logits = trained.logits(trained(words)[:, :-1], following)
    for name in VOCABULARY.sizes:
        assert torch.equal(full[name], trained_logits[name])
        assert torch.equal(full[name], logits(None)[name]), "it is what is taken where nothing is set"
        assert torch.equal(none[name], logits(1.0, hinted=False)[name])
        assert (full[name] > none[name]).any()
        torch.testing.assert_close(half[name] - none[name], (full[name] - none[name]) / 2, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("chunk", [1, 40])
@torch.inference_mode()
def test_the_cached_form_gives_what_the_parallel_form_gives(chunk: int) -> None:
    model, words = model_of(), a_piece()
    assert words.shape[1] > model.config.past  # it has to forget, too
    cache, done, parts = model.new_cache(slots=1, new=chunk), torch.zeros(1, dtype=torch.long), []
    for part in words.split(chunk, dim=1):
        parts.append(model.cached(part, done, cache))
        done = done + part.shape[1]
    together = model(words)
    hinted = [part.hinted for part in parts if part.hinted is not None]
    assert together.hinted is not None
    assert torch.equal(torch.cat(hinted, dim=1), together.hinted)
    torch.testing.assert_close(torch.cat([part.vector for part in parts], dim=1), together.vector)


@torch.inference_mode()
def test_a_past_is_remembered_without_being_attended_to() -> None:
    model, words = model_of(window=2000), a_piece()
    with_past, whole = model(words, past=200), model(words)
    assert torch.equal(with_past.hinted, whole.hinted[:, 200:])
    assert not torch.allclose(with_past.vector, whole.vector[:, 200:])


def test_a_slot_forgets_the_piece_before() -> None:
    cache = Cache([], torch.ones(2, 5, len(VOCABULARY.sizes), dtype=torch.long))
    cache.remember(tensor(BAR).expand(2, -1, -1), torch.tensor([0, 9]))
    assert cache.past is not None
    assert cache.past[0, :, 0].tolist() == [0, 0, 0, 0, Family.BAR]
    assert cache.past[1, :, 0].tolist() == [1, 1, 1, 1, Family.BAR]


def test_an_end_word_closes_the_last_bar() -> None:
    last = (bar_word("4/2"), metrical(VOCABULARY.positions), note(1, role=Role.BASS))
    for behind in (BAR, END):
        assert places_of(tensor(*last, behind)).key[0].diff().min() > 0
