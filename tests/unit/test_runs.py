"""The index of runs that a checkpoint brings along."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from engine_models import random_checkpoint
from safetensors import safe_open
from safetensors.numpy import save_file

from composer.engine.checkpoint import load_checkpoint, save_checkpoint
from composer.engine.runs import FILE, RUN, Hashes, RunIndex, run_hashes
from composer.errors import CheckpointError

SONGS = 300
RUNS_A_SONG = 700


def random_hashes(count: int, seed: int) -> Hashes:
    return np.random.default_rng(seed).integers(0, 2**64, count, dtype=np.uint64)


def random_songs() -> list[tuple[str, Hashes]]:
    return [(f"corpus/{n}.mid/0", random_hashes(RUNS_A_SONG, n)) for n in range(SONGS)]


@pytest.fixture(scope="module")
def index() -> RunIndex:
    return RunIndex.build(random_songs())


def test_every_run_is_found_in_its_song(index: RunIndex) -> None:
    assert 0 <= SONGS * RUNS_A_SONG - len(index) <= 4, "of 37 bits two may be alike"
    for number, (name, hashes) in enumerate(random_songs()[::29]):
        assert index.names[29 * number] == name
        assert index.owners(hashes) == [29 * number] * RUNS_A_SONG


def test_what_is_in_no_song_is_hardly_ever_found(index: RunIndex) -> None:
    """210,000 runs in 37 bits: of 100,000 others a sixth of one passes, in the mean."""
    owners = index.owners(random_hashes(100_000, seed=10_000))
    assert sum(owner != -1 for owner in owners) <= 4


def test_where_several_songs_have_a_run_the_first_has_it() -> None:
    one, two, three = random_hashes(3, seed=1)
    index = RunIndex.build(
        [("a", np.array([two])), ("b", np.array([one, two, one])), ("c", np.array([three, one, two]))]
    )
    assert len(index) == 3
    assert [index.names[owner] for owner in index.owners(np.array([one, two, three, one]))] == ["b", "a", "c", "b"]


def test_songs_without_runs_and_no_songs_at_all(tmp_path: Path) -> None:
    none = np.zeros(0, dtype=np.uint64)
    some = random_hashes(20, seed=1)
    assert RunIndex.build([("short", none), ("long", some), ("last", none)]).owners(some) == [1] * 20
    for empty in (RunIndex.build([]), RunIndex.build([("short", none)])):
        empty.save(tmp_path / FILE)
        for index in (empty, RunIndex.load(tmp_path / FILE)):
            assert len(index) == 0
            assert index.owners(random_hashes(1000, seed=3)) == [-1] * 1000
            assert index.owners(none) == []


def test_the_first_and_the_last_bucket_have_their_ends() -> None:
    edges = np.array([0, 1 << 27, 2**64 - 1, 2**64 - 1 - (1 << 27), 1 << 43], dtype=np.uint64)
    index = RunIndex.build([("low", edges[:2]), ("high", edges[2:4])])
    assert index.owners(edges) == [0, 0, 1, 1, -1]


def test_a_saved_index_is_loaded_as_it_was(index: RunIndex, tmp_path: Path) -> None:
    index.save(tmp_path / FILE)
    loaded = RunIndex.load(tmp_path / FILE)
    assert loaded.names == index.names
    asked = np.concatenate([random_hashes(RUNS_A_SONG, SONGS - 1), random_hashes(2000, seed=5000)])
    assert loaded.owners(asked) == index.owners(asked)
    assert len(loaded) == len(index)
    assert (tmp_path / FILE).stat().st_size < 4 * len(index) + 2**21 + 40 * SONGS, "4 bytes a run"


# ---------------------------------------------------------------------- hashes


def hashes_of(steps: list[int], pitches: list[int]) -> list[int]:
    found: list[int] = run_hashes(np.array(steps, dtype=np.int64), np.array(pitches, dtype=np.int64)).tolist()
    return found


STEPS_OF = [0, 0, 0, 4, 6, 8, 8, 12, 16, 16, 20, 24, 26, 28, 32, 48, 49, 50, 80, 90]
PITCHES = [48, 60, 64, 62, 60, 47, 59, 55, 48, 60, 71, 72, 74, 76, 40, 52, 53, 55, 57, 20]


def test_runs_are_alike_in_any_key_and_at_any_bar_and_in_nothing_else() -> None:
    own = hashes_of(STEPS_OF, PITCHES)
    assert len(own) == len(set(own)) == len(PITCHES) - RUN
    assert hashes_of([step + 160 for step in STEPS_OF], [pitch + 7 for pitch in PITCHES]) == own
    for at in range(len(PITCHES)):
        changed = [*PITCHES[:at], PITCHES[at] + 1, *PITCHES[at + 1 :]]
        differ = [one != other for one, other in zip(own, hashes_of(STEPS_OF, changed), strict=True)]
        assert differ == [first <= at <= first + RUN for first in range(len(own))]
        later = [step + (number >= at) for number, step in enumerate(STEPS_OF)]
        differ = [one != other for one, other in zip(own, hashes_of(later, PITCHES), strict=True)]
        assert differ == [first < at <= first + RUN for first in range(len(own))]


def test_a_rest_is_as_long_as_any_longer_one() -> None:
    rests = [[step + rest * (step > 30) for step in STEPS_OF] for rest in (60, 70, 1000)]
    assert hashes_of(rests[0], PITCHES) == hashes_of(rests[1], PITCHES) == hashes_of(rests[2], PITCHES)


@pytest.mark.parametrize("notes", [0, 1, 2, RUN, RUN + 1])
def test_few_notes_have_few_runs(notes: int) -> None:
    assert len(hashes_of(STEPS_OF[:notes], PITCHES[:notes])) == max(0, notes - RUN)


# ---------------------------------------------------------------------- beside a checkpoint


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    checkpoint = random_checkpoint(dim=16, layers=1, heads=2, kv_heads=1)
    save_checkpoint(tmp_path / "tiny", checkpoint.model, checkpoint.vocabulary)
    return tmp_path / "tiny"


def test_a_checkpoint_brings_its_runs_along_or_has_none(folder: Path) -> None:
    assert load_checkpoint(folder).runs is None
    hashes = random_hashes(50, seed=1)
    RunIndex.build([("song", hashes)]).save(folder / FILE)
    runs = load_checkpoint(folder).runs
    assert runs is not None
    assert [runs.names[owner] for owner in runs.owners(hashes)] == ["song"] * 50


def other_arrays(path: Path, **change: object) -> None:
    """Write the file anew with some of its arrays, or its names, as they are handed in; None leaves one out."""
    with safe_open(path, "numpy") as file:
        parts = {name: file.get_tensor(name) for name in file.keys()} | {"names": json.loads(file.metadata()["names"])}  # noqa: SIM118
    parts = {name: part for name, part in (parts | change).items() if part is not None}
    names = {"names": json.dumps(parts.pop("names"))} if "names" in parts else None
    save_file(parts, path, metadata=names)


@pytest.mark.parametrize("left", [0, 4, 100, -1])
def test_a_file_that_ends_too_soon_is_damaged(folder: Path, left: int) -> None:
    RunIndex.build([("song", random_hashes(50, seed=1))]).save(folder / FILE)
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:left])
    refused(folder)


@pytest.mark.parametrize(
    "change",
    [
        {"names": None},
        {"names": []},
        {"counts": None},
        {"rests": None},
        {"songs": None},
        {"rests": np.zeros(49, dtype=np.uint16)},
        {"songs": np.zeros(49, dtype=np.uint16)},
        {"songs": np.ones(50, dtype=np.uint16)},
        {"counts": np.zeros(2**21, dtype=np.uint8)},
        {"counts": np.full(50, 1, dtype=np.uint8)},
    ],
    ids=lambda change: "-".join(f"{name}" for name in change),
)
def test_a_file_whose_parts_do_not_fit_is_damaged(folder: Path, change: dict[str, object]) -> None:
    RunIndex.build([("song", random_hashes(50, seed=1))]).save(folder / FILE)
    other_arrays(folder / FILE)
    assert load_checkpoint(folder).runs is not None
    other_arrays(folder / FILE, **change)
    refused(folder)


def test_a_file_of_something_else_is_damaged(folder: Path) -> None:
    (folder / FILE).write_text("runs")
    refused(folder)


def refused(folder: Path) -> None:
    with pytest.raises(CheckpointError) as error:
        load_checkpoint(folder)
    assert str(error.value) == f"The checkpoint {folder} cannot be used: {FILE} is damaged."
