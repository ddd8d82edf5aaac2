"""Slips in what the model reads, never in what it has to say: it learns to go on well after a note gone wrong.

In training a model reads real music; when it composes it reads its own, and what is a little off leads it further
off: velocities wander, keys slip, nothing comes back. So in half of the sequences some of the notes that are read get
another pitch, velocity or length, and sometimes a stretch is louder or softer than it was.
"""

from __future__ import annotations

import torch
from torch import Tensor

from composer.words import ATTRIBUTES, IGNORE, Family

PITCH_REACH = 12  # semitones
VELOCITY_BINS = 4.0  # standard deviation of a slip, and of a stretch's shift
SHARE_SHIFTED = 0.25  # of the sequences, that have a stretch of another loudness
LONGEST_SHIFT = 256  # words


def corrupted(words: Tensor, most: float) -> Tensor:
    """A copy with slips. words: (batch, length, attributes)   most: the largest share of notes of a sequence that slip.

    The words keep to the grammar: a pitch stays between its neighbours. Draws from torch's own generator.
    """
    batch, length = words.shape[:2]
    column = {name: ATTRIBUTES.index(name) for name in ATTRIBUTES}
    sizes_high = words.amax((0, 1))
    result = words.clone()
    note = words[..., column["family"]] == Family.NOTE
    share = torch.rand(batch, 1) * most * (torch.rand(batch, 1) < 0.5)

    def slips(factor: float) -> Tensor:
        return note & (torch.rand(batch, length) < share * factor)

    pitch = words[..., column["pitch"]]
    above, below = pitch.roll(1, 1), pitch.roll(-1, 1)
    above[:, 0] = below[:, -1] = IGNORE
    top = torch.where(above > pitch, above, pitch + PITCH_REACH + 1).clamp(max=int(sizes_high[column["pitch"]]) + 1)
    bottom = torch.where((below > 0) & (below < pitch), below, pitch - PITCH_REACH - 1).clamp(min=0)
    moved = bottom + 1 + (torch.rand(batch, length) * (top - bottom - 1)).long()
    place = torch.arange(length)
    every_other = (place + torch.randint(2, (batch, 1))) % 2 == 0  # two neighbours that both move could pass each other
    result[..., column["pitch"]] = torch.where(slips(1.0) & every_other, moved, pitch)

    velocity = words[..., column["velocity"]]
    off = torch.randn(batch, length) * VELOCITY_BINS * slips(1.0)
    begin, span = torch.rand(batch, 1) * length, torch.rand(batch, 1) * LONGEST_SHIFT
    stretch = (place >= begin) & (place < begin + span) & (torch.rand(batch, 1) < SHARE_SHIFTED)
    off = off + torch.randn(batch, 1) * VELOCITY_BINS * stretch
    louder = (velocity + off.round().long()).clamp(1, int(sizes_high[column["velocity"]]))
    result[..., column["velocity"]] = torch.where(note, louder, velocity)

    duration = words[..., column["duration"]]
    other = duration.roll(int(torch.randint(2, 40, ())), 1)
    result[..., column["duration"]] = torch.where(slips(0.5) & (other > 0), other, duration)
    return result
