"""The guard against drift: what it hears, what it pulls, and what that does to a piece."""

from __future__ import annotations

from dataclasses import replace

import pytest
from engine_models import random_checkpoint
from some_words import BAR, at_sixteenth, note

from composer.engine.generator import Generator
from composer.engine.guards import DRIFT_BARS, NO_PULL, DriftGuard, Pull
from composer.music.words import Family, Word, default_vocabulary
from composer.request import Guards, Request
from composer.sampling import SamplingParams

FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])


def bar(onsets: int = 4, notes: int = 1, velocity: int = 10, pitch: int = 40) -> list[Word]:
    words = [BAR]
    for onset in range(onsets):
        words.append(at_sixteenth(onset + 1))
        words += [note(pitch - n, velocity) for n in range(notes)]
    return words


def pull_of(opening: list[Word], *bars: list[Word]) -> Pull:
    """What is pulled once the bars have been heard behind the opening."""
    guard = DriftGuard(opening, default_vocabulary())
    for word in [word for heard in bars for word in heard][1:]:  # the first bar word is given
        guard.read(word)
    assert guard.read(BAR)
    return guard.pull


@pytest.mark.parametrize("changed", [{}, {"notes": 2, "onsets": 2}, {"velocity": 11}, {"pitch": 42}, {"onsets": 2}])
def test_what_is_like_its_opening_is_left_alone(changed: dict[str, int]) -> None:
    """And so is what is thinner, or a little louder or higher."""
    alike = pull_of(bar() * 4, *[bar(**changed)] * 6)
    assert (alike.notes, alike.spread, alike.loudness, alike.register) == (0, 0, 0, 0)


def test_chords_grown_thick_cost_notes_and_bars_grown_busy_cost_positions() -> None:
    thick, busy = pull_of(bar() * 4, *[bar(notes=3)] * 4), pull_of(bar() * 4, *[bar(onsets=12)] * 4)
    assert thick.notes > 0
    assert thick.spread == 0
    assert busy.notes > 0
    assert busy.spread > 0
    assert pull_of(bar() * 4, *[bar(notes=5)] * 4).notes > thick.notes


@pytest.mark.parametrize(("name", "field"), [("velocity", "loudness"), ("pitch", "register")])
def test_louder_and_higher_are_pulled_down_softer_and_lower_up(name: str, field: str) -> None:
    home = {"velocity": 10, "pitch": 40}[name]
    above, below = (pull_of(bar() * 4, *[bar(**{name: home + off})] * 4) for off in (8, -8))
    assert getattr(above, field) < 0 < getattr(below, field)
    assert getattr(above, field) == pytest.approx(-getattr(below, field))


def test_only_the_last_bars_count() -> None:
    back = pull_of(bar() * 4, *[bar(notes=6)] * 8, *[bar()] * DRIFT_BARS)
    assert back.notes == 0


def test_behind_silence_nothing_is_pulled() -> None:
    assert pull_of([BAR, BAR], *[bar(notes=6)] * 4) == NO_PULL
    assert pull_of(bar() * 4, *[[BAR]] * 4) == NO_PULL


def density(guards: Guards) -> tuple[float, int]:
    """Notes a bar behind a thin opening, over many pieces of a model that is fond of notes; and the bars pulled."""
    generator = Generator(random_checkpoint(), slots=16)
    requests = [Request(tuple(bar(1) * 2), 8, seed, FREE, guards, ending=False) for seed in range(16)]
    *_, pieces = generator.compose(requests)
    notes = sum(word.family == Family.NOTE for piece in pieces for word in piece.words)
    return notes / 8 / len(pieces), sum(generator.composed(piece, 0).watched.pulled for piece in pieces)


def test_a_model_that_runs_away_is_held_and_the_receipt_tells_how_often() -> None:
    free, free_pulled = density(Guards.off())
    held, held_pulled = density(replace(Guards.off(), drift=True))
    assert held < 0.7 * free
    assert free_pulled == 0
    assert 0 < held_pulled <= 16 * 8


def test_a_piece_is_the_same_beside_neighbours_that_are_pulled() -> None:
    checkpoint = random_checkpoint()
    asked = [Request(tuple(bar(1 + 5 * seed, pitch=30 + 10 * seed) * 2), 6, seed, FREE) for seed in range(4)]
    *_, together = Generator(checkpoint, slots=4).compose(asked)
    for request, piece in zip(asked, together, strict=True):
        *_, (alone,) = Generator(checkpoint, slots=4).compose([request])
        assert alone.words == piece.words
