"""The compiled form of step.cpp. Compiled when the package is installed, where there is a compiler.

There is one build for each level of x86-64, one more for processors that add up products of integers at once (VNNI),
and a plain one for all others; the best that runs here is loaded. Their results are the same to the last bit from level
3 on.
"""

from __future__ import annotations

import ctypes
import functools
import importlib.util
from ctypes import POINTER, byref, c_int, c_void_p
from typing import Any

import torch

from composer.engine.native.layout import DONE, NO_MEMORY, Floats, Ints, Model, Named, Settings, layout
from composer.errors import CompositionError


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
    """The best build that runs on this processor, or None where none with this layout was compiled."""
    for build in builds():
        spec = importlib.util.find_spec(f"composer.engine.native.{build}")
        if spec is not None and spec.origin is not None and (loaded := load(spec.origin)) is not None:
            return loaded
    return None


def load(path: str) -> ctypes.CDLL | None:
    """A build of step.cpp, or None where the system cannot load it, or it was compiled with another layout."""
    try:
        loaded = ctypes.CDLL(path)
        return _declared(loaded) if _layout_of(loaded) == dict(layout()) else None
    except (OSError, AttributeError):
        return None


def _layout_of(loaded: ctypes.CDLL) -> dict[str, int]:
    """What it says of its structures and numbers. Raises AttributeError where it says nothing."""
    told = POINTER(Named)()
    count = loaded.segue_layout(byref(told))
    return {one.name.decode(): one.value for one in told[:count]}


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
