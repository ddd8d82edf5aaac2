"""Bars that are played over and over: the file decoded again, set side by side with itself and with playing on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from recordings import decoded

from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import parse_midi
from composer.music.score import Control, Note, Part, Score, TempoChange, in_four
from composer.rendering.audio import BLOCK, key_events, play, told_events
from composer.rendering.loop import loop, render_loop, repeated
from composer.rendering.loudness import SAMPLE_RATE

Samples = npt.NDArray[np.float32]
EXAMPLES = Path(__file__).parents[2] / "examples"
CHURCH_ORGAN = 19
EVEN = TempoChange(0, SAMPLE_RATE * 60 * 4 / (1500 * BLOCK))  # a bar is 1500 of FluidSynth's blocks, 2.2 s


def ringing() -> Score:
    """Two bars whose last chord is held over their end, with the pedal down, and struck again soon behind it."""
    tune = [Note(at * 480, 60 + at, at * 480 + 300, 90) for at in range(8)]
    chord = [Note(3600, pitch, 5000, 90) for pitch in (48, 60, 64)]
    return in_four(sorted(tune + chord), (EVEN,), end=2 * TICKS_PER_BAR, pedal=((3600, 4800),))


def played(score: Score) -> Samples:
    keys = key_events(score, begin=0)
    return play(score, keys, told_events(score, begin=0), keys[-1].frame + SAMPLE_RATE)


@pytest.mark.parametrize("bpm", [90.0, 120.0, 137.31])
@pytest.mark.parametrize("bars", [(0, 1), (3, 8)])
def test_it_is_as_long_as_its_bars_to_the_sample(bpm: float, bars: tuple[int, int]) -> None:
    score = replace(parse_midi((EXAMPLES / "band.mid").read_bytes()), tempos=(TempoChange(0, bpm),))
    sound = decoded(render_loop(score, *bars, title="Loop"))
    assert len(sound) == round((bars[1] - bars[0]) * 4 * 60 / bpm * SAMPLE_RATE)
    assert 0.1 < np.abs(sound).max() < 0.9


@pytest.mark.parametrize("score", [ringing(), ringing().played_on(CHURCH_ORGAN)], ids=["piano", "organ"])
def test_there_is_no_seam(score: Score) -> None:
    sound = decoded(render_loop(score, 0, 2))
    inside, seam = np.abs(np.diff(sound, axis=0)), np.abs(sound[0] - sound[-1])
    assert seam.max() <= inside.max()
    assert np.abs(sound[: SAMPLE_RATE // 100]).max() > 0.01, "what is held over the end sounds at the beginning"
    cut = np.abs(played(score)[: len(sound)])
    assert np.abs(cut[0] - cut[-1]).max() > np.abs(loop(score)[0] - loop(score)[-1]).max()


@pytest.mark.parametrize(
    ("score", "likeness"), [(ringing(), 0.995), (ringing().played_on(CHURCH_ORGAN), 0.98)], ids=["piano", "organ"]
)
def test_repeated_it_is_what_playing_on_sounds_like(score: Score, likeness: float) -> None:
    """In the midst of it: before the first pass nothing rings. FluidSynth's reverb sways: no two passes are equal."""
    once = loop(score)
    rounds = played(repeated(score, 4))
    middle = slice(3 * len(once) // 2, 7 * len(once) // 2)  # with two seams
    looped = np.concatenate([once] * 4)[middle]
    assert np.corrcoef(looped.ravel(), rounds[middle].ravel())[0, 1] > likeness
    assert np.abs(looped - rounds[middle]).max() < 0.25 * np.abs(looped).max()


def test_a_key_that_is_held_over_the_end_stops_where_it_is_struck_repeated() -> None:
    organ = in_four((Note(0, 60, 1700, 90), Note(1800, 60, 4000, 90)), (EVEN,), end=TICKS_PER_BAR)
    organ = organ.played_on(CHURCH_ORGAN)
    sound, rounds = loop(organ), played(repeated(organ, 4))
    assert np.abs(sound).max() == pytest.approx(np.abs(rounds[2 * len(sound) : 3 * len(sound)]).max(), rel=0.1)


def test_what_a_channel_is_told_holds_again_at_the_beginning() -> None:
    """Loud at first, silent at the end: nothing rings on."""
    told = (Control(0, 0xB0, 7, 100), Control(1500, 0xB0, 7, 0))
    part = Part((Note(0, 60, 1400, 90),), program=CHURCH_ORGAN, controls=told)
    sound = loop(replace(in_four((), (EVEN,), end=TICKS_PER_BAR), parts=(part,)))
    assert np.abs(sound[: len(sound) // 4]).max() > 0.05
    assert np.abs(sound[-len(sound) // 10 :]).max() < 0.01


def test_silent_bars_are_a_silent_loop() -> None:
    score = in_four((Note(0, 60, 480, 80),), (EVEN,), end=4 * TICKS_PER_BAR)
    sound = decoded(render_loop(score, 2, 4))
    assert len(sound) == 3000 * BLOCK
    assert not sound.any()


def test_the_same_bars_give_the_same_bytes() -> None:
    assert render_loop(ringing(), 0, 2, "a") == render_loop(ringing(), 0, 2, "a")
