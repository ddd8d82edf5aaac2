"""What `./run` sets up, in any folder, and what a wheel takes along."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NATIVE = Path("composer", "engine", "native")
NEEDED = ("run", "pyproject.toml", "setup.py", NATIVE / "step.cpp", NATIVE / "layout.h")

# Stands for Python: makes an environment of copies of itself and writes down what else it is asked.
PYTHON = """#!/bin/sh
case "$*" in
    "-m venv --clear "*)
        mkdir -p "$4/bin"
        cp "$0" "$4/bin/python"
        for tool in ruff uv; do cp "$0" "$4/bin/$tool"; done ;;
esac
printf '%s\\n' "$0 $*" >>"$ASKED"
"""


def checkout(folder: Path) -> Path:
    for name in NEEDED:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    return folder


def lint(folder: Path, python: Path) -> list[str]:
    """What Python and the tools of a checkout are asked by `./run lint`."""
    asked = folder.parent / "asked"
    asked.unlink(missing_ok=True)
    environment = {**os.environ, "PATH": f"{python.parent}:{os.environ['PATH']}", "ASKED": str(asked)}
    done = subprocess.run(["./run", "lint"], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return asked.read_text().splitlines()


@pytest.fixture
def python(tmp_path: Path) -> Path:
    path = tmp_path / "bin" / "python3"
    path.parent.mkdir()
    path.write_text(PYTHON)
    path.chmod(0o755)
    return path


def test_a_checkout_may_stand_in_a_folder_with_a_space_in_its_name(tmp_path: Path, python: Path) -> None:
    there = checkout(tmp_path / "my music")
    asked = lint(there, python)
    assert any(f"{there}/.venv/bin/python -m pip install" in line and f"{there}[audio,dev]" in line for line in asked)
    assert asked[-2:] == [".venv/bin/ruff check .", ".venv/bin/ruff format --check ."]
    assert not any("pip install" in line for line in lint(there, python)), "a second time there is nothing to set up"


def test_a_copy_of_a_checkout_does_not_run_the_code_of_the_original(tmp_path: Path, python: Path) -> None:
    original = checkout(tmp_path / "original")
    lint(original, python)
    copy = tmp_path / "copy"
    shutil.copytree(original, copy, symlinks=True)
    assert any(f"--editable {copy}[audio,dev]" in line for line in lint(copy, python))
    assert not any("pip install" in line for line in lint(original, python)), "which has lost nothing"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the wheel of this checkout is unpacked into, as an installer does."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    for name in ("bot", "composer", "checkpoints", "examples", "migrations"):
        ignored = shutil.ignore_patterns("__pycache__", "*.so")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), "."]
    # Compiling takes a minute and is tested elsewhere; the step in C++ is optional.
    environment = {**os.environ, "CXX": "false", "CC": "false"}
    subprocess.run(build, cwd=source, env=environment, check=True, capture_output=True)
    with zipfile.ZipFile(next(folder.glob("segue-*.whl"))) as wheel:
        wheel.extractall(folder / "site")
    return folder / "site"


def test_a_wheel_composes_from_its_own_files(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1", "OMP_NUM_THREADS": "1"}
    words = ["compose", "--bars", "1", "--no-audio"]  # the example, for no opening is named
    command = [sys.executable, "-m", "composer.cli", *words]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / done.stdout.strip() / "piece.mid").exists()


def test_a_wheel_brings_its_database_up_to_date(installed: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    code = (
        "import asyncio, composer.database as d\n"
        f"assert d.__file__.startswith({str(installed)!r})\n"
        "asyncio.run(d.Database('sqlite+aiosqlite:///segue.db').migrate())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "segue.db").stat().st_size > 0
