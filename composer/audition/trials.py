"""Candidates on trial: checkpoints or settings that continue the same openings from the same seeds, and are measured.

    checkpoints_of, variants_of   the candidates: checkpoints of a run, settings of one, or both
    try_all                       every candidate continues every opening, and what it made is measured
    originals                     the real continuations, measured in the same way

What the pieces come to, and which candidate is the best, says composer.audition.choice.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from composer import candidates
from composer.audition.copying import CopyIndex, Copying
from composer.audition.grid import Notes, notes_of
from composer.audition.metrics import Figures, judge
from composer.audition.openings import OPENING_BARS, Group, Song
from composer.engine.checkpoint import WEIGHTS, Checkpoint, load_checkpoint
from composer.engine.runs import RunIndex
from composer.errors import CheckpointError, SettingsError, UnknownNameError
from composer.music.words import Vocabulary
from composer.order import Order
from composer.piece import Take, finish
from composer.rules import broken_rules
from composer.sampling import SamplingParams, parse_setting

# The experiments of the article that this project follows.
PRESETS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "greedy-temperature-nucleus": {
        "greedy": ("temperature.all=0",),
        "temperature 1": ("temperature.all=1", "top_p.all=1"),
        "top-p 0.9": ("temperature.all=1", "top_p.all=0.9"),
    },
    "pitch-temperature": {
        "pitch temperature 0.01": ("temperature.pitch=0.01",),
        "pitch temperature 1": ("temperature.pitch=1",),
    },
}


# ------------------------------------------------------------------ what is tried


@dataclass(frozen=True)
class Candidate:
    name: str
    folder: Path  # of the checkpoint
    sampling: SamplingParams


def checkpoints_of(run: Path, names: Sequence[str], only_one: bool) -> list[Path]:
    """Checkpoints of a run, in the order of their steps; or `run` itself where it is one.

    names: those that are wanted; none for all that have a step, or, if only one is to be had, for the best one
    Raises CheckpointError or UnknownNameError.
    """
    if (run / WEIGHTS).is_file():
        return [run]
    found = sorted(path.parent for path in run.glob(f"*/{WEIGHTS}"))
    if not found:
        raise CheckpointError(run, "it is neither a checkpoint nor a run that has one")
    known = {path.name: path for path in found}
    for name in names:
        if name not in known:
            raise UnknownNameError("checkpoint of this run", name, tuple(known))
    if names:
        return [known[name] for name in names]
    if only_one:
        return [known.get("best", found[-1])]
    return [path for path in found if path.name.startswith("step-")] or found


def variants_of(settings: Sequence[str], sweeps: Sequence[str], preset: str | None) -> dict[str, SamplingParams]:
    """Settings by name: one, or those of a preset, or of every combination of the sweeps. Raises SettingsError.

    sweeps: "temperature.pitch=0.01,0.5,1.0"
    """
    base = SamplingParams().with_settings(settings)
    if preset is not None:
        if sweeps:
            raise SettingsError("A preset says what is tried; give either --preset or --sweep.")
        if preset not in PRESETS:
            raise UnknownNameError("preset", preset, tuple(PRESETS))
        return {name: base.with_settings(changes) for name, changes in PRESETS[preset].items()}
    combinations = itertools.product(*map(_sweep, sweeps))  # one of nothing, where there is no sweep
    return {", ".join(settings): base.with_settings(settings) for settings in combinations}


def _sweep(text: str) -> list[str]:
    """ "temperature.pitch=0.5,1" -> ["temperature.pitch=0.5", "temperature.pitch=1"]"""
    name, equals, values = text.partition("=")
    settings = [f"{name}{equals}{value.strip()}" for value in values.split(",")]
    for setting in settings:
        parse_setting(setting)
    return settings


def candidates_of(checkpoints: Sequence[Path], variants: Mapping[str, SamplingParams]) -> list[Candidate]:
    """Every checkpoint with every variant, called by what tells them apart."""
    return [
        Candidate(_name(path.resolve().name, variant, len(checkpoints) > 1), path, sampling)
        for path in checkpoints
        for variant, sampling in variants.items()
    ]


def _name(checkpoint: str, variant: str, many_checkpoints: bool) -> str:
    return ", ".join(part for part in (checkpoint if many_checkpoints or not variant else "", variant) if part)


# ------------------------------------------------------------------ composing and judging


@dataclass(frozen=True)
class Judged:
    """One continuation, composed or real.

    follows: it, without the opening   figures: none if it has too few notes   copying: None where nobody looked
    broken: how often it breaks the rules of words   take: None of a real one
    """

    follows: Notes
    figures: Figures
    copying: Copying | None
    broken: int = 0
    take: Take | None = None

    @property
    def is_stuck(self) -> bool:
        return self.figures.get("loop", 0) > 0


Pieces = Sequence[Sequence[Judged]]  # of one group: by song, by seed


@dataclass(frozen=True)
class Result:
    """What one candidate made of all groups. arithmetic: what its weights were held in"""

    candidate: Candidate
    digest: str
    words_a_second: float
    arithmetic: str
    pieces: Mapping[str, Pieces]  # by group


def try_all(
    candidates: Sequence[Candidate],
    groups: Sequence[Group],
    order: Order,
    index: CopyIndex | None = None,
    runs: RunIndex | None = None,
    slots: int = 16,
    device: torch.device | None = None,
    whole: bool = False,
    on_bars: Callable[[int], None] | None = None,
) -> Iterator[Result]:
    """Every candidate in turn. order: bars, seeds (its takes) and first seed; the sampling is each candidate's own.

    runs: what the guard against copies goes by, where a checkpoint does not bring its own
    whole: weights in float32 on a CPU too, as of Generator
    on_bars: called after every word with the bars done so far by the candidate
    """
    for folder, same in itertools.groupby(candidates, key=lambda candidate: candidate.folder):
        checkpoint = load_checkpoint(folder)
        checkpoint = replace(checkpoint, runs=checkpoint.runs or runs)
        for candidate in same:
            yield _try(candidate, checkpoint, groups, order, index, slots, device, whole, on_bars)


def _try(
    candidate: Candidate,
    checkpoint: Checkpoint,
    groups: Sequence[Group],
    order: Order,
    index: CopyIndex | None,
    slots: int,
    device: torch.device | None,
    whole: bool,
    on_bars: Callable[[int], None] | None,
) -> Result:
    songs = [song for group in groups for song in group.songs]
    order = replace(order, sampling=candidate.sampling)
    started = time.monotonic()
    takes = compose_all(checkpoint, songs, order, slots, device, whole, on_bars)
    words = sum(len(take.composed.words) for song in takes for take in song)
    speed = words / max(time.monotonic() - started, 1e-9)
    judged = iter([[_judged(take, checkpoint, index) for take in song] for song in takes])
    pieces = {group.name: list(itertools.islice(judged, len(group.songs))) for group in groups}
    return Result(candidate, checkpoint.digest, speed, takes[0][0].composed.arithmetic, pieces)


def compose_all(
    checkpoint: Checkpoint,
    songs: Sequence[Song],
    order: Order,
    slots: int,
    device: torch.device | None = None,
    whole: bool = False,
    on_bars: Callable[[int], None] | None = None,
) -> list[list[Take]]:
    """The takes of each song, all songs in one line for so many slots. A take does not depend on its neighbours."""
    scores = [song.opening.score for song in songs]
    # Seeds of its own for each: with the same random numbers all pieces would lean the same way.
    seeds = itertools.count(order.seed, order.takes)
    orders = [replace(order, seed=seed) for seed, _ in zip(seeds, scores, strict=False)]
    requests = [one.requests(score, checkpoint.vocabulary) for one, score in zip(orders, scores, strict=True)]
    together = [request for asked in requests for request in asked]
    started = time.monotonic()
    done = iter(candidates.compose_all(checkpoint, together, slots, device, whole, on_bars))
    seconds = time.monotonic() - started
    return [
        [
            finish(score, one.request, one.composed(seconds), checkpoint.vocabulary)
            for one in itertools.islice(done, len(asked))
        ]
        for score, asked in zip(scores, requests, strict=True)
    ]


def _judged(take: Take, checkpoint: Checkpoint, index: CopyIndex | None) -> Judged:
    broken = sum(1 for _ in broken_rules(take.composed.words, checkpoint.vocabulary, take.request.bars))
    return replace(_measured(notes_of(take.score), take.opening_bars, index), broken=broken, take=take)


def _measured(notes: Notes, opening_bars: int, index: CopyIndex | None) -> Judged:
    follows = notes.part(opening_bars, notes.bars)
    copying = index.look_up(follows) if index is not None else None
    return Judged(follows, judge(notes, opening_bars), copying)


def originals(group: Group, vocabulary: Vocabulary, index: CopyIndex | None) -> dict[str, Pieces]:
    """The songs' own continuations: as their files have them, and what the words of the model leave of them.

    The second says how near to the reference a perfect model could come. Empty where the openings come from no songs.
    """
    real = [song.original for song in group.songs if song.original is not None]
    return (
        {
            "the songs themselves": [[_measured(song.written, OPENING_BARS, index)] for song in real],
            "the songs in words": [[_measured(song.in_words(vocabulary), OPENING_BARS, index)] for song in real],
        }
        if real
        else {}
    )
