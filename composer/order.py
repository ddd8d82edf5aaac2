"""What is asked for: that an opening goes on, some of its bars again, or a part to its parts. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from composer.errors import OutOfRangeError, TaskError, UnknownNameError
from composer.music.drums import Drums
from composer.music.encoding import to_words
from composer.music.key import find_key
from composer.music.meter import Bar
from composer.music.roles import with_roles
from composer.music.score import EARLY_TICKS, Role, Score
from composer.music.words import IGNORE, Family, Vocabulary, Word, by_bar
from composer.opening import Place
from composer.parsing import AMOUNTS, chord_named, key_id
from composer.request import MAX_BARS, MAX_CANDIDATES, Guards, Request, Wish
from composer.sampling import SamplingParams

MAX_TAKES = 64
MAX_SEED = 2**63 - 1
HEARD_BARS, HEARD_NOTES = 64, 8000  # at the end of the opening: more than any model here can look back on
REDO_BARS = 8  # heard on either side of bars that are composed again, as in training
MOST_REDONE = 16  # bars at once
# What is played, and how it is written down: a model keeps them apart by it. New ones go to the end.
STYLES = ("pop", "pop transcribed", "song", "classical", "quartet", "game")
# The fields of Order that say what to do.
TASK = (
    "redo",
    "accompany",
    "chords",
    "key",
    "amounts",
    "from_bar",
    "to_bar",
    "cut",
    "style",
    "drums",
    "sheet",
)
# What anchors say of a song with its accompaniment: the medians of POP909, 20 notes and 9.5 onsets a bar.
ACCOMPANIED = {"notes": 14, "onsets": 14, "velocity": 10}


@dataclass(frozen=True)
class Order:
    """What is asked for.

    Attributes:
        bars: to be added; of `redo` and `accompany` the music says how many there are.
        takes: how many are kept.
        seed: of the first take; the second has the next number, and so on.
        sampling: how words are drawn.
        guards: which ones watch.
        ending: whether the last bars are to be an end.
        candidates: see Request.
        redo: the first and the last bar that are composed again, counted from 1; everything else stays.
        accompany: whether an accompaniment is composed to all that the opening plays.
        chords: for each bar its chords, evenly spread, in turn until the last bar; none for the model's own.
        key: "A minor" or the like; "" for the opening's.
        amounts: "fuller", "louder" and the like, by what they are about.
        from_bar: counted from 1: with key or amounts that of the piece from which they hold, 0 for the first new one;
            else the opening's first.
        to_bar: the opening's last, counted likewise; 0 for the last there is.
        cut: whether what is new begins right behind the opening's last note (composer.opening.Place).
        style: what the music is like, one of the model's; "" leaves it to the opening.
        drums: what those of the opening do behind its end.
        sheet: whether a person gets the piece as sheet music too.

    Raises:
        OutOfRangeError: a number is none that can be asked for.
        UnknownNameError: an amount or a style is none.
        TaskError: what is asked for does not go together.
    """

    bars: int = 32
    takes: int = 1
    seed: int = 7
    sampling: SamplingParams = field(default_factory=SamplingParams)
    guards: Guards = field(default_factory=Guards)
    ending: bool = True
    candidates: int = 0
    redo: tuple[int, int] | None = None
    accompany: bool = False
    chords: tuple[tuple[str, ...], ...] = ()
    key: str = ""
    amounts: tuple[tuple[str, str], ...] = ()
    from_bar: int = 0
    to_bar: int = 0
    cut: bool = False
    style: str = ""
    drums: Drums = Drums.PATTERN
    sheet: bool = False

    def __post_init__(self) -> None:
        for name, value, lowest, highest in (
            ("bars", self.bars, 1, MAX_BARS),
            ("takes", self.takes, 1, MAX_TAKES),
            ("candidates", self.candidates, 0, MAX_CANDIDATES),
        ):
            if not lowest <= value <= highest:
                raise OutOfRangeError(f"the number of {name}", value, lowest, highest)
        if not 0 <= self.seed <= MAX_SEED - self.takes:
            raise OutOfRangeError("a seed", self.seed, 0, MAX_SEED - self.takes)
        if self.redo is not None and self.accompany:
            raise TaskError("two", {})
        if self.redo is not None and self.place != Place():  # they are counted in all of it
            raise TaskError("redo_place", {})
        if self.style and self.style not in STYLES:
            raise UnknownNameError("style", self.style, STYLES)
        for name, amount in self.amounts:
            if name not in AMOUNTS:
                raise UnknownNameError("amount", name, tuple(AMOUNTS))
            if amount not in AMOUNTS[name]:
                raise UnknownNameError(f"amount of {name}", amount, tuple(AMOUNTS[name]))

    @property
    def task(self) -> dict[str, Any]:
        """What is asked for beside how much of it and how it is drawn, for JSON."""
        return {name: getattr(self, name) for name in TASK if getattr(self, name) != getattr(Order, name)}

    @classmethod
    def doing(cls, task: Mapping[str, Any], **others: Any) -> Order:
        """The order with such a task, as JSON has it, and the other fields. Raises as Order does."""
        told = dict(task)
        if redo := told.pop("redo", None):
            told["redo"] = (int(redo[0]), int(redo[1]))
        if "drums" in told:
            told["drums"] = Drums(told["drums"])
        for name in ("chords", "amounts"):
            if name in told:
                told[name] = tuple(map(tuple, told[name]))
        return cls(**told, **others)

    @property
    def place(self) -> Place:
        """Which bars of what was given are the opening."""
        return Place(1 if self.key or self.amounts else self.from_bar or 1, self.to_bar, self.cut)

    def bars_of(self, opening_bars: int) -> int:
        """How many bars are composed to an opening of so many."""
        if self.redo is not None:
            return self.redo[1] - self.redo[0] + 1
        return opening_bars if self.accompany else self.bars

    def settings(self) -> list[str]:
        """What was set, as it is typed."""
        return [*self.sampling.changes(), *(f"{name}={amount}" for name, amount in self.amounts)]

    def requests(self, opening: Score, vocabulary: Vocabulary) -> list[Request]:
        """One request for each take.

        Args:
            opening: what was given.
            vocabulary: of the model.

        Raises:
            TaskError: the bars that are asked for are not there, or something is asked for that nobody knows.
        """
        if self.redo is not None:
            request = self._again(opening, vocabulary)
        elif self.accompany:
            request = self._beside(opening, vocabulary)
        else:
            request = self._onward(opening, vocabulary)
        wishes = (*request.wishes, *self._wishes(request))
        request = replace(request, wishes=wishes, style=STYLES.index(self.style) + 1 if self.style else IGNORE)
        return [replace(request, seed=self.seed + number) for number in range(self.takes)]

    # -------------------------------------------------------------- by task

    def _onward(self, opening: Score, vocabulary: Vocabulary) -> Request:
        first = heard_from(opening)
        words = tuple(to_words(heard(with_roles(opening)), vocabulary))
        *before, last = (word.meter for word in words if word.family == Family.BAR)
        lengths = vocabulary.bar_lengths
        is_odd = bool(before) and lengths[last] < lengths[before[-1]] and last not in before
        meters = (before[-1] if is_odd else last,) * self.bars
        given = self._chords(meters, vocabulary)
        return self._request(words, self.bars, before=first, given=given, meters=meters if is_odd else ())

    def _again(self, opening: Score, vocabulary: Vocabulary) -> Request:
        assert self.redo is not None
        first, behind = self.redo[0] - 1, self.redo[1]
        bars = len(opening.bars)
        if not 0 <= first < behind <= bars:
            raise TaskError("not_there", {"first": first + 1, "last": behind, "bars": bars})
        if behind - first > MOST_REDONE:
            raise TaskError("too_many", {"bars": behind - first, "most": MOST_REDONE})
        if behind - first == bars:
            raise TaskError("all_bars", {})
        score = with_roles(opening)
        before = max(0, first - REDO_BARS)
        words = to_words(score.excerpt(before, first), vocabulary) if first else []
        later = to_words(score.excerpt(behind, min(bars, behind + REDO_BARS)), vocabulary) if behind < bars else []
        meters = [_meter(bar, vocabulary) for bar in opening.bars[first:behind]]
        return self._request(
            tuple(words),
            behind - first,
            behind=tuple(later),
            before=before,
            meters=tuple(meters),
            given=self._chords(meters, vocabulary),
            roles=tuple(sorted({part.role + 1 for part in score.playing})),
        )

    def _beside(self, opening: Score, vocabulary: Vocabulary) -> Request:
        score = with_roles(opening)
        if len(score.bars) > MAX_BARS:
            raise TaskError("too_long", {"bars": len(score.bars), "most": MAX_BARS})
        if any(part.role is Role.ACCOMPANIMENT for part in score.playing):
            raise TaskError("accompanied", {})
        if len(score.playing) == 1:
            score = replace(score, parts=tuple(replace(p, role=Role.MELODY) for p in score.parts if p.notes))
        asked = iter(self._chords([_meter(bar, vocabulary) for bar in opening.bars], vocabulary))
        given = [_with_chords(bar, next(asked, ())) for bar in by_bar(_unsaid(to_words(score, vocabulary)))]
        score_key = find_key(score.notes)
        wishes = (Wish(0, "key", 1 + score_key.number),) if score_key else ()
        taken = {part.role for part in score.playing}
        roles = tuple(role + 1 for role in (Role.INNER, Role.ACCOMPANIMENT) if role not in taken)
        return replace(
            self._request((), len(given), given=tuple(given), roles=roles),
            wishes=(*wishes, *(Wish(0, name, value) for name, value in ACCOMPANIED.items())),
        )

    def _request(
        self,
        words: tuple[Word, ...],
        bars: int,
        *,
        behind: tuple[Word, ...] = (),
        given: tuple[tuple[Word, ...], ...] = (),
        roles: tuple[int, ...] = (),
        meters: tuple[int, ...] = (),
        before: int = 0,
    ) -> Request:
        return Request(
            words,
            bars,
            self.seed,
            self.sampling,
            self.guards,
            self.ending,
            behind=behind,
            given=given,
            roles=roles,
            meters=meters,
            before=before,
            drums=self.drums,
            candidates=self.candidates,
        )

    # -------------------------------------------------------------- what is asked for of the music

    def _chords(self, meters: Sequence[int], vocabulary: Vocabulary) -> tuple[tuple[Word, ...], ...]:
        """For each new bar its bar word and its chords; nothing where none is asked for."""
        if not self.chords:
            return ()
        bars = []
        for number, meter in enumerate(meters):
            names = self.chords[number % len(self.chords)]
            beats = vocabulary.beats(meter)
            if len(names) > len(beats):
                raise TaskError("full_bar", {"beats": len(beats), "chords": len(names)})
            places = [beats[at * len(beats) // len(names)] for at in range(len(names))]
            chords = [vocabulary.chord_ids[chord_named(name)] for name in names]
            positions = (
                Word(Family.METRICAL, position=place + 1, chord=chord)
                for place, chord in zip(places, chords, strict=True)
            )
            bars.append((Word(Family.BAR, meter=meter), *positions))
        return tuple(bars)

    def _wishes(self, request: Request) -> Iterator[Wish]:
        heard = request.first_new
        if not self.key and not self.amounts:
            return
        first = max(0, self.from_bar - 1 - heard)
        if first >= request.bars:
            last = heard + request.bars
            raise TaskError("not_new", {"bar": self.from_bar, "first": heard + 1, "last": last})
        if self.key:
            yield Wish(first, "key", key_id(self.key))
        for name, amount in self.amounts:
            by = AMOUNTS[name][amount]
            for one in ("notes", "onsets") if name == "density" else ("velocity",):
                yield Wish(first, one, by, is_change=True)


def heard_from(opening: Score) -> int:
    """The first bar that the model is given of an opening: one of its last HEARD_BARS, with pitched notes.

    They are fewer where HEARD_NOTES are fewer.
    """
    bars, notes = len(opening.bars), opening.notes
    crowded = opening.bar_at(notes[-HEARD_NOTES].start) + 1 if len(notes) > HEARD_NOTES else 0
    return max(opening.bar_at(notes[0].start + EARLY_TICKS), bars - HEARD_BARS, min(crowded, bars - 1))


def heard(opening: Score) -> Score:
    """What the model is given of an opening that goes on. A pickup is put at the end of a full bar."""
    return opening.excerpt(heard_from(opening), len(opening.bars)).filled()


def _meter(bar: Bar, vocabulary: Vocabulary) -> int:
    found = vocabulary.meter_id(bar.meter, bar.ticks)
    assert found is not None  # an opening has no other bars (composer.opening)
    return found


def _unsaid(words: Sequence[Word]) -> list[Word]:
    """Without chords and tempo, and without places where nothing starts."""
    kept = []
    for word, following in zip(words, [*words[1:], None], strict=True):
        if word.family == Family.METRICAL:
            if following is None or following.family != Family.NOTE:
                continue
            word = word._replace(chord=IGNORE, tempo=IGNORE)
        kept.append(word)
    return kept


def _with_chords(bar: Sequence[Word], asked: Sequence[Word]) -> tuple[Word, ...]:
    """What is given of a bar, with the chords that are asked for in it."""
    chords = {word.position: word.chord for word in asked if word.chord}
    words = [bar[0]]
    for word in bar[1:]:
        if word.family == Family.METRICAL:
            words += [
                Word(Family.METRICAL, position=p, chord=chords.pop(p)) for p in sorted(chords) if p < word.position
            ]
            word = word._replace(chord=chords.pop(word.position, IGNORE))
        words.append(word)
    rest = (Word(Family.METRICAL, position=position, chord=chords[position]) for position in sorted(chords))
    return (*words, *rest)
