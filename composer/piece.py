"""A piece: what is asked for, and the words that were composed made into music and a receipt. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from composer.chords import find_chords
from composer.encoding import join, to_words
from composer.errors import OutOfRangeError
from composer.key import Key, find_key
from composer.request import MAX_BARS, Composed, Guards, Request
from composer.sampling import SamplingParams
from composer.score import TICKS_PER_BAR, Score, Timed, cut_at_repeats, excerpt, pressed_before
from composer.words import Family, Vocabulary

MAX_TAKES = MAX_SPARE = 64
MAX_SEED = 2**63 - 1
HEARD_BARS = 64  # at the end of the opening: more than any model here can look back on


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
        return self.score.bars - self.opening_bars

    @property
    def boundary(self) -> int:
        """Where the continuation begins, in ticks."""
        return self.opening_bars * TICKS_PER_BAR

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
    def keeps_key(self) -> bool:
        """Whether the continuation stays in the opening's scale, or goes to a neighbour of it: a sharp more or less."""
        key, new = self.keys
        return key is None or new is None or (new.scale - key.scale) % 12 in (0, 5, 7)

    @property
    def continuation_notes(self) -> int:
        return sum(word.family == Family.NOTE for word in self.composed.words)


def heard(opening: Score) -> Score:
    """What the model is given of an opening: its last HEARD_BARS bars."""
    if opening.bars <= HEARD_BARS:
        return opening
    return excerpt(opening, opening.end - HEARD_BARS * TICKS_PER_BAR, opening.end)


def finish(opening: Score, request: Request, composed: Composed, vocabulary: Vocabulary) -> Take:
    """The whole piece: the opening, untouched, and behind its last bar what was composed to it."""
    part = heard(opening)
    score = join(part, [*request.words, *composed.words], vocabulary)
    if part is not opening:
        score = _behind(opening, score, opening.end - part.end)
    return Take(score, opening.bars, request, composed)


def _behind(opening: Score, joined: Score, skipped: int) -> Score:
    """joined begins `skipped` ticks into the opening: what it has behind the opening's end, put there."""
    chords = find_chords(opening.sounding, opening.end)
    new = (
        replace(note, start=note.start + skipped, end=note.end + skipped)
        for note in joined.notes
        if note.start + skipped >= opening.end
    )
    return Score(
        notes=cut_at_repeats((*(opening.held or opening.notes), *new)),
        pedal=(
            *pressed_before(opening.pedal, opening.end),
            *((down + skipped, up + skipped) for down, up in joined.pedal if down + skipped >= opening.end),
        ),
        tempos=(*opening.tempos, *_later(joined.tempos, skipped, opening.end)),
        chords=(*chords, *_later(joined.chords, skipped, opening.end)),
        end=joined.end + skipped,
    )


def _later(changes: Iterable[Timed], skipped: int, boundary: int) -> list[Timed]:
    moved = [replace(change, tick=change.tick + skipped) for change in changes]
    return [change for change in moved if change.tick >= boundary]


def receipt(take: Take, command: str) -> Mapping[str, object]:
    """All that tells how a piece came about, ready for JSON.

    command: what, typed again, gives the same piece
    """
    score, composed = take.score, take.composed
    watched = composed.watched
    key, new_key = take.keys
    in_force, tempos = take.tempos
    return {
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
