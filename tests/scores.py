"""Scores for tests, of one part."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from composer.music.meter import TICKS_PER_BAR, TICKS_PER_BEAT, Meter, bars_of
from composer.music.score import Note, Part, Score, Spans, TempoChange, in_four, pedal_of, pedalling
from composer.music.words import default_vocabulary

VOCABULARY = default_vocabulary()
SIXTEENTH = TICKS_PER_BEAT // 4


def changed(score: Score, pedal: Spans | None = None, end: int | None = None, **fields: Any) -> Score:
    """Other fields of its one part, another pedal, or an end on another bar line."""
    if pedal is not None:
        fields["controls"] = pedalling(pedal)
    bars = score.bars if end is None else bars_of([(0, score.bars[0].meter)], end - 1)
    return replace(score, parts=(replace(score.parts[0], **fields),), bars=bars)


def in_meters(
    notes: tuple[Note, ...],
    *meters: tuple[int, int, int],
    end: int,
    tempos: tuple[TempoChange, ...] = (TempoChange(0, 120.0),),
) -> Score:
    """meters: tick, numerator and denominator of each"""
    return Score((Part(notes),), bars_of([(tick, Meter(*meter)) for tick, *meter in meters], end - 1), tempos)


def pedal(score: Score) -> Spans:
    return pedal_of(score.parts)


def arpeggios(root: int, bars: int) -> Score:
    """Over I V vi IV, with a melody that no other root has."""
    notes = []
    for bar in range(bars):
        chord = root + (0, 7, 9, 5)[bar % 4]
        for beat in range(4):
            tick = bar * TICKS_PER_BAR + beat * 480
            notes.append(Note(tick, chord + (0, 4, 7, 12)[beat], tick + 480, 80))
            notes.append(Note(tick + 240, 70 + (bar * root + beat * beat * bar) % 12, tick + 480, 90))
    return in_four(tuple(sorted(notes)), (TempoChange(0, 180.0),), end=bars * TICKS_PER_BAR)


def music(seed: int, bars: int = 8, step: int = SIXTEENTH, low: int = 40, high: int = 90) -> Score:
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
