"""Slips in what the model reads, never in what it has to say: it learns to go on well after a note gone wrong.

In training a model reads real music; when it composes it reads its own, and what is a little off leads it further
off: velocities wander, keys slip, nothing comes back. So in half of the sequences some of the notes that are read get
another pitch, velocity or length, and sometimes a stretch is louder or softer than it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from composer.engine.model import BEHIND, GIVEN
from composer.engine.returns import places_of
from composer.music.words import COLUMN, IGNORE, Family, Vocabulary

METER, ROLE = COLUMN["meter"], COLUMN["role"]
BAR, METRICAL, NOTE = map(int, (Family.BAR, Family.METRICAL, Family.NOTE))  # a look-up for each word would take longer

PITCH_REACH = 12  # semitones
VELOCITY_BINS = 4.0  # standard deviation of a slip, and of a stretch's shift
SHARE_SHIFTED = 0.25  # of the sequences, that have a stretch of another loudness
LONGEST_SHIFT = 256  # words


def corrupted(words: Tensor, most: float, segments: Tensor | None = None) -> Tensor:
    """A copy with slips. words: (batch, length, attributes)   most: the largest share of notes of a sequence that slip
    segments: (batch, the last ones of length); what is given, or comes behind a hole, does not slip.

    The words keep to the grammar: a pitch stays between its neighbours. Draws from torch's own generator.
    """
    batch, length = words.shape[:2]
    column = COLUMN
    sizes_high = words.amax((0, 1))
    result = words.clone()
    note = words[..., column["family"]] == NOTE
    if segments is not None:
        asked = (segments != GIVEN) & (segments != BEHIND)
        note = note & F.pad(asked, (length - segments.shape[1], 0), value=True)
    share = torch.rand(batch, 1) * most * (torch.rand(batch, 1) < 0.5)

    def slips(factor: float) -> Tensor:
        return note & (torch.rand(batch, length) < share * factor)

    pitch = words[..., column["pitch"]]
    above, below = pitch.roll(1, 1), pitch.roll(-1, 1)
    above[:, 0] = below[:, -1] = IGNORE
    role = words[..., ROLE]  # a note of another one is no neighbour
    above, below = above * (role.roll(1, 1) == role), below * (role.roll(-1, 1) == role)
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

SHARE_CROWDED = 0.5  # of the sequences, that have some bars too many or too few notes in
SHARE_TO_THE_END = 0.5  # of those, where it goes on to the end, as a drift does
LONGEST_CROWD = 8  # bars, in the others
SHARE_THINNED = 0.2  # of those that are crowded
SHARE_OVERLAID = 0.6  # of the fuller ones, that have notes of earlier bars put in, as what came back too often does
LAGS = (1, 2, 2, 4, 4, 8)  # bars
SHIFTS = (0, 0, 1, 2, 2, 4, 4, 8)  # sixteenths: notes come again so much later
FAMILY, POSITION, PITCH = (COLUMN[name] for name in ("family", "position", "pitch"))

Words = npt.NDArray[np.int64]


def crowded(words: Words, vocabulary: Vocabulary, rng: np.random.Generator) -> tuple[Words, Words]:
    """What is heard, with some bars too full or too thin, and for each word the true one that comes next.

    words: (length, attributes), a bar word among them -> both (any length, attributes). Nothing that was put in is ever
    asked for: after any word comes the first true one behind its place. So a model learns to find back to the density
    of the piece.
    """
    if rng.random() >= SHARE_CROWDED:
        return words[:-1], words[1:]
    lines = np.append(np.flatnonzero(words[:, FAMILY] == BAR), len(words))
    bars = [words[start:stop] for start, stop in pairwise(lines)]
    first = int(rng.integers(len(bars)))
    behind = len(bars) if rng.random() < SHARE_TO_THE_END else first + 1 + int(rng.integers(LONGEST_CROWD))
    thin, overlaid, share = rng.random() < SHARE_THINNED, rng.random() < SHARE_OVERLAID, rng.uniform(0.2, 1.0)
    shift, octaves = int(rng.choice(SHIFTS)), rng.choice((-12, 0, 12), size=2)
    lag = int(rng.choice(LAGS))
    shift *= vocabulary.positions_per_whole // 16
    for at in range(first, min(behind, len(bars))):
        if thin:
            bars[at] = _thinner(bars[at], share, rng)
        elif overlaid and at >= lag:  # what was overlaid is overlaid again, and grows denser bar by bar
            bars[at] = _overlaid(bars[at], bars[at - lag], share / 2, vocabulary, rng)
        elif not overlaid:
            bars[at] = _fuller(bars[at], share, shift, octaves, vocabulary, rng)
    heard = np.concatenate([words[: lines[0]], *bars])
    following = np.searchsorted(_places(words), _places(heard), side="right")
    known = following < len(words)
    return heard[known], words[following[known]]


def _places(words: Words) -> Words:
    """Of each word the number that rises through a piece (composer.engine.returns)."""
    keys: Words = places_of(torch.from_numpy(words)[None]).key[0].numpy()
    return keys


def _thinner(bar: Words, share: float, rng: np.random.Generator) -> Words:
    """A bar without some of its notes; the positions stay."""
    gone = (bar[:, FAMILY] == NOTE) & (rng.random(len(bar)) < 0.6 * share)
    kept: Words = bar[~gone]
    return kept


def _fuller(
    bar: Words, share: float, shift: int, octaves: Words, vocabulary: Vocabulary, rng: np.random.Generator
) -> Words:
    """A bar some of whose notes come again later or in another octave."""
    again = []
    positions = _positions(bar, vocabulary)
    for metrical, note in _notes(bar):
        if rng.random() < share:
            note, metrical = note.copy(), metrical.copy()
            note[PITCH] += rng.choice(octaves)
            metrical[POSITION] += shift
            if 1 <= note[PITCH] <= len(vocabulary.pitches) and metrical[POSITION] <= positions:
                again.append((metrical, note))
    return _together(bar, again, positions)


def _overlaid(bar: Words, earlier: Words, share: float, vocabulary: Vocabulary, rng: np.random.Generator) -> Words:
    """A bar with some of the notes of an earlier one."""
    return _together(bar, [pair for pair in _notes(earlier) if rng.random() < share], _positions(bar, vocabulary))


def _notes(bar: Words) -> Iterator[tuple[Words, Words]]:
    """Each note of a bar behind the metrical word that it stands at. Notes before the first one are left out."""
    metrical = None
    for word in bar:
        if word[FAMILY] == METRICAL:
            metrical = word
        elif word[FAMILY] == NOTE and metrical is not None:
            yield metrical, word


def _place(metrical: Words, note: Words) -> tuple[int, int, int]:
    """By which the notes of a bar stand in order."""
    return int(metrical[POSITION]), int(note[ROLE]), -int(note[PITCH])


def _positions(bar: Words, vocabulary: Vocabulary) -> int:
    """How many the bar has; the beginning of one may have been cut off, and nobody knows any more."""
    return vocabulary.lengths[bar[0, METER] - 1] if bar[0, FAMILY] == BAR else 0


def _together(bar: Words, more: Iterable[tuple[Words, Words]], positions: int) -> Words:
    """A bar and further notes in order, where it has none of that pitch and role at that position and has the position
    at all. Its own words stay."""
    own = [(metrical, word) for metrical, word in _notes(bar)]
    heads = {int(word[POSITION]): word for word in bar if word[FAMILY] == METRICAL}
    notes = {_place(metrical, note): note for metrical, note in own}
    start = int(np.argmax(bar[:, FAMILY] == METRICAL)) if heads else len(bar)  # a bar may be cut in its middle
    for metrical, note in more:
        position = int(metrical[POSITION])
        if ((heads and position >= min(heads)) or start == 1) and position <= positions:
            heads.setdefault(position, metrical)
            notes.setdefault(_place(metrical, note), note)
    rows = [*bar[:start]]
    for position in sorted(heads):
        rows.append(heads[position])
        rows += [notes[key] for key in sorted(key for key in notes if key[0] == position)]
    return np.stack(rows)
