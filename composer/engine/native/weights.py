"""A model's weights as step.cpp reads them: matrices packed in int8 or float32, small tables folded into others."""

from __future__ import annotations

import ctypes
from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from composer.engine.model import Block, CompoundWordTransformer, Stage
from composer.engine.native import layout
from composer.engine.native.layout import LANES, MOST_BARS_BACK, MOST_HEADS, MOST_HINTS, ORDER
from composer.errors import CompositionError
from composer.music.words import ATTRIBUTES

INT8_MAX = 127
PLACE = 1 << 24  # bytes; numpy asks for large pages for so many, and matrices in small ones wait for the pages' tables
LINE = 64  # bytes of a line of cache, on which each matrix begins

Floats = npt.NDArray[np.float32]


def is_supported(model: CompoundWordTransformer) -> bool:
    """Whether step.cpp has what the model is made of. Rotary and sinusoidal positions are left to torch."""
    config = model.config
    return (
        config.positions in ("relative", "music")
        and config.farthest <= MOST_BARS_BACK
        and len(config.lags) + 1 <= MOST_HINTS
        and config.heads // config.kv_heads <= MOST_HEADS
    )


class Weights:
    """Everything that does not change while a model composes. Raises CompositionError if a weight is no number.

    model: the structure that step.cpp reads; it points into arrays that live as long as this does
    size: bytes of the packed matrices, all of which a step reads
    """

    def __init__(self, model: CompoundWordTransformer, whole: bool) -> None:
        self._model, self._whole = model, whole
        self._kept: list[Any] = []
        self._free = np.empty(0, np.uint8)  # of the last place that was taken for matrices
        self.size = 0
        self.model = self._fold()

    def _fold(self) -> layout.Model:
        model, config = self._model, self._model.config
        folded = layout.Model(
            **{name: getattr(config, name) for name in ("dim", "layers", "heads", "kv_heads", "window", "memory")},
            stages=len(model.stages),
            lags=len(config.lags),
            farthest=config.farthest,
            hints=len(config.lags) + (config.farthest > 0),
            sizes=self._ints(config.sizes.get(name, 0) for name in ATTRIBUTES),
            lag_bars=self._ints(config.lags),
            bias=self._floats(model.project.bias),
            norm=self._floats(model.norm.weight),
            norm_epsilon=torch.finfo(torch.float32).eps,
            layer=self._array(layout.Layer, [self._layer(block) for block in model.blocks]),
            stage=self._array(layout.Stage, [self._stage(stage) for stage in model.stages]),
            mix=self._linear([_part(stage, Stage).mix for stage in model.stages]),
            slopes=self._floats(self._slopes()),
        )
        tables = _tables(model.embeddings)
        parts = model.project.weight.split([table.shape[1] for table in tables], dim=1)
        for i, (table, part) in enumerate(zip(tables, parts, strict=True)):
            folded.embeddings[i] = self._floats(table @ part.T)
        if model.anchors is not None:
            for i, table in enumerate(_tables(model.anchors.embeddings)):
                folded.anchors[i] = self._floats(table)
        if model.segments is not None:
            folded.segments = self._floats(model.segments.weight)
        if model.returns is not None:
            self._fold_returns(folded)
        return folded

    def _fold_returns(self, folded: layout.Model) -> None:
        """Each hint's part of the projection is applied to whatever the hint may add up from."""
        returns = self._model.returns
        assert returns is not None
        parts = returns.project.weight.unflatten(1, (folded.hints, -1))  # (dim, hints, HINT_DIM + 1)
        vocabulary = torch.cat(_tables(returns.embeddings))
        folded.hint_words = self._floats(torch.stack([vocabulary @ parts[:, h, :-1].T for h in range(folded.hints)]))
        folded.hint_same = self._floats(parts[:, :, -1].T)
        if returns.alike is not None and returns.distance is not None:
            folded.hint_alike = self._floats(returns.alike.weight @ parts[:, -1, :-1].T)
            folded.hint_distance = self._floats(returns.distance.weight @ parts[:, -1, :-1].T)

    def _layer(self, module: nn.Module) -> layout.Layer:
        block = _part(module, Block)
        attention = block.attention
        layer = layout.Layer(
            queries_keys_values=self._linear([attention.queries, attention.keys_values]),
            out=self._linear([attention.out]),
            up=self._linear([_part(block.feed[0], nn.Linear)]),
            down=self._linear([_part(block.feed[2], nn.Linear)]),
            attention_norm=self._floats(block.attention_norm.weight),
            feed_norm=self._floats(block.feed_norm.weight),
        )
        distance_keys = attention.distance_keys(attention.window)
        assert distance_keys is not None
        filling = -attention.window % LANES  # in front of the farthest: the last column is distance 0
        columns = nn.functional.pad(distance_keys.flip(1), (0, 0, filling, 0)).flatten(0, 1)
        layer.distance_keys = self._matrix(columns, None)
        if attention.positions == "relative":
            layer.content_bias = self._floats(attention.content_bias)
            layer.distance_bias = self._floats(attention.distance_bias)
        return layer

    def _stage(self, module: nn.Module) -> layout.Stage:
        stage = _part(module, Stage)
        folded = layout.Stage(
            names=self._ints(ATTRIBUTES.index(name) for name in stage.names),
            name_count=len(stage.names),
            norm=self._floats(stage.norm.weight),
            heads=self._linear([stage.heads]),
        )
        for name, embedding in stage.embeddings.items():
            folded.given[ATTRIBUTES.index(name)] = self._floats(_part(embedding, nn.Embedding).weight)
        if stage.copying is not None:
            gates, strength = stage.copying.gates, stage.copying.strength
            folded.gates = self._matrix(strength * gates.weight, strength * gates.bias)
        return folded

    def _slopes(self) -> Tensor:
        slopes = _part(self._model.blocks[0], Block).attention.slopes
        return torch.zeros(self._model.config.heads) if slopes is None else slopes

    def _linear(self, layers: Sequence[nn.Linear]) -> layout.Matrix:
        """Several layers with the same input as one."""
        bias = None if layers[0].bias is None else torch.cat([layer.bias for layer in layers])
        return self._matrix(torch.cat([layer.weight for layer in layers]), bias)

    def _matrix(self, weight: Tensor, bias: Tensor | None) -> layout.Matrix:
        """weight: (outputs, inputs), as in nn.Linear"""
        numbers = weight.detach().float().numpy()
        _check(numbers)
        packed, scales = pack(numbers, self._whole)
        outputs = len(scales)
        held = np.zeros(outputs, np.float32)
        if bias is not None:
            held[: len(bias)] = bias.detach().float().numpy()
        self.size += packed.nbytes
        return layout.Matrix(self._place(packed), self._floats(scales), self._floats(held), weight.shape[1], outputs)

    def _place(self, packed: npt.NDArray[Any]) -> int:
        """Copy it behind the matrix before it, and return its address."""
        if packed.nbytes + LINE > len(self._free):
            self._free = np.empty(max(PLACE, packed.nbytes + LINE), np.uint8)
            self._kept.append(self._free)
        begin = -self._free.ctypes.data % LINE
        placed, self._free = np.split(self._free[begin:], [packed.nbytes])
        placed[:] = packed.view(np.uint8).ravel()
        return placed.ctypes.data

    def _floats(self, values: Tensor | Floats) -> Any:
        array = np.ascontiguousarray(values.detach() if isinstance(values, Tensor) else values, np.float32)
        _check(array)
        self._kept.append(array)
        return array.ctypes.data_as(layout.Floats)

    def _ints(self, values: Iterable[int]) -> Any:
        array = np.array(list(values), np.int32)
        self._kept.append(array)
        return array.ctypes.data_as(layout.Ints)

    def _array(self, structure: type[ctypes.Structure], rows: Sequence[ctypes.Structure]) -> Any:
        array = (structure * len(rows))(*rows)
        self._kept.append(array)
        return array


def _check(numbers: Floats) -> None:
    if not np.isfinite(numbers).all():
        raise CompositionError(
            "The model's weights are not all finite numbers, so nothing can be composed with them. Take another "
            "checkpoint, one from earlier in its training for instance."
        )


Part = TypeVar("Part", bound=nn.Module)


def _part(module: nn.Module, kind: type[Part]) -> Part:
    """The module as what it is; torch's lists and dictionaries forget it."""
    assert isinstance(module, kind)
    return module


def _tables(embeddings: nn.ModuleList) -> list[Tensor]:
    return [_part(embedding, nn.Embedding).weight for embedding in embeddings]


def pack(weight: Floats, whole: bool) -> tuple[npt.NDArray[Any], Floats]:
    """(outputs, inputs) -> groups of LANES outputs, and what to multiply each output by.

    whole: float32 as it is, (groups, inputs, LANES); else int8, whose step is a 127th of the output's largest weight,
    (groups, inputs / 4, LANES, 4), the four in the order that step.cpp takes them apart in
    """
    outputs, inputs = weight.shape
    weight = np.pad(weight, ((0, -outputs % LANES), (0, 0 if whole else -inputs % len(ORDER))))
    scales = np.ones(len(weight), np.float32)
    if whole:
        return np.ascontiguousarray(weight.reshape(-1, LANES, inputs).transpose(0, 2, 1)), scales
    scales = np.abs(weight).max(axis=1) / np.float32(INT8_MAX)
    weight = np.rint(weight / np.where(scales > 0, scales, 1)[:, None]).astype(np.int8)
    fours = weight.reshape(len(weight) // LANES, LANES, -1, len(ORDER)).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(fours[..., ORDER]), scales
