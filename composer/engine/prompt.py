"""What a piece reads before each of its bars, and what holds for the bar: its request, as the model knows it from
training (composer.training.tasks).

    go on      heard: the past, then what was drawn
    redo       behind: what comes behind | heard: the past | drawn: the bars between
    given      before each bar, given: what is there of the one behind it (before the first one its own too) | heard:
               what was drawn of the bar
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from composer.engine.anchors import BARS_BEFORE, FIELDS, SIZES, UNKNOWN, Row, anchors_of, begun_id, end_id
from composer.engine.model import BEHIND, DRAWN, GIVEN, HEARD, ModelConfig
from composer.errors import PieceError
from composer.music.words import IGNORE, Family, Vocabulary, Word
from composer.request import Request


class Known(NamedTuple):
    """A word that is read, not drawn.

    Attributes:
        word: its ids.
        anchors: what is told with it (composer.engine.anchors).
        segment: HEARD, GIVEN, DRAWN or BEHIND (composer.engine.model).
    """

    word: Word
    anchors: Row
    segment: int


class OpenBar(NamedTuple):
    """What holds for a bar while it is composed.

    Attributes:
        length: of the bar, in positions.
        last: whether the end comes behind it, and no other bar.
        anchors: what is told with each of its words, the bar word included.
        segment: HEARD or DRAWN, of each of its words.
        chords: ids by position - 1, IGNORE where the model chooses; none at all if nothing is asked for.
        following: the id of the next bar's meter, IGNORE where the model chooses.
    """

    length: int
    last: bool
    anchors: Row
    segment: int
    chords: Sequence[int] = ()
    following: int = IGNORE


def trust_in(bar: OpenBar, copying: float) -> float:
    """How much past bars count while a bar is composed, times ModelConfig.copying.

    Where its chords are asked for they count as in training: more would have the notes follow what came before.
    """
    return 1 / copying if any(bar.chords) else 1.0


class Prompt:
    """Of one piece. Bars are numbered from 0, the first new one.

    Raises:
        PieceError: the checkpoint was not taught the style that is asked for.
    """

    def __init__(self, request: Request, vocabulary: Vocabulary, config: ModelConfig) -> None:
        if config.styles and request.style not in range(1 + len(config.styles)):
            raise PieceError(f"the checkpoint knows {len(config.styles)} styles, and number {request.style} is not one")
        self._request, self._vocabulary = request, vocabulary
        self._style = (request.style,) if config.styles else ()
        self._opening = anchors_of(request.words, vocabulary)[:BARS_BEFORE]
        self._heard = request.first_new
        self._segment = DRAWN if request.behind else HEARD
        self._chords = list(_chords(request.given, vocabulary))
        # What stands farther back than this is out of every layer's sight, and of what is remembered.
        self._reach = config.layers * config.window + config.past

    @property
    def roles(self) -> Sequence[int]:
        """Ids of those that may be drawn."""
        count = self._vocabulary.sizes.get("role", 0)
        heard = {word.role for word in (*self._request.words, *self._request.behind) if word.family == Family.NOTE}
        return self._request.roles or sorted(heard) or range(min(1, count), max(1, count))

    def meter(self, bar: int) -> int:
        """The id of a bar's meter; IGNORE where the model chooses, and behind the last bar."""
        request = self._request
        if bar >= request.bars:
            return IGNORE
        if request.meters and (bar or request.meters[0]):  # the first one's is not drawn
            return request.meters[bar]
        if request.given:
            return request.given[bar][0].meter
        lines = (word for word in reversed(request.words or request.behind) if word.family == Family.BAR)
        return next(lines).meter

    def opened(self, bar: int, word: Word) -> OpenBar:
        """The bar that a bar word has begun."""
        return OpenBar(
            length=self._vocabulary.bar_lengths[word.meter],
            last=bar == self._request.bars - 1,
            anchors=self._told(bar),
            segment=self._segment,
            chords=self._chords[bar] if self._chords else (),
            following=self.meter(bar + 1),
        )

    def known(self, words: Sequence[Word]) -> list[Known]:
        """All that is read before the last word, a bar word, of those that a piece has."""
        request = self._request
        rows: list[Known] = []
        nothing = (UNKNOWN,) * BARS_BEFORE
        for bar, word in _numbered(request.behind, self._heard + request.bars):
            rows.append(Known(word, (*self._opening, begun_id(bar), UNKNOWN, *self._style), BEHIND))
        for bar, word in _numbered(request.words, request.before):  # what was heard says itself what it is like
            rows.append(Known(word, (*nothing, begun_id(bar), UNKNOWN, *self._style), HEARD))
        for bar, word in _numbered(words, 0):
            if word.family == Family.BAR:
                rows += self.given(bar)
            rows.append(Known(word, self._told(bar), self._segment))
        return rows[:-1][-self._reach :]

    def given(self, bar: int) -> list[Known]:
        """What is read before a bar word."""
        request = self._request
        shown = range(bar + 1 if bar else 0, min(bar + 2, len(request.given)))
        return [Known(word, self._told(number), GIVEN) for number in shown for word in request.given[number]]

    def _told(self, bar: int) -> Row:
        request = self._request
        left = end_id(request.bars - 1 - bar) if request.ending or request.behind else UNKNOWN
        return (*self._wished(bar), begun_id(self._heard + bar), left, *self._style)

    def _wished(self, bar: int) -> Row:
        """What a bar is told of the opening, or of what is wished for instead."""
        told = list(self._opening)
        for wish in self._request.wishes:
            if bar < wish.first:
                continue
            field = FIELDS.index(wish.field)
            if not wish.is_change:
                told[field] = min(wish.value, SIZES[field] - 1)
            elif told[field] != UNKNOWN:
                told[field] = min(max(1, self._opening[field] + wish.value), SIZES[field] - 1)
        return tuple(told)


def _numbered(words: Iterable[Word], first: int) -> Iterator[tuple[int, Word]]:
    """Each word with the number of its bar, where the first bar word has the number `first`."""
    bar = first - 1
    for word in words:
        bar += word.family == Family.BAR
        yield bar, word


def _chords(given: Sequence[Sequence[Word]], vocabulary: Vocabulary) -> Iterator[tuple[int, ...]]:
    """For each bar its chords, as in OpenBar; nothing at all where none is given."""
    if not any(word.chord for bar in given for word in bar):
        return
    holds = IGNORE
    for bar in given:
        chords = [IGNORE] * vocabulary.bar_lengths[bar[0].meter]
        changes = {word.position: word.chord for word in bar if word.chord}
        for position in range(1, len(chords) + 1):
            holds = chords[position - 1] = changes.get(position, holds)
        yield tuple(chords)
