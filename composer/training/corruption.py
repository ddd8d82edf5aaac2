"""Slips in what the model reads, never in what it has to say: it learns to go on well after a note gone wrong.

In training a model reads real music; when it composes it reads its own, and what is a little off leads it further
off: velocities wander, keys slip, nothing comes back. So in half of the sequences some of the notes that are read get
another pitch, velocity or length, and sometimes a stretch is louder or softer than it was.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from composer.words import ATTRIBUTES, IGNORE, Family, Vocabulary

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


# ------------------------------------------------------------------ bars too full or too thin

SHARE_CROWDED = 0.3  # of the sequences, that have some bars too many or too few notes in
LONGEST_CROWD = 8  # bars
SHARE_THINNED = 0.3  # of those
SHIFTS = (0, 0, 1, 2, 2, 4, 4, 8)  # positions: notes come again so much later
FAMILY, POSITION, PITCH = (ATTRIBUTES.index(name) for name in ("family", "position", "pitch"))

Words = npt.NDArray[np.int64]


def crowded(words: Words, vocabulary: Vocabulary, rng: np.random.Generator) -> tuple[Words, Words]:
    """What is heard, with some bars too full or too thin, and for each word the true one that comes next.

    words: (length, attributes), a bar word among them -> both (any length, attributes). Nothing that was put in is ever
    asked for: after any word comes the first true one behind its place. So a model learns to find back to the density
    of the piece.
    """
    if rng.random() >= SHARE_CROWDED:
        return words[:-1], words[1:]
    lines = np.append(np.flatnonzero(words[:, FAMILY] == Family.BAR), len(words))
    first = int(rng.integers(len(lines) - 1))
    behind = min(first + 1 + int(rng.integers(LONGEST_CROWD)), len(lines) - 1)
    thin, share, shift = rng.random() < SHARE_THINNED, rng.uniform(0.2, 1.0), int(rng.choice(SHIFTS))
    octaves = rng.choice((-12, 0, 12), size=2)
    parts = [words[: lines[first]]]
    for start, stop in zip(lines[first:behind], lines[first + 1 : behind + 1], strict=True):
        bar = words[start:stop]
        parts.append(_thinner(bar, share, rng) if thin else _fuller(bar, share, shift, octaves, vocabulary, rng))
    parts.append(words[lines[behind] :])
    heard = np.concatenate(parts)
    following = np.searchsorted(_places(words), _places(heard), side="right")
    known = following < len(words)
    return heard[known], words[following[known]]


def _places(words: Words) -> npt.NDArray[np.int64]:
    """A number that rises through a piece: the bar, the position in it, and the pitch, highest first (returns.py)."""
    family = words[:, FAMILY]
    opens = (family == Family.BAR) | (family == Family.END)
    place = np.cumsum(opens) * 2**15 + words[:, POSITION].astype(np.int64) * 128
    anchor = np.maximum.accumulate(np.where(opens | (family == Family.METRICAL), place, 0))
    places: npt.NDArray[np.int64] = anchor + np.where(family == Family.NOTE, 128 - words[:, PITCH].astype(np.int64), 0)
    return places


def _thinner(bar: Words, share: float, rng: np.random.Generator) -> Words:
    """A bar without some of its notes; the positions stay."""
    gone = (bar[:, FAMILY] == Family.NOTE) & (rng.random(len(bar)) < 0.6 * share)
    left: Words = bar[~gone]
    return left


def _fuller(
    bar: Words, share: float, shift: int, octaves: Words, vocabulary: Vocabulary, rng: np.random.Generator
) -> Words:
    """A bar some of whose notes come again later or in another octave."""
    position_at = np.maximum.accumulate(np.where(bar[:, FAMILY] == Family.METRICAL, np.arange(len(bar)), 0))
    places: dict[int, list[Words]] = {}  # position -> its metrical word, and its notes
    taken: set[tuple[int, int]] = set()
    for word in bar:
        if word[FAMILY] == Family.METRICAL:
            places[int(word[POSITION])] = [word]
        elif word[FAMILY] == Family.NOTE:
            position = max(places)
            places[position].append(word)
            taken.add((position, int(word[PITCH])))
    for index in np.flatnonzero((bar[:, FAMILY] == Family.NOTE) & (rng.random(len(bar)) < share)):
        word, source = bar[index].copy(), bar[position_at[index]]
        position = int(source[POSITION]) + shift
        word[PITCH] = int(word[PITCH]) + int(rng.choice(octaves))
        pitch = int(word[PITCH])
        if not (1 <= pitch <= len(vocabulary.pitches)) or position > vocabulary.positions or (position, pitch) in taken:
            continue
        if position not in places:
            last = max(p for p in places if p < position)
            again = places[last][0].copy()
            again[POSITION] = position
            places[position] = [again]
        places[position].append(word)
        taken.add((position, pitch))
    rows = [bar[:1]]
    for position in sorted(places):
        head, *notes = places[position]
        rows += [head[None], *(note[None] for note in sorted(notes, key=lambda note: -int(note[PITCH])))]
    return np.concatenate(rows)
