"""Whether a long piece costs more than its share, 512 bars beside four pieces of 128 by turns, and whether it is stuck.

    ./run bench long [--rounds 3] [--bars 512]

The example goes on, guards on, each round with seeds of its own. Prints of every long piece how many of its bars are
different, and the longest run of bars that equal those a period of up to 40 before; then the ratio of the seconds a
word, in the median of the rounds, and of every round.
"""

from __future__ import annotations

import argparse
import statistics
import time

import numpy as np

from bench.machine import threads
from bench.music import example_opening
from composer.audition.grid import notes_of_words
from composer.audition.metrics import bar_sets
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator
from composer.music.repetition import Repetition, distinct
from composer.music.words import Word
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
            short = sum(a_word(checkpoint, options.bars // PARTS, seed + part)[0] for part in range(PARTS)) / PARTS
            seconds, words = a_word(checkpoint, options.bars, seed)
            ratios.append(seconds / short)
            heard = Repetition(bar_sets(notes_of_words(np.array(words), checkpoint.vocabulary)))
            print(f"seed {seed}: {distinct(heard.bars):.2f} different, longest equal run {heard.longest}", flush=True)
    print(f"seconds a word, {options.bars} bars to {options.bars // PARTS}: {statistics.median(ratios):.2f}", end="  ")
    print(f"({', '.join(f'{ratio:.2f}' for ratio in ratios)})")


def a_word(checkpoint: Checkpoint, bars: int, seed: int) -> tuple[float, list[Word]]:
    """Seconds for each word of a piece that was composed, what was given up again included; and the words."""
    generator = Generator(checkpoint, 1)
    requests = Order(bars, seed=seed).requests(example_opening().score, checkpoint.vocabulary)
    began = time.perf_counter()
    *_, (piece,) = generator.compose(requests)
    return (time.perf_counter() - began) / len(piece.words), piece.words


if __name__ == "__main__":
    main()
