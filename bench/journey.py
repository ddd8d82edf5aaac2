"""From an opening to the files that are posted, stage by stage, on a machine that has nothing else to compose.

    ./run bench journey [--bars 32] [--candidates 8] [--rounds 3] [--slots 16] [--quick]

The example through the functions that bot and worker call, in this process. Only the wait is taken from a real worker
in a process of its own: how long a request stands in the line although nobody is before it. Prints the median of the
rounds for each stage, and its share:

    read         bytes -> Score -> Opening, the MIDI parsed in a child that can be killed
    encode       Opening -> words: chords found, tempo steadied
    wait         submit -> claimed by the worker
    prefill      the first step, which reads the opening, less what a step takes
    decode       all steps until the last bar of the last candidate, in as many slots as a worker has
    choose       one of the candidates
    finish       words -> Score -> MIDI, with the opening as it was played, and PNG
    shown        all until here: the message has what there is to see
    sound        MIDI -> MP3, encoded while it is played

How long Discord takes on top, `./run bench channel` measures against its stand-in.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Callable

import torch

from bench.machine import machine
from bench.music import EXAMPLE
from bench.report import Table, report
from bench.service import finished, submit, table, working
from bench.stages import Stages, medians
from bot.workshop import Answered, finish_piece, render_sound
from composer.candidates import Candidates
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator
from composer.line.schema import Draft
from composer.music.midi import dump_midi, read_midi
from composer.opening import to_opening
from composer.order import Order
from composer.piece import Take, finish
from composer.places import DEFAULT_CHECKPOINT
from composer.request import Composed, Request


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bars", type=int, default=32)
    parser.add_argument("--candidates", type=int, default=0, help="of which one is kept; as in the channel otherwise")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--slots", type=int, default=16, help="of the worker and of the generator")
    parser.add_argument("--quick", action="store_true", help="to see that it works: a few bars, one round")
    options = parser.parse_args()
    if options.quick:
        options.bars, options.rounds = 2, 1
    described = machine()
    checkpoint = load_checkpoint(DEFAULT_CHECKPOINT)
    waits = asyncio.run(waits_in_line(checkpoint, options.slots, options.rounds))
    rounds = []
    for wait in waits:
        stages = Stages()
        take = walk(checkpoint, Order(options.bars, candidates=options.candidates), options.slots, wait, stages)
        rounds.append(stages)
    seconds = medians(rounds)
    music = take.score.seconds_at(take.score.end)
    total = sum(seconds.values())
    sound = seconds.pop("sound")
    told = [*seconds.items(), ("shown", total - sound), ("sound", sound), ("all", total)]
    rows = [{"stage": stage, "ms": 1000 * each, "share": each / total} for stage, each in told]
    title = f"{options.bars} bars behind {take.opening_bars}, {music:.0f} s of music, {len(take.composed.words)} words"
    report("journey", described, [Table(title, rows)])


def walk(checkpoint: Checkpoint, order: Order, slots: int, wait: float, stages: Stages) -> Take:
    """The whole way of one piece."""
    with stages("read"):
        opening = to_opening(read_midi(EXAMPLE.read_bytes()))
    with stages("encode"):
        (request,) = order.requests(opening.score, checkpoint.vocabulary)
    stages.add("wait", wait)
    composed = composed_in(Generator(checkpoint, slots, torch.device("cpu")), request, stages)
    midi = dump_midi(opening.score)
    with stages("finish"):
        answered = Answered(midi, opening.bars, request, composed)
        finished = finish_piece(answered, checkpoint.vocabulary)
    with stages("sound"):
        render_sound(finished.midi, answered.title, sys.maxsize, None)
    return finish(opening.score, request, composed, checkpoint.vocabulary)


def composed_in(generator: Generator, request: Request, stages: Stages) -> Composed:
    """The first step reads the opening for one candidate and draws its word; by what others take, the two are told
    apart."""
    asked = Candidates(generator, request)
    first = seconds_of(generator.step)
    others = []
    while not asked.ended:
        others.append(seconds_of(generator.step))
    step = statistics.median(others)
    stages.add("prefill", max(0.0, first - step))
    stages.add("decode", sum(others) + min(first, step))
    with stages("choose"):
        return asked.composed(first + sum(others))


def seconds_of(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def waits_in_line(checkpoint: Checkpoint, slots: int, rounds: int) -> list[float]:
    """Seconds from submit to claim, by the database's clock, each with nobody before it."""
    (request,) = Order(1).requests(to_opening(read_midi(EXAMPLE.read_bytes())).score, checkpoint.vocabulary)
    waits = []
    async with table() as (jobs, url), working(url, SLOTS=slots, DEVICE="cpu"):
        for number in range(rounds):
            draft = Draft(f"piece {number}", "user", checkpoint.vocabulary.digest, request.to_json(), request.bars)
            (job,) = await finished(jobs, await submit(jobs, [draft]))
            assert job.started_at is not None
            waits.append(job.started_at - job.submitted_at)
    return waits


if __name__ == "__main__":
    main()
