"""How likely songs are: what is divided by what, and over which words."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from engine_models import random_checkpoint
from some_words import bar_word, metrical, note

from bench.likelihood import figures, table, tallies
from composer.engine.checkpoint import Checkpoint
from composer.engine.model import loss_by_attribute
from composer.music.score import Role
from composer.music.words import END, IGNORE, USED, Family, Word, default_vocabulary
from composer.order import STYLES
from composer.training.lessons import Lessons, Sampler, Song
from composer.training.train import Tally

NAMES = ["pop909_aligned", "scores/songs", "pop1k7"]


def song(name: str, corpus: int, bars: int, seed: int) -> Song:
    """Of each position two notes or three, so that no two attributes are used equally often."""
    rng = np.random.default_rng(seed)
    words: list[Word] = []
    for _ in range(bars):
        words.append(bar_word())
        for quarter in range(4):
            words.append(metrical(12 * quarter + 1, chord=int(rng.integers(1, 100)), tempo=30))
            pitches = sorted(rng.choice(np.arange(20, 60), size=int(rng.integers(2, 4)), replace=False))[::-1]
            words += [note(int(pitch), 15, int(rng.integers(1, 40)), Role.MELODY) for pitch in pitches]
    return Song(name, np.array([*words, END], dtype=np.uint8), corpus)


@pytest.fixture(scope="module")
def lessons() -> Lessons:
    """The second song of the first corpus is longer than a window; the third comes in two stretches."""
    first = [song("a.mid/0", 0, 3, 1), song("b.mid/0", 0, 40, 2), song("c.mid/0", 0, 4, 3), song("c.mid/1", 0, 5, 4)]
    others = [song("d.mid/0", 1, 6, 5), song("e.mid/0", 2, 4, 6), song("f.mid/0", 2, 7, 7)]
    songs = [*first, *others]
    return Lessons(default_vocabulary(), NAMES, [0, 2, 1], [True, False, True], [1.0] * 3, songs[:1], songs)


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    told = {"lags": (1, 2), "memory": 100, "anchors": True, "styles": STYLES, "segments": True}
    checkpoint = random_checkpoint(window=1024, **told)
    for field in checkpoint.model.anchors.parameters():  # type: ignore[union-attr]
        torch.nn.init.normal_(field, std=0.3)
    return checkpoint


@torch.no_grad()
def by_hand(checkpoint: Checkpoint, lessons: Lessons, corpus: str, told: bool) -> tuple[Tally, list[list[int]]]:
    """The tally of the whole list, and the words that were asked for."""
    model, whole, asked = checkpoint.model, Tally(checkpoint.model.config.attributes), []
    for batch in dict(Sampler(lessons, 512, 0, model.config.past).validation())[corpus]:
        words, anchors, segments, truth = map(torch.from_numpy, batch)
        anchors = anchors if told else torch.zeros_like(anchors)
        logits = model.logits(model(words, model.config.past, anchors, segments), truth)
        whole.add(loss_by_attribute(logits, truth), truth)
        asked += [row for row in truth[0].tolist() if row[0] != IGNORE]
    return whole, asked


@pytest.mark.parametrize(("corpus", "told"), [("pop909_aligned", True), ("pop1k7", True), ("pop1k7", False)])
def test_means_are_all_nats_by_all_values_that_words_use(
    lessons: Lessons, checkpoint: Checkpoint, corpus: str, told: bool
) -> None:
    whole, asked = by_hand(checkpoint, lessons, corpus, told)
    tally = whole.row()
    families = [Family(row[0]) for row in asked]
    nats = tally["loss"] * len(asked)
    values = sum(1 + len(USED[family]) for family in families)
    notes, bars = families.count(Family.NOTE), families.count(Family.BAR)
    theirs = nats - tally["loss_role"] * notes - tally["loss_meter"] * bars
    means = {
        "all": nats / values,
        "theirs": theirs / (values - notes - bars),
        "on every note": theirs / (7 * notes),
        **{name: tally[f"loss_{name}"] for name in ("pitch", "duration", "velocity", "position", "chord", "tempo")},
    }
    found = figures(tallies(checkpoint, lessons, corpus, told))
    assert {name: float(found[name].split()[0]) for name in means} == pytest.approx(means, abs=6e-4)
    low, high = (float(end.strip("[]")) for end in found["all"].split()[1:])
    assert low <= means["all"] <= high


def test_stretches_of_a_song_are_drawn_together_and_no_other_corpus_is(
    lessons: Lessons, checkpoint: Checkpoint
) -> None:
    counts = [tally.sums[0, 1].item() for tally in tallies(checkpoint, lessons, "pop909_aligned")]
    lengths = [len(song.words) - 1 for song in lessons.validation]  # the first word is not asked for
    assert counts == [lengths[0], lengths[1], lengths[2] + lengths[3]]


def test_what_is_published_stands_beside_the_means_and_the_pitch(lessons: Lessons, checkpoint: Checkpoint) -> None:
    rows = {row["values"]: row for row in table(checkpoint, lessons).rows}
    assert list(rows["all"]) == [
        *("values", "POP909, 3 songs", "POP909, NMT", "POP909, CP"),
        *("Pop1K7, 2 songs", "Pop1K7, NMT", "Pop1K7, CP"),
    ]
    for mean in ("all", "theirs", "on every note"):
        assert list(rows[mean].values())[2::3] == ["0.724", "1.103"]
        assert list(rows[mean].values())[3::3] == ["0.911", "1.172"]
    assert list(rows["pitch"].values())[2::3] == ["0.969", "1.154"]
    assert rows["velocity"]["POP909, NMT"] is None
