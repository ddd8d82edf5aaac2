"""How loud music sounds (ITU-R BS.1770-4), and bringing it to one loudness without clipping.

Sound is float32 of shape (frames, 2), 1.0 is full scale. BS.1770 filters in time; here each 100 ms is weighted in
its spectrum instead, which needs no IIR filter and so no scipy, and agrees with pyloudnorm within 0.1 LU on music.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Sound = npt.NDArray[np.float32]

SAMPLE_RATE = 44_100  # frames a second
TARGET_LUFS = -15.5  # LAME takes 0.45 dB away, so that the MP3 is at -16, which podcasts and phones expect
CEILING = 10 ** (-1.5 / 20)  # a peak; the half decibel below -1 dBFS is what the MP3 encoder may add

HOPS_PER_BLOCK = 4  # a gating block is 400 ms, and advances by hops of 100 ms
HOPS_AT_ONCE = 300  # 30 s are worked on at once, so that a long piece needs little more memory than it fills
ABSOLUTE_GATE_LUFS = -70.0
RELATIVE_GATE_LU = -10.0

LIMITER_STEP = SAMPLE_RATE // 700  # frames: 1.4 ms, the grain of the limiter's gain
LIMITER_REACH = 8  # steps: 12 ms over which the gain falls before a peak and recovers after it
MARGIN = 4 * LIMITER_REACH * LIMITER_STEP  # frames: more than the limiter looks about
TOLERANCE_LU = 0.3
LEVEL_PASSES = 8  # limiting takes loudness away, which the next pass gives back


def level(sound: Sound) -> Sound:
    """Bring `sound` to TARGET_LUFS, in place, with no peak above CEILING. What cannot be heard stays so."""
    sound *= gain_for(sound)
    limit_peaks(sound)
    return sound


def gain_for(sound: Sound, rate: int = SAMPLE_RATE) -> float:
    """By how much `sound` is to be multiplied to be at TARGET_LUFS once its peaks are limited.

    rate: frames a second
    """
    peak = max(float(sound.max()), -float(sound.min()))
    if peak == 0:
        return 1.0
    gain = CEILING / peak  # BS.1770 hears nothing below -70 LUFS, where a pianissimo leaves the synthesiser
    for _ in range(LEVEL_PASSES):
        limited = sound * np.float32(gain)
        limit_peaks(limited)
        lacking = TARGET_LUFS - integrated_loudness(limited, rate)
        if abs(lacking) < TOLERANCE_LU or math.isinf(lacking):
            break
        gain *= 10 ** (lacking / 20)
    return gain


def integrated_loudness(sound: Sound, rate: int = SAMPLE_RATE) -> float:
    """In LUFS: the mean over 400 ms blocks, leaving out those far below the rest. -inf for silence."""
    hops = _hop_powers(sound, rate)
    blocks = np.convolve(hops, np.full(HOPS_PER_BLOCK, 1 / HOPS_PER_BLOCK), mode="valid")
    audible = blocks[blocks > _power(ABSOLUTE_GATE_LUFS)]
    if not audible.size:
        return float("-inf")
    gate = audible.mean() * 10 ** (RELATIVE_GATE_LU / 10)
    return _lufs(float(audible[audible > gate].mean()))


def limited(parts: Iterable[Sound]) -> Iterator[Sound]:
    """What limit_peaks makes of parts that follow each other, as soon as enough of them is there.

    What it does to a frame depends on no more than MARGIN frames before and behind it.
    """
    held, done = np.empty((0, 2), dtype=np.float32), 0  # not limited; its first `done` frames have gone out
    for part in parts:
        held = np.concatenate([held, part])
        ready = (len(held) - MARGIN) // LIMITER_STEP * LIMITER_STEP
        if ready <= done:
            continue
        sound = held.copy()
        limit_peaks(sound)
        yield sound[done:ready]
        begin = max(0, ready - MARGIN)
        held, done = held[begin:], ready - begin
    limit_peaks(held)
    yield held[done:]


def limit_peaks(sound: Sound) -> None:
    """Turn `sound` down around every peak above CEILING, in place and without clipping.

    The gain is the wanted one, held at its minimum for a little longer than the reach of the smoothing that follows:
    so neither the smoothing nor the interpolation between steps can lift it above what a peak needs.
    """
    wanted = _wanted_gains(sound)
    if wanted.min() >= 1:
        return
    window = np.hanning(2 * LIMITER_REACH + 3)[1:-1]
    gains = np.convolve(_held_minimum(wanted, 2 * LIMITER_REACH + 1), window / window.sum(), mode="valid")
    centres = (np.arange(gains.size) + 0.5) * LIMITER_STEP
    for first, part in _parts(sound):
        frames = np.arange(first, first + len(part))
        part *= np.interp(frames, centres, gains).astype(np.float32)[:, None]


def _hop_powers(sound: Sound, rate: int) -> npt.NDArray[np.float64]:
    """The K-weighted power of each 100 ms, both channels together. Shape (hops,), at least one block long."""
    hop = rate // 10
    hops = max(-(-len(sound) // hop), HOPS_PER_BLOCK)
    weights = 2 * _k_weighting(np.arange(hop // 2 + 1) * rate / hop, rate) / hop**2  # 2: rfft gives half a spectrum
    powers = np.zeros(hops)
    for first, part in _parts(sound, HOPS_AT_ONCE * hop):
        whole_hops = np.pad(part, ((0, -len(part) % hop), (0, 0))).reshape(-1, hop, 2)
        spectra = np.fft.rfft(whole_hops, axis=1)
        powers[first // hop : first // hop + len(spectra)] = np.einsum("hfc,f->h", np.abs(spectra) ** 2, weights)
    return powers


def _k_weighting(frequencies: npt.NDArray[np.float64], rate: int) -> npt.NDArray[np.float64]:
    """The power response of BS.1770's two filters: a shelf for the head, a high-pass for the ear's deaf bass.

    The standard tabulates coefficients for 48 kHz; these are the analogue prototypes behind them, as in libebur128.
    """
    shelf_gain = 10 ** (3.999843853973347 / 20)
    shelf = _second_order(
        frequencies, rate, 1681.974450955533, 0.7071752369554196, shelf_gain, shelf_gain**0.4996667741545416, 1.0
    )
    return shelf * _second_order(frequencies, rate, 38.13547087602444, 0.5003270373238773, 1.0, 0.0, 0.0)


def _second_order(
    frequencies: npt.NDArray[np.float64], rate: int, corner: float, q: float, high: float, band: float, low: float
) -> npt.NDArray[np.float64]:
    """The power response of (high s^2 + band s/q + low) / (s^2 + s/q + 1), taken to `rate` bilinearly."""
    s = 1j * np.tan(np.pi * frequencies / rate) / np.tan(np.pi * corner / rate)
    response = (high * s**2 + band * s / q + low) / (s**2 + s / q + 1)
    return np.asarray(np.abs(response) ** 2)


def _wanted_gains(sound: Sound) -> npt.NDArray[np.float64]:
    """For each LIMITER_STEP frames, the gain up to 1 that keeps their peak at CEILING. Shape (steps,)."""
    peaks = []
    for _, part in _parts(sound):
        whole_steps = np.pad(part, ((0, -len(part) % LIMITER_STEP), (0, 0))).reshape(-1, LIMITER_STEP * 2)
        peaks.append(np.abs(whole_steps).max(axis=1))
    return np.asarray(CEILING / np.maximum(np.concatenate(peaks), CEILING), dtype=np.float64)


def _held_minimum(values: npt.NDArray[np.float64], width: int) -> npt.NDArray[np.float64]:
    """The least of the values up to LIMITER_REACH + 1 steps away, at as many more places as a convolution eats."""
    reach = LIMITER_REACH + 1
    padded = np.pad(values, width // 2 + reach, constant_values=1.0)
    return np.asarray(np.lib.stride_tricks.sliding_window_view(padded, 2 * reach + 1).min(axis=1))


def _parts(sound: Sound, frames: int = HOPS_AT_ONCE * SAMPLE_RATE // 10) -> Iterator[tuple[int, Sound]]:
    """Views of so many frames, each with the frame at which it begins."""
    for first in range(0, len(sound), frames):
        yield first, sound[first : first + frames]


def _power(lufs: float) -> float:
    return float(10 ** ((lufs + 0.691) / 10))


def _lufs(power: float) -> float:
    return float(10 * np.log10(power) - 0.691)
