"""How much music a second is trained on, in compound words and in REMI tokens: the claim of "5 to 10 times", measured.

    ./run bench train [--corpus CORPUS ...] [--layers 6] [--dim 256] [--length 512] [--batch 4] [--rounds 3]
                      [--device cpu] [--quick]

Steps of training (forward, backward, clipping, AdamW) of one backbone, by turns, on the same songs: the training songs
of the corpora, or without any what the default checkpoint makes of the example. Medians of the rounds. Prints a row for

    CP              one compound word an event; the backbone with the embeddings and heads that words need
    CP, told more   the same as the default checkpoint is trained: told what came before, and what the opening was like
    REMI            one token an attribute; sequences of as many tokens as the others have words
    REMI, as long   sequences that hold as much music as the others do, and more tokens

and of each the words or tokens a second, the hours of music a second, and those beside REMI's; how near a step comes to
the rate at which this machine multiplies matrices, measured in the same run (six operations a word and weight, nothing
for attention and the rest); what share of its time goes to drawing the sequences, and what share of them is music, the
rest being filling. How many hours of music a model has to see until it is any good is another question.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from bench.baselines.remi import RemiTransformer, remi_ids, to_remi
from bench.machine import Number, machine, matrix_rate, synchronise, threads
from bench.music import Density, density, pieces_of
from bench.report import Table, Value, report
from bench.rounds import Contender, take_turns, thread_counts
from composer.engine.checkpoint import load_checkpoint
from composer.engine.model import CompoundWordTransformer, ModelConfig, loss_by_attribute
from composer.music.words import IGNORE, Vocabulary, Word
from composer.places import DEFAULT_CHECKPOINT
from composer.training.config import TrainingConfig
from composer.training.lessons import Lessons, Sampler, Song
from composer.training.train import ignore_denormals, multiplies_bfloat16

SECONDS = 2.0  # for one contender in one round with so many threads, and one step at least


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, action="append", default=[])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--length", type=int, default=512, help="words of a sequence")
    parser.add_argument("--batch", type=int, default=4, help="sequences of a step")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="to see that it works: a small model, one round")
    options = parser.parse_args()
    seconds = SECONDS
    if options.quick:
        options.layers, options.dim, options.length, options.rounds, seconds = 2, 64, 128, 1, 0.2

    ignore_denormals()
    described, device = machine(), torch.device(options.device)
    checkpoint = load_checkpoint(DEFAULT_CHECKPOINT)
    vocabulary = checkpoint.vocabulary
    pieces = pieces_of(options.corpus, checkpoint)
    music = density(pieces, vocabulary)
    told = replace(checkpoint.model.config, dim=options.dim, layers=options.layers)
    bare = replace(told, lags=(), farthest=0, anchors=False, segments=False)
    half = multiplies_bfloat16(device)
    long = round(options.length * music.tokens_a_word)
    tasks: dict[str, Task] = {
        "CP": Words(pieces, vocabulary, bare, options.batch, options.length),
        "CP, told more": Words(pieces, vocabulary, told, options.batch, options.length),
        "REMI": Tokens(pieces, vocabulary, bare, options.batch, options.length),
        "REMI, as long": Tokens(pieces, vocabulary, bare, options.batch, long),
    }
    trainings = [Training(task, device, half) for task in tasks.values()]
    contenders = [Contender(name, training.step) for name, training in zip(tasks, trainings, strict=True)]
    for contender in contenders:
        contender.step()  # what a first step costs is paid
    number: Number = "bfloat16" if half else "float32"
    limits: list[float] = []
    take_turns(contenders, options.rounds, seconds, after=lambda: limits.append(fastest_matrices(number, device)))
    rows = list(rows_of(contenders, trainings, statistics.median(limits), music))
    title = (
        f"Training {options.layers} layers, {options.dim} wide, {options.batch} sequences a step, in "
        f"{'bfloat16' if half else 'float32'}; {music.seconds / 3600:.2f} h of music, "
        f"{music.tokens_a_word:.2f} REMI tokens a word"
    )
    report("train", described, [Table(title, rows)])


def rows_of(
    contenders: Sequence[Contender], trainings: Sequence[Training], limit: float, music: Density
) -> Iterator[dict[str, Value]]:
    """limit: operations a second that the machine is able to do"""
    hours = []
    for contender in contenders:
        units = music.tokens if contender.name.startswith("REMI") else music.words
        hours.append(contender.rate * music.seconds / units / 3600)
    for contender, training, rate in zip(contenders, trainings, hours, strict=True):
        weights = sum(part.weight.numel() for part in training.task.model.modules() if isinstance(part, nn.Linear))
        yield {
            "music as": contender.name,
            "threads": contender.threads,
            "words or tokens a sequence": training.task.length,
            "words or tokens/s": contender.rate,
            "hours of music/s": rate,
            "x REMI": rate / hours[2],
            "x REMI, as long": rate / hours[3],
            "of the matrix limit": 6 * weights * contender.rate / limit,
            "drawing sequences": training.drawing / training.seconds,
            "music in sequences": training.counted / training.given,
        }


def fastest_matrices(number: Number, device: torch.device) -> float:
    """Operations a second with one thread or all of them, whichever is faster."""
    rates = []
    for used in thread_counts():
        with threads(used):
            rates.append(matrix_rate(number, device))
    return max(rates)


# ---------------------------------------------------------------------- what is trained


class Task(Protocol):
    """A model, and what it learns. length: words or tokens of a sequence, of which a step has `batch`"""

    @property
    def model(self) -> nn.Module: ...

    @property
    def length(self) -> int: ...

    @property
    def batch(self) -> int: ...

    def draw(self, step: int) -> tuple[Tensor, ...]:
        """The sequences of a step, on the CPU."""

    def loss(self, drawn: tuple[Tensor, ...]) -> tuple[Tensor, int]:
        """What is to be smaller, and how many words or tokens it is the mean of."""


class Words:
    """Compound words, drawn as `segue train` draws them."""

    def __init__(
        self, pieces: Sequence[Sequence[Word]], vocabulary: Vocabulary, config: ModelConfig, batch: int, length: int
    ) -> None:
        songs = [Song(str(number), np.array(words, dtype=np.uint8), 0) for number, words in enumerate(pieces)]
        lessons = Lessons(vocabulary, ["pieces"], [0], [True], [1.0], songs, [])
        self.sampler = Sampler(lessons, length, seed=0, past=config.past)
        self.model = CompoundWordTransformer(config)
        self.batch, self.length = batch, length

    def draw(self, step: int) -> tuple[Tensor, ...]:
        return tuple(torch.from_numpy(array) for array in self.sampler.batch(step, self.batch))

    def loss(self, drawn: tuple[Tensor, ...]) -> tuple[Tensor, int]:
        words, anchors, segments, truth = drawn
        context = self.model(words, self.model.config.past, anchors, segments)
        losses = loss_by_attribute(self.model.logits(context, truth), truth)
        count = int((truth[..., 0] != IGNORE).sum())
        return torch.stack([nats for nats, _, _ in losses.values()]).sum() / count, count


class Tokens:
    """The same music as REMI tokens, all pieces in one row and excerpts from anywhere in it."""

    def __init__(
        self, pieces: Sequence[Sequence[Word]], vocabulary: Vocabulary, config: ModelConfig, batch: int, length: int
    ) -> None:
        self.music = torch.tensor([token for words in pieces for token in remi_ids(to_remi(words), vocabulary)])
        self.model = RemiTransformer(config, vocabulary)
        self.batch, self.length = batch, length

    def draw(self, step: int) -> tuple[Tensor, ...]:
        generator = torch.Generator().manual_seed(step)
        starts = torch.randint(0, len(self.music) - self.length, (self.batch,), generator=generator).tolist()
        return (torch.stack([self.music[start : start + self.length + 1] for start in starts]),)

    def loss(self, drawn: tuple[Tensor, ...]) -> tuple[Tensor, int]:
        return self.model.loss(drawn[0]), self.batch * self.length


class Training:
    """Steps as `segue train` does them: bf16 where this machine multiplies it, AdamW, the gradient's norm clipped.

    seconds: of all steps   drawing: of them, what went to the sequences   given, counted: words or tokens of all
    sequences, and those of them that are music
    """

    def __init__(self, task: Task, device: torch.device, half: bool) -> None:
        task.model.train().to(device)
        self.task, self.device, self.half = task, device, half
        self.config = TrainingConfig()
        self.optimiser = torch.optim.AdamW(task.model.parameters(), lr=self.config.learning_rate, betas=(0.9, 0.95))
        self.steps = self.given = self.counted = 0
        self.seconds = self.drawing = 0.0

    def step(self) -> int:
        began = time.perf_counter()
        drawn = self.task.draw(self.steps)
        self.drawing += time.perf_counter() - began
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.half):
            loss, count = self.task.loss(tuple(part.to(self.device) for part in drawn))
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.task.model.parameters(), self.config.clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        synchronise(self.device)
        self.steps += 1
        self.given += self.task.batch * self.task.length
        self.counted += count
        self.seconds += time.perf_counter() - began
        return count


if __name__ == "__main__":
    main()
