"""What a model does of what it is asked, on songs that it was not trained on.

    ./run bench corpora ../shared/data                          # once
    ./run bench tasks CHECKPOINT [--songs 40] [--only redo seams chords accompany]

redo: nats a note of 4 true bars, both sides heard against the past alone. chords: those of a real song asked for, and
found in what is composed to them, beat by beat. accompany: to the melodies of POP909, against its own accompaniments.
seams: whether a linear test tells the two lines of a redone stretch from the songs' own. Behind each figure its 95 %
interval, by drawing songs anew (bootstrap).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from composer.audition import bootstrap
from composer.audition.comparison import separability
from composer.engine.checkpoint import Checkpoint, load_checkpoint
from composer.engine.generator import Generator
from composer.engine.model import loss_by_attribute
from composer.engine.prompt import Prompt
from composer.music.chords import chords_of
from composer.music.encoding import decode
from composer.music.meter import TICKS_PER_BEAT
from composer.music.score import CHORD_QUALITIES, Chord, Role, Score
from composer.music.words import COLUMN, Family, Word, bars_in
from composer.order import STYLES, Order
from composer.request import Guards, Request
from composer.training.lessons import Lessons, Song
from composer.training.tasks import as_given, split_bars

Floats = npt.NDArray[np.float64]
Bars = list[npt.NDArray[np.int64]]

HEARD_BARS, HOLE, BEHIND = 8, 4, 8  # of a redo
ASKED_BARS = 16
MELODY, INNER, ACCOMPANIMENT = (role + 1 for role in (Role.MELODY, Role.INNER, Role.ACCOMPANIMENT))


def run(description: str | None, measures: Mapping[str, Callable[[Tried], Iterator[str]]]) -> None:
    """The command of a benchmark of such measures."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--data", type=Path, default=Path(".cache/corpora.npz"))
    parser.add_argument("--songs", type=int, default=40, help="of each corpus or meter, at most")
    parser.add_argument("--only", nargs="*", choices=measures, default=list(measures))
    options = parser.parse_args()
    tried = Tried(load_checkpoint(options.checkpoint), Lessons.load(options.data), options.songs)
    for name in options.only:
        print(f"\n{name}")
        for line in measures[name](tried):
            print(f"  {line}", flush=True)


class Tried:
    """A checkpoint and the songs that it is tried on."""

    def __init__(self, checkpoint: Checkpoint, lessons: Lessons, most: int) -> None:
        self.checkpoint, self.lessons, self.most = checkpoint, lessons, most
        self.vocabulary = checkpoint.vocabulary

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
    low, high = bootstrap.interval(lambda drawn: float(np.divide(*rows[:, drawn].sum(1))), rows.shape[1])
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
                    guards=Guards.off(),
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
    bars = bars_in(words)
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
        score = decode(whole, tried.vocabulary)
        real.append(texture(whole, others, score))
        melody = replace(score, parts=tuple(part for part in score.parts if part.role is Role.MELODY))
        order = Order(
            seed=number, guards=Guards.off(), ending=False, accompany=True, style=STYLES[tried.style(song) - 1]
        )
        requests += order.requests(melody, tried.vocabulary)
    composed = [texture(words, others, decode(words, tried.vocabulary)) for words in tried.compose(requests)]
    spread = np.std(real, axis=0)
    names = ("notes a bar", "onsets a bar", "of the chord", "pitch")
    for index, name in enumerate(names):
        ours, theirs = (np.array(rows)[:, index] for rows in (composed, real))
        off = (ours.mean() - theirs.mean()) / spread[index]
        yield f"{name:13} {interval(ours)}, of POP909 {interval(theirs)}: {off:+.2f} of its standard deviation"


# ---------------------------------------------------------------------- seams


def line_features(score: Score, bar: int) -> list[float]:
    """What a bar line is like: how top and bottom go on over it, and how unlike the bars on both sides are."""
    sides = [[note for note in score.notes if score.bar_at(note.start) == number] for number in (bar - 1, bar)]
    if not all(sides):
        return []
    before, after = sides
    last, first = max(note.start for note in before), min(note.start for note in after)
    ends, begins = [n for n in before if n.start == last], [n for n in after if n.start == first]
    held = sum(note.end > score.line(bar) for note in before)
    classes = [{note.pitch % 12 for note in side} for side in sides]
    return [
        max(n.pitch for n in begins) - max(n.pitch for n in ends),
        abs(max(n.pitch for n in begins) - max(n.pitch for n in ends)),
        abs(min(n.pitch for n in begins) - min(n.pitch for n in ends)),
        float(np.log2(len(after) / len(before))),
        abs(float(np.log2(len(after) / len(before)))),
        float(np.mean([n.velocity for n in after]) - np.mean([n.velocity for n in before])),
        abs(float(np.mean([n.velocity for n in after]) - np.mean([n.velocity for n in before]))),
        len(classes[0] & classes[1]) / len(classes[0] | classes[1]),
        held,
        (first - score.line(bar)) / TICKS_PER_BEAT,
    ]


def seams(tried: Tried) -> Iterator[str]:
    """Both lines of a redone stretch against the same lines of the songs as they are, both in words."""
    for corpus in ("pop909_aligned", "pop1k7", "scores/songs"):
        requests, whole = [], []
        for number, (song, bars) in enumerate(tried.songs(corpus, HEARD_BARS + HOLE + BEHIND)):
            first = (len(bars) - HOLE - BEHIND + HEARD_BARS) // 2
            before = words_of(bars[first - HEARD_BARS : first])
            hole = bars[first : first + HOLE]
            behind = words_of(bars[first + HOLE : first + HOLE + BEHIND])
            meters = tuple(int(bar[0, COLUMN["meter"]]) for bar in hole)
            whole.append((before, words_of(hole), behind))
            requests.append(
                Request(
                    before,
                    HOLE,
                    number,
                    behind=behind,
                    meters=meters,
                    style=tried.style(song),
                    before=first - HEARD_BARS,
                )
            )
        rows: tuple[list[list[float]], list[list[float]]] = ([], [])
        for words, (before, hole_words, behind) in zip(tried.compose(requests), whole, strict=True):
            for kind, middle in enumerate((words[:-1], hole_words)):
                score = decode([*before, *middle, *behind], tried.vocabulary)
                rows[kind].extend(filter(None, (line_features(score, bar) for bar in (HEARD_BARS, HEARD_BARS + HOLE))))
        made, real = (np.array(side) for side in rows)
        found = separability(made, real)
        yield f"{corpus:16} {len(made)} seams, {len(real)} real lines  AUC {found:.3f}"


MEASURES = {"redo": redo, "seams": seams, "chords": chords, "accompany": accompany}


def main() -> None:
    run(__doc__, MEASURES)


if __name__ == "__main__":
    main()
