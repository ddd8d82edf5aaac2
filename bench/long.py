"""Whether a long piece costs more than its share: 512 bars beside four pieces of 128, by turns.

    ./run bench long [--rounds 3] [--bars 512]

The example goes on, guards on, each round with seeds of its own. Prints the ratio of the seconds, in the median of the
rounds, and of every round.
"""

from __future__ import annotations

import argparse
import statistics
import time

from bench.machine import threads
from bench.music import example_opening
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator
from composer.order import Order
from composer.places import DEFAULT_CHECKPOINT

PARTS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--bars", type=int, default=512)
    options = parser.parse_args()
    checkpoint = load_checkpoint(DEFAULT_CHECKPOINT)
    ratios = []
    with threads(1):
        for number in range(options.rounds):
            seed = number * PARTS
            short = sum(a_word(checkpoint, options.bars // PARTS, seed + part) for part in range(PARTS)) / PARTS
            ratios.append(a_word(checkpoint, options.bars, seed) / short)
    print(f"seconds a word, {options.bars} bars to {options.bars // PARTS}: {statistics.median(ratios):.2f}", end="  ")
    print(f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


def a_word(checkpoint: Checkpoint, bars: int, seed: int) -> float:
    """Seconds for each word of a piece that was composed, what was given up again included."""
    generator = Generator(checkpoint, 1)
    requests = Order(bars, seed=seed).requests(example_opening().score, checkpoint.vocabulary)
    began = time.perf_counter()
    *_, (piece,) = generator.compose(requests)
    return (time.perf_counter() - began) / len(piece.words)


if __name__ == "__main__":
    main()
