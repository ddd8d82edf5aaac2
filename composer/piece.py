"""A piece: the words that were composed to an opening, made into music and a receipt. No torch."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from composer.music.chords import say_chords
from composer.music.drums import Drums
from composer.music.encoding import decode
from composer.music.joining import joined
from composer.music.key import Key, find_key
from composer.music.roles import is_melody
from composer.music.score import NOTHING_LOST, Chord, Lost, Part, Score, TempoChange
from composer.music.words import Family, Vocabulary, bars_in
from composer.opening import Opening
from composer.order import Order
from composer.request import Composed, Request
from composer.transcription.accompaniment import without_chords


@dataclass(frozen=True)
class Take:
    """One finished piece.

    Attributes:
        score: all of it.
        opening: what was given.
        new: what was composed, from tick 0.
        first: number of the bar that the first new one is.
        request: what was asked of the model.
        composed: its answer.
    """

    score: Score
    opening: Score
    new: Score
    first: int
    request: Request
    composed: Composed

    @property
    def opening_bars(self) -> int:
        return len(self.opening.bars)

    @property
    def bars(self) -> int:
        """Bars added to the opening."""
        return len(self.score.bars) - self.opening_bars

    @property
    def composed_bars(self) -> tuple[int, int]:
        """The first new bar and the one behind the last."""
        return self.first, self.first + self.request.bars

    @property
    def beside(self) -> int | None:
        """How many parts there were, where the new ones stand beside them; else None."""
        given = any(word.family == Family.NOTE for bar in self.request.given for word in bar)
        return len(self.opening.parts) if given else None

    @property
    def melody(self) -> str | None:
        """What is one line, and could be accompanied: the piece, its opening but for plain chords, or nothing."""
        if self.beside is not None:
            return None
        if is_melody(self.opening) and is_melody(self.new):
            return "piece"
        return "opening" if self.first == self.opening_bars and is_melody(without_chords(self.opening)) else None

    @property
    def boundary(self) -> int:
        """Where what is new begins, in ticks."""
        return self.score.line(self.first)

    @property
    def keys(self) -> tuple[Key | None, Key | None]:
        """The keys of the opening and of what is new."""
        return find_key(self.opening.notes), find_key(self.new.notes)

    @property
    def tempos(self) -> tuple[float, list[float]]:
        """The tempo that holds before what is new, and those in it from its beginning on, in BPM."""
        begin = self.score.tempos[0].bpm
        in_force = [begin, *(change.bpm for change in self.score.tempos if change.tick < self.boundary)][-1]
        end = self.score.line(self.composed_bars[1])
        new = [change for change in self.score.tempos if self.boundary <= change.tick < end]
        goes_on = not new or new[0].tick > self.boundary
        return in_force, [in_force] * goes_on + [change.bpm for change in new]

    @property
    def tracks(self) -> list[dict[str, object]]:
        """What the parts are that play; the notes of each that were there before, and that there are now."""
        before = [len(part.notes) for part in self.opening.parts]
        return [
            {
                "name": _printable(part.name),
                "program": part.program,
                "drum": part.is_drum,
                "notes": notes,
                "added": len(part.notes) - notes,
            }
            for part, notes in zip_longest(self.score.parts, before, fillvalue=0)
            if isinstance(part, Part) and part.notes
        ]

    @property
    def new_notes(self) -> int:
        return sum(word.family == Family.NOTE for word in self.composed.words)


def finish(opening: Score, request: Request, composed: Composed, vocabulary: Vocabulary) -> Take:
    """The whole piece: the opening, with what was composed behind its end, in its bars or beside its parts."""
    first = request.first_new
    new = decode(composed.words, vocabulary)
    if all(word.family != Family.METRICAL for word in composed.words):  # silence says nothing of tempo and chords
        new = replace(new, tempos=(TempoChange(0, opening.tempos[-1].bpm),), chords=())
    new = replace(new, chords=_since_they_sound(new))
    take = Take(opening, opening, new, first, request, composed)
    return replace(take, score=joined(opening, new, first, take.beside is not None, request.drums, request.ending))


def _since_they_sound(new: Score) -> tuple[Chord, ...]:
    """Words say what holds first from the start; in silent bars there still holds what did before them."""
    first = new.bar_at(min((note.start for part in new.parts for note in part.notes), default=0))
    return tuple(replace(chord, tick=max(chord.tick, new.line(first))) for chord in new.chords)


def receipt(
    take: Take, command: str, heard: Mapping[str, Any] | None = None, lost: Lost = NOTHING_LOST
) -> dict[str, Any]:
    """All that tells how a piece came about, ready for JSON.

    Args:
        take: the piece.
        command: what, typed again, gives the same piece.
        heard: what was found in an opening that was played, as composer.transcription.synchronise.Heard tells it.
        lost: what of the opening's file could not be read.
    """
    score, composed = take.score, take.composed
    watched = composed.watched
    key, new_key = take.keys
    in_force, tempos = take.tempos
    return {
        "opening": {
            "tracks": take.tracks,
            "bars_heard": bars_in(take.request.words),
            "played": heard and dict(heard),
            "sure": heard["sure"] if heard else 1.0,
            "lost": lost._asdict(),
            "ends_early": take.first == take.opening_bars and Opening(take.opening).ends_early,
        },
        "checkpoint": {"name": composed.checkpoint, "digest": composed.digest},
        "seed": take.request.seed,
        "settings": take.request.sampling.to_json(),
        "bars": {
            "opening": take.opening_bars,
            "added": take.bars,
            "composed": [take.first + 1, take.composed_bars[1]],
        },
        "melody": take.melody,
        "chords": say_chords(score),
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
        "candidates": composed.chosen._asdict(),
        "words": len(composed.words),
        "nats_a_word": None if composed.nats is None else round(composed.nats, 3),
        "notes": {"added": take.new_notes},
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
    counts = {"bars": order.bars, "seed": order.seed, "takes": order.takes}
    words = ["segue", "compose", path, *(word for name, count in counts.items() for word in (f"--{name}", str(count)))]
    words += [word for setting in order.settings() for word in ("--set", setting)]
    asked = {
        "redo": "-".join(map(str, order.redo or ())),
        "chords": " | ".join([*map(" ".join, order.chords), *[""] * (len(order.chords) == 1)]).rstrip(),
        "key": order.key,
        "style": order.style,
        "candidates": str(order.candidates or ""),
        "from-bar": str(order.from_bar or ""),
        "to-bar": str(order.to_bar or ""),
    }
    words += [word for name, value in asked.items() if value for word in (f"--{name}", value)]
    guards = order.guards
    switches = {
        "accompany": order.accompany,
        "cut": order.cut,
        "no-drums": order.drums is Drums.OFF,
        "fills": order.drums is Drums.FILLS,
        "open-end": not order.ending,
        "no-loop-guard": not guards.loops,
        "no-copy-guard": not guards.copies,
        "no-drift-guard": not guards.drift,
    }
    words += [f"--{name}" for name, on in switches.items() if on]
    return shlex.join([*words, *options])
