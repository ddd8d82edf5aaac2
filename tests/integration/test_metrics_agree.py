"""The figures, against the script that the project's goals are measured by, on real files."""

from __future__ import annotations

import importlib.util
import tarfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from composer.audition import metrics
from composer.audition.comparison import COMPARED, columns_of, compare, load_reference, tell_apart
from composer.audition.copying import CopyIndex
from composer.audition.grid import Notes, read_notes

SHARED = next((p / "shared" for p in Path(__file__).parents if (p / "shared/tools/metrics.py").is_file()), None)
pytestmark = [
    pytest.mark.skipif(SHARED is None, reason="the script and its data are beside the project, not in it: ../shared"),
    pytest.mark.filterwarnings("ignore"),  # the script's own
]

CLOSE = {"rel": 1e-6, "abs": 1e-6, "nan_ok": True}
ARCHIVES = {"pop909_aligned": 150, "pop1k7": 350}  # every how many-th file


@pytest.fixture(scope="module")
def script() -> ModuleType:
    assert SHARED is not None
    spec = importlib.util.spec_from_file_location("metrics_script", SHARED / "tools" / "metrics.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def real_files() -> Iterator[tuple[str, str, bytes]]:
    assert SHARED is not None
    for corpus, every in ARCHIVES.items():
        (archive,) = (SHARED / "data" / corpus).glob("*.tar.gz")
        with tarfile.open(archive) as members:
            for member in [m for m in members if m.name.endswith(".mid")][::every]:
                content = members.extractfile(member)
                assert content is not None
                yield corpus, Path(member.name).stem, content.read()


@pytest.fixture(scope="module")
def pieces(script: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, str], tuple[Notes, Any]]:
    """Each file as we read it and as the script does."""
    path = tmp_path_factory.mktemp("file") / "one.mid"
    found = {}
    for corpus, name, data in real_files():
        path.write_bytes(data)
        found[corpus, name] = read_notes(data), script.load(str(path))[0]
    assert len(found) > 10
    return found


def theirs_of(script: ModuleType, rows: Any, opening: int, bars: int) -> dict[str, float]:
    """What `metrics.py --prompt-bars 8 --from-bar 8 --max-bars 40` says of one file."""
    rows = rows[rows[:, 0] < bars]
    count = int(rows[-1, 0]) + 1
    rest = rows[rows[:, 0] >= opening].copy()
    rest[:, 0] -= opening
    result: dict[str, float] = {**script.piece(rest, count - opening), **script.continuation(rows, count, opening)}
    return result


def test_files_are_read_alike(pieces: dict[tuple[str, str], tuple[Notes, Any]]) -> None:
    for notes, rows in pieces.values():
        ours = np.stack([notes.bar, notes.step, notes.pitch, notes.duration, notes.velocity], axis=1)
        assert (ours == rows).all()


def test_every_figure_agrees(script: ModuleType, pieces: dict[tuple[str, str], tuple[Notes, Any]]) -> None:
    for notes, rows in pieces.values():
        whole = notes.part(0, 64)
        for ours, theirs in (
            (metrics.judge(notes.part(0, 40), 8), theirs_of(script, rows, 8, 40)),
            (metrics.measure(whole), script.piece(rows[rows[:, 0] < 64], whole.bars)),
        ):
            assert set(ours) - set(theirs) == {"equal_run", "novelty"}, "it knows nothing of these"
            assert {name: ours[name] for name in theirs} == pytest.approx(theirs, **CLOSE)


def test_sets_compare_alike(script: ModuleType, pieces: dict[tuple[str, str], tuple[Notes, Any]]) -> None:
    rows = [metrics.judge(notes.part(0, 40), 8) for notes, _ in pieces.values()]
    real = load_reference("pop1k7").figures
    found, composed = compare(rows, real), columns_of(rows)
    assert found.frechet == pytest.approx(script.frechet(composed, real), **CLOSE)
    assert tell_apart(composed, real) == pytest.approx(script.tell_apart(composed, real), **CLOSE)
    overlaps = [script.overlap_area(composed[name], real[name]) for name in COMPARED]
    assert found.overlap == pytest.approx(np.mean(overlaps), **CLOSE)
    reference = [{name: values[at] for name, values in real.items()} for at in range(len(real["H1"]))]
    summary = script.summary(rows, reference)  # it rounds to three digits
    assert found.gap == pytest.approx(summary["mean_gap"], abs=1e-3)
    assert found.overlap == pytest.approx(summary["mean_OA"], abs=1e-3)


def test_copying_agrees(script: ModuleType, pieces: dict[tuple[str, str], tuple[Notes, Any]]) -> None:
    """Songs against an index of the others and of the first half of themselves."""
    named = list(pieces.items())
    indexed = [(notes.part(0, 20), rows[rows[:, 0] < 20]) for _, (notes, rows) in named]
    ours = CopyIndex((name, notes) for ((_, name), _), (notes, _) in zip(named, indexed, strict=True))
    hashes = np.unique(np.concatenate([script.ngrams(rows, 16) for _, rows in indexed]))
    for (_, name), (notes, rows) in named:
        theirs = script.copy_stats(rows, dict.fromkeys((8, 16, 32, 64), hashes))
        found = ours.look_up(notes)
        assert found.share == pytest.approx(theirs["copy16"], **CLOSE)
        assert found.longest == theirs["copy_longest"]
        assert 0 < found.common <= found.longest
        assert found.song == name


def test_the_references_are_what_the_files_give(pieces: dict[tuple[str, str], tuple[Notes, Any]]) -> None:
    compared = 0
    for (corpus, name), (notes, _) in pieces.items():
        reference = load_reference(corpus)
        if name in reference.songs:
            row = {key: float(values[reference.songs.index(name)]) for key, values in reference.figures.items()}
            ours = metrics.judge(notes.part(0, 40), 8)
            assert {key: ours[key] for key in row} == pytest.approx(row, **CLOSE)
            compared += 1
    assert compared >= 3
