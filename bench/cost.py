"""What a step of the engine cannot do without: the bytes that it has to read, and the operations it has to do.

The floor of a step is the longer of two times: its bytes at the rate at which this machine reads as many, and its
operations at the rate at which it multiplies matrices, of whatever numbers would do and are the fastest. Nothing that
is written counts, nor norms, softmax, drawing, or what is looked up by the row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from bench.machine import Number
from composer.engine.generator import Generator

# How matrices of the engine's arithmetic may be multiplied, and how many products each then takes: int8 weights with
# int16 numbers as floats, or as integers, each of the int16 in two halves.
WAYS: Mapping[str, Mapping[Number, int]] = {
    "int8": {"float32": 1, "int8": 2},
    "bfloat16": {"bfloat16": 1},
    "float32": {"float32": 1},
}
BYTES = {"int8": 1, "bfloat16": 2, "float32": 4}  # a number, by the engine's arithmetic
PROJECTIONS_OF_DISTANCE = "distance_projection"  # its products are kept; a step reads them, not the weights


@dataclass(frozen=True)
class Floor:
    """The least time that a step takes on a machine, and what binds it."""

    seconds: float
    bound_by: Literal["reading", "multiplying"]


@dataclass(frozen=True)
class StepCost:
    """weights, cache: bytes read   operations: two for a multiplication and its addition   arithmetic: the engine's"""

    weights: int
    cache: int
    operations: int
    arithmetic: str

    @property
    def size(self) -> int:
        """All that is read, in bytes."""
        return self.weights + self.cache

    def floor(self, bytes_a_second: float, operations_a_second: Mapping[Number, float]) -> Floor:
        reading = self.size / bytes_a_second
        ways = WAYS[self.arithmetic]
        multiplying = min(
            self.operations * products / operations_a_second[number]
            for number, products in ways.items()
            if number in operations_a_second
        )
        return Floor(max(reading, multiplying), "reading" if reading >= multiplying else "multiplying")


def step_cost(generator: Generator) -> StepCost:
    """Of the next step, by the weights and the cache as the engine holds them.

    Of the cache counts what the pieces in the slots can see, not its unused places.
    """
    model, config = generator.checkpoint.model, generator.checkpoint.model.config
    size = BYTES[generator.steps.arithmetic]
    multiplied = sum(
        module.weight.numel()
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and not name.endswith(PROJECTIONS_OF_DISTANCE)
    )
    running = generator.scheduler.running
    seen = [min(config.window, len(piece.request.words) + len(piece.words)) for piece in running]
    head_dim = config.dim // config.heads
    kept = 2 * config.kv_heads * head_dim * sum(seen)
    looked_at = 2  # products a word in sight takes part in: with the query, and of its value
    if config.positions in ("relative", "music"):  # a key for each distance, shared by all slots
        kept += config.dim * max(seen, default=0)
        looked_at = 3
    return StepCost(
        weights=multiplied * size,
        cache=config.layers * kept * size,
        operations=2 * len(running) * multiplied + 2 * looked_at * config.dim * sum(seen) * config.layers,
        arithmetic=generator.steps.arithmetic,
    )
