"""`./run bench [NAME] [ARGUMENTS]`: one benchmark by its name, or all those of speed one after another.

Without a name, what follows goes to each of them: `./run bench --quick` is a short run that only shows that all of
them work. A benchmark runs in a process of its own: threads, caches and memory are as in a program of its own.
"""

from __future__ import annotations

import subprocess
import sys

SPEED = ("decode", "train", "serve", "render", "start", "journey")
OTHERS = (
    "attention",
    "words",
    "chords",
    "openings",
    "paired",
    "jobs",
    "channel",
    "voice",
    "screens",
    "transcription",
    "readings",
    "corpora",
    "gpu",
    "tasks",
    "meters",
    "roles",
    "long",
    "critic",
    "preference",
    "likelihood",
)


def main() -> None:
    first, *rest = sys.argv[1:] or [""]
    if first in (*SPEED, *OTHERS):
        sys.exit(_run(first, rest))
    if first and not first.startswith("-"):
        print(f"run: there is no benchmark {first}; there are: {' '.join((*SPEED, *OTHERS))}", file=sys.stderr)
        sys.exit(2)
    arguments = sys.argv[1:]
    sys.exit(max([_run(name, arguments) for name in SPEED]))


def _run(name: str, arguments: list[str]) -> int:
    return subprocess.run([sys.executable, "-m", f"bench.{name}", *arguments]).returncode


if __name__ == "__main__":
    main()
