"""The music that benchmarks are about: the example, what the default checkpoint makes of it, or songs of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from bench.baselines.remi import to_remi
from bench.machine import threads
from composer.composing import compose
from composer.engine.checkpoint import Checkpoint
from composer.music.encoding import decode
from composer.music.midi import read_midi
from composer.music.score import Score
from composer.music.words import Family, Vocabulary, Word
from composer.opening import Opening, to_opening
from composer.order import Order
from composer.piece import Take
from composer.training.corpora import load_lessons

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "opening.mid"
SHORTEST_BARS = 8  # of a stretch


@dataclass(frozen=True)
class Density:
    """How much music there is in words: what they are worth in notes, in REMI tokens and in seconds."""

    words: int
    notes: int
    tokens: int
    seconds: float

    @property
    def notes_a_word(self) -> float:
        return self.notes / self.words

    @property
    def notes_a_token(self) -> float:
        return self.notes / self.tokens

    @property
    def tokens_a_word(self) -> float:
        return self.tokens / self.words

    @property
    def words_a_second(self) -> float:
        """Of the music as it plays."""
        return self.words / self.seconds


def stretches_in_four(score: Score) -> list[tuple[int, int]]:
    """First bar and the one behind the last of the stretches of full bars of 4/4, 8 bars or more."""
    stretches = []
    whole = [bar.meter == (4, 4) and bar.ticks == bar.meter.ticks for bar in score.bars]
    for is_whole, run in groupby(range(len(whole)), key=whole.__getitem__):
        numbers = list(run)
        if is_whole and len(numbers) >= SHORTEST_BARS:
            stretches.append((numbers[0], numbers[-1] + 1))
    return stretches


def density(pieces: Iterable[Sequence[Word]], vocabulary: Vocabulary) -> Density:
    """Of pieces that begin with a bar."""
    words = notes = tokens = 0
    seconds = 0.0
    for piece in pieces:
        score = decode(piece, vocabulary)
        words += len(piece)
        notes += sum(word.family == Family.NOTE for word in piece)
        tokens += len(to_remi(piece))
        seconds += score.seconds_at(score.end)
    return Density(words, notes, tokens, seconds)


def example_opening() -> Opening:
    return to_opening(read_midi(EXAMPLE.read_bytes()))


def example_words(vocabulary: Vocabulary, at_least: int = 1) -> tuple[Word, ...]:
    """The words of the example, from its beginning again until there are as many as asked for."""
    (request,) = Order(1).requests(example_opening().score, vocabulary)
    return request.words * -(-at_least // len(request.words))


def example_takes(checkpoint: Checkpoint, takes: int, bars: int) -> list[Take]:
    """What a checkpoint makes of the example. On one thread, for two are slow where a core is busy."""
    with threads(1):
        return compose(example_opening(), checkpoint, Order(bars, takes))


def pieces_of(corpora: Sequence[Path], checkpoint: Checkpoint, takes: int = 4, bars: int = 24) -> list[list[Word]]:
    """The training songs of corpora as words; without any, takes on the example, the opening included."""
    if not corpora:
        return [[*take.request.words, *take.composed.words] for take in example_takes(checkpoint, takes, bars)]
    songs = load_lessons(corpora, ROOT / ".cache" / "corpora").train
    return [[Word(*ids) for ids in song.words.tolist()] for song in songs]
