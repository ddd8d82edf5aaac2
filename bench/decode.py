"""How fast the engine composes, beside other ways of decoding and the limits of this machine.

    ./run bench decode [--slots 1,4,16,64] [--rounds 5] [--seconds 1] [--kv-heads 2] [--corpus CORPUS ...]
                       [--device cpu] [--quick]

Two models, the default checkpoint and one of the paper's size (12 layers, 512 wide, random weights), compose in so many
slots behind an opening of 170 words. In the same rounds, by turns: (a) the paper's way, one piece at a time;
(b) Hugging Face's GPT-2 of that size on the REMI form of the same music; (c) no cache, a window of 1024; and what this
machine reads and multiplies. Each runs with one thread and with all; what was faster by the medians counts. Prints

    words/s, notes/s    drawn in all slots together; a word or token is worth so many notes as in the music named below
    x (a)               words/s over those of the paper's way, which has one piece
    x (b)               notes/s over those of GPT-2, which has one piece
    floor               the least time for a step: bytes of weights and cache over the rate at which as many are read,
                        or operations over the rate of matrix products, whichever is longer (bench/cost.py); with the
                        words in sight that there are at the beginning, fewer than later
    of the limit        the floor over the time that a step took
    x real time         seconds of music over seconds of composing, of one piece

The default checkpoint composes as in service, 32 bars a piece and then the next one; the random model without guard
rails, which would only hold it up, and as long as it gets.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from bench.baselines.gpt2 import Gpt2, gpt2
from bench.baselines.paper import Paper, PaperModel
from bench.baselines.remi import remi_ids, to_remi
from bench.baselines.uncached import Uncached
from bench.cost import StepCost, step_cost
from bench.machine import Machine, Number, machine, matrix_rate, numbers_multiplied, read_rate, threads
from bench.music import ROOT, Density, density, example_words, pieces_of
from bench.report import Table, Value, report
from bench.rounds import Contender, take_turns, thread_counts
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator
from composer.places import DEFAULT_CHECKPOINT
from composer.request import MAX_BARS, Guards, Request

sys.path.append(str(ROOT / "tests"))  # where random checkpoints are made

from engine_models import random_checkpoint

PAPER_SIZE: dict[str, Any] = {"dim": 512, "layers": 12, "heads": 8, "window": 1024}
OPENING_WORDS = 150
BARS = 32  # that /compose adds unless it is told otherwise
LARGE = 1_000_000_000  # bytes, more than any cache holds
A, B, C = "(a) the paper's way", "(b) GPT-2, REMI, cached", "(c) no cache, window 1024"

GOALS = {"x (a)": {1: 4.0, 16: 12.0}, "x (b)": {1: 4.0}}  # of the paper's size, by slots
LIMIT_GOAL = 0.6
REAL_TIME_GOAL = 10.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--slots", default="1,4,16,64")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=1.0, help="a contender, a round and a number of threads")
    parser.add_argument("--kv-heads", type=int, default=2, help="of the model of the paper's size")
    parser.add_argument("--corpus", type=Path, action="append", default=[], help="the music to count notes by")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--quick", action="store_true", help="to see that it works: few slots, one short round")
    options = parser.parse_args()
    if options.quick:
        options.slots, options.rounds, options.seconds = "1,4", 1, 0.1

    described, device = machine(), torch.device(options.device)
    checkpoints = [load_checkpoint(DEFAULT_CHECKPOINT), paper_sized(options.kv_heads)]
    music = density(pieces_of(options.corpus, checkpoints[0]), checkpoints[0].vocabulary)
    slots = [int(number) for number in options.slots.split(",")]
    sizes = [(checkpoint, number) for checkpoint in checkpoints for number in slots]
    ours = [Ours.begun(*size, device) for size in tqdm(sizes, desc="reading openings")]
    others = baselines(checkpoints[1], device)
    limits = Limits(described, device, [each.cost.size for each in ours])
    contenders = [*(each.contender for each in ours), *others]
    take_turns(contenders, options.rounds, options.seconds, after=limits.measure)
    rows = [*our_rows(ours, others, limits, music), *their_rows(others, music)]
    tables = [
        Table("Decoding", rows),
        Table("Limits of this machine, measured in the same rounds", list(limits.rows())),
        Table("Of the paper's size, and the default checkpoint in time", list(goals(rows))),
        Table("The music that notes and seconds are counted by", [music_row(music)]),
    ]
    report("decode", described, tables)


def paper_sized(kv_heads: int) -> Checkpoint:
    """As large as the paper's model and with all that the default checkpoint has, untrained but fond of notes."""
    config = load_checkpoint(DEFAULT_CHECKPOINT).model.config
    told = {name: getattr(config, name) for name in ("lags", "farthest", "memory", "anchors")}
    checkpoint = random_checkpoint(**PAPER_SIZE, **told, kv_heads=kv_heads)
    millions = sum(weight.numel() for weight in checkpoint.model.parameters()) / 1e6
    return replace(checkpoint, name=f"random, {millions:.1f} M")


# ---------------------------------------------------------------------- who decodes


@dataclass
class Ours:
    """Generators whose slots are all in use: one for each number of threads, which an engine is begun with."""

    checkpoint: Checkpoint
    slots: int
    contender: Contender
    cost: StepCost

    @classmethod
    def begun(cls, checkpoint: Checkpoint, slots: int, device: torch.device) -> Ours:
        opening = example_words(checkpoint.vocabulary, OPENING_WORDS)
        random = checkpoint.name.startswith("random")
        bars, guards = (MAX_BARS, Guards.off()) if random else (BARS, Guards())
        requests = (Request(opening, bars, seed, guards=guards) for seed in count())
        generators = {}
        for used in thread_counts():
            with threads(used):
                generators[used] = generator = Generator(checkpoint, slots, device)
                pieces = [generator.submit(next(requests)) for _ in range(slots)]
                while not all(piece.drawn for piece in pieces):  # the openings are read
                    generator.step()
        contender = Contender(checkpoint.name, partial(_step, generators, requests))
        return cls(checkpoint, slots, contender, step_cost(generators[1]))


def _step(generators: Mapping[int, Generator], requests: Iterator[Request]) -> int:
    """A word for every slot; who has come to an end is followed by the next."""
    generator = generators[torch.get_num_threads()]
    running = len(generator.scheduler.running)
    for _ in generator.step():
        generator.submit(next(requests))
    return running


def baselines(checkpoint: Checkpoint, device: torch.device) -> list[Contender]:
    """The other ways, all of the paper's size; no cache is our own model of that size."""
    vocabulary = checkpoint.vocabulary
    opening = example_words(vocabulary, OPENING_WORDS)
    paper = Paper(PaperModel(vocabulary).to(device), opening)
    remi = Gpt2(gpt2(vocabulary).to(device), remi_ids(to_remi(opening), vocabulary))
    uncached = Uncached(checkpoint.model, opening)
    return [Contender(name, partial(_draw, each)) for name, each in ((A, paper), (B, remi), (C, uncached))]


def _draw(piece: Paper | Gpt2 | Uncached) -> int:
    piece.draw()
    return 1


# ---------------------------------------------------------------------- what the machine can do


class Limits:
    """What is read and multiplied in a second, with one thread and with all, measured again in every round."""

    def __init__(self, described: Machine, device: torch.device, sizes: Sequence[int]) -> None:
        self.device = device
        self.sizes = sorted({min(size, LARGE) for size in sizes} | {LARGE})
        self.numbers = numbers_multiplied(described, device)
        self.threads = thread_counts()
        self.read: dict[tuple[int, int], list[float]] = {(s, t): [] for s in self.sizes for t in self.threads}
        self.multiplied: dict[tuple[Number, int], list[float]] = {
            (number, count): [] for number in self.numbers for count in self.threads
        }

    def measure(self) -> None:
        for (size, used), rates in self.read.items():
            with threads(used):
                rates.append(read_rate(size, self.device))
        for (number, used), rates in self.multiplied.items():
            with threads(used):
                rates.append(matrix_rate(number, self.device))

    def floor_of(self, cost: StepCost) -> tuple[float, str]:
        """Seconds, and what binds: by the most that any number of threads reaches."""
        size = min(cost.size, LARGE)
        read = max(statistics.median(self.read[size, used]) for used in self.threads)
        multiplied = {
            number: max(statistics.median(self.multiplied[number, used]) for used in self.threads)
            for number in self.numbers
        }
        floor = cost.floor(read, multiplied)
        return floor.seconds, floor.bound_by

    def rows(self) -> Iterator[dict[str, Value]]:
        for size in self.sizes:
            yield self._row(f"read, {size / 1e6:.0f} MB", "GB/s", [self.read[size, used] for used in self.threads])
        for number in self.numbers:
            rates = [self.multiplied[number, used] for used in self.threads]
            yield self._row(f"matrix products, {number}", "G operations/s", rates)

    def _row(self, limit: str, unit: str, rates: Sequence[Sequence[float]]) -> dict[str, Value]:
        columns = (f"{used} thread{'s' if used > 1 else ''}" for used in self.threads)
        medians = (statistics.median(each) / 1e9 for each in rates)
        return {"limit": limit, "unit": unit, **dict(zip(columns, medians, strict=True))}


# ---------------------------------------------------------------------- what is told of it


def our_rows(
    ours: Sequence[Ours], others: Sequence[Contender], limits: Limits, music: Density
) -> Iterator[dict[str, Value]]:
    paper, remi, _ = others
    for each in ours:
        rate = each.contender.rate
        floor, bound_by = limits.floor_of(each.cost)
        trained = each.checkpoint is ours[0].checkpoint
        yield row(
            each.contender,
            slots=each.slots,
            notes=rate * music.notes_a_word,
            x_paper=rate / paper.rate,
            x_remi=rate * music.notes_a_word / (remi.rate * music.notes_a_token),
            step=each.slots / rate,
            floor=floor,
            bound_by=bound_by,
            real_time=rate / each.slots / music.words_a_second if trained else None,
        )


def their_rows(others: Sequence[Contender], music: Density) -> Iterator[dict[str, Value]]:
    for each in others:
        worth = music.notes_a_token if each.name == B else music.notes_a_word
        yield row(each, slots=1, notes=each.rate * worth, step=1 / each.rate)


def row(
    contender: Contender,
    slots: int,
    notes: float,
    step: float,
    x_paper: float | None = None,
    x_remi: float | None = None,
    floor: float | None = None,
    bound_by: str = "",
    real_time: float | None = None,
) -> dict[str, Value]:
    """step, floor: seconds"""
    return {
        "model": contender.name,
        "slots": slots,
        "threads": contender.threads,
        "words/s (b: tokens/s)": contender.rate,
        "notes/s": notes,
        "x (a)": x_paper,
        "x (b)": x_remi,
        "step, ms": 1000 * step,
        "floor, ms": floor and 1000 * floor,
        "of the limit": floor and floor / step,
        "bound by": bound_by,
        "x real time": real_time,
    }


def goals(rows: Sequence[dict[str, Value]]) -> Iterator[dict[str, Value]]:
    """What was wanted beside what was measured, of what was measured at all."""
    for number in rows:
        slots, large = number["slots"], str(number["model"]).startswith("random")
        for column, wanted in GOALS.items():
            if large and slots in wanted:
                yield goal(f"{column}, {slots} slots", wanted[int(str(slots))], number[column])
        if number["of the limit"] is not None:
            yield goal(f"of the limit, {number['model']}, {slots} slots", LIMIT_GOAL, number["of the limit"])
        if number["x real time"] is not None and slots == 1:
            yield goal("x real time, default checkpoint", REAL_TIME_GOAL, number["x real time"])


def goal(what: str, wanted: float, measured: Value) -> dict[str, Value]:
    assert isinstance(measured, float)
    return {"what": what, "wanted": wanted, "measured": measured, "reached": "yes" if measured >= wanted else "no"}


def music_row(music: Density) -> dict[str, Value]:
    return {
        "words": music.words,
        "notes a word": music.notes_a_word,
        "REMI tokens a word": music.tokens_a_word,
        "words a second of music": music.words_a_second,
    }


if __name__ == "__main__":
    main()
