"""Small random models for the engine's tests, and the rules of words as one reads them, apart from the engine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from composer.engine.checkpoint import Checkpoint
from composer.engine.model import CompoundWordTransformer, ModelConfig
from composer.words import ATTRIBUTES, USED, Family, Vocabulary, Word, default_vocabulary


def random_checkpoint(vocabulary: Vocabulary | None = None, seed: int = 0, **config: object) -> Checkpoint:
    """An untrained small model, far from flat in what it predicts, and fond of notes as music is."""
    vocabulary = vocabulary or default_vocabulary()
    torch.manual_seed(seed)
    small = {"dim": 32, "layers": 2, "heads": 4, "kv_heads": 2, "window": 48} | config
    model = CompoundWordTransformer(ModelConfig(vocabulary.sizes, **small))  # type: ignore[arg-type]
    std = 0.3 * (32 / model.config.dim) ** 0.5  # the same music from a wide model as from a narrow one
    for stage in model.stages:
        torch.nn.init.normal_(stage.heads.weight, std=std)  # type: ignore[union-attr, arg-type]
    with torch.no_grad():
        model.stages[0].heads.bias += torch.tensor([0.0, -1.5, 1.0, 2.5, -1.5])  # type: ignore[union-attr, operator]
    return Checkpoint("random", model.eval().requires_grad_(False), vocabulary, "")


def random_words(vocabulary: Vocabulary, batch: int, length: int, seed: int = 0) -> torch.Tensor:
    """Any ids at all: (batch, length, attributes)."""
    generator = torch.Generator().manual_seed(seed)
    columns = [torch.randint(0, size, (batch, length), generator=generator) for size in vocabulary.sizes.values()]
    return torch.stack(columns, dim=-1)


def broken_rules(words: Sequence[Word], vocabulary: Vocabulary, bars: int) -> Iterator[str]:
    """What is wrong with the words of a continuation, from the bar word that opens it to the end word."""
    position = pitch = -1  # of the last metrical word in this bar, and of the last note at it
    for number, word in enumerate(words):
        family = Family(word.family)
        for name in ATTRIBUTES[1:]:
            value = getattr(word, name)
            if (name in USED[family]) != (value > 0) or value >= vocabulary.sizes[name]:
                yield f"{number}: {family.name} with {name} {value}"
        match family:
            case Family.BAR:
                position = pitch = -1
            case Family.METRICAL:
                if word.position <= position:
                    yield f"{number}: position {word.position} after {position}"
                position, pitch = word.position, vocabulary.sizes["pitch"]
            case Family.NOTE:
                if position < 0:
                    yield f"{number}: a note before any position"
                if word.pitch >= pitch:
                    yield f"{number}: pitch {word.pitch} after {pitch}"
                pitch = word.pitch
            case Family.END:
                if number != len(words) - 1:
                    yield f"{number}: an end in the middle"
            case Family.IGNORE:
                yield f"{number}: padding"
    if words[-1].family != Family.END:
        yield "no end"
    if (found := sum(word.family == Family.BAR for word in words)) != bars:
        yield f"{found} bars instead of {bars}"
