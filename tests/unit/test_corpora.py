"""The road from folders of MIDI files to one file of words that a model is trained and measured on."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scores import SIXTEENTH, in_meters, music
from some_words import words_of

from composer.errors import NotMidiError, SettingsError
from composer.music.encoding import decode, to_words
from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT
from composer.music.midi import dump_midi, nothing_said
from composer.music.score import Note, Part, Role, Score, in_four
from composer.music.words import COLUMN, END, Family, default_vocabulary
from composer.order import STYLES
from composer.training.corpora import CORPORA, Collection, collection_of, encode_all, encode_song, load_lessons
from composer.training.lessons import Lessons, Song
from composer.training.sources import find_sources, read_sources

VOCABULARY = default_vocabulary()
OFF = (28, 212, 268, 452)  # ticks of a quarter that lie 28 from every line


def loose(bars: int = 8) -> Score:
    """On no grid at all."""
    notes = [
        Note(beat * TICKS_PER_BEAT + at, 60 + beat % 9, beat * TICKS_PER_BEAT + at + 20, 80)
        for beat in range(4 * bars)
        for at in OFF
    ]
    return in_four(tuple(notes), end=bars * TICKS_PER_BAR)


def with_odd_bar(first: int, second: int) -> Score:
    """So many bars of 4/4, one of 11/16, and so many of 4/4 again."""
    cut = first * TICKS_PER_BAR
    end = cut + 11 * SIXTEENTH
    before, after = music(51, first), music(52, second)
    between = Note(cut, 60, cut + SIXTEENTH, 64)
    late = [replace(note, start=note.start + end, end=note.end + end) for note in after.notes]
    meters = (0, 4, 4), (cut, 11, 16), (end, 4, 4)
    return in_meters((*before.notes, between, *late), *meters, tempos=before.tempos, end=end + after.end)


WALTZ = in_meters(music(3).notes, (0, 3, 4), end=music(3).end)
LOOSE = {
    "001": music(1),
    "002": music(2),
    "003": WALTZ,
    "004": loose(),
    "005": with_odd_bar(8, 9),
    "006": music(6),  # of another tier
    "010": music(10),  # on both lists
    "011": in_meters(music(3).notes, (0, 11, 16), end=music(3).end),
    "099": music(99),  # on no list
}
PACKED = {"001-v1": music(11), "002-v1": music(12), "007": music(7, step=160), "008": music(8)}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Songs on their own and in an archive; the lists in the folder above, the manifest beside the songs."""
    folder = tmp_path / "music" / "corpus"
    folder.mkdir(parents=True)
    (folder.parent / "train.txt").write_text("001\n003\n004\n005\n006\n007\n010\n011\n\n")
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
def lessons(folder: Path, tmp_path: Path) -> Lessons:
    return load_lessons([folder], tmp_path / "cache")


def names(songs: Sequence[Song]) -> list[str]:
    return sorted(song.name for song in songs)


def as_data(lessons: Lessons) -> object:
    """All of some lessons, comparable."""
    songs = [[(song.name, song.words.tolist(), song.corpus) for song in split] for split in (lessons.train, lessons.validation)]  # fmt: skip # noqa: E501
    return lessons.vocabulary, lessons.corpora, lessons.styles, lessons.performed, lessons.shares, songs


# ------------------------------------------------------------------ which songs


def test_songs_go_to_the_split_that_lists_them(lessons: Lessons) -> None:
    expected = ["001-v1.mid/0", "001.mid/0", "003.mid/0", "005.mid/0", "005.mid/1", "007.mid/0"]
    assert names(lessons.train) == expected
    assert names(lessons.validation) == ["002-v1.mid/0", "002.mid/0", "008.mid/0", "010.mid/0"]
    assert lessons.corpora == ["corpus"]
    assert lessons.described == {"corpus": {"train": 6, "validation": 4}}


def test_no_music_of_validation_is_trained_on(lessons: Lessons) -> None:
    def bars(songs: Sequence[Song]) -> set[bytes]:
        music = (np.split(s.words, np.flatnonzero(s.words[:, 0] == Family.BAR)[1:]) for s in songs)
        return {bar.tobytes() for song in music for bar in song}

    assert len(bars(lessons.train)) == 4 * 8 + 9 + 11
    assert bars(lessons.train).isdisjoint(bars(lessons.validation))


def test_what_is_left_out_is_counted_by_reason(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    load_lessons([folder], tmp_path / "cache")
    assert "corpus: 11 files, left out: {'off the grid': 1, 'bars of unknown length': 1}" in capfd.readouterr().out


def test_other_tiers_are_taken_where_they_are_asked_for(folder: Path) -> None:
    both = find_sources(folder, ("A", "C-loose"))
    assert {source.name for source in both} - {source.name for source in find_sources(folder)} == {"006.mid"}


def test_an_archive_gives_the_same_bytes_as_loose_files(folder: Path) -> None:
    found = {source.name: data for source, data in read_sources(find_sources(folder))}
    assert found["001-v1.mid"] == dump_midi(PACKED["001-v1"])
    assert found["001.mid"] == dump_midi(LOOSE["001"])
    assert "099.mid" not in found


def test_a_folder_without_lists_or_music_is_told_so(tmp_path: Path) -> None:
    empty = tmp_path / "here" / "empty"
    empty.mkdir(parents=True)
    with pytest.raises(SettingsError, match=r"no train\.txt"):
        load_lessons([empty], tmp_path)
    for split in ("train", "validation"):
        (empty / f"{split}.txt").write_text("001\n")
    with pytest.raises(SettingsError, match="holds no MIDI file"):
        load_lessons([empty], tmp_path)


def test_a_folder_of_which_nothing_can_be_used_is_told_so(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        (tmp_path / f"{split}.txt").write_text("004\n")
    (tmp_path / "004.mid").write_bytes(dump_midi(loose()))
    with pytest.raises(SettingsError, match="off the grid"):
        load_lessons([tmp_path], tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_file_that_is_no_midi_is_left_out(folder: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (folder / "001.mid").write_bytes(b"none")
    lessons = load_lessons([folder], tmp_path / "cache")
    assert "'NotMidiError': 1" in capfd.readouterr().out
    assert "001.mid/0" not in names(lessons.train)


# ------------------------------------------------------------------ what becomes of a song


@pytest.mark.parametrize(("name", "score"), [("001", LOOSE["001"]), ("003", WALTZ), ("007", PACKED["007"])])
def test_the_words_of_a_song_are_its_music_and_an_end(lessons: Lessons, name: str, score: Score) -> None:
    (words,) = (words_of(song.words) for song in lessons.train if song.name == f"{name}.mid/0")
    assert words == (*to_words(score, VOCABULARY), END)
    heard = decode(words[:-1], VOCABULARY)
    assert heard.notes == score.notes
    assert heard.bars == score.bars


def test_an_end_stands_where_a_song_ends_and_nowhere_else(lessons: Lessons) -> None:
    for song in [*lessons.train, *lessons.validation]:
        words = words_of(song.words)
        assert words[0].family == Family.BAR
        assert END not in words[:-1]
        assert (words[-1] == END) == song.ends == (song.name != "005.mid/0"), song.name
        assert song.begins == song.name.endswith("/0")


def test_a_bar_of_unknown_length_cuts_a_song_in_two(lessons: Lessons) -> None:
    both = sorted((song for song in lessons.train if song.name.startswith("005")), key=lambda song: song.name)
    first, second = (decode(words_of(song.words), VOCABULARY) for song in both)
    assert (len(first.bars), len(second.bars)) == (8, 9)
    assert first.notes == music(51, 8).notes
    assert second.notes == music(52, 9).notes


def bars_of(data: bytes) -> list[tuple[int, bool]]:
    """How many bars each stretch has, and whether it ends the song."""
    return [
        (int(np.count_nonzero(words[:, 0] == Family.BAR)), bool(words[-1, 0] == Family.END))
        for words in encode_song(data, nothing_said, VOCABULARY)
    ]


@pytest.mark.parametrize(
    ("score", "stretches"),
    [
        (music(0, 8), [(8, True)]),
        (with_odd_bar(8, 8), [(8, False), (8, True)]),
        (with_odd_bar(3, 8), [(8, True)]),
        (with_odd_bar(8, 3), [(8, False)]),
        (in_meters(music(0).notes, (0, 6, 8), end=8 * 1440), [(11, True)]),
        (in_meters(music(0, 9).notes, (0, 4, 4), (4 * 1920, 2, 4), (4 * 1920 + 960, 3, 4), end=9 * 1920), [(11, True)]),
    ],
)
def test_a_stretch_has_eight_known_bars_at_least(score: Score, stretches: list[tuple[int, bool]]) -> None:
    assert bars_of(dump_midi(score)) == stretches


@pytest.mark.parametrize("score", [music(0, 7), with_odd_bar(7, 7), in_meters(music(0).notes, (0, 11, 16), end=15360)])
def test_what_has_no_such_stretch_is_left_out(score: Score) -> None:
    with pytest.raises(SettingsError, match="bars of unknown length"):
        encode_song(dump_midi(score), nothing_said, VOCABULARY)


def test_a_meter_behind_the_last_bar_does_not_take_the_end_away() -> None:
    late = in_meters(music(0).notes, (0, 4, 4), (10 * TICKS_PER_BAR, 11, 16), end=11 * TICKS_PER_BAR)
    assert bars_of(dump_midi(late)) == [(8, True)]


def test_drums_have_no_words_and_do_not_hold_the_end_up() -> None:
    drums = Part((Note(12 * TICKS_PER_BAR, 36, 12 * TICKS_PER_BAR + 60, 90),), is_drum=True, channel=9)
    with_drums = replace(in_four((), end=13 * TICKS_PER_BAR), parts=(*music(0).parts, drums))
    assert bars_of(dump_midi(with_drums)) == [(8, True)]


@pytest.mark.parametrize(("off", "taken"), [(2, True), (3, False)])
def test_six_in_ten_onsets_have_to_stand_near_a_line(off: int, taken: bool) -> None:
    """Of five in each of some quarters `off` stand between the lines."""
    notes = []
    for beat in range(32):
        places = (0, *OFF[:off], *(120, 240, 360)[: 4 - off])
        notes += [Note(beat * 480 + at, 50 + n, beat * 480 + at + 20, 80) for n, at in enumerate(places)]
    data = dump_midi(in_four(tuple(sorted(notes)), end=8 * TICKS_PER_BAR))
    if taken:
        assert bars_of(data) == [(8, True)]
    else:
        with pytest.raises(SettingsError, match="off the grid"):
            encode_song(data, nothing_said, VOCABULARY)


def test_what_is_no_midi_is_refused() -> None:
    with pytest.raises(NotMidiError):
        encode_song(b"none", nothing_said, VOCABULARY)


# ------------------------------------------------------------------ who plays what


def tracks(*named: str) -> bytes:
    score = music(1)
    parts = tuple(
        Part(tuple(replace(n, pitch=n.pitch - at) for n in score.notes), name=name, channel=at)
        for at, name in enumerate(named)
    )
    return dump_midi(replace(score, parts=parts))


def roles_in(words: np.ndarray) -> set[Role]:
    return {Role(int(i) - 1) for i in words[words[:, 0] == Family.NOTE, COLUMN["role"]]}


@pytest.mark.parametrize(
    ("corpus", "named", "roles"),
    [
        ("pop909_aligned", ("MELODY", "BRIDGE", "PIANO"), {Role.MELODY, Role.INNER, Role.ACCOMPANIMENT}),
        ("pop909_aligned", ("MELODY", "CHORD"), {Role.MELODY}),
        ("pop909_aligned", ("Piano",), {Role.UNSAID}),
        ("pop1k7", ("MELODY", "PIANO"), {Role.UNSAID}),
        ("scores/songs", ("Voice", "Piano RH", "Piano LH"), {Role.MELODY, Role.ACCOMPANIMENT}),
        ("scores/songs", ("Soprano", "Alto", "RH", "LH"), {Role.MELODY, Role.INNER, Role.ACCOMPANIMENT}),
        ("scores/quartets", ("I", "II", "III", "IV"), {Role.MELODY, Role.INNER, Role.BASS}),
        ("scores/quartets", ("I", "II"), {Role.UNSAID}),
    ],
)
def test_parts_play_what_their_corpus_says(corpus: str, named: tuple[str, ...], roles: set[Role]) -> None:
    (known,) = (each for each in CORPORA if each.folder == corpus)
    (words,) = encode_song(tracks(*named), known.roles, VOCABULARY)
    assert roles_in(words) == roles


def test_a_known_folder_is_known_by_the_end_of_its_path(tmp_path: Path) -> None:
    for corpus in CORPORA:
        assert collection_of(tmp_path / corpus.folder, "game") is corpus
    other = collection_of(tmp_path / "mine", "game")
    assert (other.folder, other.style, other.performed, other.tiers) == ("mine", "game", True, ("A",))
    assert other.roles(["MELODY"]) == [Role.UNSAID]
    assert collection_of(tmp_path / "not_pop1k7", "pop").folder == "not_pop1k7"


def test_every_corpus_has_a_style_and_a_share() -> None:
    assert {corpus.style for corpus in CORPORA} <= set(STYLES)
    assert len({corpus.folder for corpus in CORPORA}) == len(CORPORA)
    assert all(corpus.share > 0 for corpus in CORPORA)
    assert sum(corpus.share for corpus in CORPORA) == pytest.approx(1)


# ------------------------------------------------------------------ one file of them


def test_corpora_are_encoded_once_and_read_the_same_again(folder: Path, tmp_path: Path, lessons: Lessons) -> None:
    (kept,) = (tmp_path / "cache").iterdir()
    # Were it read again, this would be no MIDI file. Its name and its size, which the cache goes by, are the same.
    broken = folder / "001.mid"
    broken.write_bytes(b"x" * broken.stat().st_size)
    assert as_data(load_lessons([folder], tmp_path / "cache")) == as_data(lessons)
    assert list((tmp_path / "cache").iterdir()) == [kept]
    assert as_data(load_lessons([kept], tmp_path / "elsewhere")) == as_data(lessons)
    assert not (tmp_path / "elsewhere").exists()
    assert as_data(Lessons.load(kept)) == as_data(lessons)


def test_another_list_of_files_is_encoded_anew(folder: Path, tmp_path: Path, lessons: Lessons) -> None:
    (folder / "007-v1.mid").write_bytes(dump_midi(music(71)))
    again = load_lessons([folder], tmp_path / "cache")
    assert set(names(again.train)) == {*names(lessons.train), "007-v1.mid/0"}
    assert len(list((tmp_path / "cache").iterdir())) == 2


def test_another_style_is_encoded_anew(folder: Path, tmp_path: Path, lessons: Lessons) -> None:
    again = load_lessons([folder], tmp_path / "cache", style="game")
    assert [STYLES[style] for style in lessons.styles] == [STYLES[0]]
    assert [STYLES[style] for style in again.styles] == ["game"]
    assert as_data(load_lessons([folder], tmp_path / "cache")) == as_data(lessons)


def test_several_corpora_share_a_file_and_each_keeps_what_it_is(folder: Path, tmp_path: Path) -> None:
    known = tmp_path / "scores" / "quartets"
    known.mkdir(parents=True)
    (known / "train.txt").write_text("a\n")
    (known / "validation.txt").write_text("b\n")
    (known / "a.mid").write_bytes(tracks("I", "II", "III"))
    (known / "b.mid").write_bytes(tracks("I", "II", "III", "IV"))
    lessons = load_lessons([folder, known], tmp_path / "cache")
    assert lessons.corpora == ["corpus", "scores/quartets"]
    assert [STYLES[style] for style in lessons.styles] == ["pop", "quartet"]
    assert lessons.performed == [True, False]
    known_share = next(corpus.share for corpus in CORPORA if corpus.folder == "scores/quartets")
    assert lessons.shares == [pytest.approx(0.3), pytest.approx(known_share)]
    assert lessons.vocabulary == VOCABULARY
    assert lessons.described == {
        "corpus": {"train": 6, "validation": 4},
        "scores/quartets": {"train": 1, "validation": 1},
    }
    (trained,) = (song for song in lessons.train if song.corpus == 1)
    assert trained.name == "a.mid/0"
    assert roles_in(trained.words) == {Role.MELODY, Role.INNER, Role.BASS}


def test_another_vocabulary_gives_other_words(folder: Path, tmp_path: Path) -> None:
    louder = replace(VOCABULARY, velocities=(100,))
    corpus = Collection("corpus", "pop", nothing_said, True, 1.0)
    encode_all([(folder, corpus)], louder, tmp_path / "louder.npz")
    lessons = Lessons.load(tmp_path / "louder.npz")
    assert lessons.vocabulary == louder
    assert all(song.words[:, COLUMN["velocity"]].max() == 1 for song in lessons.train)
