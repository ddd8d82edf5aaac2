"""The sequences that a model goes on in: where they are taken from, what is asked for, what each word is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scores import changed, music
from some_words import words_of

from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FARTHEST_BAR, FARTHEST_END, FIELDS, UNKNOWN, Row, anchors_of
from composer.engine.model import HEARD
from composer.music.encoding import to_words
from composer.music.meter import TICKS_PER_BAR
from composer.music.score import Chord, Note, Score, in_four
from composer.music.words import ATTRIBUTES, COLUMN, END, IGNORE, Family, Words, default_vocabulary
from composer.order import STYLES
from composer.training import lessons as module
from composer.training.lessons import (
    ANCHOR_BARS,
    SHARE_BEGUN,
    SHARE_OPENED,
    STYLE,
    VALIDATION_ANCHOR,
    Lessons,
    Sampler,
    Song,
    validation_windows,
)
from composer.training.train import Batch

VOCABULARY = default_vocabulary()
EVERY_KEY = set(range(-6, 6))


@pytest.fixture(autouse=True)
def _no_other_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every sequence goes on: of holes and of what is given test_lessons.py speaks."""
    for name in ("SHARE_REDO", "SHARE_PARTS", "SHARE_CHORDS"):
        monkeypatch.setattr(module, name, 0.0)


@pytest.fixture
def _in_its_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TRANSPOSITIONS", range(1))


in_its_key = pytest.mark.usefixtures("_in_its_key")


def lessons_of(train: Sequence[Song], validation: Sequence[Song] = ()) -> Lessons:
    """One corpus."""
    return Lessons(VOCABULARY, ["songs"], [0], [True], [1.0], train, validation)


# ------------------------------------------------------------------ batches


def encoded(score: Score) -> Words:
    return np.array([*to_words(score, VOCABULARY), END], dtype=np.uint8)


def chorded(score: Score) -> Song:
    """The song with another chord in each bar."""
    words = encoded(score)
    metrical = words[:, COLUMN["family"]] == Family.METRICAL
    words[metrical, COLUMN["chord"]] = np.arange(np.count_nonzero(metrical)) % (VOCABULARY.sizes["chord"] - 1) + 1
    return Song("chorded", words, 0)


SONGS = [chorded(music(seed, bars=12)) for seed in range(3)]
SHORT = Song("short", encoded(music(9, bars=1)), 0)


def sampler(songs: list[Song], seed: int = 7, length: int = 48, **more: Any) -> Sampler:
    return Sampler(lessons_of(songs), length, seed, **{"crowding": False} | more)


def excerpts(batch: Batch) -> npt.NDArray[np.int64]:
    """The music of each row: the first word that is heard, and all that is asked for.

    Nothing else is heard: every further word is the one that was asked for before it, and padding for the last.
    """
    assert (batch.segments == HEARD).all()
    heard = batch.words[:, -batch.truth.shape[1] :]
    rows = np.concatenate([heard[:, :1], batch.truth], axis=1)
    asked = batch.truth[..., COLUMN["family"]] != Family.IGNORE
    assert (heard == np.where(asked[..., None], rows[:, :-1], IGNORE)).all()
    return rows


def drawn(sampler: Sampler, steps: int, size: int) -> npt.NDArray[np.int64]:
    return np.concatenate([excerpts(sampler.batch(step, size)) for step in range(steps)])


@pytest.mark.parametrize("more", [{}, {"past": 30, "crowding": True}], ids=["plain", "crowded, with a past"])
def test_a_batch_is_a_function_of_seed_and_step(more: dict[str, Any]) -> None:
    unbroken, resumed = sampler(SONGS, **more), sampler(SONGS, **more)
    batches = [unbroken.batch(step, 8) for step in range(4)]
    for step in (3, 1, 3):
        for again, first in zip(resumed.batch(step, 8), batches[step], strict=True):
            assert (again == first).all()
    others = [*batches[1:], sampler(SONGS, seed=8, **more).batch(0, 8)]
    for other in others:
        for name in ("words", "anchors", "truth"):
            assert (getattr(other, name) != getattr(batches[0], name)).any()


def excerpt_of(row: npt.NDArray[np.int64], songs: list[Song]) -> tuple[Song, int]:
    """The song, and the place in it, that a row was taken from, by all that no transposition changes."""
    still = [COLUMN[name] for name in ATTRIBUTES if name not in ("pitch", "chord")]
    found = [
        (song, start)
        for song in songs
        for start in range(len(song.words) - len(row) + 1)
        if (song.words[start : start + len(row), still] == row[:, still]).all()
    ]
    assert len(found) == 1
    return found[0]


def transposition_of(row: npt.NDArray[np.int64], original: Words) -> int:
    """By how much the pitches of a row moved, all alike."""
    notes = row[:, COLUMN["family"]] == Family.NOTE
    moves = set((row - original.astype(np.int64))[notes, COLUMN["pitch"]].tolist())
    assert len(moves) == 1
    return int(moves.pop())


def test_pitches_and_chords_move_together_by_every_interval() -> None:
    moves = []
    for row in drawn(sampler(SONGS), 8, 16):
        song, start = excerpt_of(row, SONGS)
        original = song.words[start : start + len(row)]
        move = transposition_of(row, original)
        moves.append(move)
        for before, after in zip(original, row, strict=True):
            if before[0] != Family.METRICAL:
                assert after[COLUMN["chord"]] == IGNORE
                continue
            old = VOCABULARY.chord_at(0, int(before[COLUMN["chord"]]))
            new = VOCABULARY.chord_at(0, int(after[COLUMN["chord"]]))
            assert new == Chord(0, None if old.root is None else (old.root + move) % 12, old.quality)
    assert set(moves) == EVERY_KEY


@pytest.mark.parametrize(("low", "high", "possible"), [(21, 108, {0}), (24, 106, set(range(-3, 3)))])
def test_no_note_leaves_the_piano(low: int, high: int, possible: set[int]) -> None:
    wide = music(5, low=50, high=60)
    notes = tuple(
        replace(note, pitch=low if i % 8 == 0 else high if i % 8 == 1 else note.pitch)
        for i, note in enumerate(wide.notes)
    )
    songs = [Song("wide", encoded(changed(wide, notes=notes)), 0)]
    moves = set()
    for row in drawn(sampler(songs), 4, 16):
        song_, start = excerpt_of(row, songs)
        moves.add(transposition_of(row, song_.words[start : start + len(row)]))
    assert moves == possible


@in_its_key
def test_what_is_not_moved_is_the_music_itself() -> None:
    for row in drawn(sampler(SONGS), 1, 32):
        song, start = excerpt_of(row, SONGS)
        assert (row == song.words[start : start + len(row)]).all()


def test_excerpts_begin_on_a_bar_line_or_are_the_last_words_of_a_song() -> None:
    places = set()
    for row in drawn(sampler(SONGS), 8, 32):
        song, start = excerpt_of(row, SONGS)
        last = start == len(song.words) - len(row)
        assert last or row[0, COLUMN["family"]] == Family.BAR
        assert last == (row[-1, COLUMN["family"]] == Family.END)
        places.add(last)
    assert places == {False, True}


@in_its_key
def test_a_short_song_is_padded_behind_its_end() -> None:
    batch = sampler([SHORT]).batch(0, 1)
    assert batch.words.shape == batch.truth.shape == (1, 48, len(ATTRIBUTES))
    assert batch.anchors.shape == (1, 48, len(FIELDS) + 1)
    (row,) = excerpts(batch)
    assert row.shape == (49, len(ATTRIBUTES))
    assert (row[: len(SHORT.words)] == SHORT.words).all()
    assert (row[len(SHORT.words) :] == IGNORE).all()
    assert len(SHORT.words) < 49


def test_songs_are_drawn_by_their_length() -> None:
    long = Song("long", encoded(music(20, bars=36)), 0)
    brief = Song("brief", encoded(music(21, bars=12)), 0)
    rows = drawn(sampler([long, brief], length=16), 1, 300)
    share = sum(excerpt_of(row, [long, brief])[0] is long for row in rows) / 300
    assert share == pytest.approx(0.75, abs=0.075)  # three deviations


def test_before_an_excerpt_stand_the_words_before_it_moved_with_it() -> None:
    lengths = set()
    batch = sampler(SONGS, past=100).batch(0, 64)
    for row, before in zip(excerpts(batch), batch.words[:, :100], strict=True):
        song, start = excerpt_of(row, SONGS)
        count = min(start, 100)
        lengths.add(count)
        assert (before[: 100 - count] == IGNORE).all()
        whole = np.concatenate([before[100 - count :], row])
        original = song.words[start - count : start + len(row)]
        move = transposition_of(whole, original)
        assert (
            whole[:, COLUMN["chord"]] == VOCABULARY.transposed_ids(move)["chord"][original[:, COLUMN["chord"]]]
        ).all()
    assert {0, 100} < lengths


@in_its_key
def test_of_a_crowded_excerpt_the_true_music_is_asked_for() -> None:
    full = sampler(SONGS, length=150, past=50, crowding=True)
    changed = 0
    for batch in (full.batch(step, 16) for step in range(4)):
        for heard, asked in zip(batch.words, batch.truth, strict=True):
            count = np.count_nonzero(asked[:, 0])
            assert (heard[50 + count :] == IGNORE).all()
            true = [
                row for row, _ in groupby(map(tuple, asked[:count].tolist()))
            ]  # now and then one is asked for twice
            assert any(in_order(true, song) for song in SONGS)
            changed += (heard[51 : 50 + count] != asked[: count - 1]).any()
    assert 64 * 0.35 < changed < 64 * 0.65


def in_order(rows: list[tuple[int, ...]], song: Song) -> bool:
    """Whether the rows come one after another in the song, with or without others between them."""
    words = iter(map(tuple, song.words.tolist()))
    return all(row in words for row in rows)


# ------------------------------------------------------------------ anchors

KEY = FIELDS.index("key")


def bar_of_word(words: Words) -> npt.NDArray[np.int64]:
    return np.cumsum(words[:, COLUMN["family"]] == Family.BAR) - 1


def described(song: Song, first: int, behind: int) -> Row:
    """What the bars from `first` up to `behind` say, all that surrounds them taken away."""
    bars = bar_of_word(song.words)
    inside = (first <= bars) & (bars < behind) & (song.words[:, 0] != Family.END)
    return anchors_of(words_of(song.words[inside]), VOCABULARY)[:BARS_BEFORE]


class Told(NamedTuple):
    """A row's anchors, and where its music stands."""

    song: Song
    start: int
    anchors: npt.NDArray[np.int64]  # (length, fields)

    @property
    def bars(self) -> npt.NDArray[np.int64]:
        """The bar of each word: (length,)"""
        return bar_of_word(self.song.words)[self.start : self.start + len(self.anchors)]


def told(songs: list[Song], steps: int, **more: Any) -> list[Told]:
    found = []
    for step in range(steps):
        batch = sampler(songs, **more).batch(step, 32)
        for row, anchors in zip(excerpts(batch), batch.anchors, strict=True):
            found.append(Told(*excerpt_of(row, songs), anchors))
    return found


def crescendo(bars: int, seed: int = 0) -> Song:
    """Each bar louder than the one before, so that an anchor tells where it was taken from."""
    notes = [
        replace(note, velocity=VOCABULARY.velocities[min(note.start // TICKS_PER_BAR, 28)])
        for note in music(seed, bars).notes
    ]
    return Song(f"crescendo {seed}", encoded(in_four(tuple(notes), end=bars * TICKS_PER_BAR)), 0)


@in_its_key
def test_an_anchor_is_told_to_the_words_behind_the_bars_that_it_was_taken_from() -> None:
    """Of each row: some stretch that ends before the first word that is told it says just this."""
    song = crescendo(26)
    possible = [
        (first + some, described(song, first, first + some))
        for some in {*ANCHOR_BARS}
        for first in range(26 - some + 1)
    ]
    waited = 0
    for row in told([song], 8, length=120):
        known = row.anchors[:, :BARS_BEFORE] != UNKNOWN
        for heard in np.unique(known[known.any(axis=1)], axis=0):
            behind = int(row.bars[known.any(axis=1)][0])
            (values,) = np.unique(row.anchors[known.any(axis=1), :BARS_BEFORE], axis=0)
            assert any(end <= behind and (heard <= (np.array(row_) == values)).all() for end, row_ in possible)
            # From there on every word is told, up to the last one.
            assert (known == (row.bars >= behind)[:, None] & heard).all()
            if known[0].any():
                continue
            waited += 1
            assert any(end == behind and (heard <= (np.array(row_) == values)).all() for end, row_ in possible)
    assert waited > 20


@in_its_key
def test_later_bars_do_not_change_what_a_word_is_told() -> None:
    songs = [crescendo(24, seed) for seed in range(2)]
    before = told(songs, 4, length=100)
    compared = changed = 0
    for cut in (2, 4, 6, 8, 12, 20):
        others = []
        for song in songs:
            words = song.words.copy()
            late = (bar_of_word(words) >= cut) & (words[:, 0] == Family.NOTE)
            words[late, COLUMN["velocity"]] = 30 - words[late, COLUMN["velocity"]]
            words[late, COLUMN["duration"]] = words[late, COLUMN["duration"]] % 8 + 1
            gone = np.flatnonzero(late)[::3]
            words[gone] = words[gone - 1]  # some notes become the word before them: fewer notes and onsets
            others.append(Song(song.name, words, 0))
        batches = [sampler(others, length=100).batch(step, 32).anchors for step in range(4)]
        for row, after in zip(before, np.concatenate(batches), strict=True):
            early = row.bars <= cut
            assert (row.anchors[early] == after[early]).all()
            compared += int((row.anchors[early, :BARS_BEFORE] != UNKNOWN).any())
            changed += int((row.anchors != after).any())
    assert compared > 100
    assert changed > 100


@in_its_key
def test_of_the_bars_left_every_word_is_told_those_behind_its_own_or_none() -> None:
    song = crescendo(40)
    rows = told([song], 5, length=150)
    known = [row for row in rows if row.anchors[:, BARS_LEFT].any()]
    assert len(rows) * 0.4 < len(known) < len(rows) * 0.8
    for row in known:
        left = 39 - row.bars
        assert (row.anchors[:, BARS_LEFT] == 1 + np.minimum(left, FARTHEST_END)).all()
    assert {1, 2, 1 + FARTHEST_END} <= {int(i) for row in known for i in row.anchors[:, BARS_LEFT]}


@in_its_key
def test_of_the_bars_before_every_word_of_a_songs_first_stretch_is_told_those_before_its_own_or_none() -> None:
    first, second = replace(crescendo(90), name="one.mid/0"), replace(crescendo(90), name="one.mid/1")
    rows = told([first], 4, length=150)
    known = [row for row in rows if row.anchors[:, BARS_BEFORE].any()]
    assert len(known) / len(rows) == pytest.approx(0.9, abs=0.06)
    for row in known:
        assert (row.anchors[:, BARS_BEFORE] == 1 + np.minimum(row.bars, FARTHEST_BAR)).all()
    assert {1, 2, 1 + FARTHEST_BAR} <= {int(i) for row in known for i in row.anchors[:, BARS_BEFORE]}
    assert not any(row.anchors[:, BARS_BEFORE].any() for row in told([second], 2, length=150))


@in_its_key
def test_many_sequences_begin_with_their_stretch_and_most_anchors_are_its_first_bars() -> None:
    song = crescendo(90)
    rows = told([song], 5, length=150)
    assert np.mean([row.start == 0 for row in rows]) == pytest.approx(SHARE_BEGUN, abs=0.1)
    opened = {described(song, 0, some) for some in ANCHOR_BARS}
    late = [tuple(row.anchors[0, :BARS_BEFORE]) for row in rows if row.bars[0] > 40]
    said = [values for values in late if UNKNOWN not in values]
    assert len(said) > 30
    assert np.mean([values in opened for values in said]) == pytest.approx(SHARE_OPENED, abs=0.15)


@in_its_key
def test_where_an_unknown_bar_cuts_a_song_no_end_is_in_sight() -> None:
    cut = crescendo(24)
    cut = replace(cut, words=cut.words[:-1])
    rows = told([cut], 4, length=100)
    assert any(row.anchors[:, :BARS_BEFORE].any() for row in rows)
    assert not any(row.anchors[:, BARS_LEFT].any() for row in rows)


def in_c_major(bars: int) -> Song:
    """The scale of C major with long Cs, Es and Gs in every bar: whichever bars are taken, they are in C."""
    lengths = {60: 4, 62: 1, 64: 3, 65: 1, 67: 4, 69: 1, 71: 1, 72: 4}
    notes = tuple(
        Note(bar * TICKS_PER_BAR + n * 240, pitch, bar * TICKS_PER_BAR + n * 240 + 120 * ticks, 40 + bar)
        for bar in range(bars)
        for n, (pitch, ticks) in enumerate(lengths.items())
    )
    return Song("in C", encoded(in_four(notes, end=bars * TICKS_PER_BAR)), 0)


@pytest.mark.parametrize("crowding", [False, True])
def test_the_key_moves_with_the_music(crowding: bool) -> None:
    song = in_c_major(24)
    seen = set()
    for step in range(8):
        batch = sampler([song], length=100, crowding=crowding).batch(step, 32)
        for asked, anchors in zip(batch.truth, batch.anchors, strict=True):
            lowest = VOCABULARY.pitches[int(asked[asked[:, 0] == Family.NOTE, COLUMN["pitch"]].min()) - 1]
            keys = set(anchors[:, KEY].tolist()) - {UNKNOWN}
            assert keys <= {1 + lowest % 12}
            seen |= keys
    assert seen == set(range(1, 13))


@in_its_key
def test_each_field_is_now_and_then_not_told_and_then_to_no_word() -> None:
    rows = told([replace(crescendo(24), name="24.mid/0")], 8, length=100)
    known = np.stack([(row.anchors != UNKNOWN).any(axis=0) for row in rows if row.anchors[:, :BARS_BEFORE].any()])
    assert known.mean(axis=0) == pytest.approx([0.9, 0.9, 0.9, 0.9, 0.9, 0.6, 0.8], abs=0.1)
    assert len(np.unique(known, axis=0)) > 8  # each on its own


@in_its_key
def test_padding_is_told_nothing() -> None:
    (anchors,) = sampler([SHORT]).batch(0, 1).anchors
    assert (anchors[len(SHORT.words) - 1 :] == UNKNOWN).all()


@pytest.mark.parametrize("style", [0, 3])
def test_most_sequences_are_told_the_style_of_their_corpus(style: int) -> None:
    lessons = replace(lessons_of(SONGS), styles=[style])
    told = [
        set(row[:, STYLE].tolist())  # no row is padded
        for step in range(8)
        for row in Sampler(lessons, 40, 7, crowding=False).batch(step, 16).anchors
    ]
    assert all(ids in ({UNKNOWN}, {1 + style}) for ids in told)
    assert np.mean([each != {UNKNOWN} for each in told]) == pytest.approx(0.8, abs=0.1)
    assert style < len(STYLES)


def test_corpora_are_drawn_by_their_share_and_not_by_their_size() -> None:
    small, large = SONGS[0], replace(SONGS[1], words=np.tile(SONGS[1].words[:-1], (5, 1)), corpus=1)
    lessons = Lessons(VOCABULARY, ["a", "b"], [0, 3], [True, True], [0.75, 0.25], [small, large], [])
    anchors = np.concatenate([Sampler(lessons, 40, 7).batch(step, 64).anchors for step in range(8)])
    styles = anchors[:, 0, STYLE]
    known = styles[styles != UNKNOWN]
    assert np.mean(known == 1) == pytest.approx(0.75, abs=0.07)


# ------------------------------------------------------------------ validation


def windows_of(songs: Sequence[Song], length: int, past: int = 0) -> Batch:
    """All windows of the one corpus as a batch."""
    (windows,) = (
        batches for name, batches in validation_windows(lessons_of([], songs), length, past) if name == "songs"
    )
    return Batch(*(np.concatenate(parts) for parts in zip(*windows, strict=True)))


@pytest.mark.parametrize("length", [7, 48, 10_000])
def test_windows_ask_for_every_word_but_the_first_once(length: int) -> None:
    songs = [*SONGS, SHORT]
    batch = windows_of(songs, length)
    assert batch.truth.shape[1:] == batch.words.shape[1:] == (length, len(ATTRIBUTES))
    assert batch.anchors.shape == (*batch.words.shape[:2], len(FIELDS) + 1)
    assert excerpts(batch).shape[1:] == (length + 1, len(ATTRIBUTES))
    asked = batch.truth.reshape(-1, len(ATTRIBUTES))
    asked = asked[asked[:, COLUMN["family"]] != Family.IGNORE]
    assert (asked == np.concatenate([song.words[1:] for song in songs])).all()


def test_a_window_begins_with_the_word_before_what_it_asks_for() -> None:
    windows = excerpts(windows_of([SONGS[0]], 32))
    assert (windows[0, 0] == SONGS[0].words[0]).all()
    assert (windows[1:, 0] == windows[:-1, -1]).all()


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_a_song_as_long_as_its_windows_leaves_no_empty_one(beyond: int) -> None:
    song = Song("cut", SONGS[0].words[: 2 * 32 + 1 + beyond], 0)
    windows = excerpts(windows_of([song], 32))
    assert len(windows) == (2 if beyond == 0 else 3)
    assert np.count_nonzero(windows[-1, :, COLUMN["family"]]) == (33 if beyond == 0 else 1 + beyond)


def test_before_a_window_stand_the_words_before_it() -> None:
    song = SONGS[0].words
    batch = windows_of([SONGS[0]], 32, past=50)
    for number, (row, truth) in enumerate(zip(batch.words, batch.truth, strict=True)):
        start, asked = 32 * number, np.count_nonzero(truth[:, 0])
        before = min(start, 50)
        assert (row[: 50 - before] == IGNORE).all()
        assert (row[50 - before : 50 + asked] == song[start - before : start + asked]).all()
        assert (row[50 + asked :] == IGNORE).all()


def test_windows_are_told_what_the_first_bars_say_and_no_end() -> None:
    song = crescendo(20)
    first = described(song, 0, VALIDATION_ANCHOR)
    assert UNKNOWN not in first
    bar = bar_of_word(song.words)[:-1]
    for name, before in (("20.mid/0", 1 + bar), ("20.mid/1", np.full_like(bar, UNKNOWN))):
        batch = windows_of([replace(song, name=name)], 64)
        asked = batch.truth[..., COLUMN["family"]] != Family.IGNORE
        late = bar[:, None] >= VALIDATION_ANCHOR
        assert (batch.anchors[asked][:, :BARS_BEFORE] == np.where(late, first, UNKNOWN)).all()
        assert (batch.anchors[asked][:, BARS_BEFORE] == before).all()
        assert (batch.anchors[asked][:, BARS_LEFT] == UNKNOWN).all()
    assert (windows_of([SHORT], 64).anchors[..., :STYLE] == UNKNOWN).all()
