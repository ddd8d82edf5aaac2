"""What a model of the second edition of the words does of what it is asked, on songs that it was not trained on.

    ./run bench corpora ../shared/data                          # once
    ./run bench tasks CHECKPOINT [--songs 40] [--only redo chords accompany meters]

redo: nats a note of 4 true bars, both sides heard against the past alone. chords: those of a real song asked for, and
found in what is composed to them, beat by beat. accompany: to the melodies of POP909, against its own accompaniments.
meters: pieces that go on in each meter. Behind each figure its 95 % interval, by drawing songs anew (bootstrap).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from composer.engine.checkpoint import Checkpoint, load_composer
from composer.engine.generator import Generator
from composer.engine.model import loss_by_attribute
from composer.engine.prompt import Prompt
from composer.music.chords import chords_of
from composer.music.encoding import decode
from composer.music.score import CHORD_QUALITIES, Chord, Role, Score
from composer.music.words import Vocabulary
from composer.request import Guards, Request
from composer.rules import broken_rules
from composer.training.lessons import Lessons, Song
from composer.training.tasks import as_given, split_bars
from composer.words import COLUMN, Family, Word

Floats = npt.NDArray[np.float64]
Bars = list[npt.NDArray[np.int64]]

HEARD_BARS, HOLE, BEHIND = 8, 4, 8  # of a redo
ASKED_BARS = 16
OFF = Guards(loops=False, copies=False, drift=False)
MELODY, INNER, ACCOMPANIMENT = (role + 1 for role in (Role.MELODY, Role.INNER, Role.ACCOMPANIMENT))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, default=Path(".cache/corpora.npz"))
    parser.add_argument("--songs", type=int, default=40, help="of each corpus or meter, at most")
    parser.add_argument("--only", nargs="*", choices=MEASURES, default=list(MEASURES))
    options = parser.parse_args()
    tried = Tried(load_composer(options.checkpoint), Lessons(options.data), options.songs)
    for name in options.only:
        print(f"\n{name}")
        for line in MEASURES[name](tried):
            print(f"  {line}", flush=True)


class Tried:
    """A checkpoint and the songs that it is tried on."""

    def __init__(self, checkpoint: Checkpoint, lessons: Lessons, most: int) -> None:
        self.checkpoint, self.lessons, self.most = checkpoint, lessons, most
        assert isinstance(checkpoint.vocabulary, Vocabulary)
        self.vocabulary: Vocabulary = checkpoint.vocabulary

    def songs(self, corpus: str, bars: int) -> Iterator[tuple[Song, Bars]]:
        """Held-out songs of at least so many bars, evenly taken."""
        number = self.lessons.corpora.index(corpus)
        found = [song for song in self.lessons.validation if song.corpus == number]
        long = [(song, split_bars(song.words.astype(np.int64))) for song in found]
        long = [(song, parts) for song, parts in long if len(parts) > bars]
        return iter(long[:: max(1, len(long) // self.most)][: self.most])

    def style(self, song: Song) -> int:
        return 1 + int(self.lessons.styles[song.corpus])

    def compose(self, requests: Sequence[Request]) -> list[list[Word]]:
        generator = Generator(self.checkpoint, min(16, len(requests)))
        *_, pieces = generator.compose(requests)
        assert not any(piece.error for piece in pieces)
        return [piece.words for piece in pieces]

    @torch.inference_mode()
    def nats(self, request: Request, words: Sequence[Word]) -> float:
        """Nats that the model gives to the words behind the first bar word, the first bar word aside."""
        known = Prompt(request, self.vocabulary, self.checkpoint.model.config)
        rows = known.known([*words, words[0]])  # the last one is not read
        heard, anchors, segments = (torch.tensor(part)[None] for part in zip(*rows, strict=True))
        truth = torch.zeros_like(heard)
        drawn = len(words)
        truth[0, -drawn:-1] = heard[0, -drawn + 1 :]
        model = self.checkpoint.model
        context = model(heard, anchors=anchors, segments=segments)
        losses = loss_by_attribute(model.logits(context, truth), truth)
        return float(sum(nats for nats, _, _ in losses.values()))


def interval(values: Sequence[float] | Floats, weights: Sequence[float] | Floats | None = None) -> str:
    """The mean (weighted: a ratio of sums) and its interval."""
    rows = np.array([values, np.ones(len(values)) if weights is None else weights], dtype=float)
    drawn = np.random.default_rng(0).integers(rows.shape[1], size=(2000, rows.shape[1]))
    sums = rows[:, drawn].sum(2)
    low, high = np.quantile(sums[0] / sums[1], (0.025, 0.975))
    return f"{rows[0].sum() / rows[1].sum():.3f} [{low:.3f} {high:.3f}]"


def words_of(bars: Sequence[npt.NDArray[np.int64]]) -> tuple[Word, ...]:
    return tuple(Word(*map(int, row)) for bar in bars for row in bar if row[0] != Family.END)


# ---------------------------------------------------------------------- redo


def redo(tried: Tried) -> Iterator[str]:
    for corpus in ("pop909_aligned", "pop1k7", "scores/songs", "scores/quartets"):
        both, past, notes = [], [], []
        for song, bars in tried.songs(corpus, HEARD_BARS + HOLE + BEHIND):
            first = (len(bars) - HOLE - BEHIND + HEARD_BARS) // 2
            before = words_of(bars[first - HEARD_BARS : first])
            behind = words_of(bars[first + HOLE : first + HOLE + BEHIND])
            hole = words_of(bars[first : first + HOLE])
            asked = Request(before, HOLE, 0, style=tried.style(song), before=first - HEARD_BARS, behind=behind)
            alone = Request(before, HOLE, 0, style=tried.style(song), before=first - HEARD_BARS, ending=False)
            both.append(tried.nats(asked, hole))
            past.append(tried.nats(alone, hole))
            notes.append(sum(word.family == Family.NOTE for word in hole))
        yield (
            f"{corpus:16} {len(both):3} songs  both sides {interval(both, notes)} nats a note, the past alone "
            f"{interval(past, notes)}, of it {interval(both, past)}"
        )


# ---------------------------------------------------------------------- chords


def found_chords(score: Score) -> list[tuple[int | None, str]]:
    """By beat, as the finder hears them."""
    return on_beats(score, chords_of(score))


def on_beats(score: Score, chords: Sequence[Chord]) -> list[tuple[int | None, str]]:
    """Root and quality of the chord that holds on each beat."""
    return [[(chord.root, chord.quality) for chord in chords if chord.tick <= beat.start][-1] for beat in score.beats()]


def shown(bars: Bars, roles: Sequence[int], chords: bool) -> tuple[tuple[Word, ...], ...]:
    """What is given of each bar."""
    return tuple(words_of([as_given(bar, roles, chords)]) for bar in bars)


def chords(tried: Tried) -> Iterator[str]:
    for corpus in ("pop909_aligned", "pop1k7", "scores/songs"):
        requests, asked, own = [], [], []
        for number, (song, bars) in enumerate(tried.songs(corpus, HEARD_BARS + ASKED_BARS)):
            part = bars[HEARD_BARS : HEARD_BARS + ASKED_BARS]
            score = decode(words_of(part), tried.vocabulary)
            asked.append(on_beats(score, score.chords))
            own.append(found_chords(score))
            requests.append(
                Request(
                    words_of(bars[:HEARD_BARS]),
                    ASKED_BARS,
                    number,
                    guards=OFF,
                    ending=False,
                    given=shown(part, [], chords=True),
                    style=tried.style(song),
                )
            )
        heard = [found_chords(decode(words, tried.vocabulary)) for words in tried.compose(requests)]
        for name, theirs in (("composed", heard), ("the songs themselves", own)):
            roots, whole = [], []
            for wanted, got in zip(asked, theirs, strict=True):
                pairs = list(zip(wanted, got, strict=True))
                roots.append(float(np.mean([one[0] == other[0] for one, other in pairs])))
                whole.append(float(np.mean([one == other for one, other in pairs])))
            yield f"{corpus:16} {name:20} {len(roots):3} songs  root {interval(roots)}  and quality {interval(whole)}"


# ---------------------------------------------------------------------- accompany


def texture(words: Sequence[Word], roles: Sequence[int], chords: Score) -> tuple[float, float, float, float]:
    """Of the notes of some roles: how many a bar, how many onsets a bar, how many are of the chord, and their pitch."""
    bars = sum(word.family == Family.BAR for word in words)
    part = [note for part in chords.parts if part.role + 1 in roles for note in part.notes]
    onsets = {note.start for note in part}
    changes = list(chords.chords)
    fitting = []
    for note in part:
        chord = [change for change in changes if change.tick <= note.start][-1]
        if chord.root is not None:
            fitting.append((note.pitch - chord.root) % 12 in CHORD_QUALITIES[chord.quality])
    pitch = float(np.mean([note.pitch for note in part])) if part else 0.0
    return len(part) / bars, len(onsets) / bars, float(np.mean(fitting)) if fitting else 0.0, pitch


def accompany(tried: Tried) -> Iterator[str]:
    requests, real = [], []
    others = (INNER, ACCOMPANIMENT)
    for number, (song, bars) in enumerate(tried.songs("pop909_aligned", ASKED_BARS)):
        notes = np.concatenate(bars)
        sung = [bar for bar in range(len(bars)) if (bars[bar][:, COLUMN["role"]] == MELODY).any()]
        if not sung or sung[0] + ASKED_BARS > len(bars) or MELODY not in notes[:, COLUMN["role"]]:
            continue
        part = bars[sung[0] : sung[0] + ASKED_BARS]
        whole = words_of(part)
        real.append(texture(whole, others, decode(whole, tried.vocabulary)))
        requests.append(
            Request(
                (),
                ASKED_BARS,
                number,
                guards=OFF,
                ending=False,
                given=shown(part, [MELODY], chords=False),
                roles=others,
                style=tried.style(song),
                before=sung[0],
            )
        )
    composed = [texture(words, others, decode(words, tried.vocabulary)) for words in tried.compose(requests)]
    spread = np.std(real, axis=0)
    names = ("notes a bar", "onsets a bar", "of the chord", "pitch")
    for index, name in enumerate(names):
        ours, theirs = (np.array(rows)[:, index] for rows in (composed, real))
        off = (ours.mean() - theirs.mean()) / spread[index]
        yield f"{name:13} {interval(ours)}, of POP909 {interval(theirs)}: {off:+.2f} of its standard deviation"


# ---------------------------------------------------------------------- meters


def meters(tried: Tried) -> Iterator[str]:
    by_meter: dict[str, list[Request]] = {}
    for song in tried.lessons.validation:
        bars = split_bars(song.words.astype(np.int64))
        lines = {int(bar[0, COLUMN["meter"]]) for bar in bars[:HEARD_BARS]}
        if len(bars) < HEARD_BARS or len(lines) != 1:
            continue
        some = by_meter.setdefault(tried.vocabulary.meters[lines.pop() - 1], [])
        if len(some) < tried.most:
            heard = words_of(bars[:HEARD_BARS])
            some.append(Request(heard, ASKED_BARS, len(some), style=tried.style(song)))
    for meter, requests in sorted(by_meter.items()):
        pieces = tried.compose(requests)
        broken = sum(any(broken_rules(words, tried.vocabulary, ASKED_BARS)) for words in pieces)
        wanted = requests[0].words[0].meter
        kept = sum({word.meter for word in words if word.family == Family.BAR} == {wanted} for words in pieces)
        yield f"{meter:5} {len(pieces):3} pieces  meter and bars kept {kept}  rules broken {broken}"


MEASURES = {"redo": redo, "chords": chords, "accompany": accompany, "meters": meters}

if __name__ == "__main__":
    main()
