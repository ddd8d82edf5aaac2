"""Our measure of loudness against pyloudnorm's, and what the limiter promises."""

from __future__ import annotations

import numpy as np
import pytest
from recordings import measured

from composer.rendering.loudness import (
    CEILING,
    SAMPLE_RATE,
    Sound,
    gain_for,
    integrated_loudness,
    level,
    limit_peaks,
    limited,
)

RANDOM = np.random.default_rng(1)


def tone(frequency: float, amplitude: float, seconds: float = 4) -> Sound:
    wave = amplitude * np.sin(2 * np.pi * frequency * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    return np.stack([wave, wave], axis=1).astype(np.float32)


def noise(amplitude: float, seconds: float = 4) -> Sound:
    return (amplitude * RANDOM.standard_normal((round(seconds * SAMPLE_RATE), 2))).astype(np.float32)


@pytest.mark.parametrize(
    "sound",
    [
        pytest.param(tone(997, 0.5), id="the tone that meters are set by"),
        pytest.param(tone(30, 0.5), id="below what the ear weighs"),
        pytest.param(tone(5000, 0.01), id="where the head's shelf lifts"),
        pytest.param(noise(0.1), id="noise"),
        pytest.param(np.concatenate([noise(0.1), noise(0.0005), noise(0.1)]), id="a quiet stretch is gated out"),
        pytest.param(np.concatenate([tone(440, 0.2, 33), tone(220, 0.4, 40)]), id="longer than one part"),
        pytest.param(tone(440, 0.2) * np.array([1, 0], dtype=np.float32), id="one channel"),
    ],
)
def test_it_agrees_with_pyloudnorm(sound: Sound) -> None:
    assert integrated_loudness(sound) == pytest.approx(measured(sound), abs=0.1)


def test_a_full_scale_tone_in_both_channels_is_at_0_lufs() -> None:
    assert integrated_loudness(tone(997, 1.0)) == pytest.approx(0, abs=0.05)  # -3.01 LUFS a channel: BS.1770, annex 1


@pytest.mark.parametrize("frames", [1, 100, SAMPLE_RATE])
def test_silence_has_no_loudness_and_stays_silent(frames: int) -> None:
    silence = np.zeros((frames, 2), dtype=np.float32)
    assert integrated_loudness(silence) == float("-inf")
    assert not level(silence).any()


def test_what_the_ear_does_not_hear_is_not_amplified_without_end() -> None:
    offset = level(np.full((SAMPLE_RATE, 2), 0.1, dtype=np.float32))
    assert np.abs(offset).max() <= CEILING * 1.0001


@pytest.mark.parametrize("length", [1, 62, 63, 64, 5000, 31 * SAMPLE_RATE])
def test_the_limiter_leaves_no_peak(length: int) -> None:
    spikes = (RANDOM.standard_normal((length, 2)) ** 5).astype(np.float32)
    spikes[-1] = 100
    limit_peaks(spikes)
    assert np.abs(spikes).max() <= CEILING * 1.0001


def test_the_limiter_touches_only_what_is_near_a_peak() -> None:
    sound = tone(440, 0.3, 1)
    sound[20_000] = 2.0
    before = sound.copy()
    limit_peaks(sound)
    reach = SAMPLE_RATE * 40 // 1000
    assert np.array_equal(sound[: 20_000 - reach], before[: 20_000 - reach])
    assert np.array_equal(sound[20_000 + reach :], before[20_000 + reach :])
    assert not np.array_equal(sound, before)


def test_the_limiter_turns_the_volume_without_a_jump() -> None:
    sound = tone(440, 0.3, 1)
    sound[20_000] = 2.0
    gain = np.ones(len(sound))
    before = sound.copy()
    limit_peaks(sound)
    loud_enough = np.abs(before[:, 0]) > 0.05
    gain[loud_enough] = sound[loud_enough, 0] / before[loud_enough, 0]
    steps = np.abs(np.diff(gain[loud_enough]))
    assert steps.max() < 0.05


def test_below_the_ceiling_the_limiter_does_nothing() -> None:
    sound = tone(440, 0.8)
    before = sound.copy()
    limit_peaks(sound)
    assert np.array_equal(sound, before)


@pytest.mark.parametrize("lengths", [[1], [70_000], [1, 1, 62, 63, 64], [5000, 60_000, 7, 30_000], [2015, 2016, 2017]])
def test_parts_are_limited_as_the_whole_is(lengths: list[int]) -> None:
    whole = (RANDOM.standard_normal((sum(lengths), 2)) ** 5).astype(np.float32)
    parts = np.split(whole, np.cumsum(lengths)[:-1])
    streamed = np.concatenate(list(limited(parts)))
    limit_peaks(whole)
    assert np.array_equal(streamed, whole)


def test_half_the_frames_say_how_loud_it_is() -> None:
    whole = tone(440, 0.2) + 0.1 * tone(3000, 0.2)
    assert gain_for(whole[::2], SAMPLE_RATE // 2) == pytest.approx(gain_for(whole), rel=0.02)


@pytest.mark.parametrize("amplitude", [1e-7, 1e-3, 0.5, 20.0])
def test_level_brings_everything_to_one_loudness(amplitude: float) -> None:
    sound = level(noise(amplitude))
    assert measured(sound) == pytest.approx(-15.5, abs=0.5)
    assert np.abs(sound).max() <= CEILING * 1.0001
