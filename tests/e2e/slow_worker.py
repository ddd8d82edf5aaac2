"""`segue worker` with an engine that takes BAR_SECONDS for each bar of a piece: `python slow_worker.py worker ...`."""

from __future__ import annotations

import time

from composer.cli import main
from composer.engine.scheduler import Piece

BAR_SECONDS = 0.75

append = Piece.append


def append_slowly(piece: Piece, *drawn: object) -> None:
    before = piece.bars_done
    append(piece, *drawn)  # type: ignore[arg-type]
    time.sleep(BAR_SECONDS * (piece.bars_done - before))


if __name__ == "__main__":
    Piece.append = append_slowly  # type: ignore[method-assign]
    main()
