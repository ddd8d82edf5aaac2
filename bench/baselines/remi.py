"""The same music as REMI tokens (Huang and Yang 2020), one an attribute, and the same backbone on them.

What compound words are compared with in training: everything between embedding and head is the same code.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from composer.engine.model import Block, ModelConfig
from composer.music.words import END, Family, Vocabulary, Word


class RemiToken(NamedTuple):
    """An attribute and its id. A bar is its meter; the end is "family"."""

    attribute: str
    id: int


def to_remi(words: Iterable[Word]) -> list[RemiToken]:
    """A bar by its meter; position; chord, tempo and role where they change; pitch, velocity, duration of each note."""
    tokens: list[RemiToken] = []
    held = dict.fromkeys(("chord", "tempo", "role"), 0)

    def change(word: Word, names: Iterable[str]) -> None:
        for name in names:
            if getattr(word, name) != held[name]:
                held[name] = getattr(word, name)
                tokens.append(RemiToken(name, held[name]))

    for word in words:
        match word.family:
            case Family.BAR:
                tokens.append(RemiToken("meter", word.meter))
            case Family.METRICAL:
                tokens.append(RemiToken("position", word.position))
                change(word, ("chord", "tempo"))
            case Family.NOTE:
                change(word, ("role",))
                tokens += [RemiToken(name, getattr(word, name)) for name in ("pitch", "velocity", "duration")]
            case _:
                tokens.append(RemiToken("family", word.family))
    return tokens


def from_remi(tokens: Iterable[RemiToken]) -> list[Word]:
    """The inverse of to_remi."""
    words: list[Word] = []
    chord = tempo = role = 0
    for attribute, value in tokens:
        match attribute:
            case "family":
                words.append(END)
            case "meter":
                words.append(Word(Family.BAR, meter=value))
            case "position":
                words.append(Word(Family.METRICAL, position=value, chord=chord, tempo=tempo))
            case "chord":
                chord = value
                words[-1] = words[-1]._replace(chord=chord)
            case "tempo":
                tempo = value
                words[-1] = words[-1]._replace(tempo=tempo)
            case "role":
                role = value
            case "pitch":
                words.append(Word(Family.NOTE, pitch=value, role=role))
            case _:
                words[-1] = words[-1]._replace(**{attribute: value})
    return words


def remi_vocabulary_size(vocabulary: Vocabulary) -> int:
    """How many different REMI tokens there are: the end, and every value of the other attributes."""
    return 1 + sum(size - 1 for name, size in vocabulary.sizes.items() if name != "family")


def remi_ids(tokens: Iterable[RemiToken], vocabulary: Vocabulary) -> list[int]:
    """Tokens as the numbers that a model knows them by, below remi_vocabulary_size(vocabulary).

    The end first, then the values of each attribute in the order of Vocabulary.sizes.
    """
    first = {}
    count = 1
    for name, size in vocabulary.sizes.items():
        if name != "family":
            first[name] = count
            count += size - 1
    return [0 if token.attribute == "family" else first[token.attribute] + token.id - 1 for token in tokens]


class RemiTransformer(nn.Module):
    """Tokens are (batch, length) of ids as remi_ids gives them."""

    def __init__(self, config: ModelConfig, vocabulary: Vocabulary) -> None:
        super().__init__()
        size = remi_vocabulary_size(vocabulary)
        self.embedding = nn.Embedding(size, config.dim)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(config.dim)
        self.head = nn.Linear(config.dim, size)

    def loss(self, tokens: Tensor) -> Tensor:
        """Nats a token, in the mean over all that follow another. tokens: (batch, length + 1)"""
        x = self.embedding(tokens[:, :-1])
        for block in self.blocks:
            x = block(x)
        logits: Tensor = self.head(self.norm(x))
        return F.cross_entropy(logits.flatten(0, 1).float(), tokens[:, 1:].flatten())
