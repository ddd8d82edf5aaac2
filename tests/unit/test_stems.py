"""What somebody gets who mixes the parts anew: MP3s decoded again by ffmpeg and added up."""

from __future__ import annotations

import io
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from recordings import decoded

from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import parse_midi
from composer.music.score import Note, Part, Score, in_four
from composer.rendering.audio import synthesise
from composer.rendering.loudness import CEILING
from composer.rendering.stems import stems_of, zipped

BAND = Path(__file__).parents[2] / "examples" / "band.mid"


def piano() -> Score:
    """A tune and a bass line, in one part, 24 s."""
    tune = [Note(at * 480, 72 + at % 5, at * 480 + 400, 90) for at in range(48)]
    bass = [Note(at * 960, 40 + at % 7, at * 960 + 900, 70) for at in range(24)]
    return in_four(sorted(tune + bass), end=12 * TICKS_PER_BAR)


def alike(one: npt.NDArray[np.float32], other: npt.NDArray[np.float32]) -> float:
    return float(np.corrcoef(one.ravel(), other.ravel())[0, 1])


@pytest.mark.parametrize("score", [parse_midi(BAND.read_bytes()), piano()], ids=["band", "piano"])
def test_the_stems_begin_together_are_equally_long_and_sum_up_to_the_whole(score: Score) -> None:
    sounds = [decoded(stem.mp3 or b"") for stem in stems_of(score)]
    assert len({len(sound) for sound in sounds}) == 1
    assert len(sounds) > 1
    whole = synthesise(score)[: len(sounds[0])]
    summed = np.sum(sounds, axis=0)
    assert alike(summed, whole) > 0.99
    assert alike(summed[1:], whole[:-1]) < alike(summed, whole), "to the sample"
    gain = np.vdot(summed, whole) / np.vdot(whole, whole)
    assert np.abs(summed - gain * whole).max() < 0.2 * np.abs(summed).max()
    assert all(np.abs(sound).max() <= CEILING for sound in [*sounds, summed])


def test_each_is_its_track_alone_and_called_by_it() -> None:
    band = parse_midi(BAND.read_bytes())
    stems = stems_of(band)
    assert [stem.name for stem in stems] == [
        "1 Lead - Alto Sax",
        "2 Guitar - Clean Electric Guitar",
        "3 Bass - Fingered Electric Bass",
        "4 Drums",
    ]
    for stem, part in zip(stems[:3], band.playing, strict=True):
        alone = parse_midi(stem.midi)
        assert [one.notes for one in alone.parts] == [part.notes]
        assert (alone.tempos, alone.parts[0].program) == (band.tempos, part.program)


def test_a_piano_alone_is_told_apart_by_hands() -> None:
    right, left = stems_of(piano())
    assert (right.name, left.name) == ("1 Right hand - Acoustic Grand Piano", "2 Left hand - Acoustic Grand Piano")
    assert {note.pitch >= 72 for note in parse_midi(right.midi).notes} == {True}
    assert {note.pitch < 50 for note in parse_midi(left.midi).notes} == {True}
    (violin,) = stems_of(piano().played_on(40))
    assert violin.name == "1 Violin"


def test_what_a_stranger_calls_a_track_is_a_name_that_a_file_may_have() -> None:
    rude = replace(piano().parts[0], program=40, name="../a\n\0b:c?\udc80 " + 200 * "月")
    (stem,) = stems_of(replace(piano(), parts=(rude,)))
    assert stem.name.startswith("1 a b c 月月")
    assert len(stem.name) < 100
    names = zipfile.ZipFile(io.BytesIO(zipped([stem]))).namelist()
    assert names == [f"{stem.name}.mp3", f"{stem.name}.mid"]


def test_they_fit_or_the_last_are_left_out() -> None:
    band = parse_midi(BAND.read_bytes())
    whole, smaller, some, none = [stems_of(band, room=room) for room in (10**7, 800_000, 300_000, 30_000)]
    for stems, room in ((whole, 10**7), (smaller, 800_000), (some, 300_000), (none, 30_000)):
        assert len(zipped(stems)) <= room
        assert all(stem.midi for stem in stems)
    assert len(zipped(whole)) > 800_000
    assert all(stem.mp3 for stem in (*whole, *smaller))
    assert [stem.mp3 is not None for stem in some] == [True, True, False, False]
    assert not any(stem.mp3 for stem in none)


def test_the_same_score_gives_the_same_zip() -> None:
    bar = replace(piano(), parts=(Part((Note(0, 60, 480, 80), Note(0, 40, 480, 80))),))
    assert zipped(stems_of(bar)) == zipped(stems_of(bar))
