"""The road from a folder of MIDI files to what a model is trained and measured on."""

from __future__ import annotations

import io
import random
import tarfile
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from scores import changed, in_meters

from composer.encoding import decode, to_words
from composer.engine.anchors import BARS_BEFORE, BARS_LEFT, FARTHEST_BAR, FARTHEST_END, FIELDS, UNKNOWN, Row, anchors_of
from composer.errors import SettingsError
from composer.music.midi import dump_midi
from composer.music.score import TICKS_PER_BAR, TICKS_PER_BEAT, Chord, Note, Score, TempoChange, in_four
from composer.training.dataset import (
    Corpus,
    Song,
    Words,
    encode_song,
    load_corpus,
    share_on_grid,
    stretches_in_four,
)
from composer.training.lessons import ANCHOR_BARS, SHARE_BEGUN, SHARE_OPENED, VALIDATION_ANCHOR
from composer.training.sequences import Batch, Sampler, validation_windows
from composer.words import BAR, COLUMN, END, IGNORE, Family, Word, default_vocabulary

VOCABULARY = default_vocabulary()
ATTRIBUTES = tuple(VOCABULARY.sizes)
EVERY_KEY = set(range(-6, 6))
SIXTEENTH = TICKS_PER_BEAT // 4


def song(seed: int, bars: int = 8, step: int = SIXTEENTH, low: int = 40, high: int = 90) -> Score:
    """A bar in eight onsets on lines `step` apart, other music for every seed."""
    rng = random.Random(seed)
    bpm = VOCABULARY.tempos[seed % 52]
    onsets = [
        bar * TICKS_PER_BAR + line * step
        for bar in range(bars)
        for line in sorted({0, *rng.sample(range(TICKS_PER_BAR // step), 7)})
    ]
    notes = [Note(tick, rng.randint(low, high), tick + step, VOCABULARY.velocities[tick % 29]) for tick in onsets]
    return in_four(tuple(notes), (TempoChange(0, bpm),), end=bars * TICKS_PER_BAR)


def with_short_bar(first: int, second: int) -> Score:
    """So many bars of 4/4, one of 2/4, and so many of 4/4 again."""
    cut, end = first * TICKS_PER_BAR, first * TICKS_PER_BAR + TICKS_PER_BAR // 2
    before, after = song(51, first), song(52, second)
    between = Note(cut, 60, cut + SIXTEENTH, 64)
    late = [replace(note, start=note.start + end, end=note.end + end) for note in after.notes]
    meters = (0, 4, 4), (cut, 2, 4), (end, 4, 4)
    return in_meters((*before.notes, between, *late), *meters, tempos=before.tempos, end=end + after.end)


OFF_GRID = song(4, step=TICKS_PER_BEAT // 3)
LOOSE = {
    "001": song(1),
    "002": song(2),
    "003": in_meters(song(3).notes, (0, 3, 4), end=song(3).end),
    "004": OFF_GRID,
    "005": with_short_bar(8, 9),
    "006": song(6),  # of another tier
    "010": song(10),  # on both lists
    "099": song(99),  # on no list
}
PACKED = {"001-v1": song(11), "002-v1": song(12), "007": song(7), "008": song(8)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Songs on their own and in an archive; the lists in the folder above, the manifest beside the songs."""
    folder = tmp_path / "music" / "corpus"
    folder.mkdir(parents=True)
    (folder.parent / "train.txt").write_text("001\n003\n004\n005\n006\n007\n010\n\n")
    (folder.parent / "validation.txt").write_text("002\n008\n010\n")
    (folder / "manifest.tsv").write_text("id\tsplit\ttier\n001\ttrain\tA\n002\tvalidation\tA\n006\ttrain\tC-loose\n")
    for name, score in LOOSE.items():
        (folder / f"{name}.mid").write_bytes(dump_midi(score))
    with tarfile.open(folder / "songs.tar.gz", "w:gz") as archive:
        for name, score in PACKED.items():
            data = dump_midi(score)
            member = tarfile.TarInfo(f"songs/{name}.mid")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return folder


@pytest.fixture
def corpus(folder: Path, tmp_path: Path) -> Corpus:
    return load_corpus(folder, VOCABULARY, tmp_path / "cache")


def words_of(song: Song) -> list[Word]:
    return [Word(*map(int, row)) for row in song.words]


def names(songs: list[Song]) -> list[str]:
    return sorted(song.name for song in songs)


def as_data(corpus: Corpus) -> object:
    """All of a corpus, comparable."""
    songs = [[(song.name, song.words.tolist()) for song in split] for split in (corpus.train, corpus.validation)]
    return corpus.name, songs, corpus.left_out


# ------------------------------------------------------------------ which songs


def test_songs_go_to_the_split_that_lists_them(corpus: Corpus) -> None:
    assert names(corpus.train) == ["001-v1.mid/0", "001.mid/0", "005.mid/0", "005.mid/1", "007.mid/0"]
    assert names(corpus.validation) == ["002-v1.mid/0", "002.mid/0", "008.mid/0", "010.mid/0"]
    assert corpus.name == "corpus"


def test_no_music_of_validation_is_trained_on(corpus: Corpus) -> None:
    def bars(songs: list[Song]) -> set[bytes]:
        music = (np.split(s.words, np.flatnonzero(s.words[:, 0] == Family.BAR)[1:]) for s in songs)
        return {bar.tobytes() for song in music for bar in song}

    assert len(bars(corpus.train)) == 4 * 8 + 9
    assert bars(corpus.train).isdisjoint(bars(corpus.validation))


def test_what_is_left_out_is_counted_by_reason(corpus: Corpus) -> None:
    assert corpus.left_out == {"not in 4/4": 1, "off the grid": 1}


def test_other_tiers_are_taken_where_they_are_asked_for(folder: Path, tmp_path: Path) -> None:
    both = load_corpus(folder, VOCABULARY, tmp_path / "cache", tiers=("A", "C-loose"))
    assert "006.mid/0" in names(both.train)


def test_a_folder_without_lists_or_music_is_told_so(tmp_path: Path) -> None:
    empty = tmp_path / "here" / "empty"
    empty.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"no train\.txt"):
        load_corpus(empty, VOCABULARY, tmp_path)
    for split in ("train", "validation"):
        (empty / f"{split}.txt").write_text("001\n")
    with pytest.raises(SettingsError, match="holds no MIDI file"):
        load_corpus(empty, VOCABULARY, tmp_path)


def test_a_folder_of_which_nothing_can_be_used_is_told_so(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_text("004\n")
    (tmp_path / "004.mid").write_bytes(dump_midi(OFF_GRID))
    with pytest.raises(SettingsError, match="off the grid"):
        load_corpus(tmp_path, VOCABULARY, tmp_path / "cache")


# ------------------------------------------------------------------ what becomes of a song


@pytest.mark.parametrize(("name", "score"), [("001", LOOSE["001"]), ("007", PACKED["007"])])
def test_the_words_of_a_song_are_its_music_and_an_end(corpus: Corpus, name: str, score: Score) -> None:
    (words,) = (words_of(song) for song in corpus.train if song.name == f"{name}.mid/0")
    assert words == [*to_words(score, VOCABULARY), END]
    heard = decode(words, VOCABULARY)
    assert heard.notes == score.notes
    assert heard.end == score.end


def test_an_end_stands_where_a_song_ends_and_nowhere_else(corpus: Corpus) -> None:
    for song in [*corpus.train, *corpus.validation]:
        words = words_of(song)
        assert words[0] == BAR
        assert END not in words[:-1]
        assert (words[-1] == END) == (song.name != "005.mid/0"), song.name


def test_a_short_bar_cuts_a_song_in_two(corpus: Corpus) -> None:
    first, second = (decode(words_of(song), VOCABULARY) for song in corpus.train if song.name.startswith("005"))
    assert (len(first.bars), len(second.bars)) == (8, 9)
    assert first.notes == song(51, 8).notes
    assert second.notes == song(52, 9).notes


@pytest.mark.parametrize(
    ("score", "stretches"),
    [
        (song(0, 8), [(0, 8)]),
        (song(0, 7), []),
        (with_short_bar(8, 8), [(0, 8), (9, 17)]),
        (with_short_bar(3, 8), [(4, 12)]),
        (in_meters(song(0).notes, (0, 6, 8), end=song(0).end), []),
    ],
)
def test_stretches_in_four(score: Score, stretches: list[tuple[int, int]]) -> None:
    assert stretches_in_four(score) == stretches


def test_a_meter_behind_the_last_bar_does_not_take_the_end_away() -> None:
    late = in_meters(song(0).notes, (0, 4, 4), (10 * TICKS_PER_BAR, 2, 4), end=11 * TICKS_PER_BAR)
    (words,) = encode_song(dump_midi(late), VOCABULARY)
    assert words[-1].tolist() == list(END[: len(ATTRIBUTES)])
    assert np.count_nonzero(words[:, 0] == Family.BAR) == 8


def test_the_share_of_onsets_near_the_grid() -> None:
    near = (0, 20, 100, 460, 480)
    far = (21, 60, 99)
    assert share_on_grid(in_four(tuple(Note(tick, 60, tick + 9, 1) for tick in (*near, *far))), SIXTEENTH) == 5 / 8


def test_music_off_the_piano_is_refused() -> None:
    with pytest.raises(SettingsError, match="off the piano"):
        encode_song(dump_midi(song(0, low=109, high=120)), VOCABULARY)


# ------------------------------------------------------------------ the cache


def test_a_corpus_is_encoded_once_and_read_the_same_again(folder: Path, tmp_path: Path, corpus: Corpus) -> None:
    (kept,) = (tmp_path / "cache").iterdir()
    # Were it read again, this would be no MIDI file. Its name and its size, which the cache goes by, are the same.
    broken = folder / "001.mid"
    broken.write_bytes(b"x" * broken.stat().st_size)
    assert as_data(load_corpus(folder, VOCABULARY, tmp_path / "cache")) == as_data(corpus)
    assert list((tmp_path / "cache").iterdir()) == [kept]


def test_another_list_of_files_is_encoded_anew(folder: Path, tmp_path: Path, corpus: Corpus) -> None:
    (folder / "007-v1.mid").write_bytes(dump_midi(song(71)))
    assert set(names(load_corpus(folder, VOCABULARY, tmp_path / "cache").train)) == {
        *names(corpus.train),
        "007-v1.mid/0",
    }


def test_another_vocabulary_is_encoded_anew(folder: Path, tmp_path: Path, corpus: Corpus) -> None:
    louder = replace(VOCABULARY, velocities=(100,))
    other = load_corpus(folder, louder, tmp_path / "cache")
    assert all(song.words[:, COLUMN["velocity"]].max() == 1 for song in other.train)
    assert as_data(load_corpus(folder, VOCABULARY, tmp_path / "cache")) == as_data(corpus)


def test_a_file_that_is_no_midi_is_left_out(folder: Path, tmp_path: Path) -> None:
    (folder / "001.mid").write_bytes(b"none")
    corpus = load_corpus(folder, VOCABULARY, tmp_path / "cache")
    assert corpus.left_out == {"NotMidiError": 1, "not in 4/4": 1, "off the grid": 1}
    assert "001.mid/0" not in names(corpus.train)


# ------------------------------------------------------------------ batches


def encoded(score: Score) -> Words:
    return np.array([*to_words(score, VOCABULARY), END], dtype=np.uint8)[:, : len(VOCABULARY.sizes)]


def chorded(score: Score) -> Song:
    """The song with another chord in each bar."""
    words = encoded(score)
    metrical = words[:, COLUMN["family"]] == Family.METRICAL
    words[metrical, COLUMN["chord"]] = np.arange(np.count_nonzero(metrical)) % (VOCABULARY.sizes["chord"] - 1) + 1
    return Song("chorded", words)


SONGS = [chorded(song(seed, bars=12)) for seed in range(3)]
SHORT = Song("short", encoded(song(9, bars=1)))


def sampler(songs: list[Song], seed: int = 7, length: int = 48, augment: bool = True, **more: Any) -> Sampler:
    return Sampler(songs, VOCABULARY, length, seed, augment, **more)


def excerpts(batch: Batch) -> npt.NDArray[np.int64]:
    """The music of each row: the first word that is heard, and all that is asked for.

    Nothing else is heard: every further word is the one that was asked for before it, and padding for the last.
    """
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
        assert all((part != first).any() for part, first in zip(other, batches[0], strict=True))


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
    wide = song(5, low=50, high=60)
    notes = tuple(
        replace(note, pitch=low if i % 8 == 0 else high if i % 8 == 1 else note.pitch)
        for i, note in enumerate(wide.notes)
    )
    songs = [Song("wide", encoded(changed(wide, notes=notes)))]
    moves = set()
    for row in drawn(sampler(songs), 4, 16):
        song_, start = excerpt_of(row, songs)
        moves.add(transposition_of(row, song_.words[start : start + len(row)]))
    assert moves == possible


def test_without_augmentation_the_music_stays_in_its_key() -> None:
    for row in drawn(sampler(SONGS, augment=False), 1, 32):
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


def test_a_short_song_is_padded_behind_its_end() -> None:
    batch = sampler([SHORT], augment=False).batch(0, 1)
    assert batch.words.shape == batch.truth.shape == (1, 48, len(ATTRIBUTES))
    assert batch.anchors.shape == (1, 48, len(FIELDS))
    (row,) = excerpts(batch)
    assert row.shape == (49, len(ATTRIBUTES))
    assert (row[: len(SHORT.words)] == SHORT.words).all()
    assert (row[len(SHORT.words) :] == IGNORE).all()
    assert len(SHORT.words) < 49


def test_songs_are_drawn_by_their_length() -> None:
    long = Song("long", encoded(song(20, bars=36)))
    brief = Song("brief", encoded(song(21, bars=12)))
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


def test_of_a_crowded_excerpt_the_true_music_is_asked_for() -> None:
    full = sampler(SONGS, length=150, augment=False, past=50, crowding=True)
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
    return anchors_of(words_of(Song("", song.words[inside])), VOCABULARY)[:BARS_BEFORE]


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
        batch = sampler(songs, augment=False, **more).batch(step, 32)
        for row, anchors in zip(excerpts(batch), batch.anchors, strict=True):
            found.append(Told(*excerpt_of(row, songs), anchors))
    return found


def crescendo(bars: int, seed: int = 0) -> Song:
    """Each bar louder than the one before, so that an anchor tells where it was taken from."""
    notes = [
        replace(note, velocity=VOCABULARY.velocities[min(note.start // TICKS_PER_BAR, 28)])
        for note in song(seed, bars).notes
    ]
    return Song(f"crescendo {seed}", encoded(in_four(tuple(notes), end=bars * TICKS_PER_BAR)))


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
            others.append(Song(song.name, words))
        batches = [sampler(others, augment=False, length=100).batch(step, 32).anchors for step in range(4)]
        for row, after in zip(before, np.concatenate(batches), strict=True):
            early = row.bars <= cut
            assert (row.anchors[early] == after[early]).all()
            compared += int((row.anchors[early, :BARS_BEFORE] != UNKNOWN).any())
            changed += int((row.anchors != after).any())
    assert compared > 100
    assert changed > 100


def test_of_the_bars_left_every_word_is_told_those_behind_its_own_or_none() -> None:
    song = crescendo(40)
    rows = told([song], 4, length=150)
    known = [row for row in rows if row.anchors[:, BARS_LEFT].any()]
    assert len(rows) * 0.4 < len(known) < len(rows) * 0.8
    for row in known:
        left = 39 - row.bars
        assert (row.anchors[:, BARS_LEFT] == 1 + np.minimum(left, FARTHEST_END)).all()
    assert {1, 2, 1 + FARTHEST_END} <= {int(i) for row in known for i in row.anchors[:, BARS_LEFT]}


def test_of_the_bars_before_every_word_of_a_songs_first_stretch_is_told_those_before_its_own_or_none() -> None:
    first, second = replace(crescendo(90), name="one.mid/0"), replace(crescendo(90), name="one.mid/1")
    rows = told([first], 8, length=150)
    known = [row for row in rows if row.anchors[:, BARS_BEFORE].any()]
    assert len(known) / len(rows) == pytest.approx(0.9, abs=0.06)
    for row in known:
        assert (row.anchors[:, BARS_BEFORE] == 1 + np.minimum(row.bars, FARTHEST_BAR)).all()
    assert {1, 2, 1 + FARTHEST_BAR} <= {int(i) for row in known for i in row.anchors[:, BARS_BEFORE]}
    assert not any(row.anchors[:, BARS_BEFORE].any() for row in told([second], 2, length=150))


def test_many_sequences_begin_with_their_stretch_and_most_anchors_are_its_first_bars() -> None:
    song = crescendo(90)
    rows = told([song], 8, length=150)
    assert np.mean([row.start == 0 for row in rows]) == pytest.approx(SHARE_BEGUN, abs=0.1)
    opened = {described(song, 0, some) for some in ANCHOR_BARS}
    late = [tuple(row.anchors[0, :BARS_BEFORE]) for row in rows if row.bars[0] > 40]
    said = [values for values in late if UNKNOWN not in values]
    assert len(said) > 30
    assert np.mean([values in opened for values in said]) == pytest.approx(SHARE_OPENED, abs=0.15)


def test_where_a_short_bar_cuts_a_song_no_end_is_in_sight() -> None:
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
    return Song("in C", encoded(in_four(notes, end=bars * TICKS_PER_BAR)))


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


def test_each_field_is_now_and_then_not_told_and_then_to_no_word() -> None:
    rows = told([replace(crescendo(24), name="24.mid/0")], 8, length=100)
    known = np.stack([(row.anchors != UNKNOWN).any(axis=0) for row in rows if row.anchors[:, :BARS_BEFORE].any()])
    assert known.mean(axis=0) == pytest.approx([0.9, 0.9, 0.9, 0.9, 0.9, 0.6], abs=0.1)
    assert len(np.unique(known, axis=0)) > 8  # each on its own


def test_padding_is_told_nothing() -> None:
    (anchors,) = sampler([SHORT], augment=False).batch(0, 1).anchors
    assert (anchors[len(SHORT.words) - 1 :] == UNKNOWN).all()


# ------------------------------------------------------------------ validation


@pytest.mark.parametrize("length", [7, 48, 10_000])
def test_windows_ask_for_every_word_but_the_first_once(length: int) -> None:
    songs = [*SONGS, SHORT]
    batch = validation_windows(songs, VOCABULARY, length)
    assert batch.truth.shape[1:] == batch.words.shape[1:] == (length, len(ATTRIBUTES))
    assert batch.anchors.shape == (*batch.words.shape[:2], len(FIELDS))
    assert excerpts(batch).shape[1:] == (length + 1, len(ATTRIBUTES))
    asked = batch.truth.reshape(-1, len(ATTRIBUTES))
    asked = asked[asked[:, COLUMN["family"]] != Family.IGNORE]
    assert (asked == np.concatenate([song.words[1:] for song in songs])).all()


def test_a_window_begins_with_the_word_before_what_it_asks_for() -> None:
    windows = excerpts(validation_windows([SONGS[0]], VOCABULARY, 32))
    assert (windows[0, 0] == SONGS[0].words[0]).all()
    assert (windows[1:, 0] == windows[:-1, -1]).all()


@pytest.mark.parametrize("beyond", [0, 1, 2])
def test_a_song_as_long_as_its_windows_leaves_no_empty_one(beyond: int) -> None:
    song = Song("cut", SONGS[0].words[: 2 * 32 + 1 + beyond])
    windows = excerpts(validation_windows([song], VOCABULARY, 32))
    assert len(windows) == (2 if beyond == 0 else 3)
    assert np.count_nonzero(windows[-1, :, COLUMN["family"]]) == (33 if beyond == 0 else 1 + beyond)


def test_before_a_window_stand_the_words_before_it() -> None:
    song = SONGS[0].words
    batch = validation_windows([SONGS[0]], VOCABULARY, 32, past=50)
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
        batch = validation_windows([replace(song, name=name)], VOCABULARY, 64)
        asked = batch.truth[..., COLUMN["family"]] != Family.IGNORE
        late = bar[:, None] >= VALIDATION_ANCHOR
        assert (batch.anchors[asked][:, :BARS_BEFORE] == np.where(late, first, UNKNOWN)).all()
        assert (batch.anchors[asked][:, BARS_BEFORE] == before).all()
        assert (batch.anchors[asked][:, BARS_LEFT] == UNKNOWN).all()
    assert (validation_windows([SHORT], VOCABULARY, 64).anchors == UNKNOWN).all()
