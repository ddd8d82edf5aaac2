"""The compiled form of step.cpp, and its structures. Compiled when the package is installed, where there is a compiler.

There is one build for each level of x86-64, one more for processors that add up products of integers at once (VNNI),
and a plain one for all others; the best that runs here is loaded. Their results are the same to the last bit from level
3 on.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from ctypes import POINTER, Structure, c_float, c_int, c_int32, c_uint8, c_void_p
from typing import Any

import torch

from composer.engine.anchors import FIELDS
from composer.errors import CompositionError
from composer.music.words import ATTRIBUTES

VERSION = 3  # of the structures and functions, as in step.cpp
DONE, NO_MEMORY = 0, 1  # what the functions return, as in step.cpp

MOST_FIELDS = len(FIELDS) + 1  # of the anchors, the style among them

Floats, Ints = POINTER(c_float), POINTER(c_int32)


class Matrix(Structure):
    _fields_ = [
        ("weights", c_void_p),
        ("scales", Floats),
        ("bias", Floats),
        ("inputs", c_int32),
        ("outputs", c_int32),
    ]


class Layer(Structure):
    _fields_ = [
        ("queries_keys_values", Matrix),
        ("out", Matrix),
        ("up", Matrix),
        ("down", Matrix),
        ("distance_keys", Matrix),
        ("attention_norm", Floats),
        ("feed_norm", Floats),
        ("content_bias", Floats),
        ("distance_bias", Floats),
    ]


class Stage(Structure):
    _fields_ = [
        ("names", Ints),
        ("given", Floats * len(ATTRIBUTES)),
        ("norm", Floats),
        ("heads", Matrix),
        ("gates", Matrix),
        ("name_count", c_int32),
    ]


class Model(Structure):
    _fields_ = [
        *((name, c_int32) for name in ("dim", "layers", "heads", "kv_heads", "window", "stages", "hints", "lags")),
        *((name, c_int32) for name in ("farthest", "memory")),
        ("sizes", Ints),
        ("lag_bars", Ints),
        ("embeddings", Floats * len(ATTRIBUTES)),
        ("bias", Floats),
        ("anchors", Floats * MOST_FIELDS),
        ("segments", Floats),
        *((name, Floats) for name in ("hint_words", "hint_same", "hint_alike", "hint_distance", "norm", "slopes")),
        ("layer", POINTER(Layer)),
        ("stage", POINTER(Stage)),
        ("mix", Matrix),
        ("norm_epsilon", c_float),
    ]


class Settings(Structure):
    _fields_ = [
        *((name, Floats) for name in ("temperature", "top_p", "pulls", "noise", "trust")),
        *((name, POINTER(c_uint8)) for name in ("warmed", "last")),
        *((name, Ints) for name in ("length", "segment", "following", "anchors", "chords", "roles")),
        *((name, c_int32) for name in ("noise_words", "farthest_spread")),
        *((name, c_float) for name in ("coldest", "warmer", "least_warm", "most_warm")),
        *((name, c_int32) for name in ("places_per_role", "places_per_position", "places_per_bar", "alike_words")),
    ]


def builds() -> tuple[str, ...]:
    """What runs on this processor, by what torch says of it, the best first."""
    width = torch.backends.cpu.get_cpu_capability()
    wide = width == "AVX512"
    run = {
        "step_vnni": wide and torch.cpu.get_capabilities().get("avx512_vnni", False),
        "step_v4": wide,
        "step_v3": wide or width == "AVX2",
        "step_v1": True,
    }
    return tuple(build for build, runs in run.items() if runs)


@functools.cache
def library() -> ctypes.CDLL | None:
    """The best build that runs on this processor, or None where none of this version was compiled."""
    for build in builds():
        spec = importlib.util.find_spec(f"composer.engine.native.{build}")
        if spec is not None and spec.origin is not None and (loaded := load(spec.origin)) is not None:
            return loaded
    return None


def load(path: str) -> ctypes.CDLL | None:
    """A build of step.cpp, or None where the system cannot load it, or it was compiled of another version."""
    try:
        loaded = ctypes.CDLL(path)
        return _declared(loaded) if loaded.segue_version() == VERSION else None
    except (OSError, AttributeError):
        return None


def _declared(loaded: ctypes.CDLL) -> ctypes.CDLL:
    loaded.segue_open.argtypes = [POINTER(Model), POINTER(Settings), c_int, c_int, c_int, c_int, POINTER(c_void_p)]
    loaded.segue_close.argtypes = [c_void_p]
    loaded.segue_read.argtypes = [c_void_p, c_int, c_int, Ints, Ints, Ints, c_int]
    loaded.segue_go.argtypes = [c_void_p, c_int, Ints]
    loaded.segue_step.argtypes = [c_void_p, c_int, Ints, Ints, Ints, Floats]
    for function in (loaded.segue_open, loaded.segue_read, loaded.segue_go, loaded.segue_step):
        function.restype = _check
    loaded.segue_close.restype = None
    return loaded


def _check(outcome: int) -> Any:
    """Raises CompositionError unless what was called is done."""
    if outcome == NO_MEMORY:
        raise CompositionError(
            "There is not enough memory to compose so many pieces at once. Ask for fewer (--takes and --candidates; "
            "--slots of a worker), or close something else, and try again."
        )
    if outcome != DONE:
        raise CompositionError("The compiled step has broken off. Compile it again: pip install --force-reinstall .")
