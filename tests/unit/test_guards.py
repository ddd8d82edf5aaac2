from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scores import in_meters
from some_words import BAR, IN_A_BAR, metrical, note, runs_of

from composer.audition.copying import CopyIndex
from composer.audition.grid import Notes, notes_of_words
from composer.engine.guards import MOST_RETURNS, MOST_TRIES, RETURN_BARS, CopyGuard, LoopGuard, Verdict, Watch
from composer.engine.runs import RUN, RunIndex
from composer.engine.scheduler import Piece
from composer.music.encoding import encode
from composer.music.grid import BINARY, EITHER
from composer.music.meter import TICKS_PER_BAR
from composer.music.repetition import LONGEST_PERIOD
from composer.music.score import Note, Role, Score, in_four
from composer.music.words import END, Vocabulary, Word, default_vocabulary
from composer.request import Guards, Request, Watched

VOCABULARY = default_vocabulary()
AGAIN = Verdict(1, 1)  # one bar, and that one warmer
STEP = TICKS_PER_BAR // 16


def bar(pitch: int) -> list[Word]:
    """A bar of four notes that no other pitch's bar shares, behind its bar line."""
    return [metrical(1), note(pitch), note(pitch - 1), metrical(9), note(pitch), note(pitch - 1)]


def opening(*pitches: int) -> list[Word]:
    return [word for pitch in pitches for word in (BAR, *bar(pitch))]


# ---------------------------------------------------------------------- loops


def first_loop(pitches: Sequence[int]) -> tuple[int, int] | None:
    """How many bars are heard until one is said to complete a loop, and its period."""
    guard = LoopGuard([BAR])
    for number, pitch in enumerate(pitches, start=1):
        *said, period = [guard.read(word) for word in (*bar(pitch), BAR)]
        assert not any(said), "a bar is judged when it ends"
        if period:
            return number, period
    return None


@pytest.mark.parametrize("period", range(1, LONGEST_PERIOD + 1))
def test_bars_that_go_round_are_noticed_before_they_are_a_loop(period: int) -> None:
    loop = max(8, min(3 * period, period + 24))  # bars
    assert first_loop([2 * (k % period) + 2 for k in range(70)]) == (loop - 1, period)


@pytest.mark.parametrize("ahead", [1, 5])
def test_bars_that_begin_to_go_round_are_noticed_as_soon(ahead: int) -> None:
    assert first_loop([*range(50, 50 + 2 * ahead, 2), *[10, 20] * 6]) == (ahead + 7, 2)


def test_a_verse_heard_twice_is_no_loop() -> None:
    verse = [10, 20, 30, 40, 10, 20, 50, 60]
    assert first_loop([*verse, *verse, 70, 80]) is None


def test_a_period_of_half_a_song_is_no_loop() -> None:
    assert first_loop([2 * (k % (LONGEST_PERIOD + 1)) + 2 for k in range(200)]) is None


def test_a_chorus_that_comes_back_is_no_loop() -> None:
    chorus = list(range(2, 46, 2))  # 22 bars, as long as any that returns in real songs
    assert first_loop([*chorus, *range(50, 66, 2), *chorus, *range(66, 82, 2)]) is None


def test_music_that_goes_on_and_silence_are_left_alone() -> None:
    assert first_loop([10 + k % 70 for k in range(70)]) is None
    guard = LoopGuard([BAR])
    assert not any(guard.read(BAR) for _ in range(30))


# ---------------------------------------------------------------------- what is done about it


class Played:
    """A piece whose bars are handed in, and its guard rails, which are obeyed as the generator does."""

    def __init__(
        self, given: Sequence[Word] = (BAR,), guards: Guards | None = None, runs: RunIndex | None = None
    ) -> None:
        self.piece = Piece(Request(tuple(given), 64, 0, guards=guards or Guards()), words=[BAR], nats=[0.0])
        self.watch = Watch(self.piece.request, self.piece.words, VOCABULARY, runs)

    @property
    def watched(self) -> Watched:
        return self.watch.watched

    def play(self, words: Sequence[Word], line: Word = BAR) -> Verdict | None:
        """A bar, up to the line that ends it."""
        for word in words:
            self.piece.append(word)
            assert self.watch.read(word, self.piece.bars_done) is None
        self.piece.append(line)
        verdict = self.watch.read(line, self.piece.bars_done)
        if verdict and verdict.back:
            self.piece.give_up(verdict.back)
            self.watch.go_back(self.piece.words)
        return verdict

    def play_on(self, *pitches: int) -> list[Verdict | None]:
        return [self.play(bar(pitch)) for pitch in pitches]


@pytest.mark.parametrize(("period", "warm"), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 4), (8, 4)])
def test_a_loop_is_gone_back_behind_by_its_period_a_few_times_and_then_kept(period: int, warm: int) -> None:
    played = Played()
    song = [10 * (k % period) + 10 for k in range(60)]
    before = max(8, 3 * period) - 2
    assert played.play_on(*song[:before]) == [None] * before
    for returned in range(1, MOST_RETURNS + 1):
        assert played.play(bar(song[before])) == Verdict(period, warm)
        assert played.piece.bars_done == before + 1 - period
        assert played.watched == Watched(loops=returned)
        assert played.play_on(*song[before + 1 - period : before]) == [None] * (period - 1)
    assert played.play_on(*song[before : before + 5]) == [Verdict(0, warm)] * 5
    assert played.piece.bars_done == before + 5
    assert played.watched == Watched(loops=MOST_RETURNS, stuck=True)


def test_the_last_bar_of_a_piece_is_drawn_again_as_any_other() -> None:
    played = Played()
    played.play_on(*[10] * 6)
    assert played.play(bar(10), END) == Verdict(1, 1)
    assert played.piece.words[-1] == BAR
    assert not played.piece.finished
    assert played.play(bar(20), END) is None
    assert played.piece.finished
    assert played.piece.bars_done == 7


def test_what_was_given_up_is_no_part_of_the_next_loop() -> None:
    played = Played()
    assert played.play_on(*[10] * 6) == [None] * 6
    assert played.play_on(10, 40) == [AGAIN, None]
    assert played.play_on(*[10] * 6) == [None] * 6
    assert played.play_on(10, 10) == [AGAIN, AGAIN]
    assert not any(verdict and verdict.back for verdict in played.play_on(50, *[60] * 6))
    assert played.watched == Watched(loops=3)


@pytest.mark.parametrize("period", [1, 2, 4])
def test_a_loop_of_the_opening_is_its_own_affair_until_the_piece_goes_on_so(period: int) -> None:
    looping = [10 * (k % period) + 10 for k in range(24)]
    assert Played(opening(*looping)).play(bar(80)) is None
    played = Played(opening(*looping))
    assert played.play(bar(10)) == Verdict(1, period), "behind the opening's own bars nobody can go back"
    assert played.piece.words == [BAR]
    assert played.play_on(80, *looping[:4]) == [None] * 5


def test_the_bars_of_the_opening_count() -> None:
    """The last of them ends with the bar word that is given, before anything is drawn."""
    for own in range(1, 6):
        played = Played(opening(70, *[10] * own))
        assert played.play_on(*[10] * (7 - own)) == [*[None] * (6 - own), AGAIN]


def test_a_long_piece_may_leave_as_many_loops_again_further_on() -> None:
    played = Played()
    played.play_on(*[10] * 6)
    for _ in range(MOST_RETURNS):
        assert played.play(bar(10)) == AGAIN
    assert played.play(bar(10)) == Verdict(0, 1)
    new = [30 + 2 * (k % 45) for k in range(90)]
    assert set(played.play_on(*new[: RETURN_BARS - 6])) == {None}
    played.play_on(*[10] * 6)
    assert played.play(bar(10)) == AGAIN


def shuffled(different: int, count: int) -> list[int]:
    """Bars of so many kinds, in no order that goes round."""
    draw = random.Random(5)
    return [10 + 5 * kind for _ in range(count) for kind in draw.sample(range(different), different)][:count]


@pytest.mark.parametrize(("different", "told_less"), [(6, True), (7, True), (8, False)])
def test_where_few_of_the_last_bars_are_new_less_is_told_of_what_came_before(different: int, told_less: bool) -> None:
    played = Played(opening(*shuffled(different, 8)))
    first, last = played.play_on(*shuffled(different, 15)), played.play_on(*shuffled(different, 16)[15:])
    assert first == [None] * 15, "the opening's own bars are its affair"
    assert last == [Verdict(0, 1) if told_less else None]
    assert played.play_on(*range(80, 100, 2))[-1] is None


# ---------------------------------------------------------------------- copies


def score(pitches: Sequence[int], every: int = 4) -> Score:
    """A note every so many sixteenths."""
    notes = tuple(Note(at * every * STEP, pitch, (at + 1) * every * STEP, 80) for at, pitch in enumerate(pitches))
    return in_four(notes, end=-(-len(pitches) * every // 16) * TICKS_PER_BAR)


def words_of(pitches: Sequence[int], every: int = 4) -> list[Word]:
    return encode(score(pitches, every), VOCABULARY)


def melody(seed: int, notes: int) -> list[int]:
    draw = random.Random(seed)
    return [draw.randint(40, 90) for _ in range(notes)]


def grid(words: Sequence[Word], vocabulary: Vocabulary = VOCABULARY) -> Notes:
    return notes_of_words(np.array(words), vocabulary)


def heard(runs: RunIndex, words: Sequence[Word], vocabulary: Vocabulary = VOCABULARY) -> CopyGuard:
    guard = CopyGuard(runs, vocabulary)
    for word in [*words, END]:
        guard.read(word)
    return guard


def said(guard: CopyGuard) -> tuple[int, str]:
    return guard.longest, guard.song


SONG = melody(1, 80)
LOW = 25  # a pitch to which no melody comes, in any key
INDEX = runs_of(song=words_of(SONG), other=words_of(melody(2, 80)))


@pytest.mark.parametrize("shift", [0, 5, -7])
@pytest.mark.parametrize("ahead", [0, 3, 16])
def test_seventeen_notes_are_found_in_another_key_and_at_another_bar(shift: int, ahead: int) -> None:
    own, copied = melody(3, ahead), [pitch + shift for pitch in SONG[13:]]
    behind = [LOW, *melody(4, 30)]
    for notes in range(17, 40):
        assert said(heard(INDEX, words_of([*own, *copied[:notes], *behind]))) == (notes, "song")
    assert said(heard(INDEX, words_of([*own, *copied[:16], *behind]))) == (0, "")


def test_one_other_note_in_every_window_is_no_copy() -> None:
    for first in range(RUN + 1):
        changed = [pitch + (at % (RUN + 1) == first) for at, pitch in enumerate(SONG)]
        assert said(heard(INDEX, words_of(changed))) == (0, "")


def test_another_rhythm_is_no_copy() -> None:
    assert said(heard(INDEX, words_of(SONG, every=2))) == (0, "")


def test_only_the_bar_in_which_a_run_ends_is_a_copy() -> None:
    guard = CopyGuard(INDEX, VOCABULARY)
    words = [*words_of([*SONG[:18], LOW, *melody(5, 13)]), END]
    said_so = {number: guard.read(word) for number, word in enumerate(words)}
    lines = [number for number, word in enumerate(words) if word in (BAR, END)]
    assert [number for number, copied in said_so.items() if copied] == [lines[5]], "the fifth has notes 17 and 18"


def test_the_longest_of_several_stretches_is_told_with_a_song_that_it_is_in() -> None:
    other = melody(2, 80)
    mixed = [*SONG[:20], *melody(6, 8), *other[10:40], *melody(7, 8), *SONG[40:65]]
    assert said(heard(INDEX, words_of(mixed))) == (30, "other")
    assert said(heard(INDEX, words_of([*mixed, *melody(8, 5), *SONG[30:65]]))) == (35, "song")


@pytest.mark.parametrize("lines", [BINARY, EITHER], ids=["sixteenths", "and triplets of them"])
def test_the_guard_hears_what_the_measure_of_copying_sees(lines: Sequence[int]) -> None:
    """Chords, rests and several songs, against CopyIndex, which looks at the whole piece at once."""
    draw = random.Random(9)
    positions = [1 + quarter + int(line) for quarter in range(0, IN_A_BAR, lines[-1]) for line in lines[:-1]]

    def music(bars: int) -> list[Word]:
        words = []
        for _ in range(bars):
            words.append(BAR)
            for position in sorted(draw.sample(positions, draw.choice([0, 2, 5]))):
                pitches = sorted(draw.sample(range(20, 60), draw.choice([1, 1, 3])), reverse=True)
                words += [metrical(position), *map(note, pitches)]
        return words

    def bars_of(words: list[Word], first: int, count: int) -> list[Word]:
        lines = [at for at, word in enumerate(words) if word == BAR] + [len(words)]
        return words[lines[first] : lines[first + count]]

    songs = {name: music(40) for name in "abc"}
    compact, whole = runs_of(**songs), CopyIndex([(name, grid(words)) for name, words in songs.items()])
    lengths = set()
    for _ in range(40):
        piece = []
        for _ in range(4):
            piece += music(draw.randint(0, 2))
            piece += bars_of(songs[draw.choice("abc")], draw.randint(0, 30), draw.randint(0, 8))
        guard, found = heard(compact, piece or [BAR]), whole.look_up(grid(piece or [BAR]))
        assert guard.longest == found.longest
        assert (guard.song in songs) == (guard.longest > 0)
        lengths.add(guard.longest)
    assert 0 in lengths
    assert len(lengths) > 15


@pytest.mark.parametrize("meter", [(3, 4), (7, 8), (6, 4)])
def test_between_other_bar_lines_the_same_is_found(meter: tuple[int, int]) -> None:
    copied = score(SONG[:30])
    other = in_meters(copied.notes, (0, *meter), end=copied.end)
    assert said(heard(INDEX, encode(other, VOCABULARY))) == (30, "song")


def test_the_roles_of_the_notes_change_nothing() -> None:
    """The lower notes of a chord come first in a run, in whatever order the words name them."""
    lower = [pitch - 30 for pitch in SONG]
    parts = [score(SONG[:24]).parts[0], score(lower[:24]).parts[0]]
    together = tuple(sorted(note for part in parts for note in part.notes))
    whole = replace(score(SONG[:24]), parts=(replace(parts[0], notes=together),))
    split = replace(whole, parts=(replace(parts[1], role=Role.MELODY), replace(parts[0], role=Role.BASS)))
    words, other = encode(whole, VOCABULARY), encode(split, VOCABULARY)
    assert [word.pitch for word in words] != [word.pitch for word in other]
    assert said(heard(runs_of(song=words), other)) == (48, "song")


# ---------------------------------------------------------------------- what is done about them


def song_bar(number: int, of: Sequence[int] = SONG) -> list[Word]:
    """Without the bar word ahead of it."""
    return words_of(of[4 * number : 4 * number + 4])[1:]


def test_a_copied_bar_is_drawn_again_a_few_times_and_then_told() -> None:
    played = Played(runs=INDEX)
    assert [played.play(song_bar(number)) for number in range(4)] == [None] * 4
    for number in (4, 5):
        for _ in range(MOST_TRIES):
            assert played.play(song_bar(number)) == AGAIN
            assert played.piece.bars_done == number
        assert played.watched.common == (0 if number == 4 else 20), "what is drawn again is not told"
        assert played.play(song_bar(number)) is None
        assert played.watched == Watched(redrawn=MOST_TRIES * (number - 3), common=4 * number + 4, song="song")
    assert played.play_on(30, 40) == [None] * 2
    assert played.watched == Watched(redrawn=2 * MOST_TRIES, common=24, song="song")


def test_a_bar_that_copies_no_more_when_it_is_drawn_again_is_forgotten() -> None:
    played = Played(runs=INDEX)
    assert [played.play(song_bar(number)) for number in range(5)] == [None] * 4 + [AGAIN]
    assert played.play(bar(30)) is None
    assert [played.play(song_bar(number)) for number in range(5, 9)] == [None] * 4, "sixteen notes of it"
    assert played.watched == Watched(redrawn=1)
    assert played.play(song_bar(9)) == AGAIN


def test_runs_that_reach_into_the_opening_are_no_copies() -> None:
    played = Played([*words_of(SONG[:40])], runs=INDEX)
    assert [played.play(song_bar(number)) for number in range(10, 15)] == [None] * 4 + [AGAIN]


def test_a_copy_is_given_up_with_the_loop_that_it_stood_in() -> None:
    """Bars that were kept as copies are gone with what goes back behind them, and so is what was told of them."""
    tune = melody(11, 16)
    played = Played(runs=runs_of(tune=words_of(tune * 6)))
    heard_so_far = []
    for _ in range(100):
        verdict = played.play(song_bar(played.piece.bars_done % 4, tune))
        heard_so_far.append(verdict)
        if verdict == Verdict(4, 4):
            break
    assert heard_so_far.count(AGAIN) == MOST_TRIES * 6  # bars 5 to 10 end runs; the eleventh is about to be a loop
    assert played.watched.common == 40
    assert played.play(bar(5)) is None
    assert played.watched.common == 28


def test_a_piece_that_is_stuck_is_still_kept_from_copying_and_tells_what_it_copied() -> None:
    played = Played(runs=runs_of(song=[word for _ in range(12) for word in (BAR, *bar(10))]))
    for _ in range(200):
        if played.piece.bars_done == 8:
            break
        played.play(bar(10), END if played.piece.bars_done == 7 else BAR)
    assert played.watched == Watched(MOST_RETURNS, stuck=True, redrawn=4 * MOST_TRIES, common=32, song="song")


@pytest.mark.parametrize("loops", [False, True])
@pytest.mark.parametrize("copies", [False, True])
def test_a_guard_rail_that_is_off_says_nothing(loops: bool, copies: bool) -> None:
    going_round = Played(guards=Guards(loops, copies), runs=INDEX)
    verdicts = going_round.play_on(*[10] * 20)
    assert any(verdicts) == loops
    assert (going_round.watched == Watched()) == (not loops)
    copying = Played(guards=Guards(loops, copies), runs=INDEX)
    verdicts = [copying.play(song_bar(number)) for number in range(20)]
    assert any(verdicts) == copies
    assert (copying.watched == Watched()) == (not copies)


def test_a_checkpoint_without_its_runs_is_watched_for_loops_alone() -> None:
    played = Played(runs=None)
    assert [played.play(song_bar(number)) for number in range(20)] == [None] * 20
    assert played.watched == Watched()
