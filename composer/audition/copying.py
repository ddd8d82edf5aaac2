"""Does a piece copy a training song? Runs of notes are compared by their intervals in time and pitch, in any key.

A run is what composer.engine.runs hashes. Real music has such runs in common too: 0.04 % of its runs of RUN stand in
another song of its corpus, in the worst piece MOST_SHARED of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from composer.audition.grid import Notes, notes_of_words
from composer.engine.runs import LONGEST_COMMON, RUN, RunIndex, run_hashes
from composer.training.lessons import Lessons

MOST_SHARED = 0.024  # of the runs of a real piece that stand in another song


@dataclass(frozen=True)
class Copying:
    """share: of the piece's runs, those that stand in a training song
    longest: notes of the longest stretch whose runs all stand in training songs, not all in one perhaps
    common: notes of the longest stretch that stands as a whole in one training song, `song`; 0 and "" for none
    """

    share: float
    longest: int
    common: int
    song: str

    @property
    def is_copy(self) -> bool:
        """Whether it has more in common with training songs than real pieces have."""
        return self.share > MOST_SHARED or self.common > LONGEST_COMMON


class CopyIndex:
    """The runs of training songs, sorted by hash: 12 bytes a note."""

    def __init__(self, songs: Iterable[tuple[str, Notes]], run: int = RUN) -> None:
        self.run = run
        self.names: list[str] = []
        hashes = [np.zeros(0, dtype=np.uint64)]
        for name, notes in songs:
            self.names.append(name)
            hashes.append(run_hashes(notes.time, notes.pitch, run))
        # Runs are numbered through all songs, with one number between two songs left out: a stretch cannot cross it.
        lengths = np.array([len(found) + 1 for found in hashes[1:]], dtype=np.int64)
        self._firsts = np.cumsum(lengths) - lengths
        numbers = [first + np.arange(len(found)) for first, found in zip(self._firsts, hashes[1:], strict=True)]
        together = np.concatenate(hashes)
        order = np.argsort(together, kind="stable")
        self._hashes = together[order]
        self._numbers = np.concatenate([np.zeros(0, dtype=np.int64), *numbers])[order].astype(np.int32)

    @classmethod
    def of_lessons(cls, lessons: Lessons) -> CopyIndex:
        """What the corpora have for training."""
        return cls(_training_songs(lessons))

    def look_up(self, notes: Notes) -> Copying:
        hashes = run_hashes(notes.time, notes.pitch, self.run)
        firsts = np.searchsorted(self._hashes, hashes, side="left")
        ends = np.searchsorted(self._hashes, hashes, side="right")
        known = ends > firsts
        common, number = self._longest_in_one(firsts.tolist(), ends.tolist())
        song = self.names[int(np.searchsorted(self._firsts, number, side="right")) - 1] if common else ""
        share = float(known.mean()) if len(known) else 0.0
        return Copying(share, _notes(_longest_run(known), self.run), _notes(common, self.run), song)

    def _longest_in_one(self, firsts: list[int], ends: list[int]) -> tuple[int, int]:
        """How many runs follow each other both in the piece and in one song, and the number of the last of them."""
        longest, number = 0, 0
        before: dict[int, int] = {}  # number of a run in a song -> how many have matched up to it
        for first, end in zip(firsts, ends, strict=True):
            here = {at: before.get(at - 1, 0) + 1 for at in self._numbers[first:end].tolist()}
            for at, matched in here.items():
                if matched > longest:
                    longest, number = matched, at
            before = here
        return longest, number


def compact_index(lessons: Lessons) -> RunIndex:
    """What a checkpoint that was trained on these corpora brings along."""
    songs = _training_songs(lessons)
    return RunIndex.build((name, run_hashes(notes.time, notes.pitch)) for name, notes in songs)


def _training_songs(lessons: Lessons) -> Iterator[tuple[str, Notes]]:
    """A stretch of a song is called corpus/file/number."""
    for song in lessons.train:
        yield f"{lessons.corpora[song.corpus]}/{song.name}", notes_of_words(song.words, lessons.vocabulary)


def _longest_run(known: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], known.astype(np.int64), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def _notes(runs: int, run: int) -> int:
    """So many runs that follow each other are so many notes."""
    return runs + run if runs else 0
