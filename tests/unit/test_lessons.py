"""Sequences for training: what is given, what is asked for, and what each word is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from some_words import bar_word, metrical, note, words_of

from composer.engine.anchors import BARS_LEFT, FIELDS, UNKNOWN
from composer.engine.checkpoint import load_checkpoint, load_model, save_checkpoint
from composer.engine.generator import Generator
from composer.engine.model import BEHIND, DRAWN, GIVEN, HEARD, CompoundWordTransformer, ModelConfig, loss_by_attribute
from composer.music.score import Role
from composer.music.words import COLUMN, END, IGNORE, Family, default_vocabulary
from composer.order import STYLES
from composer.request import Request
from composer.rules import broken_rules
from composer.training.corruption import corrupted
from composer.training.lessons import Batch, Lessons, Sampler, validation_windows
from composer.training.tasks import Words, given, redo, split_bars

VOCABULARY = default_vocabulary()
MELODY, ACCOMPANIMENT = Role.MELODY + 1, Role.ACCOMPANIMENT + 1
LENGTH, PAST = 96, 64


def song(
    bars: int, meter: str, seed: int, ends: bool = True, roles: tuple[int, ...] = (MELODY, ACCOMPANIMENT)
) -> Words:
    """A bar has a melody note and an accompaniment of two on each of its quarters."""
    rng = np.random.default_rng(seed)
    line = bar_word(meter)
    quarters = VOCABULARY.bar_lengths[line.meter] // 12
    rows = []
    for _ in range(bars):
        rows.append(line)
        chord = int(rng.integers(1, 100))
        for quarter in range(quarters):
            rows.append(metrical(quarter * 12 + 1, chord, tempo=30))
            for role in roles:
                pitches = sorted(rng.choice(np.arange(20, 60), size=1 if role == MELODY else 2, replace=False))[::-1]
                rows += [note(int(pitch), velocity=15, duration=10, role=Role(role - 1)) for pitch in pitches]
    return np.array([*rows, END] if ends else rows, dtype=np.int64)


@pytest.fixture(scope="module")
def lessons(tmp_path_factory: pytest.TempPathFactory) -> Lessons:
    """Two corpora, the second not performed: six songs to train on and two to validate with."""
    meters = ["4/4", "3/4", "6/8"]
    songs = [song(12 + i, meters[i % 3], i, roles=(MELODY, ACCOMPANIMENT) if i % 2 == 0 else (1,)) for i in range(8)]
    path = tmp_path_factory.mktemp("corpora") / "corpora.npz"
    np.savez_compressed(
        path,
        vocabulary=np.array(VOCABULARY.to_json()),
        corpora=np.array(["played", "written"]),
        styles=np.array([0, 3]),
        performed=np.array([True, False]),
        shares=np.array([0.5, 0.5]),
        words=np.concatenate(songs).astype(np.uint8),
        lengths=np.array([len(words) for words in songs]),
        names=np.array([f"{i}.mid/0" for i in range(8)]),
        corpus=np.array([i % 2 for i in range(8)]),
        validation=np.array([i >= 6 for i in range(8)]),
    )
    return Lessons.load(path)


# ------------------------------------------------------------------ tasks


def test_a_hole_is_drawn_behind_what_was_heard_and_what_comes_behind_it_is_read_first() -> None:
    bars = split_bars(song(20, "4/4", 1, ends=False))
    lesson = redo(bars, 9, 12, 10_000)
    assert lesson is not None
    drawn = lesson.heard[lesson.segments == DRAWN]
    assert drawn.tolist() == np.concatenate(bars[9:12]).tolist()
    assert lesson.heard[lesson.segments == HEARD].tolist() == np.concatenate(bars[1:9]).tolist()
    assert lesson.heard[lesson.segments == BEHIND].tolist() == np.concatenate(bars[12:20]).tolist()
    assert sorted(lesson.segments.tolist(), key=(BEHIND, HEARD, DRAWN).index) == lesson.segments.tolist()
    truth = lesson.truth[lesson.segments == DRAWN]
    assert truth.tolist() == [*drawn[1:].tolist(), list(END)]
    assert not lesson.truth[lesson.segments == BEHIND].any()
    assert sorted(set(lesson.left[lesson.segments == DRAWN].tolist())) == [0, 1, 2]
    assert (lesson.left[lesson.segments != DRAWN] == -1).all()


@pytest.mark.parametrize(("hole", "behind"), [(0, 3), (17, 20), (8, 9)])
def test_both_sides_of_a_hole_give_way_where_words_are_few(hole: int, behind: int) -> None:
    bars = split_bars(song(20, "4/4", 1, ends=False))
    lesson = redo(bars, hole, behind, 100)
    assert lesson is not None
    assert len(lesson.heard) <= 100
    assert set(lesson.bar[lesson.segments == DRAWN]) == set(range(hole, behind))
    heard, known = (len(set(lesson.bar[lesson.segments == segment])) for segment in (HEARD, BEHIND))
    assert abs(heard - known) <= 1 or hole < 3 or behind > 17


def test_a_hole_that_does_not_fit_is_none() -> None:
    assert redo(split_bars(song(20, "4/4", 1, ends=False)), 0, 8, 50) is None


def test_a_given_part_stands_a_bar_ahead_and_is_left_out_of_what_is_drawn() -> None:
    bars = split_bars(song(6, "3/4", 2, ends=False))
    lesson = given(bars, 1, [MELODY], chords=False, length=10_000)
    role, family = COLUMN["role"], lesson.heard[:, 0]
    shown, drawn = lesson.segments == GIVEN, lesson.segments == HEARD
    assert set(lesson.heard[shown & (family == Family.NOTE), role]) == {MELODY}
    assert set(lesson.heard[drawn & (family == Family.NOTE), role]) == {ACCOMPANIMENT}
    first_given = [int(np.flatnonzero(shown & (lesson.bar == bar))[0]) for bar in range(1, 6)]
    first_drawn = [int(np.flatnonzero(drawn & (lesson.bar == bar))[0]) for bar in range(1, 6)]
    assert first_given[0] < first_given[1] < first_drawn[0] < first_given[2] < first_drawn[1]
    together = {tuple(w) for w in lesson.heard[family == Family.NOTE].tolist()}
    assert together == {tuple(w) for bar in bars[1:] for w in bar.tolist() if w[0] == Family.NOTE}
    assert not lesson.truth[shown].any()
    asked = lesson.heard[drawn]
    assert lesson.truth[drawn][:-1].tolist() == asked[1:].tolist()


def test_given_chords_are_those_of_the_bar_and_tell_no_notes() -> None:
    bars = split_bars(song(6, "4/4", 2, ends=False))
    lesson = given(bars, 0, [], chords=True, length=10_000)
    shown = lesson.heard[lesson.segments == GIVEN]
    assert set(shown[:, 0]) == {Family.BAR, Family.METRICAL}
    chords = shown[shown[:, 0] == Family.METRICAL][:, COLUMN["chord"]]
    assert chords.tolist() == [bar[1, COLUMN["chord"]] for bar in bars]
    assert not shown[:, COLUMN["tempo"]].any()
    assert lesson.heard[lesson.segments == HEARD].tolist() == np.concatenate(bars).tolist()


# ------------------------------------------------------------------ batches


def batches(lessons: Lessons, count: int = 20) -> list[Batch]:
    sampler = Sampler(lessons, LENGTH, seed=3, past=PAST, crowding=False)
    return [sampler.batch(step, 4) for step in range(count)]


def test_a_batch_depends_on_seed_and_step_alone(lessons: Lessons) -> None:
    one, other = batches(lessons), Sampler(lessons, LENGTH, seed=3, past=PAST, crowding=False)
    for a, b in zip(one[7], other.batch(7, 4), strict=True):
        assert (a == b).all()
    assert not (one[7].words == one[8].words).all()


def test_every_task_comes_up_and_what_is_given_is_never_asked_for(lessons: Lessons) -> None:
    drawn = batches(lessons)
    seen = {int(segment) for batch in drawn for segment in np.unique(batch.segments)}
    assert seen == {HEARD, GIVEN, DRAWN, BEHIND}
    assert all(not batch.truth[np.isin(batch.segments, (GIVEN, BEHIND))].any() for batch in drawn)


def test_what_was_made_by_rule_is_no_example(lessons: Lessons) -> None:
    for batch in batches(lessons):
        style = batch.anchors[..., len(FIELDS)].max(axis=1)
        for row in np.flatnonzero(style == 1 + 3):
            assert not batch.truth[row][:, [COLUMN["velocity"], COLUMN["tempo"]]].any()
        for row in np.flatnonzero(style == 1):
            assert batch.truth[row][:, COLUMN["velocity"]].any()


def test_in_a_hole_it_is_told_how_many_bars_are_left_and_nowhere_else_then(lessons: Lessons) -> None:
    found = 0
    for batch in batches(lessons):
        for row in range(4):
            hole = batch.segments[row] == DRAWN
            if hole.any():
                found += 1
                left = batch.anchors[row, :, BARS_LEFT]
                assert (left[hole] > UNKNOWN).all()
                assert left[hole][-1] == 1
                assert (left[~hole] == UNKNOWN).all()
    assert found


def test_words_that_are_asked_for_keep_to_the_grammar_of_positions(lessons: Lessons) -> None:
    for batch in batches(lessons):
        asked = batch.truth[batch.truth[..., 0] == Family.METRICAL]
        assert (asked[:, COLUMN["position"]] <= VOCABULARY.positions).all()


def test_validation_asks_for_every_word_once_by_corpus_and_by_meter(lessons: Lessons) -> None:
    windows = dict(validation_windows(lessons, LENGTH, PAST))
    assert sorted(windows) == ["played", "played 4/4", "written", "written 3/4"]
    for number, name in enumerate(("played", "written")):
        words = sum(len(song.words) - 1 for song in lessons.validation if song.corpus == number)
        assert sum(int((batch.truth[..., 0] != IGNORE).sum()) for batch in windows[name]) == words


# ------------------------------------------------------------------ the model


def config(**changes: object) -> ModelConfig:
    shapes: dict[str, object] = {"dim": 32, "layers": 2, "heads": 2, "kv_heads": 2, "window": 128, "memory": PAST - 32}
    told: dict[str, object] = {"lags": (1, 2), "farthest": 4, "anchors": True, "styles": STYLES, "segments": True}
    return ModelConfig(VOCABULARY.sizes, **(shapes | told | changes))  # type: ignore[arg-type]


def losses_of(model: CompoundWordTransformer, batch: Batch) -> torch.Tensor:
    words, anchors, segments, truth = map(torch.from_numpy, batch)
    past = words.shape[1] - truth.shape[1]
    logits = model.logits(model(words, past, anchors, segments), truth)
    return torch.stack([nats for nats, *_ in loss_by_attribute(logits, truth).values()]).sum()


def test_a_model_learns_from_every_task(lessons: Lessons) -> None:
    torch.manual_seed(0)
    model = CompoundWordTransformer(config())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    first = next(b for b in batches(lessons) if {GIVEN, DRAWN} <= set(np.unique(b.segments)))
    before = losses_of(model, first).item()
    for _ in range(30):
        optimiser.zero_grad()
        losses_of(model, first).backward()
        optimiser.step()
    assert all(weight.grad is not None for weight in model.parameters())
    assert losses_of(model, first).item() < 0.6 * before


def test_what_stands_behind_a_hole_changes_what_is_drawn_and_its_segment_does() -> None:
    torch.manual_seed(0)
    model = CompoundWordTransformer(config()).eval()
    torch.nn.init.normal_(model.segments.weight)  # type: ignore[union-attr]
    lesson = redo(split_bars(song(6, "4/4", 1, ends=False)), 2, 4, 500)
    assert lesson is not None
    words, segments = torch.from_numpy(lesson.heard)[None], torch.from_numpy(lesson.segments)[None]
    hole = segments[0] == DRAWN
    with torch.no_grad():
        known = model(words, segments=segments).vector[0, hole]
        other = words.clone()
        other[0, segments[0] == BEHIND, COLUMN["pitch"]] = 7
        assert not torch.allclose(known, model(other, segments=segments).vector[0, hole])
        assert not torch.allclose(known, model(words, segments=torch.zeros_like(segments)).vector[0, hole])


def test_slips_keep_to_the_grammar_and_what_is_given_does_not_slip() -> None:
    torch.manual_seed(1)
    words = torch.from_numpy(song(30, "4/4", 4, ends=False))[None]
    segments = torch.full(words.shape[:2], HEARD)
    segments[:, 100:150], segments[:, 150:200] = GIVEN, BEHIND
    slipped = corrupted(words.repeat(8, 1, 1), 1.0, segments.repeat(8, 1))
    assert torch.equal(slipped[:, 100:200], words[:, 100:200].expand(8, -1, -1))
    assert not torch.equal(slipped, words.expand(8, -1, -1))
    note = slipped[..., 0] == Family.NOTE
    same = note[:, 1:] & note[:, :-1] & (slipped[:, 1:, COLUMN["role"]] == slipped[:, :-1, COLUMN["role"]])
    falls = slipped[:, 1:, COLUMN["pitch"]] < slipped[:, :-1, COLUMN["pitch"]]
    assert falls[same].all()


def test_what_was_learned_is_read_again_and_composes(tmp_path: Path) -> None:
    model = CompoundWordTransformer(config())
    save_checkpoint(tmp_path, model, VOCABULARY)
    again, vocabulary = load_model(tmp_path)
    assert vocabulary == VOCABULARY
    assert again.config == model.config
    for name, weight in model.state_dict().items():
        assert torch.equal(again.state_dict()[name], weight.bfloat16().float())
    opening = words_of(song(2, "3/4", 1, ends=False))
    *_, (piece,) = Generator(load_checkpoint(tmp_path), 1).compose([Request(opening, 2, 0, style=3)])
    assert list(broken_rules(piece.words, VOCABULARY, 2)) == []
