"""Training for real, on songs made in code: it learns, it resumes after a kill -9, its checkpoints compose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import in_process
import pytest
import torch

from composer.engine.checkpoint import load_checkpoint
from composer.errors import CheckpointError, SettingsError
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi
from composer.music.score import Note, TempoChange, in_four
from composer.training.card import promote
from composer.training.corpora import load_lessons
from composer.training.train import CURVES, STATE, read_curves

MODEL = ["--dim", "32", "--layers", "1", "--heads", "2", "--kv-heads", "1", "--window", "64", "--dropout", "0.1"]
RUN = ["--batch", "4", "--length", "48", "--evaluate-every", "5", "--save-every", "10", "--device", "cpu"]


def song(root: int, bars: int = 12) -> bytes:
    """An arpeggio over I V vi IV, so plain that a small model learns it in seconds."""
    notes = []
    for bar in range(bars):
        chord = root + (0, 7, 9, 5)[bar % 4]
        for beat in range(4):
            tick = bar * TICKS_PER_BAR + beat * 480
            notes.append(Note(tick, chord + (0, 4, 7, 12)[beat], tick + 480, 80))
    return dump_midi(in_four(tuple(notes), (TempoChange(0, 100.0),), end=bars * TICKS_PER_BAR))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    for number in range(12):
        (folder / f"{number:03}.mid").write_bytes(song(50 + number))
    (folder / "train.txt").write_text("".join(f"{n:03}\n" for n in range(10)))
    (folder / "validation.txt").write_text("010\n011\n")
    return folder


def train_words(corpus: Path, run: Path, steps: int) -> list[str]:
    words = ["train", str(corpus), "--out", str(run), "--steps", str(steps)]
    return [*words, "--learning-rate", "0.01", "--warmup", "5", "--cache", str(corpus / "cache"), *MODEL, *RUN]


def train_command(corpus: Path, run: Path, steps: int) -> list[str]:
    return [sys.executable, "-m", "composer.cli", *train_words(corpus, run, steps)]


def train(corpus: Path, run: Path, steps: int) -> None:
    done = subprocess.run(train_command(corpus, run, steps), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def unbroken(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    train(corpus, run, 40)
    return run


def curve(run: Path) -> list[tuple[str, ...]]:
    """All that the curve says but the seconds, which no two runs share."""
    return [tuple(value for name, value in row.items() if name != "seconds") for row in read_curves(run)]


def test_training_learns_what_is_there_to_learn(unbroken: Path) -> None:
    losses = [float(row["loss"]) for row in read_curves(unbroken) if row["split"].startswith("validation")]
    assert losses[-1] < losses[0] / 2
    last = [row for row in read_curves(unbroken) if row["split"].startswith("validation")][-1]
    assert float(last["accuracy_family"]) > 0.8
    assert {row["split"].split("/")[0] for row in read_curves(unbroken)} == {"train", "validation", "validation-whole"}


def test_a_run_killed_in_the_middle_goes_on_to_the_same_curve(corpus: Path, unbroken: Path, tmp_path: Path) -> None:
    run = tmp_path / "killed"
    process = subprocess.Popen(train_command(corpus, run, 40), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not ((run / STATE).exists() and len(read_curves(run)) >= 6) and process.poll() is None:
        time.sleep(0.01)  # past the state of step 10 and, most likely, some steps further
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert len(curve(run)) < len(curve(unbroken))
    train(corpus, run, 40)
    assert curve(run) == curve(unbroken)
    killed, whole = load_checkpoint(run / "step-000040"), load_checkpoint(unbroken / "step-000040")
    assert killed.digest == whole.digest


def test_a_run_of_another_model_is_not_gone_on_with(corpus: Path, unbroken: Path) -> None:
    before = (unbroken / CURVES).read_bytes()
    done = in_process.segue(*train_words(corpus, unbroken, 50), "--dim", "64")
    assert done.returncode == 2
    assert "holds another run" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert (unbroken / CURVES).read_bytes() == before


def test_a_run_that_could_not_resume_to_its_curve_is_refused(corpus: Path, tmp_path: Path) -> None:
    done = in_process.segue(*train_words(corpus, tmp_path / "run", 10), "--evaluate-every", "4")
    assert done.returncode == 2
    assert done.stderr == "segue: save_every has to be a multiple of evaluate_every.\n"


def test_nothing_of_validation_is_trained_on(corpus: Path) -> None:
    loaded = load_lessons([corpus], corpus / "cache")
    trained = {song.name.split("/")[0] for song in loaded.train}
    validated = {song.name.split("/")[0] for song in loaded.validation}
    assert trained == {f"{n:03}.mid" for n in range(10)}
    assert validated == {"010.mid", "011.mid"}


def test_a_promoted_checkpoint_has_its_card_and_curves(unbroken: Path, tmp_path: Path) -> None:
    target = promote(unbroken / "step-000040", tmp_path / "mine")
    card = (target / "CARD.md").read_text()
    last = next(
        row for row in read_curves(unbroken) if row["step"] == "40" and row["split"].startswith("validation-whole")
    )
    assert f"{float(last['loss']):.3f}" in card
    assert "40 steps" in card
    assert (target / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert load_checkpoint(target).digest == load_checkpoint(unbroken / "step-000040").digest
    with pytest.raises(CheckpointError, match="no part of a run"):
        promote(target, tmp_path / "other")


def test_weights_survive_the_way_to_disk(unbroken: Path) -> None:
    """The checkpoint holds the weights of the run's state in bf16."""
    from safetensors.torch import load_file

    state = load_file(unbroken / STATE)
    loaded = load_checkpoint(unbroken / "step-000040").model.state_dict()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, state[f"model.{name}"].bfloat16().float())


@pytest.mark.parametrize(
    "option", [("--heads", "0"), ("--evaluate-every", "0"), ("--seed", "-1"), ("--batch", "0"), ("--dropout", "2")]
)
def test_impossible_runs_are_refused_in_a_sentence(corpus: Path, tmp_path: Path, option: tuple[str, str]) -> None:
    done = in_process.segue(*train_words(corpus, tmp_path / "run", 10), *option)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["model.safetensors", "config.json", "vocabulary.json"])
@pytest.mark.parametrize("damage", ["missing", "garbage", "cut"])
def test_a_damaged_checkpoint_is_refused_by_name(unbroken: Path, tmp_path: Path, name: str, damage: str) -> None:
    folder = tmp_path / "damaged"
    folder.mkdir()
    for path in (unbroken / "step-000040").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    content = (folder / name).read_bytes()
    if damage == "missing":
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(b"garbage" if damage == "garbage" else content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=name):
        load_checkpoint(folder)


def test_a_vocabulary_that_does_not_match_is_refused(unbroken: Path, tmp_path: Path) -> None:
    for path in (unbroken / "step-000040").iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    text = (tmp_path / "vocabulary.json").read_text()
    assert "124]" in text
    (tmp_path / "vocabulary.json").write_text(text.replace("124]", "125]"))  # the loudest velocity
    with pytest.raises(CheckpointError, match=r"vocabulary\.json is not the one"):
        load_checkpoint(tmp_path)


def test_a_folder_without_a_split_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "above" / "songs"
    folder.mkdir(parents=True)
    (folder / "001.mid").write_bytes(song(60))
    with pytest.raises(SettingsError, match=r"no train\.txt"):
        load_lessons([folder], tmp_path)
