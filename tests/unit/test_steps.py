"""The step in C++ against the step in torch: the same model, the same numbers, the same music."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from asked import REQUESTS, versatile_checkpoint
from engine_models import TINY, looping_checkpoint, nats_of, random_checkpoint, steps_of
from some_words import BAR
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from composer.engine.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from composer.engine.generator import Generator, why_slow
from composer.engine.native import library
from composer.engine.native.layout import layout
from composer.engine.native.library import builds
from composer.engine.native.steps import NativeSteps
from composer.engine.native.weights import LANES, is_supported, pack
from composer.engine.scheduler import Piece
from composer.engine.torch_steps import TorchSteps
from composer.errors import CheckpointError, CompositionError
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.music.words import Word, default_vocabulary
from composer.request import Guards, Request
from composer.rules import broken_rules
from composer.sampling import SamplingParams

VOCABULARY = default_vocabulary()
FREE = SamplingParams().with_settings(["temperature.all=1", "top_p.all=1"])
NARROW = SamplingParams().with_settings(["temperature.pitch=0.6", "top_p.all=0.8", "temperature.duration=1.4"])


def opening(bars: int, pitch: int = 60) -> tuple[Word, ...]:
    notes = tuple(
        Note(tick, pitch + tick // 240 % 9, tick + 240 * (1 + tick // 960 % 3), 40 + tick // 480 % 60)
        for tick in range(0, bars * TICKS_PER_BAR, 240)
    )
    return tuple(encode(in_four(notes, end=bars * TICKS_PER_BAR), VOCABULARY))


def requests(bars: int = 6) -> list[Request]:
    sampling = (FREE, NARROW)
    return [Request(opening(1 + 4 * k, 48 + 5 * k), bars, k, sampling[k % 2], ending=k > 0) for k in range(3)]


def compose(kind: str, checkpoint: Checkpoint, asked: Sequence[Request], slots: int = 2) -> list[Piece]:
    *_, pieces = Generator(checkpoint, slots, steps=steps_of(kind, checkpoint, slots)).compose(asked)
    return pieces


MODELS: dict[str, dict[str, Any]] = {
    "relative": {},
    "music": {"positions": "music"},
    "no ALiBi": {"alibi": False},
    "parallel heads": {"head_order": "parallel"},
    "one head of keys for four": {"kv_heads": 1},
    "as many heads of keys": {"kv_heads": 4},
    "heads of 96": {"dim": 192, "heads": 2, "kv_heads": 1},
    "a window that is no whole number of groups": {"window": 77},
    "a window longer than the music": {"window": 1000},
    "lags": {"lags": (1, 2), "memory": 100},
    "lags and the likest bar": {"lags": (1, 2, 4), "farthest": 8, "memory": 150, "copying": 1.5},
    "anchors": {"anchors": True},
    "anchors, a style and segments": {"anchors": True, "styles": ("pop", "song"), "segments": True},
}


def told(checkpoint: Checkpoint) -> Checkpoint:
    """What begins as zero in an untrained model, made to count."""
    model = checkpoint.model
    if model.returns is not None:
        torch.nn.init.normal_(model.returns.project.weight, std=0.2)
        for stage in model.stages:
            torch.nn.init.normal_(stage.copying.gates.weight, std=0.3)  # type: ignore[union-attr, arg-type]
    for told_by in (model.anchors, model.segments):
        for table in told_by.parameters() if told_by is not None else ():
            torch.nn.init.normal_(table, std=0.5)
    return checkpoint


@pytest.mark.parametrize("name", MODELS)
def test_in_float32_the_words_are_those_of_torch_and_as_likely(name: str) -> None:
    checkpoint = told(random_checkpoint(**MODELS[name]))
    expected = compose("torch", checkpoint, requests())
    for piece, other in zip(compose("native float32", checkpoint, requests()), expected, strict=True):
        assert piece.words == other.words
        assert piece.nats == pytest.approx(other.nats, abs=2e-4)
        assert piece.watch is not None
        assert other.watch is not None
        assert piece.watch.watched == other.watch.watched


def test_so_they_are_whatever_is_asked_for() -> None:
    asked = [make() for make in REQUESTS.values()]
    expected = compose("torch", versatile_checkpoint(), asked)
    for piece, other in zip(compose("native float32", versatile_checkpoint(), asked), expected, strict=True):
        assert piece.words == other.words
        assert piece.nats == pytest.approx(other.nats, abs=2e-4)


def test_with_guards_that_act_too() -> None:
    checkpoint = looping_checkpoint(farthest=4)
    asked = [Request(opening(1 + k), 16, k, FREE) for k in range(3)]
    expected = compose("torch", checkpoint, asked)
    assert sum(piece.watch.watched.loops + piece.watch.watched.pulled for piece in expected if piece.watch) > 3
    for piece, other in zip(compose("native float32", checkpoint, asked), expected, strict=True):
        assert piece.words == other.words
        assert piece.drawn == other.drawn


def test_in_int8_words_are_about_as_likely_as_the_model_itself_finds_them() -> None:
    checkpoint = told(random_checkpoint(**MODELS["lags and the likest bar"]))
    off = Guards.off()
    asked = [Request(request.words, 6, request.seed, FREE, off, request.ending) for request in requests()]
    for piece in compose("native int8", checkpoint, asked):
        assert list(broken_rules(piece.words, VOCABULARY, 6)) == []
        own = nats_of(checkpoint, piece.request, piece.words)
        assert np.mean(piece.nats[1:]) == pytest.approx(np.mean(own), abs=0.03)
        assert np.corrcoef(piece.nats[1:], own)[0, 1] > 0.99


@pytest.mark.parametrize("kind", ["native float32", "native int8"])
def test_threads_do_not_change_a_bit(kind: str) -> None:
    checkpoint = told(random_checkpoint(**MODELS["lags and the likest bar"]))
    pieces = []
    for threads in (1, 3):
        steps = NativeSteps(checkpoint, 2, threads, whole=kind == "native float32")
        *_, made = Generator(checkpoint, 2, steps=steps).compose(requests())
        pieces.append([(piece.words, piece.nats) for piece in made])
    assert pieces[0] == pieces[1]


PRINTED = """
import hashlib, sys
from composer.engine.native import library
library.builds = lambda: (sys.argv[1],)
from engine_models import random_checkpoint, steps_of
from composer.engine.generator import Generator
from composer.request import Request
from some_words import BAR
checkpoint = random_checkpoint(dim=64, lags=(1, 2), farthest=4)
for kind in ("native float32", "native int8"):
    steps = steps_of(kind, checkpoint, 2)
    *_, pieces = Generator(checkpoint, 2, steps=steps).compose(Request((BAR,), 4, seed) for seed in range(3))
    print(hashlib.sha256(repr([(piece.words, piece.nats) for piece in pieces]).encode()).hexdigest())
"""


def test_the_width_of_vectors_does_not_change_a_bit() -> None:
    fused = [build for build in builds() if build != "step_v1"]
    if len(fused) < 2:
        pytest.skip("needs a processor that runs two of the builds")
    printed = set()
    for build in fused:
        environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", PRINTED, build], env=environment, capture_output=True, text=True, check=True
        )
        printed.add(done.stdout)
    assert len(printed) == 1
    assert len(set(printed.pop().splitlines())) == 2


def test_the_plain_build_composes_as_likely_music() -> None:
    """It is for whatever processor has nothing better, so it runs here too."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", PRINTED, "step_v1"], env=environment, capture_output=True, text=True, check=True
    )
    assert len(set(done.stdout.splitlines())) == 2


class Operations(TorchDispatchMode):
    """What torch does, as a list: each operation with the shapes of what it takes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, tuple[tuple[int, ...], ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        tensors = [value for value in tree_leaves((args, kwargs or {})) if isinstance(value, torch.Tensor)]
        self.done.append((str(func), tuple(tuple(tensor.shape) for tensor in tensors)))
        return func(*args, **kwargs or {})


def test_every_step_is_the_same_operations_whoever_is_there() -> None:
    """So a step that was recorded once on a GPU is never recorded again, nor anything compiled anew."""
    checkpoint = looping_checkpoint(farthest=4, window=32)
    steps = TorchSteps(checkpoint, 3, torch.device("cpu"))
    step, seen = steps._step, []

    def watched() -> None:
        with Operations() as operations:
            step()
        seen.append(operations.done)

    steps._step = watched  # type: ignore[method-assign]
    generator = Generator(checkpoint, 3, steps=steps)
    asked = [Request(opening(1 + k), (6, 2)[k % 2], k, (FREE, NARROW)[k % 2]) for k in range(4)]
    *_, pieces = generator.compose(asked)  # they come and go, and guards act
    assert sum(piece.watch.watched.loops + piece.watch.watched.pulled for piece in pieces if piece.watch) > 0
    assert len(seen) > 100
    assert len(seen[0]) > 100
    assert all(operations == seen[0] for operations in seen)


def test_what_step_cpp_does_not_know_is_left_to_torch() -> None:
    for positions in ("rotary", "sinusoidal"):
        checkpoint = random_checkpoint(positions=positions, alibi=False)
        assert not is_supported(checkpoint.model)
        assert isinstance(Generator(checkpoint, 1).steps, TorchSteps)
    assert not is_supported(random_checkpoint(lags=(1,), farthest=65).model)
    assert isinstance(Generator(random_checkpoint(**TINY), 1).steps, NativeSteps)


def test_the_answer_says_what_the_weights_were_held_in() -> None:
    checkpoint = random_checkpoint(**TINY)
    for kind, arithmetic in (("torch", "float32"), ("native float32", "float32"), ("native int8", "int8")):
        generator = Generator(checkpoint, 1, steps=steps_of(kind, checkpoint, 1))
        *_, (piece,) = generator.compose([Request((BAR,), 1, 0)])
        assert generator.composed(piece, 1.0).arithmetic == arithmetic


# ---------------------------------------------------------------------- packing


@pytest.mark.parametrize(("outputs", "inputs"), [(64, 3), (70, 16), (1, 1), (130, 40)])
def test_packed_weights_are_the_weights(outputs: int, inputs: int) -> None:
    weight = np.random.default_rng(outputs).normal(size=(outputs, inputs)).astype(np.float32)
    groups = -(-outputs // LANES)
    packed, scales = pack(weight, whole=True)
    assert packed.dtype == np.float32
    assert packed.shape == (groups, inputs, LANES)
    again = packed.transpose(0, 2, 1).reshape(-1, inputs)
    assert np.array_equal(again[:outputs], weight)
    assert not again[outputs:].any()
    assert (scales == 1).all()

    packed, scales = pack(weight, whole=False)
    assert packed.dtype == np.int8
    assert packed.shape == (groups, -(-inputs // 4), LANES, 4)
    again = packed[..., [0, 2, 1, 3]].transpose(0, 2, 1, 3).reshape(groups * LANES, -1) * scales[:, None]
    assert not again[outputs:].any()
    assert not again[:, inputs:].any()
    step = np.abs(weight).max(axis=1, keepdims=True) / 127
    assert (np.abs(again[:outputs, :inputs] - weight) <= step / 2 + 1e-7).all()


def test_an_output_without_weights_stays_nothing() -> None:
    packed, scales = pack(np.zeros((2, 5), np.float32), whole=False)
    assert not packed.any()
    assert np.isfinite(scales).all()


# ---------------------------------------------------------------------- what is refused, and what is said


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", ["norm.weight", "blocks.0.attention.out.weight", "stages.0.heads.bias"])
def test_weights_that_are_no_numbers_are_refused(name: str, bad: float, tmp_path: Path) -> None:
    checkpoint = random_checkpoint(**TINY)
    dict(checkpoint.model.named_parameters())[name].view(-1)[0] = bad
    for whole in (False, True):
        with pytest.raises(CompositionError, match="not all finite"):
            NativeSteps(checkpoint, 1, whole=whole)
    save_checkpoint(tmp_path, checkpoint.model, checkpoint.vocabulary)
    with pytest.raises(CheckpointError, match=r"model\.safetensors holds weights that are no finite numbers"):
        load_checkpoint(tmp_path)


TOO_LARGE = """
import resource
from engine_models import random_checkpoint
from composer.engine.native.steps import NativeSteps
from composer.errors import CompositionError
checkpoint = random_checkpoint(dim=64, layers=2, heads=1, kv_heads=1, window=1 << 16, positions="music")
NativeSteps(checkpoint, 1, 1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + (256 << 20), used + (256 << 20)))
try:
    NativeSteps(checkpoint, 64, 1)
except CompositionError as error:
    print(error)
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_what_fails_in_cpp_is_an_error_in_python() -> None:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[1]), *sys.path])}
    done = subprocess.run([sys.executable, "-c", TOO_LARGE], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "not enough memory" in done.stdout


def test_a_machine_without_the_compiled_step_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    checkpoint, cpu = random_checkpoint(**TINY), torch.device("cpu")
    assert why_slow(checkpoint, cpu) is None
    rotary = why_slow(random_checkpoint(positions="rotary", alibi=False), cpu)
    assert rotary is not None
    assert "rotary" in rotary
    monkeypatch.setattr(library, "library", lambda: None)
    sentence = why_slow(checkpoint, cpu)
    assert sentence is not None
    assert "g++" in sentence
    assert why_slow(checkpoint, torch.device("cuda")) is None
    assert isinstance(Generator(checkpoint, 1).steps, TorchSteps)


@pytest.mark.parametrize(
    "name", ["version", "LANES", "PITCH", "FAMILY_OF[CHORD]", "PLACE[1]", "Settings.anchors", "Model"]
)
def test_a_build_in_which_anything_lies_elsewhere_is_not_taken(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(library.library()._name)  # type: ignore[union-attr]
    assert library.load(path) is not None
    changed = dict(layout()) | {name: 99}
    assert len(changed) == len(dict(layout()))
    monkeypatch.setattr(library, "layout", changed.items)
    assert library.load(path) is None


def test_what_is_no_build_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "step.so").write_bytes(b"of another machine")
    assert library.load(str(tmp_path / "step.so")) is None
