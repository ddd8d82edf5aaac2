"""The rules of words as one reads them: a check of what was composed, apart from the masks that the engine draws by.

No word that breaks them can be drawn (composer.engine.grammar), so whatever is found there is a defect. None is read
either: openings are held to them before the engine sees them (composer.request).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from composer.words import ATTRIBUTES, USED, Family, Vocabulary, Word

FAMILIES = frozenset(Family)


def broken_rules(words: Sequence[Word], vocabulary: Vocabulary, bars: int) -> Iterator[str]:
    """What is wrong with the words of a continuation, from the bar word that opens it to the end word."""
    yield from broken_words(words, vocabulary)
    if not words or words[-1].family != Family.END:
        yield "no end"
    if (found := sum(word.family == Family.BAR for word in words)) != bars:
        yield f"{found} bars instead of {bars}"


def broken_opening(words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[str]:
    """What is wrong with the words of an opening: whole bars, and no end."""
    if not words or words[0].family != Family.BAR:
        yield "it does not begin with a bar"
    if words and words[-1].family == Family.END:
        yield f"{len(words) - 1}: an end"
    yield from broken_words(words, vocabulary)


def broken_words(words: Sequence[Word], vocabulary: Vocabulary) -> Iterator[str]:
    """What is wrong with words that follow each other, wherever they begin and end. An end may only be the last."""
    position = pitch = -1  # of the last metrical word in this bar, and of the last note at it
    for number, word in enumerate(words):
        if word.family not in FAMILIES:
            yield f"{number}: no family is {word.family}"
            continue
        family = Family(word.family)
        for name in ATTRIBUTES[1:]:
            value = getattr(word, name)
            if not (0 < value < vocabulary.sizes[name] if name in USED[family] else value == 0):
                yield f"{number}: {family.name} with {name} {value}"
        match family:
            case Family.BAR:
                position = pitch = -1
            case Family.METRICAL:
                if word.position <= position:
                    yield f"{number}: position {word.position} after {position}"
                position, pitch = word.position, vocabulary.sizes["pitch"]
            case Family.NOTE:
                if position < 0:
                    yield f"{number}: a note before any position"
                elif word.pitch >= pitch:
                    yield f"{number}: pitch {word.pitch} after {pitch}"
                pitch = word.pitch
            case Family.END:
                if number != len(words) - 1:
                    yield f"{number}: an end in the middle"
            case Family.IGNORE:
                yield f"{number}: padding"
