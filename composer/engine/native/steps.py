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
from composer.engine.checkpoint import Checkpoint
from composer.engine.draw import COLDEST, LEAST_WARM, WARMER, farthest_spread
from composer.engine.guards import NO_PULL, Pull
from composer.engine.model import CompoundWordTransformer
from composer.engine.native import layout, library
from composer.engine.native.weights import Weights, is_supported
from composer.engine.noise import NOISE_WORDS, Noise
from composer.engine.prompt import Known, OpenBar, trust_in
from composer.engine.steps import PREFILL_WORDS, Drawn
from composer.music.words import ATTRIBUTES, Word
from composer.sampling import MAX_TEMPERATURE, SamplingParams


class NativeSteps:
    """threads: torch's own number if it is not said

    whole: weights, keys and values in float32, else in int8: a quarter of the bytes, which are what a step waits for
    """

    def __init__(self, checkpoint: Checkpoint, slots: int, threads: int | None = None, whole: bool = False) -> None:
        loaded = library.library()
        assert loaded is not None
        model, vocabulary = checkpoint.model, checkpoint.vocabulary
        self.arithmetic = "float32" if whole else "int8"
        self.description = f"compiled for it, weights in {self.arithmetic}"
        self._library, self._weights, self._noise = loaded, Weights(model, whole), Noise(slots, len(vocabulary.sizes))
        self._copying = model.config.copying
        self._temperature = np.ones((slots, len(ATTRIBUTES)), np.float32)
        self._top_p = np.ones((slots, len(ATTRIBUTES)), np.float32)
        self._pulls = np.zeros((slots, len(NO_PULL)), np.float32)
        self._trust = np.ones(slots, np.float32)
        self._warmed, self._last = np.zeros(slots, np.uint8), np.zeros(slots, np.uint8)
        self._length, self._segment, self._following, self._roles = np.zeros((4, slots), np.int32)
        self._anchors = np.zeros((slots, layout.MOST_FIELDS), np.int32)
        self._chords = np.zeros((slots, vocabulary.sizes["position"]), np.int32)
        shown = returns.ROLES if "role" in vocabulary.sizes else 1
        self._settings = layout.Settings(
            temperature=_pointer(self._temperature),
            top_p=_pointer(self._top_p),
            pulls=_pointer(self._pulls),
            noise=_pointer(self._noise.numbers.numpy()),
            trust=_pointer(self._trust),
            warmed=_pointer(self._warmed),
            last=_pointer(self._last),
            length=_pointer(self._length),
            segment=_pointer(self._segment),
            following=_pointer(self._following),
            anchors=_pointer(self._anchors),
            chords=_pointer(self._chords),
            roles=_pointer(self._roles),
            noise_words=NOISE_WORDS,
            farthest_spread=farthest_spread(vocabulary),
            coldest=COLDEST,
            warmer=WARMER,
            least_warm=LEAST_WARM,
            most_warm=MAX_TEMPERATURE,
            places_per_role=returns.PLACES_PER_POSITION,
            places_per_position=returns.PLACES_PER_POSITION * shown,
            places_per_bar=returns.PLACES_PER_BAR * shown,
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

    def start(self, slot: int, sampling: SamplingParams, seed: int, roles: Sequence[int]) -> None:
        self._temperature[slot] = [sampling[name].temperature for name in ATTRIBUTES]
        self._top_p[slot] = [sampling[name].top_p for name in ATTRIBUTES]
        self._roles[slot] = sum(1 << role for role in set(roles))
        self._noise.start(slot, seed)
        self.warm(slot, False)
        self.pull(slot, NO_PULL)

    def read(self, slot: int, known: Sequence[Known], first: bool) -> None:
        words = np.array([one.word for one in known], np.int32)
        anchors = np.zeros((len(known), layout.MOST_FIELDS), np.int32)
        for row, one in zip(anchors, known, strict=True):
            row[: len(one.anchors)] = one.anchors
        segments = np.array([one.segment for one in known], np.int32)
        self._library.segue_read(
            self._engine, slot, len(known), _pointer(words), _pointer(anchors), _pointer(segments), first
        )

    def go(self, slot: int, word: Word) -> None:
        self._library.segue_go(self._engine, slot, _pointer(np.array(word, np.int32)))

    def open(self, slot: int, bar: OpenBar) -> None:
        self._length[slot], self._last[slot] = bar.length, bar.last
        self._segment[slot], self._following[slot] = bar.segment, bar.following
        self._anchors[slot, : len(bar.anchors)] = bar.anchors
        self._trust[slot] = trust_in(bar, self._copying)
        self._chords[slot] = 0
        self._chords[slot, 1 : 1 + len(bar.chords)] = bar.chords

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
