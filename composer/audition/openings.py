"""The openings that models are tried on: files of a folder, or the beginnings of a corpus' validation songs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from composer.audition.comparison import Reference
from composer.audition.grid import Notes, notes_of, read_notes
from composer.errors import OpeningError, SettingsError
from composer.music.chords import chords_of
from composer.music.encoding import decode, to_words
from composer.music.midi import leaving_out, parse_midi, read_midi
from composer.music.score import Score
from composer.music.words import Vocabulary
from composer.opening import Opening, to_opening
from composer.training.sources import ANNOTATIONS, Source, find_sources, read_sources

Item = TypeVar("Item")

OPENING_BARS = 8  # of a song: what the references begin with too
LONGEST_MINUTES, MOST_NOTES = 60, 100_000  # of a song; an opening is shorter, but here it is cut from one


@dataclass(frozen=True)
class Original:
    """How a song really goes on: the opening and as many bars behind it as are composed.

    written: the notes of its file on the grid of the metrics, as the references were made
    """

    played: Score
    written: Notes

    def in_words(self, vocabulary: Vocabulary) -> Notes:
        """What is left of it in the words of a model."""
        return notes_of(decode(to_words(self.played, vocabulary), vocabulary))


@dataclass(frozen=True)
class Song:
    name: str
    opening: Opening
    original: Original | None = None  # only of songs from a corpus


@dataclass(frozen=True)
class Group:
    """Openings that are judged together, against one reference."""

    name: str
    songs: Sequence[Song]
    reference: Reference


def openings_of_folder(folder: Path, count: int) -> list[Song]:
    """The MIDI files of a folder, `count` of them at most. Raises SettingsError that names the file that is none."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".mid", ".midi"))
    if not paths:
        raise SettingsError(f"{folder} holds no MIDI file. Put openings there, a file each.")
    songs = []
    for path in spread(paths, count):
        try:
            songs.append(Song(path.stem, to_opening(read_midi(path.read_bytes()))))
        except OpeningError as error:
            raise SettingsError(f"{path}: {error}") from error
    return songs


def openings_of_corpus(folder: Path, count: int | None, bars: int, whole: bool = False) -> list[Song]:
    """The beginnings of validation songs, drawn evenly from those that are in 4/4 and long enough.

    Args:
        folder: of the corpus.
        count: how many at most; None for all.
        bars: how many go on behind the opening at least.
        whole: whether a song's original is all of it, or ends behind these bars.

    Returns:
        The songs, by name.

    Raises:
        SettingsError: there is none, or no such corpus.
    """
    songs = songs_of([source for source in find_sources(folder) if source.split == "validation"], bars, whole)
    if not songs:
        raise SettingsError(
            f"{folder} has no validation song in 4/4 of {OPENING_BARS + bars} bars. Ask for fewer bars."
        )
    return spread(sorted(songs, key=lambda song: song.name), len(songs) if count is None else count)


def songs_of(sources: Sequence[Source], bars: int, whole: bool = False) -> list[Song]:
    """Those of the sources that are in 4/4 and long enough, as openings_of_corpus has them."""
    return [song for source, data in read_sources(sources) if (song := _song(source.name, data, bars, whole))]


def _song(name: str, data: bytes, bars: int, all_of_it: bool) -> Song | None:
    try:
        score = parse_midi(data, leaving_out(ANNOTATIONS)).without_drums()
        if any(bar.meter != (4, 4) for bar in score.bars):
            return None
        whole = to_opening(score, max_minutes=LONGEST_MINUTES, max_notes=MOST_NOTES).score
    except OpeningError:
        return None
    if len(whole.bars) < OPENING_BARS + bars:
        return None
    end = len(whole.bars) if all_of_it else OPENING_BARS + bars
    opening, played = whole.excerpt(0, OPENING_BARS), whole.excerpt(0, end)
    played = replace(played, chords=chords_of(played))
    written = read_notes(data).part(0, end)
    return Song(name.removesuffix(".mid"), Opening(opening), Original(played, written))


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """`count` of the items, as far apart as they can be; all if there are no more."""
    if len(items) <= count:
        return list(items)
    return [items[at * len(items) // count] for at in range(count)]
