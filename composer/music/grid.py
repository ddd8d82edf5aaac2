"""Which division each quarter note has, and where its onsets stand: sixteenths, or triplets of them.

Nearest lines of a grid that has both would make every third sixteenth that is played 20 ms early a triplet. So each
quarter is read as a whole, as a notation program does it: as binary or as ternary, whichever lies nearer to its onsets,
with a price for the rarer one and for a change. How far off a piece's onsets are anyway says what a distance is worth.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from composer.music.meter import TICKS_PER_BEAT, Bar

POSITIONS_PER_QUARTER = 12
TICKS_PER_POSITION = TICKS_PER_BEAT // POSITIONS_PER_QUARTER

# The lines of a quarter, in positions, its end included: an early note belongs to the next one.
BINARY = np.array([0, 3, 6, 9, 12])
TERNARY = np.array([0, 2, 4, 6, 8, 10, 12])
EITHER = np.union1d(BINARY, TERNARY)

LEAST_SCATTER = 0.12  # positions (5 ms at 120 BPM): no more is known about a note that stands exactly
SCATTER_SHARE = 1.5  # lines of EITHER lie close together, so the distance to them is less than the scatter is
TERNARY_PRICE = 2.0  # in squared scatters, for a quarter that is ternary
CHANGE_PRICE = 3.0  # for one that is divided otherwise than the quarter before it

Ticks = npt.NDArray[np.int64]


def quarters(bars: Sequence[Bar]) -> Ticks:
    """Where the quarters of every bar begin, counted from its line; the last one of a bar may be shorter."""
    starts = [np.arange(bar.start, bar.end, TICKS_PER_BEAT) for bar in bars]
    return np.concatenate(starts)


def snap(onsets: Sequence[int], bars: Sequence[Bar]) -> Ticks:
    """Each onset on its line: a tick that lies a whole number of positions behind the line of its bar.

    Args:
        onsets: ticks, in any order.
        bars: those in which they lie; what lies behind the last one is put into its last quarter.
    """
    starts = quarters(bars)
    ticks = np.asarray(onsets, dtype=np.int64)
    quarter = np.clip(np.searchsorted(starts, ticks, side="right") - 1, 0, None)
    place = (ticks - starts[quarter]) / TICKS_PER_POSITION
    ternary = divisions(quarter, place, len(starts))[quarter]
    lines = np.where(ternary, _nearest(TERNARY, place), _nearest(BINARY, place))
    snapped = starts[quarter] + lines * TICKS_PER_POSITION
    # A short last quarter ends before its own last line.
    ends = np.append(starts[1:], max(bars[-1].end, int(starts[-1]) + 1))
    result: Ticks = np.where(snapped >= ends[quarter], ends[quarter], snapped)
    return result


def divisions(quarter: Ticks, place: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.bool_]:
    """Whether each of `count` quarters is ternary (the cheapest path, Viterbi 1967).

    quarter: (onsets,), in which each lies   place: (onsets,), how far behind its beginning, in positions
    """
    scatter = max(LEAST_SCATTER, SCATTER_SHARE * float(np.sqrt(np.mean((place - _nearest(EITHER, place)) ** 2))))
    cost = np.zeros((count, 2))
    for column, lines in enumerate((BINARY, TERNARY)):
        np.add.at(cost[:, column], quarter, ((place - _nearest(lines, place)) / scatter) ** 2)
    cost[np.unique(quarter), 1] += TERNARY_PRICE
    binary, ternary = cost[0]
    origins = np.zeros((count, 2), dtype=np.int64)
    for at in range(1, count):
        origins[at] = (1 if ternary + CHANGE_PRICE < binary else 0), (0 if binary + CHANGE_PRICE < ternary else 1)
        binary, ternary = (
            min(binary, ternary + CHANGE_PRICE) + cost[at, 0],
            min(ternary, binary + CHANGE_PRICE) + cost[at, 1],
        )
    path = np.zeros(count, dtype=np.bool_)
    state = int(ternary < binary)
    for at in range(count - 1, -1, -1):
        path[at] = state
        state = int(origins[at, state])
    return path


def _nearest(lines: npt.NDArray[np.int64], place: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """The line nearest to each place; the later one where two are as near."""
    above = np.clip(np.searchsorted(lines, place), 1, len(lines) - 1)
    nearest: npt.NDArray[np.int64] = np.where(
        place - lines[above - 1] < lines[above] - place, lines[above - 1], lines[above]
    )
    return nearest
