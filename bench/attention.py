"""One layer's relative attention over whole sequences, forward and backward: by blocks, and the whole square at once.

    ./run bench attention [--dim 256] [--heads 4] [--words 2048] [--lengths 512 1024 2048] [--rounds 5] [--quick]

So many words as sequences of each length, by turns, on one thread, for how denormals are taken is not told to threads
that run already; medians of the rounds. Denormals are weights below 1e-38, which ALiBi leaves far behind; training
takes them for 0. Prints words a second, and those beside the whole square's with its denormals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from bench.machine import machine
from bench.report import Table, Value, report
from bench.rounds import Contender, take_turns
from composer.engine.attention import SelfAttention

SECONDS = 1.0  # for one contender in one round, and one step at least


class WholeSquare(SelfAttention):
    """The same layer without blocks: every logit and every weight of a sequence is kept for the way back."""

    def forward(self, x: Tensor) -> Tensor:
        batch, length, _ = x.shape
        places = torch.arange(length)
        q, k, v = self._project(x, places.expand(batch, -1))
        by_distance = self.distance_keys(length)
        assert by_distance is not None
        logits = self._content_logits(q, k) + skew(self._distance_logits(q, by_distance.flip(1)))
        return self._mix(logits + self._bias(places[:, None] - places), v)


def skew(by_distance: Tensor) -> Tensor:
    """From rows a distance, the farthest first, to rows a key (Music Transformer, Huang et al. 2019)."""
    *batch, length, _ = by_distance.shape
    return F.pad(by_distance, (1, 0)).reshape(*batch, length + 1, length)[..., 1:, :]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dim", type=int, default=256)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--words", type=int, default=2048, help="of a step, in sequences of each length")
    parser.add_argument("--lengths", type=int, nargs="+", default=[512, 1024, 2048], help="words a sequence")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="to see that it works: short sequences, one round")
    options = parser.parse_args()
    seconds = SECONDS
    if options.quick:
        options.lengths, options.words, options.rounds, seconds = [64, 128], 128, 1, 0.05
    described = machine()
    rows: list[dict[str, Value]] = []
    for length in options.lengths:
        torch.manual_seed(0)
        x = torch.randn(max(1, options.words // length), length, options.dim)
        contenders = [
            Contender(
                f"{name}, {'denormals as 0' if ignored else 'with denormals'}",
                trained(kind(options.dim, options.heads, options.heads, length, "relative", True), x, ignored),
                rates={1: []},
            )
            for name, kind in (("the whole square", WholeSquare), ("by blocks", SelfAttention))
            for ignored in (False, True)
        ]
        take_turns(contenders, options.rounds, seconds, after=lambda: None)
        rows += [
            {
                "words a sequence": length,
                "attention": contender.name,
                "words/s": contender.rate,
                "x the whole square": contender.rate / contenders[0].rate,
            }
            for contender in contenders
        ]
    title = f"One layer of relative attention, {options.dim} wide, {options.heads} heads, forward and backward"
    report("attention", described, [Table(title, rows)])


def trained(layer: SelfAttention, x: Tensor, ignored: bool) -> Callable[[], float]:
    """A step: forward and backward. It returns how many words that were."""

    def step() -> float:
        torch.set_flush_denormal(ignored)
        mixed = layer(x)
        mixed.backward(torch.ones_like(mixed))
        return x.shape[0] * x.shape[1]

    return step


if __name__ == "__main__":
    main()
