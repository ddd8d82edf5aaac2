"""What crosses the table of jobs: a request for one piece, and the words that answer it. No torch, no files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from composer.errors import RequestError, SettingsError
from composer.rules import broken_given, broken_opening
from composer.sampling import SamplingParams
from composer.words import ATTRIBUTES, AnyVocabulary, Word

MAX_BARS = 512
FIRST_WIDTH = 7  # ids of a word in rows from before it was told


@dataclass(frozen=True)
class Guards:
    """Which guard rails watch over a piece while it is composed (composer.engine.guards)."""

    loops: bool = True
    copies: bool = True
    drift: bool = True


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

    def to_json(self) -> dict[str, Any]:
        """The ids of all words in one list, `width` a word."""
        return {
            "width": len(ATTRIBUTES),
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
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], vocabulary: AnyVocabulary) -> Request:
        """The inverse of to_json. Raises RequestError if it is no request or its words break a rule (composer.rules).

        One from before there were guards and an ending is composed as any is now.
        """
        try:
            width = int(data.get("width", FIRST_WIDTH))
            request = cls(
                words=_unflat(data["words"], width),
                bars=int(data["bars"]),
                seed=int(data["seed"]),
                sampling=SamplingParams.from_json(data["sampling"]),
                guards=Guards(**{name: bool(on) for name, on in data.get("guards", {}).items()}),
                ending=bool(data.get("ending", True)),
                behind=_unflat(data.get("behind", []), width),
                given=tuple(_unflat(bar, width) for bar in data.get("given", [])),
                roles=tuple(map(int, data.get("roles", []))),
                meters=tuple(map(int, data.get("meters", []))),
                style=int(data.get("style", 0)),
                before=int(data.get("before", 0)),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError, SettingsError) as error:
            raise RequestError(f"{type(error).__name__} in {error}") from error
        if not 1 <= request.bars <= MAX_BARS or not 0 <= request.seed < 2**63 or request.before < 0:
            raise RequestError("bars or seed are out of range")
        if broken := next(request.broken(vocabulary), None):
            raise RequestError(f"it breaks a rule of words, {broken}")
        return request

    def broken(self, vocabulary: AnyVocabulary) -> Iterator[str]:
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


@dataclass(frozen=True)
class Composed:
    """What a worker answers.

    words: of the continuation, the end word included   checkpoint, digest: of the model   device: cpu or cuda
    arithmetic: what the weights were held in, without which the same seed need not give the same piece
    seconds: from the first word to the last, beside whatever else was composed then   nats: a word, in the mean, how
    unlikely the model found them, None in answers from before it was told
    """

    words: tuple[Word, ...]
    checkpoint: str
    digest: str
    device: str
    seconds: float
    nats: float | None = None
    watched: Watched = field(default_factory=Watched)
    arithmetic: str = "float32"

    def to_json(self) -> dict[str, Any]:
        return {
            **vars(self),
            "width": len(ATTRIBUTES),
            "words": _flat(self.words),
            "watched": asdict(self.watched),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Composed:
        told = dict(data)
        words = _unflat(told.pop("words"), told.pop("width", FIRST_WIDTH))
        watched = Watched(**told.pop("watched", {}))
        return cls(words=words, watched=watched, **told)


def _flat(words: Iterable[Word]) -> list[int]:
    return [i for word in words for i in word]


def _unflat(ids: list[int], width: int) -> tuple[Word, ...]:
    if width not in (FIRST_WIDTH, len(ATTRIBUTES)) or len(ids) % width:
        raise ValueError("the ids do not make whole words")
    return tuple(Word(*map(int, ids[at : at + width])) for at in range(0, len(ids), width))
