"""How a model is trained. Without torch, for `segue train` makes an option of every field that has a help text."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from composer.errors import SettingsError


@dataclass(frozen=True)
class TrainingConfig:
    """How long, how fast and from what seed. Words are counted as drawn, transpositions included.

    Metadata of a field: as those of composer.engine.shape.Shape, and `min` and `max`.

    Raises:
        SettingsError: a value is out of its range.
    """

    steps: int = field(default=10_000, metadata={"help": "Optimiser steps in all; the learning rate ends there."})
    seconds: float = 0.0  # of one sitting, if above 0: then it ends with them, and `steps` is but a limit
    batch: int = field(default=8, metadata={"help": "Sequences a step."})
    length: int = field(default=512, metadata={"help": "Words a sequence."})
    # So that a CPU cache holds them; gradients add up.
    micro_batch: int = field(
        default=4, metadata={"help": "Sequences that are computed at once; lower takes less memory."}
    )
    learning_rate: float = field(default=1.2e-3, metadata={"help": "At its highest, after the warmup."})
    # From 0 up to the learning rate; then a cosine down to a twentieth of it.
    warmup: int = field(default=300, metadata={"help": "Steps until the learning rate is at its highest."})
    weight_decay: float = 0.1
    clip: float = 1.0  # the gradient's norm
    corruption: float = field(  # see corruption.py
        default=0.0,
        metadata={
            "help": "The largest share of notes that slip where they are read; 0: none.",
            "new": 0.15,
            "min": 0,
            "max": 1,
        },
    )
    seed: int = field(default=0, metadata={"help": "Of the weights, the order of the data and the dropout."})
    evaluate_every: int = field(default=250, metadata={"help": "Steps between two evaluations."})
    evaluation_words: int = 30_000  # of each validation list, evenly taken; the end of a run adds the whole lists
    save_every: int = field(default=500, metadata={"help": "Steps between two checkpoints."})

    def __post_init__(self) -> None:
        counts = ("steps", "batch", "length", "micro_batch", "evaluate_every", "evaluation_words", "save_every")
        for name in counts:
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} has to be at least 1; {getattr(self, name)} is not.")
        if self.seed < 0 or self.warmup < 0 or self.learning_rate <= 0:
            raise SettingsError("seed and warmup are at least 0, and the learning rate is above 0.")
        if self.save_every % self.evaluate_every:
            # A run resumes where the sums of its curve begin anew, or the next row would lack some steps.
            raise SettingsError("save_every has to be a multiple of evaluate_every.")

    def rate(self, step: int, seconds: float = 0.0) -> float:
        """The learning rate of a step, counted from 0, so many seconds after the sitting began."""
        if step < self.warmup:
            return self.learning_rate * (step + 1) / self.warmup
        done = seconds / self.seconds if self.seconds else (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.learning_rate * (0.05 + 0.95 * (1 + math.cos(math.pi * min(1.0, done))) / 2)
