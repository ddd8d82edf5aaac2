"""What crosses the table of jobs: a request for one piece, and the words that answer it. No torch, no files."""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, NamedTuple

from composer.errors import RequestError, SettingsError
from composer.music.drums import Drums
from composer.music.words import ATTRIBUTES, Vocabulary, Word, bars_in
from composer.rules import broken_given, broken_opening
from composer.sampling import SamplingParams

MAX_BARS = 512
MAX_CANDIDATES = 16


@dataclass(frozen=True)
class Guards:
    """Which guard rails watch over a piece while it is composed (composer.engine.guards)."""

    loops: bool = True
    copies: bool = True
    drift: bool = True

    @classmethod
    def off(cls) -> Guards:
        """None of them."""
        return cls(**{one.name: False for one in fields(cls)})


class Wish(NamedTuple):
    """What the model is told of a piece instead of what its opening says.

    Attributes:
        first: bar from which it holds, counted from the first new one.
        field: one of composer.engine.anchors.FIELDS.
        value: its id; or, if is_change, by how many the opening's is raised.
        is_change: see value.
    """

    first: int
    field: str
    value: int
    is_change: bool = False


@dataclass(frozen=True)
class Request:
    """All that decides a piece, given a checkpoint.

    Attributes:
        words: what was heard before, whole bars; it may be empty where something is given.
        bars: how many are composed, 1 to MAX_BARS.
        seed: 0 to 2^63 - 1.
        ending: whether the model knows how many bars are left, so that the last ones are an end.
        behind: bars that come behind those that are composed, to which they have to lead.
        given: for each bar that is composed what is there already, a bar word and what follows it: notes of some
            roles, or changes of chord (its metrical words may leave chord and tempo open). Chords are kept to.
        roles: ids of those that are composed; none means those that are heard.
        meters: ids, for each bar that is composed; none means that of the last bar heard.
        style: id of one of the model's styles, 0 for none.
        before: how many bars of the piece stand before `words`.
        drums: what those of the opening do behind its end.
        candidates: how many are composed, of which one is kept, at most MAX_CANDIDATES; 0 leaves it to what composes
            (composer.candidates).
        wishes: what the model is told of the piece; the last one of those that hold for a bar and a field.
    """

    words: tuple[Word, ...]
    bars: int
    seed: int
    sampling: SamplingParams = field(default_factory=SamplingParams)
    guards: Guards = field(default_factory=Guards)
    ending: bool = True
    behind: tuple[Word, ...] = ()
    given: tuple[tuple[Word, ...], ...] = ()
    roles: tuple[int, ...] = ()
    meters: tuple[int, ...] = ()
    style: int = 0
    before: int = 0
    wishes: tuple[Wish, ...] = ()
    drums: Drums = Drums.PATTERN
    candidates: int = 0

    def to_json(self) -> dict[str, Any]:
        """The ids of all words in one list."""
        return {
            "words": _flat(self.words),
            "bars": self.bars,
            "seed": self.seed,
            "sampling": self.sampling.to_json(),
            "guards": asdict(self.guards),
            "ending": self.ending,
            "behind": _flat(self.behind),
            "given": [_flat(bar) for bar in self.given],
            "roles": self.roles,
            "meters": self.meters,
            "style": self.style,
            "before": self.before,
            "wishes": self.wishes,
            "drums": self.drums is not Drums.OFF,
            "fills": self.drums is Drums.FILLS,
            "candidates": self.candidates,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], vocabulary: Vocabulary) -> Request:
        """The inverse of to_json. Raises RequestError if it is no request or its words break a rule (composer.rules).

        What a row does not say is as it is where nobody asks for anything.
        """
        try:
            request = cls(
                words=_unflat(data["words"]),
                bars=int(data["bars"]),
                seed=int(data["seed"]),
                sampling=SamplingParams.from_json(data["sampling"]),
                guards=Guards(**{name: bool(on) for name, on in data.get("guards", {}).items()}),
                ending=bool(data.get("ending", True)),
                behind=_unflat(data.get("behind", [])),
                given=tuple(_unflat(bar) for bar in data.get("given", [])),
                roles=tuple(map(int, data.get("roles", []))),
                meters=tuple(map(int, data.get("meters", []))),
                style=int(data.get("style", 0)),
                before=int(data.get("before", 0)),
                drums=_drums(bool(data.get("drums", True)), bool(data.get("fills", False))),
                candidates=int(data.get("candidates", 0)),
                wishes=tuple(_wish(*wish) for wish in data.get("wishes", [])),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
            raise RequestError(f"{type(error).__name__} in {error}") from error
        if not 1 <= request.bars <= MAX_BARS or not 0 <= request.seed < 2**63 or min(request.before, request.style) < 0:
            raise RequestError("bars, seed or style are out of range")
        if not 0 <= request.candidates <= MAX_CANDIDATES:
            raise RequestError("so many candidates are not composed")
        if broken := next(request.broken(vocabulary), None):
            raise RequestError(f"it breaks a rule of words, {broken}")
        return request

    @property
    def first_new(self) -> int:
        """How many bars of the piece stand before those that are composed."""
        return self.before + bars_in(self.words)

    def broken(self, vocabulary: Vocabulary) -> Iterator[str]:
        """What is wrong with its words, and with what it says of the bars to compose."""
        if self.words or not (self.behind or self.given):
            yield from broken_opening(self.words, vocabulary)
        if self.behind:
            yield from broken_opening(self.behind, vocabulary)
        for bar in self.given:
            yield from broken_given(bar, vocabulary)
        for name, said in (("given", self.given), ("meters", self.meters)):
            if said and len(said) != self.bars:
                yield f"{name}: {len(said)} bars instead of {self.bars}"
        for name, ids in (("role", self.roles), ("meter", self.meters)):
            if not all(0 < one < vocabulary.sizes.get(name, 0) for one in ids):
                yield f"{name}: {ids}"


@dataclass(frozen=True)
class Watched:
    """What the guard rails found and did.

    loops: times a loop was left   stuck: whether one was found that could not be left   redrawn: bars drawn again
    because they copied   common: notes of the longest stretch in the piece that stands in training songs, 0 if it is
    shorter than 17, and a song that it ends in   pulled: bars after which the music was pulled back to the opening
    """

    loops: int = 0
    stuck: bool = False
    redrawn: int = 0
    common: int = 0
    song: str = ""
    pulled: int = 0


class Chosen(NamedTuple):
    """Which of several candidates was kept.

    Attributes:
        drawn: how many there were.
        kept: the number of this one, from 1.
        odds: that it is real music, in nats, by the critic of the checkpoint; None where none was asked.
    """

    drawn: int = 1
    kept: int = 1
    odds: float | None = None


@dataclass(frozen=True)
class Composed:
    """What a worker answers.

    words: of the continuation, the end word included   checkpoint, digest: of the model   device: cpu or cuda
    arithmetic: what the weights were held in, without which the same seed need not give the same piece
    seconds: from the first word to the last, beside whatever else was composed then   nats: a word, in the mean, how
    unlikely the model found them, None in answers from before it was told   chosen: out of how many
    """

    words: tuple[Word, ...]
    checkpoint: str
    digest: str
    device: str
    seconds: float
    nats: float | None = None
    watched: Watched = field(default_factory=Watched)
    arithmetic: str = "float32"
    chosen: Chosen = field(default_factory=Chosen)

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "words": _flat(self.words),
            "watched": asdict(self.watched),
            "chosen": self.chosen._asdict(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Composed:
        told = dict(data)
        words = _unflat(told.pop("words"))
        watched, chosen = Watched(**told.pop("watched", {})), Chosen(**told.pop("chosen", {}))
        return cls(words=words, watched=watched, chosen=chosen, **told)


def packed(words: Iterable[Word]) -> bytes:
    """Words as few bytes."""
    return zlib.compress(json.dumps(_flat(words)).encode())


def unpacked(data: bytes) -> tuple[Word, ...]:
    """The inverse of packed."""
    return _unflat(json.loads(zlib.decompress(data)))


def _flat(words: Iterable[Word]) -> list[int]:
    return [i for word in words for i in word]


def _drums(go_on: bool, fills: bool) -> Drums:
    return Drums.OFF if not go_on else Drums.FILLS if fills else Drums.PATTERN


def _wish(first: int, name: str, value: int, is_change: bool) -> Wish:
    if name not in ("key", "notes", "onsets", "velocity") or first < 0 or not -255 * is_change <= value <= 255:
        raise ValueError("nothing of the kind can be wished for")
    return Wish(int(first), name, int(value), bool(is_change))


def _unflat(ids: list[int]) -> tuple[Word, ...]:
    width = len(ATTRIBUTES)
    if len(ids) % width:
        raise ValueError("the ids do not make whole words")
    return tuple(Word(*map(int, ids[at : at + width])) for at in range(0, len(ids), width))
