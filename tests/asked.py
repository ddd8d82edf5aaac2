"""Requests of every task, and a small random model that knows all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from itertools import pairwise

import numpy as np
import torch
from engine_models import random_checkpoint
from some_words import words_of

from composer.engine.checkpoint import Checkpoint
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BEAT, Bar, Meter
from composer.music.score import Chord, Note, Part, Role, Score
from composer.music.words import Word, default_vocabulary
from composer.request import Guards, Request
from composer.sampling import SamplingParams
from composer.training.tasks import as_given, split_bars

VOCABULARY = default_vocabulary()
FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])
MELODY, ACCOMPANIMENT = Role.MELODY + 1, Role.ACCOMPANIMENT + 1


@cache
def versatile_checkpoint(copying: float = 1.0) -> Checkpoint:
    """Untrained, and what begins as zero made to count."""
    checkpoint = random_checkpoint(
        styles=("pop", "song"),
        segments=True,
        anchors=True,
        lags=(1, 2, 4),
        farthest=4,
        memory=400,
        copying=copying,
    )
    model = checkpoint.model
    assert model.returns is not None
    assert model.anchors is not None
    assert model.segments is not None
    torch.nn.init.normal_(model.returns.project.weight, std=0.2)
    for table in (*model.anchors.parameters(), model.segments.weight):
        torch.nn.init.normal_(table, std=0.5)
    for stage in model.stages:
        torch.nn.init.normal_(stage.copying.gates.weight, std=0.3)  # type: ignore[union-attr, arg-type]
    return checkpoint


def song(bars: int = 6, meter: str = "4/4") -> list[Word]:
    """A melody and an accompaniment, with a chord a bar."""
    length = Meter.parse(meter).ticks
    lines = [bar * length for bar in range(bars + 1)]
    eighth = TICKS_PER_BEAT // 2
    melody = tuple(Note(tick, 72 + tick // 480 % 5, tick + eighth, 90) for tick in range(0, lines[-1], eighth))
    thirds = [4 - bar % 2 for bar in range(bars)]
    left = tuple(
        Note(line, 48 + k, line + length, 60)
        for line, third in zip(lines[:-1], thirds, strict=True)
        for k in (0, third, 7)
    )
    score = Score(
        parts=(Part(melody, Role.MELODY), Part(left, Role.ACCOMPANIMENT)),
        bars=tuple(Bar(start, stop, Meter.parse(meter)) for start, stop in pairwise(lines)),
        chords=tuple(Chord(line, 2 * bar % 12, "m" * (bar % 2)) for bar, line in enumerate(lines[:-1])),
    )
    return encode(score, VOCABULARY)


def bars_of(words: Sequence[Word]) -> list[np.ndarray]:
    return split_bars(np.array(words))


def given_of(words: Sequence[Word], roles: Sequence[int], chords: bool) -> tuple[tuple[Word, ...], ...]:
    """What a lesson shows of each bar."""
    return tuple(words_of(as_given(bar, roles, chords)) for bar in bars_of(words))


def go_on(bars: int = 4) -> Request:
    return Request(tuple(song()), bars, 1, FREE, Guards.off(), style=1)


def redone(bars: int = 2) -> Request:
    parts = bars_of(song(8))
    return Request(
        words_of(np.concatenate(parts[:3])),
        bars,
        2,
        FREE,
        Guards.off(),
        behind=words_of(np.concatenate(parts[3 + bars :])),
    )


def accompanied(bars: int = 5) -> Request:
    shown = given_of(song(bars), [MELODY], chords=True)
    return Request((), bars, 3, FREE, Guards.off(), given=shown, roles=(ACCOMPANIMENT,), style=2)


def chords_asked(bars: int = 4) -> Request:
    shown = given_of(song(bars, "3/4"), [], chords=True)
    return Request(tuple(song(2, "3/4")), bars, 4, FREE, Guards.off(), given=shown)


REQUESTS: Mapping[str, Callable[[], Request]] = {
    "go on": go_on,
    "redo": redone,
    "accompany": accompanied,
    "chords": chords_asked,
}
