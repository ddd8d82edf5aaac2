"""Several candidates for a request, of which one is kept.

It passes the gates, and of those that do it is most like real music, by the checkpoint's critics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch

from composer.audition.critic import Critics, features
from composer.audition.grid import notes_of
from composer.engine.checkpoint import Checkpoint
from composer.engine.generator import Generator
from composer.engine.runs import LONGEST_COMMON
from composer.errors import PieceError
from composer.music.encoding import decode
from composer.music.key import Key, find_key, near
from composer.music.words import Family, Vocabulary, Word, bars_in
from composer.request import Chosen, Composed, Request

# Where nobody says how many: so many bars of all candidates together, and so many candidates.
ALL_BARS, FEWEST, MOST = 256, 4, 8
STRIDE = 0x9E3779B97F4A7C15  # between the seeds of two candidates: no two takes come upon the same one


class Candidates:
    """The pieces that a generator composes for one request."""

    def __init__(self, generator: Generator, request: Request) -> None:
        self.request = request
        self._generator = generator
        self.pieces = [generator.submit(one) for one in _drawn_for(request, generator.checkpoint)]

    @property
    def bars_done(self) -> int:
        """Of the bars that are asked for, by the mean of the candidates."""
        return sum(piece.bars_done for piece in self.pieces) // len(self.pieces)

    @property
    def so_far(self) -> list[Word]:
        """The words of the bars that are complete; none where it is not known yet which candidate is kept."""
        return self.pieces[0].so_far if len(self.pieces) == 1 else []

    @property
    def ended(self) -> bool:
        return all(piece.ended for piece in self.pieces)

    def cancel(self) -> None:
        for piece in self.pieces:
            self._generator.cancel(piece)

    def composed(self, seconds: float) -> Composed:
        """The answer to the request, once all have ended.

        Raises:
            PieceError: all have broken off; that of the first.
        """
        if all(piece.error is not None for piece in self.pieces):
            return self._generator.composed(self.pieces[0], seconds)
        whole = [number for number, piece in enumerate(self.pieces) if piece.error is None]
        answers = [self._generator.composed(self.pieces[number], seconds) for number in whole]
        checkpoint = self._generator.checkpoint
        told = checkpoint.critics if _is_known(self.request, checkpoint.vocabulary) else None
        critics = Critics.read(told) if told else None
        styles = dict(enumerate(checkpoint.model.config.styles, start=1))
        style = styles.get(self.request.style, "")
        try:
            best, odds = choose(self.request, answers, checkpoint.vocabulary, critics, style)
        except Exception as error:  # whatever goes wrong with it ends this piece and no other
            raise PieceError(f"{type(error).__name__}, {error}") from error
        return replace(answers[best], chosen=Chosen(len(self.pieces), whole[best] + 1, odds))


def compose_all(
    checkpoint: Checkpoint,
    requests: Sequence[Request],
    slots: int,
    device: torch.device | None = None,
    whole: bool = False,
    on_bars: Callable[[int], None] | None = None,
) -> list[Candidates]:
    """Compose until all have ended, in at most so many slots.

    whole: see Generator   on_bars: called after every word with the bars done so far, over all of them
    """
    drawn = sum(len(_drawn_for(request, checkpoint)) for request in requests)
    generator = Generator(checkpoint, max(1, min(slots, drawn)), device, whole=whole)
    asked = [Candidates(generator, request) for request in requests]
    while not generator.scheduler.idle:
        generator.step()
        if on_bars is not None:
            on_bars(sum(one.bars_done for one in asked))
    return asked


def choose(
    request: Request, answers: Sequence[Composed], vocabulary: Vocabulary, critics: Critics | None, style: str = ""
) -> tuple[int, float | None]:
    """Which answer is kept, and how likely a critic finds that it is real music, as odds in nats.

    Of those that pass the gates, the one that the critic finds likeliest; the first where there is no critic.
    """
    if len(answers) == 1:
        return 0, None
    odds = [_odds(request, answer, vocabulary, critics, style) if critics else None for answer in answers]
    key = _key(request.words, vocabulary)
    ranks = [
        (_fails(key, answer, vocabulary), math.inf if likely is None else -likely)
        for answer, likely in zip(answers, odds, strict=True)
    ]
    best = min(range(len(answers)), key=ranks.__getitem__)
    return best, odds[best]


def _drawn_for(request: Request, checkpoint: Checkpoint) -> list[Request]:
    """The first has the seed of the request."""
    count = request.candidates or _as_many_as_pay(request, checkpoint)
    return [replace(request, seed=(request.seed + number * STRIDE) % 2**63) for number in range(count)]


def _as_many_as_pay(request: Request, checkpoint: Checkpoint) -> int:
    """One where no critic knows the music."""
    count = min(MOST, ALL_BARS // request.bars)
    known = checkpoint.critics and _is_known(request, checkpoint.vocabulary)
    return count if known and count >= FEWEST else 1


def _is_known(request: Request, vocabulary: Vocabulary) -> bool:
    """Whether critics know such music: they were taught how music in 4/4 goes on."""
    four = vocabulary.meters.index("4/4") + 1
    goes_on = not request.behind and not any(word.family == Family.NOTE for bar in request.given for word in bar)
    return goes_on and {word.meter for word in request.words if word.family == Family.BAR} == {four}


def _fails(key: Key | None, answer: Composed, vocabulary: Vocabulary) -> bool:
    """Whether it is stuck in a loop, has copied, or leaves the opening's key."""
    watched = answer.watched
    return watched.stuck or watched.common > LONGEST_COMMON or not near(key, _key(answer.words, vocabulary))


def _key(words: Sequence[Word], vocabulary: Vocabulary) -> Key | None:
    return find_key(decode(words, vocabulary).notes) if words else None


def _odds(request: Request, answer: Composed, vocabulary: Vocabulary, critics: Critics, style: str) -> float | None:
    piece = features(notes_of(decode([*request.words, *answer.words], vocabulary)), bars_in(request.words))
    critic = critics.critic_of(piece, style) if piece else None
    return critic.real(piece) if critic and piece else None
