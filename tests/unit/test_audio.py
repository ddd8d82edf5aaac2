"""What a listener gets: MP3s decoded again by ffmpeg and measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from recordings import decoded, measured

from composer.errors import RenderingError
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.score import BEND, CONTROLLER, PROGRAM, Control, Note, Part, Score, TempoChange, in_four
from composer.rendering import audio
from composer.rendering.audio import (
    FADE_SECONDS,
    LEAD_SECONDS,
    TAIL_SECONDS,
    duration_seconds,
    render_mp3,
    synthesise,
    trim,
)
from composer.rendering.instruments import program_of
from composer.rendering.loudness import SAMPLE_RATE, level

PIANO, CHURCH_ORGAN = 0, 19
FULL_SCALE = 1.0
INAUDIBLE = 10 ** (-54 / 20)


def score_of(notes: list[Note], *tempos: TempoChange) -> Score:
    bars = -(-max(note.end for note in notes) // TICKS_PER_BAR)
    return in_four(tuple(sorted(notes)), tempos or (TempoChange(0, 120.0),), end=bars * TICKS_PER_BAR)


def scale(velocity: int, beats: int = 16, length: int = 400) -> Score:
    """One note a beat, up and down two octaves."""
    pitches = [48, 52, 55, 60, 64, 67, 72, 67, 64, 60, 55, 52]
    beat = TICKS_PER_BEAT
    return score_of([Note(i * beat, pitches[i % 12], i * beat + length, velocity) for i in range(beats)])


def dense() -> Score:
    """Fifteen keys at once, eight times a second, as hard as can be."""
    return score_of([Note(i * 120, p, i * 120 + 400, 127) for i in range(64) for p in range(30, 90, 4)])


def sparse() -> Score:
    """Three short notes in 12 seconds."""
    return score_of([Note(i * 4 * TICKS_PER_BAR // 2, 84, i * 4 * TICKS_PER_BAR // 2 + 60, 50) for i in range(3)])


def soft_then_loud() -> Score:
    return score_of([Note(i * 480, 60 + i % 12, i * 480 + 480, 10 if i < 16 else 120) for i in range(32)])


def peak(sound: npt.NDArray[np.float32]) -> float:
    return float(np.abs(sound).max())


def seconds(sound: npt.NDArray[np.float32]) -> float:
    return len(sound) / SAMPLE_RATE


def at(sound: npt.NDArray[np.float32], start: float, end: float) -> npt.NDArray[np.float32]:
    return sound[round(start * SAMPLE_RATE) : round(end * SAMPLE_RATE)]


@pytest.mark.parametrize(
    ("score", "instrument"),
    [
        pytest.param(scale(1), "piano", id="as soft as can be"),
        pytest.param(scale(40), "piano", id="soft"),
        pytest.param(scale(127), "piano", id="loud"),
        pytest.param(dense(), "piano", id="dense"),
        pytest.param(sparse(), "piano", id="sparse"),
        pytest.param(soft_then_loud(), "piano", id="soft then loud"),
        pytest.param(score_of([Note(0, 108, 4800, 90)]), "piano", id="one high note, all attack"),
        pytest.param(score_of([Note(0, 24, 60, 30)]), "piano", id="one short low note"),
        pytest.param(scale(90), "church organ", id="organ"),
        pytest.param(scale(90), "violin", id="violin"),
        pytest.param(dense(), "trumpet", id="dense trumpets"),
        pytest.param(scale(90, length=30), "woodblock", id="clicks"),
        pytest.param(sparse(), "tubular bells", id="bells"),
    ],
)
def test_everything_is_equally_loud_and_nothing_clips(score: Score, instrument: str) -> None:
    sound = decoded(render_mp3(score.played_on(program_of(instrument))))
    assert -18 <= measured(sound) <= -14
    assert peak(sound) < 10 ** (-0.3 / 20) < FULL_SCALE


def test_it_lasts_as_long_as_the_score_and_the_last_note_rings() -> None:
    score = scale(80)
    sound = decoded(render_mp3(score))
    end = score.seconds_at(score.notes[-1].end)
    assert duration_seconds(score) == pytest.approx(end, abs=1e-4)
    assert end <= seconds(sound) <= end + 1  # a piano's dampers stop it soon
    assert seconds(sound) == pytest.approx(seconds(trim(level(synthesise(score)), end)), abs=0.1)
    assert peak(at(sound, end, end + 0.05)) > 0.01  # not cut off where the key is released
    assert peak(sound[-SAMPLE_RATE // 100 :]) < 3 * INAUDIBLE


@pytest.mark.parametrize("instrument", ["tubular bells", "piano", "woodblock", "warm pad"])
def test_neither_end_is_silent_for_long(instrument: str) -> None:
    score = scale(80, beats=4)
    sound = decoded(render_mp3(score.played_on(program_of(instrument))))
    assert peak(at(sound, 0, 0.2)) > 0.01
    assert peak(sound[-SAMPLE_RATE:]) > INAUDIBLE
    assert seconds(sound) <= duration_seconds(score) + TAIL_SECONDS + 0.1


def test_what_rings_longer_than_the_tail_fades_out() -> None:
    score = score_of([Note(0, 84, 240, 120), Note(0, 60, 240, 120)])
    sound = decoded(render_mp3(score.played_on(program_of("tubular bells"))))
    end = duration_seconds(score) + TAIL_SECONDS
    assert end - FADE_SECONDS < seconds(sound) < end + 0.1  # it sinks below what is heard within the fade
    assert peak(sound[-SAMPLE_RATE // 50 :]) < 0.05 * peak(sound)


def test_empty_bars_before_the_first_note_are_cut() -> None:
    late = score_of([Note(5 * TICKS_PER_BAR, 60, 6 * TICKS_PER_BAR, 80)])  # 10 s of nothing
    sound = decoded(render_mp3(late))
    assert duration_seconds(late) == pytest.approx(LEAD_SECONDS + 2)
    assert peak(at(sound, 0, LEAD_SECONDS - 0.1)) < INAUDIBLE
    assert peak(at(sound, LEAD_SECONDS, LEAD_SECONDS + 0.1)) > 0.01


def test_a_short_rest_before_the_first_note_is_kept() -> None:
    upbeat = score_of([Note(TICKS_PER_BEAT // 2, 60, TICKS_PER_BAR, 80)])
    assert duration_seconds(upbeat) == pytest.approx(2.0)


def test_tempo_changes_are_played_when_they_are_written() -> None:
    tempos = TempoChange(0, 60.0), TempoChange(2 * TICKS_PER_BEAT, 90.0), TempoChange(5 * TICKS_PER_BEAT + 120, 171.0)
    score = score_of([Note(i * 960, 72, i * 960 + 100, 100) for i in range(8)], *tempos)
    sound = np.abs(decoded(render_mp3(score.played_on(program_of("marimba"))))).max(axis=1)
    for note in score.notes:
        struck = score.seconds_at(note.start)
        around = sound[max(0, round((struck - 0.1) * SAMPLE_RATE)) : round((struck + 0.1) * SAMPLE_RATE)]
        onset = int(np.argmax(around > 0.3 * around.max())) / SAMPLE_RATE + max(0.0, struck - 0.1)
        assert onset == pytest.approx(struck, abs=0.015)  # as sharp as an MP3 and a mallet are


def test_many_tempo_changes_do_not_drift() -> None:
    tempos = [TempoChange(i * 37, 40.0 + i * 7 % 180) for i in range(2000)]
    score = score_of([Note(0, 60, 100_003, 80)], *tempos)
    assert duration_seconds(score) == pytest.approx(score.seconds_at(100_003), abs=1 / SAMPLE_RATE)


def test_a_tempo_from_the_middle_on_leaves_the_default_before_it() -> None:
    score = score_of([Note(0, 60, 2 * TICKS_PER_BAR, 80)], TempoChange(TICKS_PER_BAR, 60.0))
    assert duration_seconds(score) == pytest.approx(2 + 4)


def test_the_same_score_gives_the_same_bytes() -> None:
    assert render_mp3(dense().played_on(CHURCH_ORGAN), "Twice") == render_mp3(dense().played_on(CHURCH_ORGAN), "Twice")


def test_the_program_chooses_the_instrument() -> None:
    assert render_mp3(scale(80, beats=2).played_on(PIANO)) != render_mp3(scale(80, beats=2).played_on(CHURCH_ORGAN))


def test_every_part_sounds_on_its_instrument_with_what_it_is_told() -> None:
    tune, drums = scale(90, beats=8), Part((Note(480, 36, 540, 110),), is_drum=True, channel=9)
    organ = Part((Note(0, 43, 3000, 90),), program=CHURCH_ORGAN, channel=3)
    quiet = replace(organ, controls=(Control(0, CONTROLLER, 7, 0),))
    bent = replace(organ, controls=(Control(0, BEND, 0, 96),))
    parts = (tune.parts, (*tune.parts, drums), (*tune.parts, organ), (*tune.parts, bent), (*tune.parts, quiet))
    alone, *others, silent = [synthesise(replace(tune, parts=parts)) for parts in parts]
    assert all(float(np.abs(sound - alone).max()) > 0.01 for sound in others)
    assert float(np.abs(others[1] - others[2]).max()) > 0.01
    assert float(np.abs(silent - alone).max()) < 0.01


def test_an_instrument_changes_where_its_part_says_so() -> None:
    held = score_of([Note(at, 60, at + 900, 90) for at in (0, 1920)])
    changed = replace(held, parts=(replace(held.parts[0], controls=(Control(1900, PROGRAM, CHURCH_ORGAN),)),))
    one, other = synthesise(held), synthesise(changed)
    assert np.array_equal(at(one, 0, 1.9), at(other, 0, 1.9))
    assert not np.array_equal(at(one, 2.1, 2.5), at(other, 2.1, 2.5))


def test_a_pitch_struck_again_sounds_until_its_last_release() -> None:
    held = Note(0, 60, 4 * TICKS_PER_BEAT, 100)
    again = Note(TICKS_PER_BEAT, 60, 2 * TICKS_PER_BEAT, 100)
    sound = synthesise(score_of([held, again]).played_on(CHURCH_ORGAN))
    assert peak(at(sound, 1.4, 1.9)) > 0.5 * peak(at(sound, 0.2, 0.5))  # after `again` has ended
    assert peak(at(sound, 5.0, 6.0)) < INAUDIBLE  # and nothing hangs


def test_a_pitch_repeated_without_a_gap_sounds_twice() -> None:
    sound = synthesise(score_of([Note(0, 60, 480, 100), Note(480, 60, 960, 100)]).played_on(CHURCH_ORGAN))
    assert peak(at(sound, 0.7, 0.9)) > 0.5 * peak(at(sound, 0.2, 0.4))


def test_a_note_of_no_length_does_not_hang() -> None:
    sound = synthesise(score_of([Note(0, 60, 0, 100), Note(0, 72, 480, 100)]).played_on(CHURCH_ORGAN))
    assert peak(at(sound, 4.0, 5.0)) < INAUDIBLE


def test_a_piece_beyond_the_limit_is_faded_out_there() -> None:
    score = scale(90, beats=16, length=480)
    sound = decoded(render_mp3(score.played_on(CHURCH_ORGAN), limit_seconds=3))
    assert seconds(sound) == pytest.approx(3, abs=0.1)
    assert duration_seconds(score, limit_seconds=3) == 3
    assert peak(at(sound, 2.95, 3.0)) < 0.1 * peak(at(sound, 1.0, 2.0))


@pytest.mark.parametrize(
    ("title", "shown"),
    [("Nocturne in E♭, continued", "Nocturne in E♭, continued"), ("a=b;c\n\0\ud800 d", "a=b;c d"), ("月光", "月光")],
)
def test_the_title_is_in_the_id3_tag(title: str, shown: str, tmp_path: Path) -> None:
    file = tmp_path / "piece.mp3"
    file.write_bytes(render_mp3(scale(80, beats=1), title=title))
    command = ["ffprobe", "-v", "error", "-show_format", "-of", "json", str(file)]
    probed = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)["format"]
    assert file.read_bytes().startswith(b"ID3")
    assert probed["format_name"] == "mp3"
    assert probed["tags"]["title"] == shown


def test_the_bitrate_sets_the_size() -> None:
    score = scale(80)
    length = seconds(decoded(render_mp3(score)))
    assert len(render_mp3(score)) == pytest.approx(128_000 / 8 * length, rel=0.02)
    assert len(render_mp3(score, bitrate="64k")) == pytest.approx(64_000 / 8 * length, rel=0.03)


def test_a_soundfont_that_is_not_there() -> None:
    with pytest.raises(RenderingError, match=r"There is no soundfont at /nowhere/piano\.sf2\. Correct the path"):
        render_mp3(scale(80), soundfont=Path("/nowhere/piano.sf2"))


def test_no_soundfont_in_any_known_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(audio, "SOUNDFONTS", (Path("/nowhere/piano.sf2"),))
    with pytest.raises(RenderingError, match="Install FluidR3, for example: apt install fluidr3mono-gm-soundfont"):
        render_mp3(scale(80))


def test_a_file_that_is_no_soundfont(tmp_path: Path) -> None:
    not_one = tmp_path / "notes.sf2"
    not_one.write_bytes(b"RIFF but not really")
    with pytest.raises(RenderingError, match=r"notes\.sf2 is not a soundfont that can be read"):
        render_mp3(scale(80), soundfont=not_one)


@pytest.mark.parametrize("program", [-1, 128])
def test_an_instrument_that_general_midi_lacks(program: int) -> None:
    with pytest.raises(RenderingError, match=f"has no instrument {program}"):
        render_mp3(scale(80).played_on(program))


def test_no_notes() -> None:
    with pytest.raises(RenderingError, match="no notes"):
        render_mp3(in_four(()))


def test_no_ffmpeg(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(RenderingError, match=r"ffmpeg is missing.*apt install ffmpeg"):
        render_mp3(scale(80, beats=1))


def test_no_fluidsynth(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fluidsynth", None)  # makes the import fail
    with pytest.raises(RenderingError, match=r"FluidSynth is missing.*apt install libfluidsynth3"):
        render_mp3(scale(80))


def test_a_bitrate_that_ffmpeg_refuses() -> None:
    with pytest.raises(RenderingError, match="bitrate 'loud'"):
        render_mp3(scale(80, beats=1), bitrate="loud")
