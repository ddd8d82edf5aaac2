"""Training: encoded corpora in, a run folder with curves and checkpoints out.

RUN/config.json           what was asked for; a resumed run has to ask for the same model
RUN/curves.csv            a row an evaluation and a split: loss and accuracy, in total and by attribute
RUN/tensorboard/          the same for TensorBoard
RUN/step-NNNNNN/          a checkpoint every `save_every` steps, as `segue compose --checkpoint` takes it
RUN/best/                 the one with the lowest validation loss so far
RUN/state.safetensors     weights, optimiser and step: where a killed run goes on
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, Protocol

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from composer.engine.checkpoint import load_model, save_checkpoint
from composer.engine.model import CompoundWordTransformer, ModelConfig, loss_by_attribute
from composer.errors import SettingsError
from composer.music.words import ATTRIBUTES, IGNORE, Family, Vocabulary
from composer.training.config import TrainingConfig
from composer.training.corruption import corrupted

if TYPE_CHECKING:
    from tqdm import tqdm

Ids = npt.NDArray[np.int64]
STATE = "state.safetensors"
CONFIG = "config.json"
CURVES = "curves.csv"
VALIDATION, VALIDATION_WHOLE = "validation", "validation-whole"  # a part of the lists, the same every time; all of them
CURVE_FIELDS = (
    "step",
    "words",
    "seconds",
    "split",
    "loss",
    "loss_a_note",
    "loss_a_bar",
    *(f"loss_{name}" for name in ATTRIBUTES),
    *(f"accuracy_{name}" for name in ATTRIBUTES),
)


class Batch(NamedTuple):
    """Sequences of words and what each word is told beside; truth is IGNORE where nothing is to be learned."""

    words: Ids  # (sequences, past + length, attributes)
    anchors: Ids  # (sequences, length, fields)
    segments: Ids  # (sequences, length)
    truth: Ids  # (sequences, length, attributes): what comes next


class Windows(NamedTuple):
    """What is validated together. split: its name in the curves"""

    split: str
    batches: Sequence[Batch]  # of one sequence each


class Data(Protocol):
    """What is learned from, and what by. See composer.training.lessons."""

    @property
    def vocabulary(self) -> Vocabulary: ...

    @property
    def described(self) -> dict[str, Any]:
        """For the run's config.json: a resumed run has to ask for the same."""
        ...

    def batch(self, step: int, size: int) -> Batch: ...

    def validation(self) -> Sequence[Windows]:
        """In sequences as long as those of training."""
        ...


class Tally:
    """Nats and hits of one split, added up word by word."""

    def __init__(self, attributes: Sequence[str]) -> None:
        self.attributes = attributes
        self.sums = torch.zeros(len(attributes), 3, dtype=torch.float64)  # nats, uses, hits
        self.notes = self.bars = 0

    def add(self, losses: dict[str, tuple[Tensor, Tensor, Tensor]], truth: Tensor) -> None:
        rows = [torch.stack([part.detach().double() for part in losses[name]]) for name in self.attributes]
        self.sums += torch.stack(rows).cpu()
        self.notes += int((truth[..., 0] == Family.NOTE).sum())
        self.bars += int((truth[..., 0] == Family.BAR).sum())

    def row(self) -> dict[str, float]:
        """Loss in nats a word (families are used by every word), a note and a bar, and nats and accuracy a use."""
        nats, uses, hits = self.sums.unbind(1)
        by_use, accuracy = (nats / uses.clamp(min=1)).tolist(), (hits / uses.clamp(min=1)).tolist()
        total = float(nats.sum())
        row = {"loss": total / max(1.0, float(uses[0]))}
        row |= {"loss_a_note": total / max(1, self.notes), "loss_a_bar": total / max(1, self.bars)}
        row |= {f"loss_{name}": value for name, value in zip(self.attributes, by_use, strict=True)}
        return row | {f"accuracy_{name}": value for name, value in zip(self.attributes, accuracy, strict=True)}


def multiplies_bfloat16(device: torch.device) -> bool:
    """Whether the device has instructions for bfloat16. A CPU that has none imitates them, slower than float32."""
    there = torch.cpu.get_capabilities()
    return device.type == "cuda" or any(there.get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def ignore_denormals() -> None:
    """Take numbers below 1e-38 for 0, in this thread and in those that it starts from now on.

    ALiBi leaves keys that are some 100 words behind such weights. A CPU multiplies them many times more slowly than
    others, which was a third of a training step (`./run bench attention`); as 0 they change nothing.
    """
    torch.set_flush_denormal(True)


class Run:
    """One training run in its folder. `train` is the loop; the rest is what it says."""

    def __init__(
        self,
        folder: Path,
        data: Data,
        model_config: ModelConfig,
        config: TrainingConfig,
        device: torch.device,
        start: Path | None = None,
    ) -> None:
        """start: a checkpoint to begin from; what it has not, or has in other shapes, begins anew."""
        ignore_denormals()  # before the first operation that starts threads
        self.folder, self.data, self.vocabulary = folder, data, data.vocabulary
        self.config, self.device = config, device
        self.half = multiplies_bfloat16(device)
        torch.manual_seed(config.seed)
        self.model = CompoundWordTransformer(model_config).to(device)
        if start is not None:
            _take_over(self.model, start)
        self.optimiser = _optimiser(self.model, config)
        self.past = model_config.past
        self.step = 0
        self.seconds = 0.0  # of training, over all its sittings
        self.best = math.inf
        folder.mkdir(parents=True, exist_ok=True)
        _write_or_check_config(folder / CONFIG, model_config, config, data)
        if (folder / STATE).exists():
            self._resume()

    def train(self) -> None:
        """From the step where the run stands to the last one."""
        tally, sat_down = self._tally(), time.monotonic()
        before = self.seconds
        with Curves(self.folder, self.step) as curves, self._progress() as progress:
            while self.step < self.config.steps:
                rate = self.config.rate(self.step, self.seconds - before)
                self._train_step(self.data.batch(self.step, self.config.batch), rate, tally)
                self.step += 1
                self.seconds = before + time.monotonic() - sat_down
                progress.update(self.config.batch * self.config.length)
                over = 0 < self.config.seconds <= self.seconds - before
                last = over or self.step == self.config.steps
                if self.step % self.config.evaluate_every == 0 or last:
                    curves.write(self.step, self.words, self.seconds, "train", tally.row())
                    tally = self._tally()
                    self._keep_if_best(self._evaluate(curves))
                if self.step % self.config.save_every == 0 or last:
                    save_checkpoint(self.folder / f"step-{self.step:06}", self.model, self.vocabulary)
                    self._save_state()
                if last:  # behind what must not be lost: the whole lists take minutes
                    self._evaluate(curves, whole=True)
                    break

    @property
    def words(self) -> int:
        """How many words have been drawn for training so far."""
        return self.step * self.config.batch * self.config.length

    def _tally(self) -> Tally:
        return Tally(self.model.config.attributes)

    def _train_step(self, batch: Batch, rate: float, tally: Tally) -> None:
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)  # dropout, the same after a resume
        self.model.train()
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        count = int((batch.truth[..., 0] != IGNORE).sum())
        for words, anchors, segments, truth in _parts(batch, self.config.micro_batch):
            heard = corrupted(words, self.config.corruption, segments) if self.config.corruption else words
            losses = self._losses(heard, anchors, segments, truth)
            tally.add(losses, truth)
            (torch.stack([nats for nats, _, _ in losses.values()]).sum() / count).backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)

    def _losses(
        self, words: Tensor, anchors: Tensor, segments: Tensor, truth: Tensor
    ) -> dict[str, tuple[Tensor, Tensor, Tensor]]:
        words, anchors, segments, truth = (tensor.to(self.device) for tensor in (words, anchors, segments, truth))
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            context = self.model(words, self.past, anchors, segments)
            return loss_by_attribute(self.model.logits(context, truth), truth)

    @torch.no_grad()
    def _evaluate(self, curves: Curves, whole: bool = False) -> list[float]:
        """The loss on each validation list: on the same part of it every time, or on the whole of it."""
        self.model.eval()
        losses = []
        for split, batches in self.data.validation():
            wanted = len(batches) if whole else max(1, self.config.evaluation_words // self.config.length)
            tally = self._tally()
            for batch in batches[:: max(1, len(batches) // wanted)]:
                for words, anchors, segments, truth in _parts(batch, 1):
                    tally.add(self._losses(words, anchors, segments, truth), truth)
            curves.write(
                self.step,
                self.words,
                self.seconds,
                f"{VALIDATION_WHOLE if whole else VALIDATION}/{split}",
                tally.row(),
            )
            losses.append(tally.row()["loss"])
        return losses

    def _keep_if_best(self, losses: Sequence[float]) -> None:
        """The best checkpoint is the one of the lowest mean over the corpora."""
        if losses and (mean := sum(losses) / len(losses)) < self.best:
            self.best = mean
            save_checkpoint(self.folder / "best", self.model, self.vocabulary)

    def _progress(self) -> tqdm[NoReturn] | _Silence:
        try:
            from tqdm import tqdm
        except ImportError:  # on a machine that has torch and little else
            return _Silence()
        total = self.config.steps * self.config.batch * self.config.length
        return tqdm(total=total, initial=self.words, unit="words", unit_scale=True, desc=self.folder.name)

    def _save_state(self) -> None:
        """All that a killed run needs to go on to the same curve; written beside the old one, then put in its place."""
        tensors = {f"model.{name}": tensor for name, tensor in self.model.state_dict().items()}
        for index, state in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor for name, tensor in state.items()}
        tensors["progress"] = torch.tensor([self.step, self.seconds, self.best], dtype=torch.float64)
        part = self.folder / f"{STATE}.part"
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, part)
        part.replace(self.folder / STATE)

    def _resume(self) -> None:
        tensors = load_file(self.folder / STATE, device=str(self.device))
        step, self.seconds, self.best = tensors.pop("progress").tolist()
        self.step = int(step)
        model = {n.removeprefix("model."): t for n, t in tensors.items() if n.startswith("model.")}
        self.model.load_state_dict(model)
        optimiser = self.optimiser.state_dict()
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".")
                optimiser["state"].setdefault(int(index), {})[key] = tensor
        self.optimiser.load_state_dict(optimiser)


def _take_over(model: CompoundWordTransformer, checkpoint: Path) -> None:
    """Put a checkpoint's weights into a model, wherever names and shapes agree."""
    own = model.state_dict()
    weights = load_model(checkpoint)[0].state_dict()
    fitting = {name: tensor for name, tensor in weights.items() if name in own and own[name].shape == tensor.shape}
    model.load_state_dict(fitting, strict=False)


def _parts(batch: Batch, size: int) -> Iterator[tuple[Tensor, ...]]:
    """So many sequences at a time: words, anchors, segments and truth."""
    return zip(*(torch.from_numpy(array).split(size) for array in batch), strict=True)


def _say(line: str) -> None:
    """Above the progress bar, if there is one."""
    try:
        from tqdm import tqdm
    except ImportError:
        print(line, flush=True)
    else:
        tqdm.write(line)


class _Silence(nullcontext["_Silence"]):
    """A progress bar that shows nothing."""

    def __enter__(self) -> _Silence:
        return self

    def update(self, count: int) -> None:
        pass


class Curves:
    """curves.csv, and TensorBoard where it is installed.

    Rows behind the step that a run resumes from are dropped: they come again.
    """

    def __init__(self, folder: Path, step: int) -> None:
        self.path = folder / CURVES
        rows = [row for row in read_curves(folder) if int(row["step"]) <= step] if step else []
        self.file = self.path.open("w", newline="")
        self.csv = csv.DictWriter(self.file, CURVE_FIELDS)
        self.csv.writeheader()
        self.csv.writerows(rows)
        self.file.flush()
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            self.board = None
        else:
            self.board = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1 if step else None)

    def __enter__(self) -> Curves:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        if self.board is not None:
            self.board.close()

    def write(self, step: int, words: int, seconds: float, split: str, row: dict[str, float]) -> None:
        figures = {name: f"{value:.5f}" for name, value in row.items()}
        self.csv.writerow({"step": step, "words": words, "seconds": round(seconds), "split": split, **figures})
        self.file.flush()
        for name, value in row.items():
            if self.board is not None:
                self.board.add_scalar(f"{name}/{split}", value, step)
        _say(f"step {step}  {split}  loss {row['loss']:.3f}  words/s {words / max(seconds, 1e-9):.0f}")


def read_curves(folder: Path) -> list[dict[str, str]]:
    """The rows of curves.csv, as strings; empty where there is none yet."""
    path = folder / CURVES
    if not path.exists():
        return []
    with path.open(newline="") as lines:
        return list(csv.DictReader(lines))


def attributes_in(rows: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Those that the words of a run have, by the rows of its curves."""
    return tuple(name for name in ATTRIBUTES if any(row[f"loss_{name}"] for row in rows))


def _optimiser(model: CompoundWordTransformer, config: TrainingConfig) -> torch.optim.AdamW:
    """AdamW; weight decay on matrices only, for norms and biases are no place to be small."""
    matrices = [p for p in model.parameters() if p.dim() >= 2]
    vectors = [p for p in model.parameters() if p.dim() < 2]
    groups = [{"params": matrices, "weight_decay": config.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95))


# What may be another in a resumed run: how long it goes on, and how it is watched.
FREE_TO_CHANGE = frozenset({"steps", "seconds", "micro_batch", "evaluate_every", "evaluation_words", "save_every"})


def _write_or_check_config(path: Path, model: ModelConfig, config: TrainingConfig, data: Data) -> None:
    """Raises SettingsError if the folder holds a run of another model, data or training: it cannot go on as this."""
    asked = {
        "model": asdict(model),
        "training": asdict(config),
        "corpora": data.described,
    }
    text = json.dumps(asked, indent=2) + "\n"
    if path.exists() and _fixed(json.loads(path.read_text())) != _fixed(json.loads(text)):
        raise SettingsError(f"{path.parent} holds another run. Name another folder, or give the command that began it.")
    path.write_text(text)


def _fixed(asked: dict[str, Any]) -> dict[str, Any]:
    training = {name: value for name, value in asked["training"].items() if name not in FREE_TO_CHANGE}
    return asked | {"training": training}
