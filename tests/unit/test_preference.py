"""The preference of songs over a model's own continuations is learned, and nothing of an opening is."""

from __future__ import annotations

import numpy as np
import torch
from engine_models import random_checkpoint

from bench.preference import Passage, nats_of, prefer, prepared
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.music.words import IGNORE, Family, Word, bars_in

CHECKPOINT = random_checkpoint()
BARS = 12


def words(step: int) -> list[Word]:
    notes = tuple(Note(at, 60 + step * (at // 480) % 12, at + 480, 80) for at in range(0, BARS * TICKS_PER_BAR, 480))
    return encode(in_four(notes, end=BARS * TICKS_PER_BAR), CHECKPOINT.vocabulary)


def passage(step: int) -> Passage:
    played = words(step)
    lines = [at for at, word in enumerate(played) if word.family == Family.BAR]
    return prepared(played, lines[8], 0, CHECKPOINT)


def test_what_is_given_is_not_learned_and_what_follows_is() -> None:
    some = passage(1)
    asked = some.truth[0, :, 0] != IGNORE
    heard = some.heard[0, :, 0]
    following = np.flatnonzero(asked.numpy())
    assert bars_in([Word(*map(int, row)) for row in some.heard[0, : following[0] + 1]]) == 8
    assert len(following) == len(heard) - 1 - following[0], "all but the end, which nobody asked for"


def test_songs_become_likelier_and_what_the_model_made_less_so() -> None:
    torch.manual_seed(0)
    song, own = passage(1), passage(5)
    prefer(CHECKPOINT.model, [(song, own)] * 4, 10, 1e-3, 10.0)
    with torch.no_grad():
        song_nats, own_nats = (float(nats_of(CHECKPOINT.model, some)) for some in (song, own))
    assert song_nats < song.nats
    assert (song.nats - song_nats) - (own.nats - own_nats) > 0.02
