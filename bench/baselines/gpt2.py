"""Hugging Face's GPT-2 on the REMI form of the same music, with its own cache: one piece, a token a call.

As large as the paper's model (12 layers, 512 wide, 8 heads), in float32, with random weights. The loop is written out,
for `generate` does the same with more around it; temperature 1 and nucleus .9 are transformers' own.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from bench.baselines.remi import remi_vocabulary_size
from composer.music.words import Vocabulary

if TYPE_CHECKING:  # three seconds, which only those pay for who use it
    from transformers import GPT2LMHeadModel

TOP_P = 0.9
MOST_TOKENS = 8192  # of one piece: GPT-2 has a vector for each place, and no place behind the last


def gpt2(vocabulary: Vocabulary, dim: int = 512, layers: int = 12, heads: int = 8) -> GPT2LMHeadModel:
    """The model for a vocabulary's REMI tokens, ready to decode."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=remi_vocabulary_size(vocabulary),
        n_positions=MOST_TOKENS,
        n_embd=dim,
        n_layer=layers,
        n_head=heads,
        bos_token_id=0,
        eos_token_id=0,
    )
    model = GPT2LMHeadModel(config)
    model.train(False)
    model.requires_grad_(False)
    return model


class Gpt2:
    """One piece, from its opening on. Drawn are any tokens: what they are makes no difference to the time."""

    def __init__(self, model: GPT2LMHeadModel, opening: Iterable[int], seed: int = 0) -> None:
        from transformers import DynamicCache, TopPLogitsWarper

        self.model = model
        self.generator = torch.Generator(model.device).manual_seed(seed)
        self.nucleus = TopPLogitsWarper(TOP_P)
        self.cache = DynamicCache(config=model.config)
        self.logits = self._read(torch.tensor([list(opening)], device=model.device))

    @torch.inference_mode()
    def draw(self) -> int:
        """The next token, which joins the piece."""
        kept = self.nucleus(None, self.logits)
        token = torch.multinomial(kept.softmax(-1), 1, generator=self.generator)
        self.logits = self._read(token)
        return int(token)

    @torch.inference_mode()
    def _read(self, tokens: Tensor) -> Tensor:
        """tokens: (1, new) -> logits of the one that follows: (1, ids)"""
        out = self.model(input_ids=tokens, cache=self.cache, use_cache=True, logits_to_keep=1)
        logits: Tensor = out.logits[:, -1]
        return logits
