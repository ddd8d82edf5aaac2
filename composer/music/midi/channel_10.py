"""Channel 10 is for drums, and now and then somebody plays a melody there: how to tell.

Drums taken for a melody are the worse mistake: they sound like a cat on the keys. So it is drums, unless one holds:

- it is told the bank of melodies (General MIDI 2),
- it has a name of its own, of three words at most, that says piano, melody or the like, and does not say drums,
- more than half of its notes lie where General MIDI has no drums,
- it is a tune, and is told a bank of sounds (a Yamaha makes a melodic channel of it by that), or plays alone.

A tune: notes longer than a sixteenth, half of them above the drum kit, on five or more notes of one scale.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

from composer.music.meter import TICKS_PER_BEAT
from composer.music.score import BANKS, CONTROLLER, Control, Note

LOWEST_DRUM, HIGHEST_DRUM = 27, 87  # of General MIDI 2
ABOVE_THE_KIT = 60  # from here up there are bongos and the like
LEAST_OF_SCALE, LEAST_IN_SCALE = 5, 0.9  # pitch classes; the share of notes in the scale
MOST_WORDS = 3

_MELODIES, _DRUMS = 121, (120, 126, 127)  # banks
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_MELODIC_NAME = re.compile(
    r"\b(piano|melod(y|ie|ia)|vocals?|voice|singer|guitar|violin|viola|cello|strings|flute|oboe|clarinet|sax(ophone)?"
    r"|trumpet|trombone|organ|harp|harpsichord)\b"
)
_DRUM_NAME = re.compile(r"drum|perc|kit\b|beat|rhythm|kick|snare|hi-?hat|cymbal|tom\b|toms\b|conga|bongo|clap")


def is_melody(name: str, notes: Sequence[Note], controls: Collection[Control], *, is_alone: bool) -> bool:
    """Whether a part of channel 10 is one.

    name: that no part of another channel has, or none   is_alone: whether no other channel plays
    """
    banks = {control.second for control in controls if control.kind == CONTROLLER and control.first == BANKS[0]}
    outside = sum(not LOWEST_DRUM <= note.pitch <= HIGHEST_DRUM for note in notes)
    return (
        _MELODIES in banks
        or _says_melody(name.lower())
        or 2 * outside > len(notes)
        or ((is_alone or bool(banks.difference(_DRUMS))) and _is_tune(notes))
    )


def _says_melody(name: str) -> bool:
    short = len(name.split()) <= MOST_WORDS
    return short and bool(_MELODIC_NAME.search(name)) and not _DRUM_NAME.search(name)


def _is_tune(notes: Sequence[Note]) -> bool:
    classes = [note.pitch % 12 for note in notes]
    in_scale = max(sum((tone - key) % 12 in _MAJOR for tone in classes) for key in range(12))
    return (
        len(set(classes)) >= LEAST_OF_SCALE
        and in_scale >= LEAST_IN_SCALE * len(notes)
        and _middle(note.pitch for note in notes) >= ABOVE_THE_KIT
        and _middle(note.end - note.start for note in notes) > TICKS_PER_BEAT // 4
    )


def _middle(numbers: Iterable[int]) -> int:
    """The median, without the import of statistics: the child's time is a user's time."""
    rising = sorted(numbers)
    return rising[len(rising) // 2]
