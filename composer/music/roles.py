"""Which part of a score does what, by its name, its program and what it plays.

What the corpora say of their parts (composer.training.corpora), files of strangers do not. The rule is judged on the
corpora that do say: `./run bench roles`.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from operator import attrgetter

from composer.music.score import Part, Role, Score

BASSES = frozenset({*range(32, 40), 43, 58})  # General MIDI: basses, contrabass, tuba
KEYBOARDS = frozenset(range(0, 8))
MOST_FOR_ONE_LINE = 1.15  # notes an onset: more are chords
MOST_AT_ONCE = 1.25  # notes in the mean while anything sounds, of a line that is played legato
HIGHEST_BASS = 52  # mean pitch of a line that lies at the bottom
_NAMES = {
    Role.MELODY: re.compile(r"melod|vocal|voice|\blead\b|sopran|violin(o|e)? (i|1)\b|canto|singer", re.IGNORECASE),
    Role.INNER: re.compile(r"bridge|\balto?\b|tenor|viola|violin(o|e)? (ii|2)\b|harmony|counter", re.IGNORECASE),
    Role.BASS: re.compile(r"\bbass\b|basso\b|cello|contrabass", re.IGNORECASE),
}


def with_roles(score: Score) -> Score:
    """The score, each of its pitched parts that play with its role. One alone is UNSAID, as are a piano's two hands.

    There is one melody at most; other single lines are INNER, chords ACCOMPANIMENT. A bass is BASS beside lines alone,
    as in a quartet; beside chords it is the lower part of the ACCOMPANIMENT, as models learn it from pop songs.
    """
    playing = score.playing
    if len(playing) < 2 or _are_two_hands(playing):
        return replace(score, parts=tuple(replace(part, role=Role.UNSAID) for part in score.parts))
    lines = [part for part in playing if _notes_an_onset(part) < MOST_FOR_ONE_LINE]
    roles: dict[int, Role] = {id(part): Role.INNER if part in lines else Role.ACCOMPANIMENT for part in playing}
    bass = _first([p for p in playing if p.program in BASSES or _called(p, Role.BASS)] or _low(lines), lowest=True)
    if bass is not None:
        chords = any(role is Role.ACCOMPANIMENT for part, role in roles.items() if part != id(bass))
        roles[id(bass)] = Role.ACCOMPANIMENT if chords else Role.BASS
    others = [part for part in playing if part is not bass]
    named = [part for part in others if _called(part, Role.MELODY)]
    sung = [part for part in others if part in lines and not _called(part, Role.INNER)]
    melody = _first(named or sung, lowest=False)
    if melody is not None:
        roles[id(melody)] = Role.MELODY
    return replace(score, parts=tuple(replace(part, role=roles.get(id(part), Role.UNSAID)) for part in score.parts))


def is_melody(score: Score) -> bool:
    """Whether it is one part at most, and a note at a time, or what is called a melody."""
    playing = score.playing
    return len(playing) <= 1 and all(
        _sounding_at_once(part) < MOST_AT_ONCE or _called(part, Role.MELODY) for part in playing
    )


def _are_two_hands(parts: tuple[Part, ...]) -> bool:
    named = any(_called(part, role) for part in parts for role in _NAMES)
    return len(parts) == 2 and not named and all(part.program in KEYBOARDS for part in parts)


def _called(part: Part, role: Role) -> bool:
    return _NAMES[role].search(part.name) is not None


def _low(lines: list[Part]) -> list[Part]:
    return [part for part in lines if part.height <= HIGHEST_BASS]


def _first(parts: list[Part], *, lowest: bool) -> Part | None:
    """The lowest or the highest one."""
    ordered = sorted(parts, key=attrgetter("height"))
    return ordered[0 if lowest else -1] if ordered else None


def _notes_an_onset(part: Part) -> float:
    return len(part.notes) / len(Counter(note.start for note in part.notes))


def _sounding_at_once(part: Part) -> float:
    """How many keys are down, in the mean while one is."""
    sounding = last = 0
    for note in part.notes:
        sounding += max(0, note.end - max(note.start, last))
        last = max(last, note.end)
    return sum(note.end - note.start for note in part.notes) / max(1, sounding)
