"""Some bars of a score -> a sound that repeats without a seam.

It is as long as the bars, to the sample, and what rings on behind them sounds at the beginning, as it does whenever
they are played again. So it is FLAC: an MP3 begins and ends with silence, for its encoder works on blocks of 1152
samples and needs some before the first and behind the last.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from composer.music.score import Score, cut_at_repeats
from composer.rendering.audio import TAIL_SECONDS, frames_at, key_events, play, told_events
from composer.rendering.encoders import encode_flac
from composer.rendering.loudness import CEILING, SAMPLE_RATE, TARGET_LUFS, Sound, integrated_loudness


def render_loop(score: Score, first: int, behind: int, title: str = "", soundfont: Path | None = None) -> bytes:
    """Bars as a FLAC file.

    Args:
        score: that they are in.
        first: number of the first one, from 0.
        behind: number of the one behind the last.
        title: for the file's tags.
        soundfont: None looks in composer.rendering.audio.SOUNDFONTS.

    Raises:
        RenderingError: something that plays or encodes is missing.
    """
    sound = loop(score.excerpt(first, behind), soundfont)
    # One gain for all of it: a limiter would turn it down differently on either side of the seam.
    if (peak := float(np.abs(sound).max())) > 0:
        sound *= CEILING / peak
        sound *= min(1.0, 10 ** ((TARGET_LUFS - integrated_loudness(sound)) / 20))
    return encode_flac(sound, title)


def loop(bars: Score, soundfont: Path | None = None) -> Sound:
    """All the bars of a score, over and over. Shape (frames of the bars, 2). Raises RenderingError.

    Played once, with what rings on behind the end folded back on to the beginning.
    """
    frames = int(frames_at(bars, np.array([bars.end]))[0])
    if not any(part.notes for part in bars.parts):
        return np.zeros((frames, 2), dtype=np.float32)
    once = _in_the_midst(bars)
    keys, told = key_events(once, begin=0), told_events(once, begin=0)
    told += [one._replace(frame=one.frame + frames) for one in told]  # what holds at the beginning holds again
    whole = max(frames, keys[-1].frame + round(TAIL_SECONDS * SAMPLE_RATE))
    rounds = np.zeros((-(-whole // frames), frames, 2), dtype=np.float32)
    rounds.reshape(-1, 2)[:whole] = play(once, keys, told, whole, soundfont)
    return np.asarray(rounds.sum(axis=0))


def repeated(bars: Score, times: int) -> Score:
    """The bars of a score one time after the other."""
    shifts = [number * bars.end for number in range(times)]
    moved = [[part.moved(by) for by in shifts] for part in bars.parts]
    return Score(
        parts=tuple(
            replace(
                part,
                notes=cut_at_repeats(note for one in each for note in one.notes),
                controls=tuple(control for one in each for control in one.controls),
            )
            for part, each in zip(bars.parts, moved, strict=True)
        ),
        bars=tuple(bar.later(by) for by in shifts for bar in bars.bars),
        tempos=tuple(replace(tempo, tick=tempo.tick + by) for by in shifts for tempo in bars.tempos),
    )


def _in_the_midst(bars: Score) -> Score:
    """The notes of the bars as one hears them where the same bars stand before and behind them.

    A key or a pedal that is held over the end is let go in the next round, and some keys are struck again there.
    """
    middle = (
        replace(part, notes=tuple(note for note in part.notes if bars.end <= note.start < 2 * bars.end), controls=())
        for part in repeated(bars, 3).as_heard
    )
    parts = (
        replace(own, notes=part.moved(-bars.end).notes, controls=tuple(c for c in own.controls if not c.is_pedal))
        for own, part in zip(bars.parts, middle, strict=True)
    )
    return replace(repeated(bars, 2), parts=tuple(parts))
