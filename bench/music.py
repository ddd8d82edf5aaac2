"""The music that benchmarks are about: the example, what the default checkpoint makes of it, or songs of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.machine import threads
from composer.composing import compose
from composer.encoding import decode, to_remi
from composer.engine.checkpoint import Checkpoint
from composer.music.midi import read_midi
from composer.opening import Opening, to_opening
from composer.piece import Order, Take
from composer.training.dataset import load_corpus
from composer.words import Family, Vocabulary, Word

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "examples" / "opening.mid"
DEFAULT_CHECKPOINT = ROOT / "checkpoints" / "third"


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
    loaded = [load_corpus(folder, checkpoint.vocabulary, ROOT / ".cache" / "corpora") for folder in corpora]
    songs = [song.words for corpus in loaded for song in corpus.train]
    return [[Word(*ids) for ids in words.tolist()] for words in songs]
