"""Paired training runs: the same data, seed, words and size, one choice of the model changed at a time.

    ./run bench paired CORPUS [CORPUS ...] [--steps 300] [--out runs/paired] [--full-size]

Prints a Markdown table: validation loss in nats a word, in nats a use for each attribute (mean over the corpora's
validation lists), and words/s of each run beside the first. One seed: gaps below .05 nats are not findings.
--full-size trains models as large as the default checkpoint, with its sequences and its learning rate.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from composer.engine.model import ModelConfig
from composer.music.words import ATTRIBUTES
from composer.order import STYLES
from composer.training.config import TrainingConfig
from composer.training.corpora import load_lessons
from composer.training.lessons import Sampler
from composer.training.train import VALIDATION_WHOLE, Run, read_curves

VARIANTS: dict[str, dict[str, Any]] = {
    "relative + ALiBi, chained": {},
    "relative + ALiBi, parallel heads": {"head_order": "parallel"},
    "music + ALiBi": {"positions": "music"},
    "music": {"positions": "music", "alibi": False},
    "rotary": {"positions": "rotary", "alibi": False},
    "sinusoidal": {"positions": "sinusoidal", "alibi": False},
    "relative + ALiBi, 2 kv heads": {"kv_heads": 2},
    "the paper's own": {"positions": "sinusoidal", "alibi": False, "head_order": "parallel"},
    "with returns": {"lags": (1, 2, 4, 8, 16), "farthest": 32},
}

# Of the model and of its training; what is not named is as it is by default.
SMALL: dict[str, Any] = {"dim": 192, "layers": 4}
SMALL_TRAINING: dict[str, Any] = {"length": 384, "batch": 4, "warmup": 50, "learning_rate": 2e-3}
FULL_TRAINING: dict[str, Any] = {"warmup": 100}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpora", nargs="+", type=Path)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--out", type=Path, default=Path("runs/paired"))
    parser.add_argument("--full-size", action="store_true")
    parser.add_argument("--only", nargs="*", default=list(VARIANTS), help="names of variants")
    options = parser.parse_args()

    lessons = load_lessons(options.corpora, Path(".cache/corpora"))
    size, training = ({}, FULL_TRAINING) if options.full_size else (SMALL, SMALL_TRAINING)
    config = TrainingConfig(steps=options.steps, evaluate_every=options.steps, save_every=options.steps, **training)
    columns = ["loss", *(f"loss_{name}" for name in ATTRIBUTES)]
    print(f"| variant | {' | '.join(columns).replace('loss_', '')} | words/s |")
    print("| --- " * (len(columns) + 2) + "|")
    first_speed = 0.0
    for name in options.only:
        model = ModelConfig(lessons.vocabulary.sizes, styles=STYLES, segments=True, **size, **VARIANTS[name])
        folder = options.out / name.replace(" ", "-").replace(",", "")
        data = Sampler(lessons, config.length, config.seed, model.past, crowding=False)
        Run(folder, data, model, config, torch.device("cpu")).train()
        last = [row for row in read_curves(folder) if int(row["step"]) == options.steps]
        valid = [row for row in last if row["split"].startswith(VALIDATION_WHOLE)]
        means = (sum(float(row[column]) for row in valid) / len(valid) for column in columns)
        speed = int(last[0]["words"]) / max(1, int(last[0]["seconds"]))
        first_speed = first_speed or speed
        print(f"| {name} | {' | '.join(f'{mean:.3f}' for mean in means)} | {speed / first_speed:.2f} |", flush=True)


if __name__ == "__main__":
    main()
