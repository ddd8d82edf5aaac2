"""The same backbone on REMI tokens: one embedding, the blocks of the Compound Word Transformer, one head.

What compound words are compared with in training: everything between embedding and head is the same code.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from composer.encoding import remi_vocabulary_size
from composer.engine.model import Block, ModelConfig
from composer.words import Vocabulary


class RemiTransformer(nn.Module):
    """Tokens are (batch, length) of ids as bench.baselines.gpt2.remi_ids gives them."""

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
