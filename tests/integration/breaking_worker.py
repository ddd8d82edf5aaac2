"""`segue worker` with an engine that breaks in the third bar of a piece: `python breaking_worker.py worker ...`."""

from __future__ import annotations

from typing import Any

from composer.cli import main
from composer.engine.generator import Generator

step = Generator.step


def break_in_the_third_bar(generator: Generator) -> Any:
    if any(piece.bars_done >= 2 and not piece.finished for piece in generator.scheduler.running):
        raise ZeroDivisionError("the engine has broken")
    return step(generator)


if __name__ == "__main__":
    Generator.step = break_in_the_third_bar  # type: ignore[method-assign]
    main()
