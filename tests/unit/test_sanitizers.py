"""step.cpp as the compiler's sanitizers see it run: no data race, no wrong access, no undefined behaviour."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
SOURCE = TESTS.parent / "composer" / "engine" / "native" / "step.cpp"
SECONDS = 600  # a ceiling, for a machine that is busy

COMPOSE = """
import sys
from composer.engine.native import library
loaded = library.load(sys.argv[1])
assert loaded is not None
library.library = lambda: loaded
from engine_models import looping_checkpoint
from composer.engine.generator import Generator
from composer.engine.native.steps import NativeSteps
from composer.request import Request
from some_words import BAR
checkpoint = looping_checkpoint(farthest=4)
for whole in (False, True):
    generator = Generator(checkpoint, 2, steps=NativeSteps(checkpoint, 2, 3, whole))
    *_, pieces = generator.compose(Request((BAR,), 12, seed) for seed in range(4))
    assert all(piece.finished for piece in pieces)
print("composed")
"""


@pytest.mark.parametrize(("sanitizers", "runtimes"), [("thread", ["tsan"]), ("address,undefined", ["asan", "ubsan"])])
def test_steps_of_several_threads_are_clean(sanitizers: str, runtimes: list[str], tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("needs g++")
    preloaded = [_said("g++", f"-print-file-name=lib{name}.so") for name in runtimes]
    if not all(Path(path).is_absolute() for path in preloaded):
        pytest.skip("the compiler has no sanitizers")
    build = tmp_path / "step.so"
    options = [
        "-std=c++17",
        "-O0",  # compiled twice as fast, and what little is computed here is not
        "-g1",
        "-pthread",
        "-fPIC",
        "-shared",
        "-Wno-psabi",
        "-fno-sanitize-recover=undefined",
    ]
    _said("g++", *options, f"-fsanitize={sanitizers}", str(SOURCE), "-o", str(build))
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")]),
        "LD_PRELOAD": " ".join(preloaded),
        "ASAN_OPTIONS": "detect_leaks=0",  # Python's own, at its end
        "TSAN_OPTIONS": "exitcode=66",
    }
    done = subprocess.run(
        [sys.executable, "-c", COMPOSE, str(build)], env=environment, capture_output=True, text=True, timeout=SECONDS
    )
    assert (done.returncode, done.stdout) == (0, "composed\n"), done.stderr[-4000:]


def _said(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=True)
    return done.stdout.strip()
