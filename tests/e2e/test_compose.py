"""`segue compose` as its user types it: a process where that matters, files on disk, the checkpoint of the project."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import in_process
import numpy as np
import pytest
import torch
from PIL import Image
from recordings import decoded
from scores import in_meters

from composer.engine.checkpoint import load_checkpoint
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import EARLY_TICKS, Note, in_four
from composer.opening import to_opening

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
OPENING = EXAMPLES / "opening.mid"
CHECKPOINT = ROOT / "checkpoints" / "sixth"


def segue(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "composer.cli", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def piece(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that six bars behind the example were written to, where `segue` itself says that it is."""
    cwd = tmp_path_factory.mktemp("here")
    done = segue("compose", OPENING, "--bars", 6, cwd=cwd)
    assert done.returncode == 0, done.stderr
    assert "12/6" not in done.stderr
    assert "6/6" in done.stderr  # the progress bar counts bars
    return cwd / done.stdout.strip()


def test_the_piece_is_the_opening_and_as_many_bars_as_were_asked_for(piece: Path) -> None:
    given, whole = parse_midi(OPENING.read_bytes()), parse_midi((piece / "piece.mid").read_bytes())
    opening = to_opening(given)
    boundary = opening.bars * TICKS_PER_BAR
    before = [note for note in whole.notes if note.start < boundary - 60]
    assert [(n.start, n.pitch, n.velocity) for n in before] == [(n.start, n.pitch, n.velocity) for n in given.notes]
    assert whole.notes[-1].start >= boundary
    assert max(note.start for note in whole.notes) < boundary + 6 * TICKS_PER_BAR
    receipt = json.loads((piece / "piece.json").read_text())
    assert receipt["bars"] == {"opening": opening.bars, "added": 6, "composed": [9, 14]}


def test_the_mp3_is_as_long_as_the_music(piece: Path) -> None:
    whole = parse_midi((piece / "piece.mid").read_bytes())
    decode = ["ffmpeg", "-v", "error", "-i", str(piece / "piece.mp3"), "-ac", "1", "-ar", "44100", "-f", "s16le", "-"]
    sound = np.frombuffer(subprocess.run(decode, capture_output=True, check=True).stdout, dtype=np.int16)
    assert -0.1 <= len(sound) / 44100 - whole.seconds_at(max(note.end for note in whole.notes)) <= 0.6  # a piano's tail
    assert 1000 < np.abs(sound.astype(int)).max() < 2**15 - 1


def test_the_picture_opens(piece: Path) -> None:
    with Image.open(piece / "piece.png") as picture:
        assert picture.format == "PNG"
        assert picture.width > picture.height / 2
        assert len(picture.convert("RGB").getcolors(1 << 24) or ()) > 50


def test_the_receipt_tells_how_the_piece_came_about(piece: Path) -> None:
    receipt = json.loads((piece / "piece.json").read_text())
    assert receipt["checkpoint"] == {"name": "sixth", "digest": load_checkpoint(CHECKPOINT).digest}
    assert receipt["seed"] == 7
    assert set(receipt["settings"]) == {"temperature", "top_p"}
    assert receipt["words"] > 6
    assert receipt["key"]["opening"] in ("A minor", "C major")
    assert receipt["tempo"]["opening_ends_at"] == 92.0
    assert receipt["seconds"]["composing"] > 0
    notes, all_notes = (len(parse_midi(path.read_bytes()).notes) for path in (OPENING, piece / "piece.mid"))
    (track,) = receipt["opening"]["tracks"]
    assert track == {"name": "Opening", "program": 0, "drum": False, "notes": notes, "added": all_notes - notes}
    assert receipt["opening"]["bars_heard"] == receipt["bars"]["opening"]


def test_the_command_in_the_receipt_gives_the_same_bytes(piece: Path, tmp_path: Path) -> None:
    program, *words = shlex.split(json.loads((piece / "piece.json").read_text())["command"])
    assert program == "segue"
    done = in_process.segue(*words, "-o", tmp_path, "--no-audio", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "piece.mid").read_bytes() == (piece / "piece.mid").read_bytes()
    assert not (tmp_path / "piece.mp3").exists()


def test_takes_differ_and_settings_are_kept(tmp_path: Path) -> None:
    settings = ("--set", "temperature.pitch=0.5", "--set", "top_p.duration=0.95")
    done = in_process.segue(
        "compose", OPENING, "--bars", 2, "--takes", 3, "--no-audio", *settings, "-o", "o", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert names == sorted(f"piece-{n}.{kind}" for n in (1, 2, 3) for kind in ("mid", "png", "json"))
    assert len({(tmp_path / "o" / f"piece-{n}.mid").read_bytes() for n in (1, 2, 3)}) == 3
    receipts = [json.loads((tmp_path / "o" / f"piece-{n}.json").read_text()) for n in (1, 2, 3)]
    assert [receipt["seed"] for receipt in receipts] == [7, 8, 9]
    assert receipts[0]["settings"]["temperature"]["pitch"] == 0.5
    assert receipts[0]["settings"]["top_p"]["duration"] == 0.95
    assert "temperature.pitch=0.5" in receipts[0]["command"]


def test_stems_and_a_loop_are_made_of_the_new_bars_where_they_are_asked_for(tmp_path: Path) -> None:
    words = ("--redo", "3-4", "--no-audio", "--stems", "--loop", "--only-new", "-o", tmp_path)
    done = in_process.segue("compose", EXAMPLES / "band.mid", *words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {f"piece.{kind}" for kind in ("mid", "png", "json", "stems.zip", "loop.flac", "new.mid")}
    assert {path.name for path in tmp_path.iterdir()} == names
    score = parse_midi((tmp_path / "piece.mid").read_bytes())
    stems = zipfile.ZipFile(tmp_path / "piece.stems.zip").namelist()
    assert [name.partition(" ")[0] for name in stems] == ["1", "1", "2", "2", "3", "3", "4", "4"]
    seconds = score.seconds_at(score.line(4)) - score.seconds_at(score.line(2))
    assert len(decoded((tmp_path / "piece.loop.flac").read_bytes())) == pytest.approx(44100 * seconds, abs=1)
    alone = parse_midi((tmp_path / "piece.new.mid").read_bytes())
    assert [part.notes for part in alone.playing] == [part.notes for part in score.excerpt(2, 4).playing]
    assert in_process.segue("compose", "--bars", 1, "--no-audio", "-o", tmp_path, cwd=tmp_path).returncode == 0
    assert {path.name for path in tmp_path.iterdir()} == {"piece.mid", "piece.png", "piece.json"}


def test_a_folder_holds_the_pieces_of_one_call(tmp_path: Path) -> None:
    mine = ["piece of mine.mid", "piece.txt", "pieces.png"]
    for name in mine:
        (tmp_path / name).write_text("mine")
    for takes in (2, 1):
        words = ("--bars", 1, "--takes", takes, "--no-audio", "-o", tmp_path)
        assert in_process.segue("compose", *words, cwd=tmp_path).returncode == 0  # the example, for no opening is named
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*mine, "piece.json", "piece.mid", "piece.png"])


def elevens(path: Path) -> Path:
    """Eight bars of 11/16."""
    notes = tuple(Note(tick, 60, tick + 240, 80) for tick in range(0, 8 * 1320, 240))
    path.write_bytes(dump_midi(in_meters(notes, (0, 11, 16), end=8 * 1320)))
    return path


def bars_of(path: Path) -> list[list[tuple[int, int, int]]]:
    """What is struck in each bar; a note a little before a line is meant for it."""
    score = parse_midi(path.read_bytes())
    bars: list[list[tuple[int, int, int]]] = [[] for _ in score.bars]
    for note in score.notes:
        bars[score.bar_at(note.start + EARLY_TICKS)].append((note.start, note.pitch, note.velocity))
    return bars


def test_a_waltz_goes_on_in_three_in_its_own_tracks(tmp_path: Path) -> None:
    done = in_process.segue("compose", EXAMPLES / "waltz.mid", "--bars", 8, "--no-audio", "-o", "o", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    opening, piece = (parse_midi(path.read_bytes()) for path in (EXAMPLES / "waltz.mid", tmp_path / "o" / "piece.mid"))
    assert {bar.meter.name for bar in piece.bars} == {"3/4"}
    assert len(piece.bars) == len(opening.bars) + 8
    assert [(part.name, part.program) for part in piece.parts] == [(part.name, part.program) for part in opening.parts]
    assert all(len(new.notes) > len(old.notes) for old, new in zip(opening.parts, piece.parts, strict=True))


def test_a_band_goes_on_with_its_drums_or_without(tmp_path: Path) -> None:
    for name, options in (("with", ()), ("without", ("--no-drums",))):
        done = in_process.segue(
            "compose", EXAMPLES / "band.mid", "--bars", 4, "--no-audio", *options, "-o", name, cwd=tmp_path
        )
        assert done.returncode == 0, done.stderr
    opening = parse_midi((EXAMPLES / "band.mid").read_bytes())
    for name in ("with", "without"):
        piece = parse_midi((tmp_path / name / "piece.mid").read_bytes())
        (drums,) = (part for part in piece.parts if part.is_drum)
        assert any(note.start >= opening.end for note in drums.notes) == (name == "with")


def test_bars_composed_again_leave_all_others_as_they_are(tmp_path: Path) -> None:
    words = ("compose", OPENING, "--redo", "4-5", "--takes", 2, "--no-audio", "-o", "o")
    done = in_process.segue(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    before, one, other = map(bars_of, (OPENING, tmp_path / "o" / "piece-1.mid", tmp_path / "o" / "piece-2.mid"))
    assert len(before) == len(one) == 8
    assert {number for number in range(8) if before[number] != one[number]} == {3, 4}
    assert {number for number in range(8) if one[number] != other[number]} <= {3, 4}
    told = json.loads((tmp_path / "o" / "piece-1.json").read_text())
    assert told["bars"] == {"opening": 8, "added": 0, "composed": [4, 5]}


def test_a_melody_is_accompanied_and_stays_as_it_is(tmp_path: Path) -> None:
    words = ("compose", EXAMPLES / "melody.mid", "--accompany", "--chords", "F | Bb C", "--no-audio", "-o", "o")
    done = in_process.segue(*words, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    melody, piece = (parse_midi(p.read_bytes()) for p in (EXAMPLES / "melody.mid", tmp_path / "o" / "piece.mid"))
    first, *added = piece.parts
    assert first == melody.parts[0]
    assert [part.name for part in added] == ["Accompaniment"]
    assert len(piece.bars) == len(melody.bars)


def test_refusals_are_one_sentence_and_status_2(tmp_path: Path) -> None:
    (tmp_path / "broken.mid").write_bytes(OPENING.read_bytes()[:20])
    (tmp_path / "text.mid").write_text("not music")
    elevens(tmp_path / "elevens.mid")
    broken = segue("compose", "broken.mid", cwd=tmp_path)
    assert (broken.returncode, broken.stderr) == (2, in_process.segue("compose", "broken.mid", cwd=tmp_path).stderr)
    if not torch.cuda.is_available():
        assert "CUDA" in in_process.segue("compose", OPENING, "--device", "cuda", cwd=tmp_path).stderr
    for words, what in (
        (("broken.mid",), "cut off"),
        (("text.mid",), "MIDI"),
        (("elevens.mid",), "11/16"),
        ((OPENING, "--redo", "9-12"), "bars 1 to 8"),
        ((OPENING, "--redo", "all"), "9-12"),
        ((OPENING, "--chords", "Am H7"), "H7"),
        ((OPENING, "--key", "H minor"), "H minor"),
        ((OPENING, "--style", "polka"), "polka"),
        ((OPENING, "--set", "density=much"), "fuller"),
        ((OPENING, "--bars", "4", "--key", "A minor", "--from-bar", "20"), "bars are 9 to 12"),
        ((EXAMPLES / "waltz.mid", "--accompany"), "already"),
        (("nowhere.mid",), "nowhere.mid"),
        ((OPENING, "--bars", "0"), "between 1 and"),
        ((OPENING, "--bars", "many"), "--bars"),
        ((OPENING, "--seed", "-1"), "seed"),
        ((OPENING, "--set", "temperature.pich=1"), "did you mean pitch"),
        ((OPENING, "--set", "temperature.pitch=9"), "between 0 and 2"),
        ((OPENING, "--set", "top_p.pitch=0"), "between 0.01 and 1"),
        ((OPENING, "--set", "pitch"), "temperature.pitch=0.5"),
        ((OPENING, "--instrument", "kazzo"), "kazzo"),
        ((OPENING, "--checkpoint", "nowhere"), "missing"),
        ((OPENING, "--device", "abacus"), "abacus"),
        ((OPENING, "--speed", "9"), "--speed"),
        ((OPENING, "second.mid"), "second.mid"),
        ((".",), "directory"),
        ((OPENING, "-o", "text.mid"), "text.mid"),
    ):
        done = in_process.segue("compose", *words, cwd=tmp_path)
        assert done.returncode == 2, words
        assert done.stdout == "", words
        assert len(done.stderr.splitlines()) == 1, done.stderr
        assert what.lower() in done.stderr.lower(), done.stderr
    assert not (tmp_path / "out").exists()


def test_an_interrupted_call_leaves_the_result_that_was_there(tmp_path: Path) -> None:
    assert in_process.segue("compose", OPENING, "--bars", 1, "--no-audio", cwd=tmp_path).returncode == 0
    there = {path.name: path.read_bytes() for path in (tmp_path / "out" / "opening").iterdir()}
    process = subprocess.Popen(
        [sys.executable, "-m", "composer.cli", "compose", str(OPENING), "--bars", "500", "--no-audio"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for text in iter(lambda: process.stderr.read(1), ""):  # type: ignore[union-attr]
        if text == "b":  # of the bar of progress: it composes
            break
    process.kill()
    process.wait()
    process.stderr.close()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out" / "opening").iterdir()} == there


def test_openings_of_one_name_have_a_folder_each_and_the_same_again_its_own(tmp_path: Path) -> None:
    notes = tuple(Note(tick, 60, tick + 240, 80) for tick in range(0, TICKS_PER_BAR, 480))
    for name, pitch in (("a", 60), ("b", 62)):
        (tmp_path / name).mkdir()
        moved = tuple(replace(note, pitch=pitch) for note in notes)
        (tmp_path / name / "song.mid").write_bytes(dump_midi(in_four(moved, end=TICKS_PER_BAR)))
    words = ("--bars", 1, "--no-audio")
    folders = [in_process.segue("compose", f"{name}/song.mid", *words, cwd=tmp_path).stdout.strip() for name in "abab"]
    assert folders == ["out/song", "out/song-2", "out/song", "out/song-2"]
    for name, folder in zip("ab", folders[:2], strict=True):
        given = parse_midi((tmp_path / name / "song.mid").read_bytes())
        assert parse_midi((tmp_path / folder / "piece.mid").read_bytes()).notes[: len(notes)] == given.notes


def test_a_checkpoint_that_is_not_there_is_said_before_a_recording_is_heard(tmp_path: Path) -> None:
    (tmp_path / "hum.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt ")  # which would be refused as well, later
    done = in_process.segue("compose", "hum.wav", "--checkpoint", "nowhere", cwd=tmp_path)
    assert done.returncode == 2
    assert "nowhere" in done.stderr
