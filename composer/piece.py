"""A piece: what is asked for, and the words that were composed made into music and a receipt. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from composer.encoding import join, to_words
from composer.errors import OutOfRangeError
from composer.music.key import Key, find_key
from composer.music.score import EARLY_TICKS, Score
from composer.request import MAX_BARS, Composed, Guards, Request
from composer.sampling import SamplingParams
from composer.words import Family, Vocabulary, Word

MAX_TAKES = MAX_SPARE = 64
MAX_SEED = 2**63 - 1
HEARD_BARS, HEARD_NOTES = 64, 8000  # at the end of the opening: more than any model here can look back on


@dataclass(frozen=True)
class Order:
    """What is asked for. Raises OutOfRangeError.

    seed: of the first take; the second has the next number, and so on   spare: how many more takes are drawn than are
    kept (composer.composing)
    """

    bars: int = 32
    takes: int = 1
    seed: int = 7
    sampling: SamplingParams = field(default_factory=SamplingParams)
    guards: Guards = field(default_factory=Guards)
    ending: bool = True
    spare: int = 0

    def __post_init__(self) -> None:
        for name, value, lowest, highest in (
            ("bars", self.bars, 1, MAX_BARS),
            ("takes", self.takes, 1, MAX_TAKES),
            ("spare takes", self.spare, 0, MAX_SPARE),
        ):
            if not lowest <= value <= highest:
                raise OutOfRangeError(f"the number of {name}", value, lowest, highest)
        if not 0 <= self.seed <= MAX_SEED - self.drawn:
            raise OutOfRangeError("a seed", self.seed, 0, MAX_SEED - self.drawn)

    @property
    def drawn(self) -> int:
        return self.takes + self.spare

    def requests(self, opening: Score, vocabulary: Vocabulary) -> list[Request]:
        """One request for each take that is drawn."""
        words = tuple(to_words(heard(opening), vocabulary))
        seeds = range(self.seed, self.seed + self.drawn)
        return [Request(words, self.bars, seed, self.sampling, self.guards, self.ending) for seed in seeds]


@dataclass(frozen=True)
class Take:
    """One finished piece: the opening as it was played, and its continuation."""

    score: Score
    opening_bars: int
    request: Request
    composed: Composed

    @property
    def bars(self) -> int:
        """Bars added to the opening."""
        return len(self.score.bars) - self.opening_bars

    @property
    def boundary(self) -> int:
        """Where the continuation begins, in ticks."""
        return self.score.line(self.opening_bars)

    @property
    def keys(self) -> tuple[Key | None, Key | None]:
        """The keys of the opening and of the continuation."""
        notes = self.score.notes
        before, after = (n for n in notes if n.start < self.boundary), (n for n in notes if n.start >= self.boundary)
        return find_key(before), find_key(after)

    @property
    def tempos(self) -> tuple[float, list[float]]:
        """The tempo that the opening ends at, and those of the continuation from its beginning on, in BPM."""
        in_force = [change.bpm for change in self.score.tempos if change.tick < self.boundary][-1]
        new = [change for change in self.score.tempos if change.tick >= self.boundary]
        goes_on = not new or new[0].tick > self.boundary
        return in_force, [in_force] * goes_on + [change.bpm for change in new]

    @property
    def tracks(self) -> list[dict[str, object]]:
        """What the opening's parts are that play."""
        played = [(part, sum(note.start < self.boundary for note in part.notes)) for part in self.score.parts]
        return [
            {"name": _printable(part.name), "program": part.program, "notes": notes, "drum": part.is_drum}
            for part, notes in played
            if notes
        ]

    @property
    def keeps_key(self) -> bool:
        """Whether the continuation stays in the opening's scale, or goes to a neighbour of it: a sharp more or less."""
        key, new = self.keys
        return key is None or new is None or (new.scale - key.scale) % 12 in (0, 5, 7)

    @property
    def continuation_notes(self) -> int:
        return sum(word.family == Family.NOTE for word in self.composed.words)


def heard(opening: Score) -> Score:
    """What the model is given of an opening: its last HEARD_BARS bars, from the first one with pitched notes on.

    They are fewer where HEARD_NOTES are fewer. A pickup is put at the end of a full bar.
    """
    bars, notes = len(opening.bars), opening.notes
    crowded = opening.bar_at(notes[-HEARD_NOTES].start) + 1 if len(notes) > HEARD_NOTES else 0
    first = max(opening.bar_at(notes[0].start + EARLY_TICKS), bars - HEARD_BARS, min(crowded, bars - 1))
    return opening.excerpt(first, bars).filled()


def finish(opening: Score, request: Request, composed: Composed, vocabulary: Vocabulary) -> Take:
    """The whole piece: the opening, untouched, and behind its last bar what was composed to it."""
    words = [*request.words, *composed.words]
    return Take(join(opening, words, bars_in(request.words), vocabulary), len(opening.bars), request, composed)


def bars_in(words: Iterable[Word]) -> int:
    return sum(word.family == Family.BAR for word in words)


def receipt(take: Take, command: str) -> dict[str, Any]:
    """All that tells how a piece came about, ready for JSON.

    command: what, typed again, gives the same piece
    """
    score, composed = take.score, take.composed
    watched = composed.watched
    key, new_key = take.keys
    in_force, tempos = take.tempos
    return {
        "opening": {"tracks": take.tracks, "bars_heard": bars_in(take.request.words)},
        "checkpoint": {"name": composed.checkpoint, "digest": composed.digest},
        "seed": take.request.seed,
        "settings": take.request.sampling.to_json(),
        "bars": {"opening": take.opening_bars, "added": take.bars},
        "key": {"opening": key and key.name, "continuation": new_key and new_key.name},
        "tempo": {"opening_ends_at": round(in_force, 1), "continuation": [round(bpm, 1) for bpm in tempos]},
        "guards": {
            "drift": {"bars_pulled": watched.pulled} if take.request.guards.drift else "off",
            "loops": {"left": watched.loops, "stuck": watched.stuck} if take.request.guards.loops else "off",
            "copies": {
                "bars_drawn_again": watched.redrawn,
                "longest_common_run": watched.common,
                "song": watched.song or None,
            }
            if take.request.guards.copies
            else "off",
        },
        "words": len(composed.words),
        "nats_a_word": None if composed.nats is None else round(composed.nats, 3),
        "notes": {"added": take.continuation_notes},
        "seconds": {"composing": round(composed.seconds, 2), "music": round(score.seconds_at(score.end), 2)},
        "device": composed.device,
        "arithmetic": composed.arithmetic,
        "command": command,
    }


def _printable(name: str) -> str:
    """Of a track: what a file names it may be any bytes."""
    return "".join(letter if letter.isprintable() else " " for letter in name).strip()


def command_line(opening: str, order: Order, options: Sequence[str]) -> str:
    """The call of `segue compose` that gives these pieces, typed where the opening lies. options: further ones."""
    path = f"./{opening}" if opening.startswith("-") else opening  # or it would pass for an option
    counts = {"bars": order.bars, "seed": order.seed, "takes": order.takes, "spare": order.spare}
    words = ["segue", "compose", path, *(word for name, count in counts.items() for word in (f"--{name}", str(count)))]
    words += [word for setting in order.sampling.changes() for word in ("--set", setting)]
    guards = order.guards
    switches = {
        "open-end": order.ending,
        "no-loop-guard": guards.loops,
        "no-copy-guard": guards.copies,
        "no-drift-guard": guards.drift,
    }
    words += [f"--{name}" for name, on in switches.items() if not on]
    return shlex.join([*words, *options])
