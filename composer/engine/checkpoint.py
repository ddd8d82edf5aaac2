"""A trained model in a folder: model.safetensors, config.json and vocabulary.json. Nothing is ever unpickled.

Beside them may lie runs.safetensors, by which it can tell when it copies a song that it was trained on, and
critics.json, by which it tells which of several candidates is most like real music (composer.audition.critic).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from composer.engine.model import CompoundWordTransformer, ModelConfig
from composer.engine.runs import FILE as RUNS
from composer.engine.runs import RunIndex
from composer.errors import CheckpointError
from composer.music.words import Vocabulary

WEIGHTS, CONFIG, VOCABULARY = "model.safetensors", "config.json", "vocabulary.json"
CRITICS = "critics.json"


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to compose, in float32 (on the CPU until a Generator moves it), and what a receipt says of it."""

    name: str
    model: CompoundWordTransformer
    vocabulary: Vocabulary
    digest: str  # SHA-256 of the files that decide what is composed
    runs: RunIndex | None = None  # of the songs that it was trained on, where it brings them along
    critics: Mapping[str, Any] | None = None  # what stands in its file, likewise


def save_checkpoint(folder: Path, model: CompoundWordTransformer, vocabulary: Vocabulary) -> None:
    """Write the model's folder, weights in bf16: half the size, and training has not been more precise."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.to("cpu", torch.bfloat16).contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS)
    config = {"vocabulary_digest": vocabulary.digest, "model": asdict(model.config)}
    (folder / CONFIG).write_text(json.dumps(config, indent=2) + "\n")
    (folder / VOCABULARY).write_text(vocabulary.to_json() + "\n")


def load_model(folder: Path) -> tuple[CompoundWordTransformer, Vocabulary]:
    """The model in float32. Raises CheckpointError as load_checkpoint does."""
    for name in (WEIGHTS, CONFIG, VOCABULARY):
        if not (folder / name).is_file():
            raise CheckpointError(folder, f"{name} is missing")
    try:
        vocabulary = Vocabulary.from_json((folder / VOCABULARY).read_text())
        config = json.loads((folder / CONFIG).read_text())
        known = {f.name for f in fields(ModelConfig)}
        model_config = ModelConfig(**{name: value for name, value in config["model"].items() if name in known})
    except (ValueError, KeyError, TypeError) as error:
        raise CheckpointError(folder, f"{CONFIG} or {VOCABULARY} is damaged") from error
    if config.get("vocabulary_digest") != vocabulary.digest or model_config.sizes != vocabulary.sizes:
        raise CheckpointError(folder, f"{VOCABULARY} is not the one that {CONFIG} was written with")

    model = CompoundWordTransformer(model_config)
    try:
        model.load_state_dict({name: tensor.float() for name, tensor in load_file(folder / WEIGHTS).items()})
    except (SafetensorError, RuntimeError) as error:
        raise CheckpointError(folder, f"{WEIGHTS} is damaged or not of this {CONFIG}") from error
    if not all(bool(tensor.isfinite().all()) for tensor in model.state_dict().values()):
        raise CheckpointError(folder, f"{WEIGHTS} holds weights that are no finite numbers; take an earlier one")
    return model, vocabulary


def load_checkpoint(folder: Path) -> Checkpoint:
    """Read a checkpoint's folder. Raises CheckpointError, which names the file that is missing or does not match."""
    model, vocabulary = load_model(folder)
    digest = hashlib.sha256((folder / WEIGHTS).read_bytes())
    critics = None
    if (folder / CRITICS).is_file():
        digest.update(told := (folder / CRITICS).read_bytes())
        try:
            critics = json.loads(told)
        except ValueError as error:
            raise CheckpointError(folder, f"{CRITICS} is damaged") from error
    runs = RunIndex.load(folder / RUNS) if (folder / RUNS).is_file() else None
    name, model = folder.resolve().name, model.eval().requires_grad_(False)
    return Checkpoint(name, model, vocabulary, digest.hexdigest(), runs, critics)
