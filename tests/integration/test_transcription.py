"""The real transcribers on recordings whose notes are known, and `segue` as its user types it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import in_process
import numpy as np
import numpy.typing as npt
import pytest
from singing import line, noise, recorded, spoken, sung

from composer.errors import NothingPlayedError
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Score, in_four
from composer.rendering.audio import duration_seconds, render_mp3, synthesise, trim
from composer.transcription.folder import transcribe_long
from composer.transcription.melody import hear_line
from composer.transcription.performance import Performance, PlayedNote
from composer.transcription.recording import SAMPLE_RATE, Samples
from composer.transcription.synchronise import synchronise
from composer.transcription.transcriber import transcribe, transcribe_samples

Times = npt.NDArray[np.float64]

OPENING = Path(__file__).parents[2] / "examples" / "opening.mid"
SONG = [60, 62, 64, 65, 67, 67, 69, 69, 67, 65, 64, 62, 60, 64, 60]
BEATS = [1, 1, 1, 1, 2, 2, 1, 1, 2, 1, 1, 1, 1, 2, 2]


@pytest.fixture(scope="module")
def score() -> Score:
    """Three bars for the piano: eight seconds."""
    return parse_midi(OPENING.read_bytes()).excerpt(0, 3)


@pytest.fixture(scope="module")
def piano(score: Score) -> Samples:
    sound = trim(synthesise(score), duration_seconds(score)).mean(axis=1)
    return np.asarray(sound / np.abs(sound).max() / 2, dtype=np.float32)


@pytest.fixture(scope="module")
def shares() -> list[float]:
    return []


@pytest.fixture(scope="module")
def played(piano: Samples, shares: list[float]) -> Performance:
    return transcribe(recorded(piano), shares.append)


def sounds(notes: Sequence[tuple[float, int]]) -> tuple[Times, Times]:
    """As mir_eval takes them, counted from the first one: when, and at how many Hz."""
    first = min(onset for onset, _ in notes)
    times = np.array([(onset - first, onset - first + 0.1) for onset, _ in notes])
    return times, np.array([440 * 2 ** ((pitch - 69) / 12) for _, pitch in notes])


def no_piano(samples: Samples, _: object) -> Performance:
    """What transkun finds where no piano is, in no time."""
    return Performance((), len(samples) / SAMPLE_RATE, "piano")


def test_a_piano_in_a_voice_message_is_written_down(score: Score, played: Performance, shares: list[float]) -> None:
    from mir_eval.transcription import precision_recall_f1_overlap  # and scipy, a second that every worker would pay

    assert played.kind == "piano"
    written = [(score.seconds_at(note.start), note.pitch) for note in score.notes]
    heard = [(note.onset, note.pitch) for note in played.notes]
    f1 = precision_recall_f1_overlap(*sounds(written), *sounds(heard), onset_tolerance=0.05, offset_ratio=None)[2]
    assert f1 > 0.95
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert synchronise(played).tempo == pytest.approx(92, rel=0.03)


def test_a_hummed_melody_is_one_line() -> None:
    notes = line(SONG, BEATS, 96)
    performance = transcribe(recorded(sung(notes)))
    assert performance.kind == "melody"
    assert [note.pitch for note in performance.notes] == SONG
    onsets = np.array([(ours.onset, theirs.onset) for ours, theirs in zip(performance.notes, notes, strict=True)])
    assert np.ptp(onsets[:, 0] - onsets[:, 1]) < 0.08


def test_who_sings_flat_is_written_in_tune() -> None:
    flat = sung([note._replace(pitch=note.pitch - 0.4) for note in line(SONG, BEATS, 120)])  # type: ignore[arg-type]
    assert [note.pitch for note in hear_line(flat).performance.notes] == SONG


@pytest.mark.parametrize(
    ("samples", "heard"),
    [(np.zeros(SAMPLE_RATE, np.float32), "silence"), (spoken(6.0), "speech"), (noise(2.0), "noise")],
    ids=["silence", "speech", "noise"],
)
def test_what_is_no_music_is_named(samples: Samples, heard: str) -> None:
    with pytest.raises(NothingPlayedError) as refusal:
        transcribe_samples(samples, lambda _: None, no_piano)
    assert refusal.value.heard == heard


def clicks(samples: Samples, _: object) -> Performance:
    """A transcriber of clicks, each a note of a second."""
    at = np.flatnonzero(samples > 0.4) / SAMPLE_RATE
    return Performance(tuple(PlayedNote(float(on), 60, float(on) + 1, 80) for on in at), 0.0, "piano", ((0.5, 1.5),))


def test_parts_of_a_long_recording_make_one_performance(tmp_path: Path) -> None:
    samples = np.zeros(13 * SAMPLE_RATE, np.float32)
    seconds = [0.5, 2.9, 3.0, 3.1, 5.98, 7.0, 9.0, 12.9]  # on both sides of where the parts meet, and there
    samples[[round(at * SAMPLE_RATE) for at in seconds]] = 0.5
    (tmp_path / "long.flac").write_bytes(recorded(samples, "flac"))
    whole = transcribe_long(tmp_path / "long.flac", part_seconds=3, piano=clicks)
    assert [note.onset for note in whole.notes] == pytest.approx(seconds, abs=1e-4)
    assert [note.offset - note.onset for note in whole.notes] == pytest.approx([1.0] * len(seconds))
    assert whole.seconds == pytest.approx(13)


# ------------------------------------------------------------------ as they are typed


def segue(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "composer.cli", *map(str, words)]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd, env=env)


def test_a_hummed_line_is_composed_on(tmp_path: Path) -> None:
    (tmp_path / "hum.ogg").write_bytes(recorded(sung(line(SONG, BEATS, 96))))
    done = segue("compose", "hum.ogg", "--bars", 2, "--downbeat", 1, "--no-audio", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "heard: a single line: 96 BPM, C major" in done.stderr
    assert "chords added" in done.stderr
    heard = parse_midi((tmp_path / "out" / "heard.mid").read_bytes())
    piece = parse_midi((tmp_path / "out" / "piece.mid").read_bytes())
    bars = json.loads((tmp_path / "out" / "piece.json").read_text())["bars"]
    assert bars["added"] == 2
    assert {(n.start, n.pitch) for n in heard.notes} <= {(n.start, n.pitch) for n in piece.notes}
    assert max(note.start for note in piece.notes) >= bars["opening"] * 1920
    assert "--downbeat 1" in json.loads((tmp_path / "out" / "piece.json").read_text())["command"]


def test_midi_without_a_click_is_put_on_its_beats(tmp_path: Path) -> None:
    score = parse_midi(OPENING.read_bytes())
    notes = tuple(
        type(note)(round(300 + note.start * 1.37), note.pitch, round(300 + note.end * 1.37), 80) for note in score.notes
    )
    (tmp_path / "free.mid").write_bytes(dump_midi(in_four(notes, end=20 * 1920)))
    done = in_process.segue("compose", "free.mid", "--bars", 1, "--no-audio", "-o", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "heard: MIDI that is off its own beats: 88 BPM, C major, 8 bars" in done.stderr


def test_refusals_of_recordings_are_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "voice.ogg").write_text(f"ffconcat version 1.0\nfile '{OPENING}'\n")
    (tmp_path / "still.wav").write_bytes(recorded(np.zeros(SAMPLE_RATE, np.float32), "wav"))
    (tmp_path / "empty").mkdir()
    for words, what in (
        (("compose", "voice.ogg"), "not a recording"),
        (("compose", "still.wav"), "silence"),
        (("compose", "still.wav", "--bpm", "9"), "between 30 and 300"),
        (("transcribe", "empty", "-o", "midi"), "no recording"),
    ):
        done = in_process.segue(*words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert what in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr


def test_a_folder_becomes_a_corpus_and_a_bad_file_stops_nothing(tmp_path: Path) -> None:
    bar = parse_midi(OPENING.read_bytes()).excerpt(0, 1)
    folder = tmp_path / "recordings"
    folder.mkdir()
    (folder / "my-piano.mp3").write_bytes(render_mp3(bar))
    (folder / "broken.ogg").write_bytes(b"OggS and nothing more")
    (folder / "notes.txt").write_text("no recording")
    done = in_process.segue("transcribe", folder, "-o", "midi", cwd=tmp_path)  # where the model is loaded already
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "midi"
    assert "broken.ogg: This is not a recording" in done.stderr
    assert "my-piano.mp3: a piano: " in done.stderr
    assert sorted(path.name for path in (tmp_path / "midi").iterdir()) == [
        "my_piano.mid",
        "train.txt",
        "validation.txt",
    ]
    assert (tmp_path / "midi" / "train.txt").read_text() == "my_piano\n"
    again = parse_midi((tmp_path / "midi" / "my_piano.mid").read_bytes())
    assert sorted(note.pitch for note in again.notes) == sorted(note.pitch for note in bar.notes)
