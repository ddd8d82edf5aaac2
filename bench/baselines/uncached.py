"""Decoding without a cache, as the seed's TensorFlow code does: for each word the whole window goes through the model.

The model is our own, so that nothing differs but the cache. The window is filled up in front, as a fixed shape is.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch

from composer.engine.model import CompoundWordTransformer
from composer.music.words import IGNORE, Word


class Uncached:
    """One piece, from its opening on, a word a call, drawn by temperature 1 and no rules."""

    def __init__(self, model: CompoundWordTransformer, opening: Sequence[Word], seed: int = 0) -> None:
        self.model = model
        device = model.project.weight.device
        self.generator = torch.Generator(device).manual_seed(seed)
        length = model.config.past + model.config.window
        self.words = torch.full((1, length, len(model.config.attributes)), IGNORE, device=device)
        heard = opening[-length:]
        self.words[0, length - len(heard) :] = torch.tensor(heard, device=device)[:, : self.words.shape[2]]

    @torch.inference_mode()
    def draw(self) -> Word:
        """The next word, which joins the piece."""
        context = self.model(self.words, self.model.config.past)[:, -1]
        word: dict[str, torch.Tensor] = {}
        for stage in self.model.stages:
            for name, logits in stage(context, word).items():
                word[name] = torch.multinomial(logits.softmax(-1), 1, generator=self.generator)[:, 0]
        drawn = torch.stack([word[name] for name in self.model.config.attributes], dim=1)
        self.words = torch.cat([self.words[:, 1:], drawn[:, None]], dim=1)
        return Word(*drawn[0].tolist())
