"""`segue mirex` as its user types it: prompts of ours in, candidates out, and what is no prompt."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import in_process
import pytest
from engine_models import random_checkpoint

from composer.engine.checkpoint import save_checkpoint
from composer.mirex import END, FIRST, read_prompt, write_generation
from composer.music.score import Note, in_four

ROOT = Path(__file__).parents[2]
PROMPTS = sorted((ROOT / "examples" / "mirex").glob("*.json"))
NOTE = {"start": 16, "pitch": 72, "duration": 6}


def generation(file: Path) -> list[dict[str, int]]:
    found: list[dict[str, int]] = json.loads(file.read_text())["generation"]
    return found


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "random"
    made = random_checkpoint(seed=4)
    save_checkpoint(folder, made.model, made.vocabulary)
    return folder


def test_a_prompt_goes_on_by_twelve_bars_in_as_many_ways_as_were_asked_for(tmp_path: Path) -> None:
    """With the checkpoint of the project, in a process of its own, where `segue` itself says that it is."""
    words = [sys.executable, "-m", "composer.cli", "mirex", str(PROMPTS[0]), "--candidates", "3"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / done.stdout.strip()
    assert folder == tmp_path / "out" / "mirex" / PROMPTS[0].stem
    samples = sorted(folder.iterdir())
    assert [path.name for path in samples] == ["sample_01.json", "sample_02.json", "sample_03.json"]
    for path in samples:
        notes = generation(path)
        assert notes, "it plays"
        assert all(set(note) == set(NOTE) for note in notes)
        assert all(FIRST <= note["start"] < note["start"] + note["duration"] <= END for note in notes)
        bars = {note["start"] // 16 for note in notes}
        assert len(bars & set(range(5, 17))) > 8, "it goes on to the end"
    assert len({path.read_text() for path in samples}) == 3


@pytest.mark.parametrize("prompt", PROMPTS, ids=lambda path: path.stem)
def test_our_prompts_are_what_the_task_takes(prompt: Path, checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "sample_09.json").write_text("of an earlier call")
    asked = ("mirex", prompt, "--candidates", 2, "--checkpoint", checkpoint, "-o", tmp_path)
    done = in_process.segue(*asked, "--device", "cpu")
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sample_01.json", "sample_02.json"]
    first = (tmp_path / "sample_01.json").read_text()
    in_process.segue(*asked, "--device", "cpu")
    assert (tmp_path / "sample_01.json").read_text() == first


def test_a_prompt_keeps_its_places_and_a_pickup_is_a_bar() -> None:
    prompt = {"prompt": [NOTE, {"start": 12, "pitch": 60, "duration": 4}, NOTE]}
    score = read_prompt(json.dumps(prompt).encode())
    assert [(note.start // 120, note.pitch, (note.end - note.start) // 120) for note in score.notes] == [
        (12, 60, 4),
        (16, 72, 6),
    ]
    assert len(score.bars) == 5


def test_what_is_composed_fits_the_grid_of_the_task() -> None:
    notes = [Note(0, 60, 480, 80), Note(80, 64, 160, 80), Note(100, 64, 1000, 80), Note(12 * 1920 - 120, 67, 99999, 80)]
    notes.append(Note(12 * 1920 - 40, 70, 12 * 1920, 80))  # nearer to the bar behind the last one
    found = json.loads(write_generation(in_four(notes, end=12 * 1920)))["generation"]
    assert [tuple(note.values()) for note in found] == [(80, 60, 4), (81, 64, 8), (END - 1, 67, 1)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "it is no JSON"),
        ("[" * 100_000, "it is no JSON"),
        ("MThd", "it is no JSON"),
        ("[]", 'no list of notes called "prompt"'),
        ('{"prompt": []}', 'no list of notes called "prompt"'),
        ('{"prompt": {"start": 1}}', 'no list of notes called "prompt"'),
        ('{"prompt": [3]}', "note 1 is not in braces"),
        (json.dumps({"prompt": [NOTE, NOTE | {"start": 80}]}), "the start of note 2 is no whole number from 0 to 79"),
        (json.dumps({"prompt": [NOTE | {"pitch": 60.5}]}), "the pitch of note 1"),
        (json.dumps({"prompt": [NOTE | {"pitch": "60"}]}), "the pitch of note 1"),
        (json.dumps({"prompt": [NOTE | {"duration": 0}]}), "the duration of note 1"),
        (json.dumps({"prompt": [NOTE | {"duration": True}]}), "the duration of note 1"),
        (json.dumps({"prompt": [{"start": 1, "pitch": 60}]}), "the duration of note 1"),
        ('{"prompt": [{"start": 1, "pitch": NaN, "duration": 1}]}', "the pitch of note 1"),
    ],
)
def test_what_is_no_prompt_is_refused_in_a_sentence(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "prompt.json").write_text(content)
    done = in_process.segue("mirex", tmp_path / "prompt.json", "-o", tmp_path / "out")
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("segue: The prompt cannot be read: ")
    assert said in line
    assert "examples/mirex" in line
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_not_there_and_too_many_candidates_are_refused_too(tmp_path: Path) -> None:
    done = in_process.segue("mirex", tmp_path / "none.json")
    assert (done.returncode, "none.json: no such file" in done.stderr) == (2, True)
    done = in_process.segue("mirex", PROMPTS[0], "--candidates", 65)
    assert (done.returncode, "takes" in done.stderr) == (2, True)
