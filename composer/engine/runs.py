"""Runs of notes that stand in the training songs: what a checkpoint brings along so that it can tell when it copies.

A run is so many intervals in a row, each the gap in steps and the semitones to the next note, in the order of time and
pitch: the same in any key and at any bar. The index holds a hash of each, 37 bits of it, and a song that has it: 4
bytes a run, and nothing from which a song could be heard. One run in 40,000 that is in no song passes for one that is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from composer.errors import CheckpointError

RUN = 16  # intervals
STEPS = 16  # in a whole note: the grid that runs are compared on
LONGEST_COMMON = 43  # notes that a real piece has in common with one other song, in a row
FILE = "runs.safetensors"
_BUCKET_BITS, _REST_BITS = 21, 16
_LONGEST_GAP = 63  # steps

Ints = npt.NDArray[np.int64]
Hashes = npt.NDArray[np.uint64]


def nearest_step(positions: Ints, positions_per_whole: int) -> Ints:
    """Times on a vocabulary's grid as steps."""
    return (2 * STEPS * positions + positions_per_whole) // (2 * positions_per_whole)


def run_hashes(time: Ints, pitch: Ints, intervals: int = RUN) -> Hashes:
    """A hash of 64 bits for every run of so many intervals. Shape (max(0, notes - intervals),).

    time: onsets in steps, in the order of time and pitch   pitch: MIDI numbers
    """
    gaps = np.minimum(np.diff(time), _LONGEST_GAP).astype(np.uint64)
    moves = gaps * np.uint64(512) + (np.diff(pitch) + 128).astype(np.uint64)
    count = max(0, len(moves) - intervals + 1)
    hashes = np.zeros(count, dtype=np.uint64)
    for at in range(intervals if count else 0):
        step = (moves[at : count + at] + np.uint64(1)) * np.uint64(1442695040888963407)
        hashes = hashes * np.uint64(6364136223846793005) + step  # wraps around, as it should
        hashes ^= hashes >> np.uint64(29)
    return hashes


class RunIndex:
    """Which song has a run. Where several have it, the first."""

    def __init__(self, names: list[str], counts: npt.NDArray[np.uint8], rests: Ints, songs: Ints) -> None:
        """counts: of the runs in each bucket   rests, songs: (runs,) of uint16, bucket after bucket"""
        self.names = names
        self._counts, self._rests, self._songs = counts, rests, songs
        self._ends = np.cumsum(counts, dtype=np.int64)

    def __len__(self) -> int:
        return len(self._rests)

    @classmethod
    def build(cls, songs: Iterable[tuple[str, Hashes]]) -> RunIndex:
        """songs: a name and the hashes of its runs each."""
        names, parts = [], [np.zeros(0, dtype=np.uint64)]
        for name, hashes in songs:
            names.append(name)
            parts.append(hashes >> np.uint64(64 - _BUCKET_BITS - _REST_BITS))
        owners = np.repeat(np.arange(len(names)), [len(part) for part in parts[1:]])
        kept, first = np.unique(np.concatenate(parts), return_index=True)
        assert len(names) <= 2**16
        buckets = (kept >> np.uint64(_REST_BITS)).astype(np.int64)
        counts = np.bincount(buckets, minlength=2**_BUCKET_BITS)
        assert counts.max(initial=0) < 256
        return cls(names, counts.astype(np.uint8), kept.astype(np.uint16), owners[first].astype(np.uint16))

    def owners(self, hashes: Hashes) -> list[int]:
        """For each hash the number of a song that has the run, -1 where none has."""
        found = []
        for value in (hashes >> np.uint64(64 - _BUCKET_BITS - _REST_BITS)).tolist():
            bucket, rest = value >> _REST_BITS, value & (2**_REST_BITS - 1)
            end = int(self._ends[bucket])
            begin = end - int(self._counts[bucket])
            at = begin + int(np.searchsorted(self._rests[begin:end], rest))
            found.append(int(self._songs[at]) if at < end and self._rests[at] == rest else -1)
        return found

    def save(self, path: Path) -> None:
        arrays: dict[str, npt.NDArray[Any]] = {"counts": self._counts, "rests": self._rests, "songs": self._songs}
        path.write_bytes(save(arrays, metadata={"names": json.dumps(self.names)}))

    @classmethod
    def load(cls, path: Path) -> RunIndex:
        """Raises CheckpointError if the file is damaged."""
        try:
            with safe_open(path, "numpy") as file:
                names = json.loads(file.metadata()["names"])
                counts, rests, songs = (file.get_tensor(name) for name in ("counts", "rests", "songs"))
            if len(counts) != 2**_BUCKET_BITS or not counts.sum(dtype=np.int64) == len(rests) == len(songs):
                raise ValueError("the runs are not as many as their buckets have")
            if len(songs) and songs.max() >= len(names):
                raise ValueError("a song has no name")
            return cls(names, counts, rests, songs)
        except (SafetensorError, KeyError, TypeError, ValueError) as error:
            raise CheckpointError(path.parent, f"{path.name} is damaged") from error
