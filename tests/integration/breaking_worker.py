"""`segue worker` with an engine that fails in the third bar of a piece: `python breaking_worker.py worker ...`.

It breaks, or, with HANGS in the environment, does not come back.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from composer.cli import main
from composer.engine.generator import Generator

step = Generator.step


def fail_in_the_third_bar(generator: Generator) -> Any:
    if any(piece.bars_done >= 2 and not piece.finished for piece in generator.scheduler.running):
        if "HANGS" in os.environ:
            threading.Event().wait()
        raise ZeroDivisionError("the engine has broken")
    return step(generator)


if __name__ == "__main__":
    Generator.step = fail_in_the_third_bar  # type: ignore[method-assign]
    main()
