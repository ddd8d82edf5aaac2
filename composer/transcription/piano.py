"""Piano -> Performance by transkun (Yan and Duan, ISMIR 2024), whose weights come with its package."""

from __future__ import annotations

import importlib.util
import io
import json
import math
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from functools import cache
from importlib import resources
from typing import Any

import numpy as np

from composer.errors import CannotHearError
from composer.transcription.performance import Performance, PlayedNote
from composer.transcription.recording import SAMPLE_RATE, Samples

# The model hears windows of sixteen seconds. Half of each overlapping the next, as its authors have it, costs twice as
# much as a quarter and finds the same notes.
WINDOW_SECONDS = 16
HOP_SECONDS = 12
_PEDAL = -64  # how the model writes the controller among its pitches
_LOWEST, _HIGHEST = 21, 108


def transcribe_piano(samples: Samples, on_progress: Callable[[float], None]) -> Performance:
    """samples: at SAMPLE_RATE, of any length   on_progress: called with the share that is done, from 0 to 1

    Raises CannotHearError. The same samples give the same notes.
    """
    import torch

    model = _model()
    padded = len(samples) / SAMPLE_RATE + 2 * (WINDOW_SECONDS - HOP_SECONDS)  # as the model does it
    windows = math.ceil(padded / HOP_SECONDS)
    heard = 0

    def count(*_: object) -> None:
        nonlocal heard
        heard += 1
        on_progress(min(1.0, heard / windows))

    counting = model.backbone.register_forward_hook(count)
    try:
        with torch.inference_mode(), _quiet():
            events = model.transcribe(
                torch.from_numpy(samples[:, None]), stepInSecond=HOP_SECONDS, segmentSizeInSecond=WINDOW_SECONDS
            )
    finally:
        counting.remove()
    notes = [e for e in events if _LOWEST <= e.pitch <= _HIGHEST]
    return Performance(
        notes=tuple(sorted(PlayedNote(float(e.start), e.pitch, float(e.end), max(1, e.velocity)) for e in notes)),
        seconds=len(samples) / SAMPLE_RATE,
        kind="piano",
        pedal=tuple(sorted((float(e.start), float(e.end)) for e in events if e.pitch == _PEDAL)),
    )


@cache
def _model() -> Any:
    """The model, loaded once a process: a second and 200 MB, torch itself not counted."""
    if importlib.util.find_spec("transkun") is None:
        raise CannotHearError("transkun")
    import torch

    with _quiet(), _without_torchaudio():
        # It imports pyfluidsynth, which prints what library it found where the variable CI is set.
        with redirect_stdout(io.StringIO()):
            from transkun.ModelTransformer import ModelConfig, TransKun

        config = ModelConfig()
        weights = resources.files("transkun") / "pretrained"
        vars(config).update(json.loads((weights / "2.0.conf").read_text())["Model"]["config"])
        model = TransKun(config)
        with resources.as_file(weights / "2.0.pt") as path:
            model.load_state_dict(torch.load(path, map_location="cpu", weights_only=True)["state_dict"])
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the warnings that transkun has torch give: of torch.jit.script, and of checkpoints in inference."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _without_torchaudio() -> Iterator[None]:
    """Let transkun be built without torchaudio, gigabytes beside a torch of another build.

    All that it asks of it is a matrix of mel filters, and that comes with the weights.
    """
    if "torchaudio" in sys.modules:
        yield
        return
    stand_in = types.ModuleType("torchaudio")
    stand_in.functional = types.SimpleNamespace(melscale_fbanks=_no_filters)  # type: ignore[attr-defined]
    sys.modules["torchaudio"] = stand_in
    try:
        yield
    finally:
        del sys.modules["torchaudio"]


def _no_filters(n_freqs: int, n_mels: int, **_: object) -> Any:
    import torch

    return torch.from_numpy(np.zeros((n_freqs, n_mels), dtype=np.float32))
