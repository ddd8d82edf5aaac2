"""step.cpp behind the interface of composer.engine.steps."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from ctypes import byref, c_void_p
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from composer.engine import returns
from composer.engine.anchors import FARTHEST_BAR, FARTHEST_END, FIELDS, Row
from composer.engine.draw import COLDEST, FARTHEST_SPREAD, LEAST_WARM, WARMER
from composer.engine.guards import NO_PULL, Pull
from composer.engine.model import CompoundWordTransformer
from composer.engine.native import library
from composer.engine.native.weights import Weights, is_supported
from composer.engine.noise import NOISE_WORDS, Noise
from composer.engine.steps import PREFILL_WORDS, Drawn
from composer.sampling import MAX_TEMPERATURE, SamplingParams
from composer.words import ATTRIBUTES, Word


class NativeSteps:
    """threads: torch's own number if it is not said

    whole: weights, keys and values in float32, else in int8: a quarter of the bytes, which are what a step waits for
    """

    def __init__(
        self, model: CompoundWordTransformer, slots: int, threads: int | None = None, whole: bool = False
    ) -> None:
        loaded = library.library()
        assert loaded is not None
        self.arithmetic = "float32" if whole else "int8"
        self.description = f"compiled for it, weights in {self.arithmetic}"
        self._library, self._weights, self._noise = loaded, Weights(model, whole), Noise(slots)
        self._temperature = np.ones((slots, len(ATTRIBUTES)), np.float32)
        self._top_p = np.ones((slots, len(ATTRIBUTES)), np.float32)
        self._pulls = np.zeros((slots, len(NO_PULL)), np.float32)
        self._warmed, self._ending = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
        self._anchors = np.zeros((slots, len(FIELDS)), np.int32)
        self._settings = library.Settings(
            temperature=_pointer(self._temperature),
            top_p=_pointer(self._top_p),
            pulls=_pointer(self._pulls),
            noise=_pointer(self._noise.numbers.numpy()),
            warmed=_pointer(self._warmed),
            ending=_pointer(self._ending),
            anchors=_pointer(self._anchors),
            noise_words=NOISE_WORDS,
            farthest_bar=FARTHEST_BAR,
            farthest_end=FARTHEST_END,
            farthest_spread=FARTHEST_SPREAD,
            coldest=COLDEST,
            warmer=WARMER,
            least_warm=LEAST_WARM,
            most_warm=MAX_TEMPERATURE,
            places_per_position=returns.PLACES_PER_POSITION,
            places_per_bar=returns.PLACES_PER_BAR,
            alike_words=returns.ALIKE_WORDS,
        )
        threads = threads or torch.get_num_threads()
        self._engine = c_void_p()
        loaded.segue_open(
            self._weights.model, self._settings, slots, PREFILL_WORDS, threads, whole, byref(self._engine)
        )
        weakref.finalize(self, loaded.segue_close, self._engine)

    @staticmethod
    def missing(model: CompoundWordTransformer) -> str | None:
        """Why there are none for this model here, as a sentence that ends in what can be done; None if there are."""
        if not is_supported(model):
            return (
                f"The compiled step does not know this checkpoint's {model.config.positions} positions or its size, so "
                "composing on this CPU is up to 180 times slower than it could be. Take another checkpoint, or a GPU."
            )
        if library.library() is None:
            return (
                "The compiled step of the model is missing or of another version, so composing on this CPU is up to "
                "180 times slower than it could be. Install a C++ compiler (g++) and then this package again: "
                "pip install --force-reinstall --no-deps . in its folder."
            )
        return None

    def start(self, slot: int, sampling: SamplingParams, seed: int, anchors: Row, ending: bool) -> None:
        self._temperature[slot] = [sampling[name].temperature for name in ATTRIBUTES]
        self._top_p[slot] = [sampling[name].top_p for name in ATTRIBUTES]
        self._anchors[slot], self._ending[slot] = anchors, ending
        self._noise.start(slot, seed)
        self.warm(slot, False)
        self.pull(slot, NO_PULL)

    def read(self, slot: int, words: Sequence[Word], anchors: Sequence[Row], first: bool) -> None:
        rows, told = np.array(words, np.int32), np.array(anchors, np.int32)
        self._library.segue_read(self._engine, slot, len(rows), _pointer(rows), _pointer(told), first)

    def go(self, slot: int, word: Word, bars_before: int, bars_left: int) -> None:
        self._library.segue_go(self._engine, slot, _pointer(np.array(word, np.int32)), bars_before, bars_left)

    def warm(self, slot: int, warmed: bool) -> None:
        self._warmed[slot] = warmed

    def pull(self, slot: int, pull: Pull) -> None:
        self._pulls[slot] = pull

    def step(self, slots: Sequence[int], drawn: Sequence[int]) -> list[Drawn]:
        self._noise.renew(slots, drawn)
        which, counts = np.array(slots, np.int32), np.array(drawn, np.int32)
        words, nats = np.empty((len(slots), len(ATTRIBUTES)), np.int32), np.empty(len(slots), np.float32)
        self._library.segue_step(
            self._engine, len(slots), _pointer(which), _pointer(counts), _pointer(words), _pointer(nats)
        )
        return [Drawn(Word(*row), one) for row, one in zip(words.tolist(), nats.tolist(), strict=True)]


def _pointer(array: npt.NDArray[Any]) -> Any:
    """Where the array's numbers are, as the type that they have. The array has to be kept as long as that is used."""
    return np.ctypeslib.as_ctypes(array.reshape(-1)) if array.size else None
