"""Training for as long as a machine is at hand.

    ./run bench corpora ../shared/data                          # once: .cache/corpora.npz
    ./run bench gpu --seconds 9000 --out runs/second            # on this machine's CPU, or its GPU
    python -m bench.gpu --join FOLDER CHECKPOINT                # what came back in parts, as one checkpoint

Goes on where the run in --out stands; --start begins with a checkpoint's weights. The learning rate falls to its end
with the seconds. On a GPU all cores draw sequences, and --checks runs the tests marked gpu and a minute of
`bench decode` first, which count among the seconds; what they need and is not there is said. The training needs torch,
numpy and safetensors alone. --parts writes the last checkpoint in files of at most 16 MiB.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import subprocess
import sys
import time
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import torch

from composer.engine.checkpoint import WEIGHTS
from composer.engine.model import ModelConfig
from composer.order import STYLES
from composer.training.config import TrainingConfig
from composer.training.lessons import Batch, Lessons, Sampler
from composer.training.train import Run, Windows

CHECK_SECONDS = 60
PART = 16 * 2**20 - 4096  # bytes
SIZES = {"small": (256, 6, 4), "medium": (384, 10, 6), "large": (512, 12, 8)}  # width, layers, heads


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(".cache/corpora.npz"))
    parser.add_argument("--out", type=Path, default=Path("runs/second"))
    parser.add_argument("--start", type=Path, help="a checkpoint to begin with")
    parser.add_argument("--size", choices=SIZES, default="small")
    parser.add_argument("--seconds", type=float, default=3600.0, help="of training, from now on")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--rate", type=float, default=1.0e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--checks", action="store_true", help="tests and speed of the GPU first")
    parser.add_argument("--parts", type=Path, help="where the last checkpoint goes in parts")
    parser.add_argument("--join", type=Path, nargs=2, metavar=("PARTS", "CHECKPOINT"))
    options = parser.parse_args()
    if options.join:
        join(*options.join)
        return
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    began = time.monotonic()
    if options.checks:
        check(device)
    lessons = Lessons.load(options.data)
    width, layers, heads = SIZES[options.size]
    model = ModelConfig(
        lessons.vocabulary.sizes,
        dim=width,
        layers=layers,
        heads=heads,
        kv_heads=heads,
        lags=(1, 2, 4, 8, 16),
        farthest=32,
        anchors=True,
        styles=STYLES,
        segments=True,
    )
    config = TrainingConfig(
        batch=options.batch,
        length=options.length,
        micro_batch=options.batch,
        learning_rate=options.rate,
        corruption=0.15,
        seed=options.seed,
        evaluate_every=500,
        evaluation_words=8_000,
        save_every=500,
        steps=10**7,
        seconds=max(1.0, options.seconds - (time.monotonic() - began)),
    )
    processes = 1 if device.type == "cpu" else max(1, len(os.sched_getaffinity(0)) - 2)
    with Drawn(lessons, config, model.past, processes) as data:
        run = Run(options.out, data, model, config, device, options.start)
        run.train()
    if options.parts:
        split(options.out / f"step-{run.step:06}", options.parts)


class Drawn:
    """Sequences that other processes have drawn ahead of time."""

    def __init__(self, lessons: Lessons, config: TrainingConfig, past: int, processes: int) -> None:
        self._sampler = Sampler(lessons, config.length, config.seed, past)
        self.vocabulary, self.described = lessons.vocabulary, self._sampler.described
        self._ahead = 4 * processes
        # Forked, they share the encoded corpora.
        self._pool = ProcessPoolExecutor(processes, multiprocessing.get_context("fork"), _begin, (self._sampler,))
        self._coming: dict[tuple[int, int], Future[Batch]] = {}

    def __enter__(self) -> Drawn:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown(cancel_futures=True)

    def batch(self, step: int, size: int) -> Batch:
        for number in range(step, step + self._ahead):
            if (number, size) not in self._coming:
                self._coming[number, size] = self._pool.submit(_draw, number, size)
        return self._coming.pop((step, size)).result()

    def validation(self) -> list[Windows]:
        return self._sampler.validation()


_sampler: Sampler


def _begin(sampler: Sampler) -> None:
    global _sampler
    _sampler = sampler
    torch.set_num_threads(1)


def _draw(step: int, size: int) -> Batch:
    return _sampler.batch(step, size)


def check(device: torch.device) -> None:
    """Run what a GPU is needed for beside training. Whatever comes of it, the training goes on."""
    decode = ("bench.decode", "--device", device.type, "--slots", "16,64", "--rounds", "1", "--quick")
    for command in (("pytest", "-q", "-n", "0", "-m", "gpu", "tests/unit"), decode):
        try:
            ended = subprocess.run([sys.executable, "-m", *command], timeout=CHECK_SECONDS, check=False).returncode
        except subprocess.TimeoutExpired:
            ended = f"more than {CHECK_SECONDS} s"
        print(f"{' '.join(command)}: {ended}", flush=True)


# ---------------------------------------------------------------------- in parts


def split(checkpoint: Path, folder: Path) -> None:
    """A checkpoint's files into a folder, the weights in parts."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = (checkpoint / WEIGHTS).read_bytes()
    for number, start in enumerate(range(0, len(weights), PART)):
        (folder / f"{WEIGHTS}.{number:02}").write_bytes(weights[start : start + PART])
    for path in checkpoint.glob("*.json"):
        shutil.copy(path, folder)


def join(folder: Path, checkpoint: Path) -> None:
    """The inverse of split."""
    checkpoint.mkdir(parents=True, exist_ok=True)
    parts = sorted(folder.glob(f"{WEIGHTS}.*"))
    (checkpoint / WEIGHTS).write_bytes(b"".join(part.read_bytes() for part in parts))
    for path in folder.glob("*.json"):
        shutil.copy(path, checkpoint)


if __name__ == "__main__":
    main()
