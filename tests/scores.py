"""Scores for tests: one part, with something changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from composer.music.score import Meter, Note, Part, Score, Spans, TempoChange, bars_of, pedal_of, pedalling


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
