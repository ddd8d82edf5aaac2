"""What one may choose of a model. Without torch, for `segue train` makes an option of every field."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Positions = Literal["relative", "music", "rotary", "sinusoidal"]
Heads = Literal["chained", "parallel"]


@dataclass(frozen=True, kw_only=True)
class Shape:
    """ModelConfig without what the words decide. Its defaults hold for checkpoints that do not say.

    Metadata of a field: `help`, what the option says; `new`, what a new model begins with where that is not the
    default.
    """

    dim: int = field(default=256, metadata={"help": "Width of the model."})
    layers: int = field(default=6, metadata={"help": "Depth of the model."})
    heads: int = field(default=4, metadata={"help": "Attention heads."})
    kv_heads: int = field(default=4, metadata={"help": "Heads of keys and values; fewer make a smaller cache."})
    window: int = field(default=1024, metadata={"help": "Words that a word can see."})  # itself included
    positions: Positions = field(default="relative", metadata={"help": "How attention knows distances."})
    alibi: bool = field(default=True, metadata={"help": "ALiBi slopes beside it."})
    head_order: Heads = field(default="chained", metadata={"help": "chained: attributes given those before."})
    dropout: float = field(default=0.0, metadata={"help": "In training only."})
    lags: tuple[int, ...] = field(  # see returns.py
        default=(),
        metadata={"help": "Bars back of which each word is told, with commas between.", "new": (1, 2, 4, 8, 16)},
    )
    farthest: int = field(
        default=0, metadata={"help": "Bars back up to which the likest one is looked for; 0: none.", "new": 32}
    )
    memory: int = field(default=1536, metadata={"help": "Words back that lags and likeness reach."})
    anchors: bool = field(  # see anchors.py
        default=False,
        metadata={"help": "Tell each word what the opening was like, and when it ends.", "new": True},
    )
