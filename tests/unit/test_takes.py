"""Several takes of one opening: which are kept, and what `segue compose` makes of its options."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from engine_models import looping_checkpoint

from composer import cli
from composer.audition.grid import Notes, notes_of, notes_of_words
from composer.audition.metrics import bar_sets, loops
from composer.composing import compose
from composer.engine.checkpoint import load_checkpoint, save_checkpoint
from composer.engine.runs import FILE, RunIndex, run_hashes
from composer.music.meter import TICKS_PER_BAR
from composer.music.midi import dump_midi, parse_midi
from composer.music.score import Note, Score, in_four
from composer.opening import Opening
from composer.order import Order
from composer.request import Guards
from composer.sampling import SamplingParams

C_MAJOR = (60, 64, 67, 72)
SAMPLING = SamplingParams().with_settings(["temperature.all=1", "top_p.all=0.3"])
SAME = ("mid", "png")  # of a piece, what is the same to the byte when it is composed again


def opening(bars: int = 2) -> Score:
    notes = (Note(at, C_MAJOR[at // 240 % 4], at + 240, 80) for at in range(0, bars * TICKS_PER_BAR, 240))
    return in_four(tuple(notes), end=bars * TICKS_PER_BAR)


# ---------------------------------------------------------------------- as they are typed


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An opening, and a checkpoint that loops; the first piece that it would compose is a song that it knows."""
    folder = tmp_path_factory.mktemp("typed")
    (folder / "opening.mid").write_bytes(dump_midi(opening()))
    looping = looping_checkpoint()
    save_checkpoint(folder / "looping", looping.model, looping.vocabulary)
    loaded = load_checkpoint(folder / "looping")
    order = Order(bars=12, guards=Guards.off())
    (take,) = compose(Opening(opening()), loaded, order)
    song = notes_of_words(np.array(take.composed.words), loaded.vocabulary)
    RunIndex.build([("the song", run_hashes(song.time, song.pitch))]).save(folder / "looping" / FILE)
    return folder


def segue(folder: Path, to: str, *words: object) -> Path:
    """Type `segue compose`, in this process."""
    options = ["--no-audio", "--out", str(folder / to)]
    cli.app(["compose", *map(str, words), *options], standalone_mode=False)
    return folder / to


def first(folder: Path, to: str, *words: object) -> Path:
    where = ["--bars", 12, "--checkpoint", folder / "looping"]
    return segue(folder, to, folder / "opening.mid", *where, *words)


def receipt(path: Path) -> Mapping[str, Any]:
    told: Mapping[str, Any] = json.loads(path.read_text())
    return told


def continued(path: Path) -> Notes:
    whole = notes_of(parse_midi(path.read_bytes()))
    return whole.part(2, whole.bars)


def test_guard_rails_that_are_switched_off_let_the_piece_loop_and_copy(folder: Path) -> None:
    free = first(folder, "free", "--no-loop-guard", "--no-copy-guard", "--no-drift-guard")
    assert receipt(free / "piece.json")["guards"] == {"loops": "off", "copies": "off", "drift": "off"}
    assert loops(bar_sets(continued(free / "piece.mid")))[1] >= 8
    index = RunIndex.load(folder / "looping" / FILE)

    def copied(path: Path) -> list[bool]:
        notes = continued(path)
        return [owner >= 0 for owner in index.owners(run_hashes(notes.time, notes.pitch))]

    assert all(copied(free / "piece.mid"))

    guarded = first(folder, "guarded")
    told = receipt(guarded / "piece.json")["guards"]
    assert not told["loops"]["stuck"]
    assert told["copies"]["bars_drawn_again"] >= 1
    assert loops(bar_sets(continued(guarded / "piece.mid")))[1] == 0
    runs_told = told["copies"]["longest_common_run"]
    assert (runs_told > 0, told["copies"]["song"]) == ((True, "the song") if runs_told else (False, None))
    assert any(copied(guarded / "piece.mid")) == (runs_told > 0)

    only_copies = receipt(first(folder, "no-loop", "--no-loop-guard") / "piece.json")["guards"]
    only_loops = receipt(first(folder, "no-copy", "--no-copy-guard") / "piece.json")["guards"]
    assert (only_copies["loops"], only_loops["copies"]) == ("off", "off")
    assert only_loops["loops"]["left"] >= 1
    assert only_copies["copies"]["bars_drawn_again"] >= 1


def test_an_open_end_is_another_piece(folder: Path) -> None:
    loaded = load_checkpoint(folder / "looping")
    pieces = {}
    for ending, words in ((True, ()), (True, ("--ending",)), (False, ("--open-end",))):
        path = first(folder, "end", "--candidates", 1, *words)
        (take,) = compose(Opening(opening()), loaded, Order(bars=12, ending=ending, candidates=1))
        assert parse_midi((path / "piece.mid").read_bytes()).notes == parse_midi(dump_midi(take.score)).notes
        assert receipt(path / "piece.json")["nats_a_word"] == round(take.composed.nats or 0, 3)
        assert ("--open-end" in receipt(path / "piece.json")["command"]) == (not ending)
        pieces[ending] = take.composed.words
    assert pieces[True] != pieces[False]


def test_the_takes_that_are_typed_are_those_of_their_seeds(folder: Path) -> None:
    path = first(folder, "several", "--takes", 2, "--candidates", 3, "--seed", 5)
    assert sorted(file.name for file in path.glob("*.json")) == ["piece-1.json", "piece-2.json"]
    order = Order(bars=12, takes=2, seed=5, candidates=3)
    best = compose(Opening(opening()), load_checkpoint(folder / "looping"), order)
    told = [receipt(path / f"piece-{number}.json") for number in (1, 2)]
    assert [one["seed"] for one in told] == [5, 6]
    assert [one["candidates"] for one in told] == [take.composed.chosen._asdict() for take in best]
    assert "--takes 2 --candidates 3" in told[0]["command"]


@pytest.mark.parametrize(
    "words",
    [
        ("--seed", 9),
        ("--takes", 2, "--candidates", 2, "--open-end"),
        ("--no-loop-guard", "--set", "temperature.pitch=0.7"),
        ("--no-copy-guard", "--no-loop-guard", "--no-drift-guard", "--open-end", "--seed", 3, "--set", "top_p.all=0.9"),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_the_command_of_a_receipt_gives_the_same_files(folder: Path, words: tuple[object, ...]) -> None:
    path = first(folder, "once", *words)
    pieces = sorted(file.stem for file in path.glob("*.json"))
    told = {name: dict(receipt(path / f"{name}.json")) for name in pieces}
    program, command, *typed = shlex.split(told[pieces[0]]["command"])
    assert (program, command) == ("segue", "compose")
    again = segue(folder, "again", *typed)
    assert sorted(file.stem for file in again.glob("*.json")) == pieces
    for name in pieces:
        for kind in SAME:
            assert (again / f"{name}.{kind}").read_bytes() == (path / f"{name}.{kind}").read_bytes()
        other = dict(receipt(again / f"{name}.json"))
        seconds = told[name].pop("seconds"), other.pop("seconds")
        assert seconds[0]["music"] == seconds[1]["music"]
        assert other == told[name]
