from __future__ import annotations

import random

import numpy as np

from composer.audition.copying import LONGEST_COMMON, CopyIndex, compact_index
from composer.audition.grid import Notes, notes_of, notes_of_words
from composer.engine.runs import run_hashes
from composer.music.encoding import encode
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Note, in_four
from composer.music.words import default_vocabulary
from composer.training.lessons import Lessons, Song

STEP = TICKS_PER_BAR // 16


def melody(seed: int, notes: int = 120) -> list[int]:
    draw = random.Random(seed)
    return [draw.randint(50, 80) for _ in range(notes)]


def played(pitches: list[int]) -> Notes:
    notes = tuple(Note(at * 2 * STEP, pitch, at * 2 * STEP + STEP, 80) for at, pitch in enumerate(pitches))
    return notes_of(in_four(notes, end=len(pitches) * 2 * STEP))


INDEX = CopyIndex([("one", played(melody(1))), ("two", played(melody(2)))])


def test_a_song_copies_itself_in_any_key() -> None:
    for shift in (0, 5):
        found = INDEX.look_up(played([pitch + shift for pitch in melody(2)]))
        assert found.share == 1
        assert found.longest == found.common == 120
        assert found.song == "two"
        assert found.is_copy


def test_what_is_new_has_nothing_in_common() -> None:
    found = INDEX.look_up(played(melody(3)))
    assert (found.share, found.longest, found.common, found.song) == (0, 0, 0, "")
    assert not found.is_copy


def test_the_longest_stretch_is_of_one_song() -> None:
    """Two stretches that meet are two, though their runs follow each other."""
    one, two = melody(1), melody(2)
    found = INDEX.look_up(played(melody(4) + one[30:60] + melody(5) + two[10:50]))
    assert found.common == 40
    assert found.song == "two"
    assert found.longest == 40
    assert 0 < found.share < 0.2


def test_a_short_quotation_is_no_copy() -> None:
    found = INDEX.look_up(played(melody(6, 3000) + melody(1)[:LONGEST_COMMON]))
    assert found.common == LONGEST_COMMON
    assert not found.is_copy
    assert INDEX.look_up(played(melody(6, 3000) + melody(1)[: LONGEST_COMMON + 1])).is_copy


def test_fewer_notes_than_a_run_and_no_songs_at_all() -> None:
    assert INDEX.look_up(played(melody(1)[:16])).common == 0
    assert INDEX.look_up(played(melody(1)[:17])).common == 17
    assert CopyIndex([]).look_up(played(melody(1))).share == 0


def test_encoded_corpora_are_looked_through_by_their_training_songs() -> None:
    vocabulary = default_vocabulary()
    songs = []
    for seed in (1, 2):
        notes = tuple(Note(at * 240, pitch, at * 240 + 240, 80) for at, pitch in enumerate(melody(seed)))
        words = np.array(encode(in_four(notes, end=15 * TICKS_PER_BAR), vocabulary), dtype=np.uint8)
        songs.append(Song(f"{seed}.mid/0", words, corpus=0))
    lessons = Lessons(vocabulary, ["mine"], [0], [True], [1.0], train=songs[:1], validation=songs[1:])
    found, held_out = (notes_of_words(song.words, vocabulary) for song in songs)
    index = CopyIndex.of_lessons(lessons)
    copied = index.look_up(found)
    assert (copied.common, copied.song) == (120, "mine/1.mid/0")
    assert index.look_up(held_out).common == 0
    compact = compact_index(lessons)
    assert set(compact.owners(run_hashes(found.time, found.pitch))) == {0}
    assert set(compact.owners(run_hashes(held_out.time, held_out.pitch))) == {-1}
    assert compact.names == ["mine/1.mid/0"]
