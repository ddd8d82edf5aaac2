"""The random numbers of every slot: each piece has a generator of its own, seeded with its seed."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from composer.music.words import ATTRIBUTES

NOISE_WORDS = 256  # so many words' numbers are made at once


class Noise:
    """Uniform numbers in [0, 1), one for each attribute of each word that a piece draws.

    Who else is in the batch changes nothing, and the same seed gives the same numbers on every device, for they are
    made on the CPU.

    numbers: (slots, NOISE_WORDS, attributes); the word that a piece draws as its n-th has those at n % NOISE_WORDS
    """

    def __init__(self, slots: int, attributes: int) -> None:
        """attributes: of the model's words"""
        self._attributes = attributes
        self.numbers = torch.zeros(slots, NOISE_WORDS, len(ATTRIBUTES))
        self._generators = [torch.Generator() for _ in range(slots)]

    def start(self, slot: int, seed: int) -> None:
        self._generators[slot].manual_seed(seed)

    def renew(self, slots: Iterable[int], drawn: Iterable[int]) -> list[int]:
        """Make new numbers where the last ones are used up, and return those slots.

        drawn: for each of the slots, how many words its piece has drawn before
        """
        renewed = [slot for slot, count in zip(slots, drawn, strict=True) if count % NOISE_WORDS == 0]
        for slot in renewed:
            drawn_now = torch.rand(NOISE_WORDS, self._attributes, generator=self._generators[slot])
            self.numbers[slot, :, : self._attributes] = drawn_now
        return renewed
