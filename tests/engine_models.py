"""Small random models for the engine's tests."""

from __future__ import annotations

import torch

from composer.engine.checkpoint import Checkpoint
from composer.engine.model import CompoundWordTransformer, ModelConfig
from composer.words import Vocabulary, default_vocabulary


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
