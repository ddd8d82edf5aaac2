"""The rules of words as one reads them: a check of what was composed, apart from the masks that the engine draws by.

No word that breaks them can be drawn (composer.engine.grammar), so whatever is found there is a defect. None is read
either: openings are held to them before the engine sees them (composer.request).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from composer.music.words import ATTRIBUTES, USED, Family, Vocabulary, Word, bars_in

FAMILIES = frozenset(Family)


def broken_rules(words: Sequence[Word], vocabulary: Vocabulary, bars: int) -> Iterator[str]:
    """What is wrong with the words of a continuation, from the bar word that opens it to the end word."""
    yield from broken_words(words, vocabulary)
    if not words or words[-1].family != Family.END:
        yield "no end"
    if (found := bars_in(words)) != bars:
        yield f"{found} bars instead of {bars}"


def _length(bar: Word, vocabulary: Vocabulary) -> int:
    """Of a bar in positions; 0 where its meter is none."""
    lengths = vocabulary.bar_lengths
    return lengths[bar.meter] if 0 <= bar.meter < len(lengths) else 0


def broken_opening(words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[str]:
    """What is wrong with the words of an opening: whole bars, and no end."""
    if not words or words[0].family != Family.BAR:
        yield "it does not begin with a bar"
    if words and words[-1].family == Family.END:
        yield f"{len(words) - 1}: an end"
    yield from broken_words(words, vocabulary)


def broken_given(bar: Sequence[Word], vocabulary: Vocabulary) -> Iterator[str]:
    """What is wrong with one bar that is given in part: its places may leave chord and tempo open."""
    if bars_in(bar) != 1 or bar[0].family != Family.BAR:
        yield "what is given is no bar"
    if bar and bar[-1].family == Family.END:
        yield f"{len(bar) - 1}: an end"
    yield from broken_words(bar, vocabulary, unsaid=("chord", "tempo"))


def broken_words(words: Sequence[Word], vocabulary: Vocabulary, unsaid: Collection[str] = ()) -> Iterator[str]:
    """What is wrong with words that follow each other, wherever they begin and end. An end may only be the last.

    unsaid: attributes that a word may leave open
    """
    position = role = pitch = -1  # of the last metrical word in this bar, and of the last note at it
    length = 0
    for number, word in enumerate(words):
        if word.family not in FAMILIES:
            yield f"{number}: no family is {word.family}"
            continue
        family = Family(word.family)
        for name in ATTRIBUTES[1:]:
            value = getattr(word, name)
            open_too = name in unsaid and value == 0
            used = name in USED[family] and name in vocabulary.sizes and not open_too
            if not (0 < value < vocabulary.sizes[name] if used else value == 0):
                yield f"{number}: {family.name} with {name} {value}"
        match family:
            case Family.BAR:
                position = pitch = -1
                length = _length(word, vocabulary)
            case Family.METRICAL:
                if word.position <= position:
                    yield f"{number}: position {word.position} after {position}"
                if length and word.position > length:
                    yield f"{number}: position {word.position} in a bar of {length}"
                position, role, pitch = word.position, word.role, vocabulary.sizes["pitch"]
            case Family.NOTE:
                if position < 0:
                    yield f"{number}: a note before any position"
                elif (word.role, -word.pitch) <= (role, -pitch):
                    of_role = f" of role {word.role} after role {role}:" if word.role != role else ""
                    yield f"{number}:{of_role} pitch {word.pitch} after {pitch}"
                role, pitch = word.role, word.pitch
            case Family.END:
                if number != len(words) - 1:
                    yield f"{number}: an end in the middle"
            case Family.IGNORE:
                yield f"{number}: padding"
