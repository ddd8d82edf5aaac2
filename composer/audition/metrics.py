"""What can be said of a piece in numbers: density, harmony, rhythm, repetition, and how well it follows its opening.

Pieces are on the grid of composer.audition.grid: bars of 4/4 in sixteen steps. A "chroma" is an amount for each of the
twelve pitch classes. J(i, j), the overlap of two bars, is the Jaccard index of their sets of (step, pitch); bars
without notes have none. Entropies are in bits.

notes_bar, onsets_bar     notes, and steps at which a note starts, for each bar
polyphony, silence        how many notes sound while any does; the share of the time in which none does
H1, H4                    pitch-class entropy in windows of one and of four bars  (MusDr: Wu and Yang 2020)
GS                        grooving: 1 - the share of steps at which two bars differ, over all pairs  (MusDr)
in_key, in_key8           share of the sounding time inside the best diatonic scale; the same for every eight bars
key_clarity               correlation with the best of the 24 key profiles  (Krumhansl and Kessler 1982)
CPI                       chord-progression irregularity: different among all chord trigrams  (MusDr)
echo, near, far           mean over bars of the best overlap with an earlier bar: any, the 4 before, 8 or more back
rep_bar                   share of bars that are the exact copy of an earlier one: 1 - the share of different bars
equal_run                 most bars in a row that equal those a period before, for one period p <= 40
novelty                   the lowest share of different bars in any 16 in a row
loop, loop_max            share of bars that are stuck, and the longest such stretch: J(i, i - p) >= 0.7 for one period
                          p <= 8, at least three periods and eight bars long
rep8                      1 - different among all 8-grams of (step, pitch)
zip                       raw size by deflated size, of blocks of 256 notes
SI_short, _mid, _long     structureness: see composer.audition.structureness
c_...                     of a continuation, against its opening: see `continuation`

What a piece has no value for is NaN.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Sequence

import numpy as np

from composer.audition.grid import STEPS, STEPS_PER_BEAT, Floats, Notes, frame_chroma, onset_grid, sounding
from composer.audition.structureness import structureness
from composer.engine.runs import run_hashes
from composer.music.key import MAJOR, MINOR
from composer.music.repetition import ALIKE, LEAST_BARS, LEAST_PERIODS, WINDOW, Onsets, Repetition, distinct

Figures = dict[str, float]

FEWEST_NOTES = 8  # of fewer nothing can be said

LONGEST_LOOP = 8  # bars of its period
FINGERS = 10
ZIP_NOTES = 256
MOTIF = 6  # intervals: what counts as a figure that is taken up again


# ------------------------------------------------------------------ one piece


def measure(notes: Notes, structure: bool = True) -> Figures:
    """Every figure of a piece that has FEWEST_NOTES at least. structure: whether to take the time for SI_*."""
    overlap = bar_overlap(notes)
    return {
        **_size(notes),
        **_pitch_use(notes),
        **_rhythm_and_harmony(notes),
        **_repetition(notes, overlap),
        **(structureness(notes) if structure else {}),
    }


def _size(notes: Notes) -> Figures:
    voices = sounding(notes).sum(axis=0)
    onsets = Counter(zip(notes.bar.tolist(), notes.step.tolist(), strict=True))
    return {
        "bars": notes.bars,
        "notes": len(notes),
        "notes_bar": len(notes) / notes.bars,
        "empty_bar": 1 - len(np.unique(notes.bar)) / notes.bars,
        "onsets_bar": len(onsets) / notes.bars,
        "polyphony": float(voices[voices > 0].mean()),
        "silence": float((voices == 0).mean()),
        "dur_beats": float(notes.duration.mean() / STEPS_PER_BEAT),
        "vel_mean": float(notes.velocity.mean()),
        "vel_std": float(notes.velocity.std()),
        "over10": float(np.mean([count > FINGERS for count in onsets.values()])),
    }


def _pitch_use(notes: Notes) -> Figures:
    counts = np.zeros((notes.bars, 12))
    np.add.at(counts, (notes.bar, notes.pitch % 12), 1)
    windows = [counts[first : first + 4].sum(axis=0) for first in range(max(1, notes.bars - 3))]
    heard = duration_chroma(notes)
    eights = [notes.part(first, first + 8) for first in range(0, notes.bars, 8)]
    return {
        "pitch_mean": float(notes.pitch.mean()),
        "pitch_std": float(notes.pitch.std()),
        "pitches": len(np.unique(notes.pitch)),
        "pitch_range": int(np.ptp(notes.pitch)),
        "H1": float(np.mean([_entropy(bar) for bar in counts if bar.any()])),
        "H4": float(np.mean([_entropy(window) for window in windows if window.any()])),
        "in_key": best_scale(heard)[1],
        "in_key8": float(np.mean([best_scale(duration_chroma(eight))[1] for eight in eights if len(eight)])),
        "key_clarity": best_key(heard)[1],
    }


def _rhythm_and_harmony(notes: Notes) -> Figures:
    groove = onset_grid(notes)
    differ = (groove[:, None] != groove[None]).mean(axis=-1)
    pairs = differ[np.triu_indices(notes.bars, 1)]
    chords = chord_sequence(notes)
    trigrams = [tuple(chords[at : at + 3]) for at in range(len(chords) - 2)]
    return {
        "GS": float(1 - pairs.mean()) if len(pairs) else math.nan,
        "chords_bar": len(chords) / notes.bars,
        "CPI": len(set(trigrams)) / len(trigrams) if trigrams else math.nan,
    }


def _repetition(notes: Notes, overlap: Floats) -> Figures:
    bars = bar_sets(notes)
    looping, longest = loops(bars)
    events = list(zip(notes.step.tolist(), notes.pitch.tolist(), strict=True))
    grams = [tuple(events[at : at + 8]) for at in range(len(events) - 7)]
    return {
        "rep_bar": 1 - distinct(bars),
        "equal_run": Repetition(bars).longest,
        "novelty": min(
            distinct(bars[max(0, end - WINDOW) : end]) for end in range(min(WINDOW, len(bars)), len(bars) + 1)
        ),
        "echo": best_earlier_overlap(overlap, 1, notes.bars),
        "near": best_earlier_overlap(overlap, 1, 4),
        "far": best_earlier_overlap(overlap, 8, notes.bars),
        "loop": looping,
        "loop_max": longest,
        "rep8": 1 - len(set(grams)) / len(grams) if grams else math.nan,
        "zip": _compressibility(notes),
    }


# ------------------------------------------------------------------ a continuation against its opening


def judge(notes: Notes, opening_bars: int, structure: bool = True) -> Figures:
    """All figures of what follows the opening, alone and against it; none where there is too little to judge."""
    follows = notes.part(opening_bars, notes.bars)
    if len(follows) < FEWEST_NOTES:
        return {}
    return measure(follows, structure) | continuation(notes, opening_bars)


def continuation(notes: Notes, opening_bars: int) -> Figures:
    """How well the rest follows its opening; none where either has too few notes.

    c_key_match       1 if both have the same key, relative keys counting as one: "key kept"
    c_in_open_key     share of its sounding time inside the best scale of the opening
    c_chroma_cos      cosine of the two chromas
    c_density_log2    how far apart the notes a bar are, in doublings
    c_pitch_shift, c_vel_shift   how far apart the mean pitches (semitones) and velocities are
    c_groove          grooving between the bars of one and the other
    c_copy_open       share of bars that are a bar of the opening
    c_motif           share of its figures of six intervals that the opening has too, at any pitch
    """
    before, after = notes.part(0, opening_bars), notes.part(opening_bars, notes.bars)
    if min(len(before), len(after)) < FEWEST_NOTES:
        return {}
    chroma, chroma_after = duration_chroma(before), duration_chroma(after)
    norms = np.linalg.norm(chroma) * np.linalg.norm(chroma_after)
    groove = onset_grid(notes)
    figures, figures_after = (run_hashes(part.time, part.pitch, MOTIF) for part in (before, after))
    sets = bar_sets(notes)
    given, rest = set(sets[:opening_bars]), [bar for bar in sets[opening_bars:] if bar]
    density, density_after = len(before) / opening_bars, len(after) / after.bars
    return {
        "c_key_match": float(best_key(chroma)[0] == best_key(chroma_after)[0]),
        "c_in_open_key": float(SCALES[best_scale(chroma)[0]] @ chroma_after / chroma_after.sum()),
        "c_chroma_cos": float(chroma @ chroma_after / norms),
        "c_density_log2": abs(math.log2(density_after / density)),
        "c_pitch_shift": abs(float(after.pitch.mean() - before.pitch.mean())),
        "c_vel_shift": abs(float(after.velocity.mean() - before.velocity.mean())),
        "c_groove": float(1 - (groove[:opening_bars, None] != groove[None, opening_bars:]).mean()),
        "c_copy_open": float(np.mean([bar in given for bar in rest])) if rest else math.nan,
        "c_motif": float(np.isin(figures_after, figures).mean()) if len(figures_after) else math.nan,
    }


# ------------------------------------------------------------------ pitch

SCALES = np.stack([np.roll([1.0, 0, 1, 0, 1, 1, 0, 1, 0, 1, 0, 1], tonic) for tonic in range(12)])  # major scales
_PROFILES = np.array([np.roll(profile, tonic) for profile in (MAJOR, MINOR) for tonic in range(12)])
_KEYS = (_PROFILES - _PROFILES.mean(axis=1, keepdims=True)) / _PROFILES.std(axis=1, keepdims=True)

# Chord templates: a root, and above it a major, minor, diminished, augmented or suspended triad, or a seventh chord.
_CHORDS = ((0, 4, 7), (0, 3, 7), (0, 3, 6), (0, 4, 8), (0, 5, 7), (0, 4, 7, 10), (0, 4, 7, 11), (0, 3, 7, 10))
_FOREIGN = -0.35  # what a pitch class outside the chord counts


def _template(intervals: tuple[int, ...], root: int) -> Floats:
    template = np.full(12, _FOREIGN)
    template[[(interval + root) % 12 for interval in intervals]] = 1 / math.sqrt(len(intervals))
    return template


_TEMPLATES = np.stack([_template(intervals, root) for intervals in _CHORDS for root in range(12)])


def _entropy(counts: Floats) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum())


def duration_chroma(notes: Notes) -> Floats:
    return np.bincount(notes.pitch % 12, weights=notes.duration, minlength=12).astype(np.float64)


def best_scale(chroma: Floats) -> tuple[int, float]:
    """The tonic of the major scale that holds most of the chroma, and the share that it holds."""
    inside = SCALES @ chroma
    return int(inside.argmax()), float(inside.max() / max(chroma.sum(), 1e-9))


def best_key(chroma: Floats) -> tuple[int, float]:
    """The tonic of the major scale of the key that correlates best, and the correlation."""
    if chroma.std() == 0:
        return 0, 0.0
    fit = _KEYS @ ((chroma - chroma.mean()) / chroma.std()) / 12
    key = int(fit.argmax())
    return key if key < 12 else (key - 12 + 3) % 12, float(fit.max())


def chord_sequence(notes: Notes) -> list[int]:
    """The template that fits each half bar best, without repeats and silence."""
    chords: list[int] = []
    for chroma in frame_chroma(notes, 2):
        if chroma.any():
            chord = int((_TEMPLATES @ (chroma / np.linalg.norm(chroma))).argmax())
            if chords[-1:] != [chord]:
                chords.append(chord)
    return chords


# ------------------------------------------------------------------ bars


def bar_sets(notes: Notes) -> list[Onsets]:
    """The (step, pitch) of each bar."""
    sets: list[set[tuple[int, int]]] = [set() for _ in range(notes.bars)]
    for bar, step, pitch in zip(notes.bar.tolist(), notes.step.tolist(), notes.pitch.tolist(), strict=True):
        sets[bar].add((step, pitch))
    return [frozenset(bar) for bar in sets]


def bar_overlap(notes: Notes) -> Floats:
    """J of every two bars: (bars, bars), NaN where one is empty."""
    present = np.zeros((notes.bars, 2 * STEPS * 128))
    present[notes.bar, np.minimum(notes.step, 2 * STEPS - 1) * 128 + notes.pitch] = 1
    common, count = present @ present.T, present.sum(axis=1)
    either = count[:, None] + count[None] - common
    empty = count == 0
    overlap: Floats = common / np.maximum(either, 1)
    overlap[empty] = overlap[:, empty] = np.nan
    return overlap


def best_earlier_overlap(overlap: Floats, nearest: int, farthest: int) -> float:
    """Mean over bars of the best overlap with a bar that lies from nearest to farthest bars before."""
    found = []
    for bar in range(nearest, len(overlap)):
        earlier = overlap[bar, max(0, bar - farthest) : bar - nearest + 1]
        earlier = earlier[~np.isnan(earlier)]
        if len(earlier):
            found.append(earlier.max())
    return float(np.mean(found)) if found else math.nan


def loops(bars: Sequence[Onsets]) -> tuple[float, int]:
    """The share of bars inside a loop, and the longest loop in bars."""
    heard = Repetition(alike=ALIKE)
    longest = 0
    inside = np.zeros(len(bars), dtype=bool)
    for end, bar in enumerate(bars, start=1):
        heard.hear(bar)
        for period, run in enumerate(heard.runs[1 : LONGEST_LOOP + 1], start=1):
            if run + period >= max(LEAST_BARS, LEAST_PERIODS * period):
                inside[end - run - period : end] = True
                longest = max(longest, run + period)
    return (float(inside.mean()) if len(bars) else 0.0), longest


def _compressibility(notes: Notes) -> float:
    rows = np.stack([notes.step, notes.pitch, notes.duration], axis=1).astype(np.uint8)
    blocks = [rows[at : at + ZIP_NOTES].tobytes() for at in range(0, max(1, len(rows) - ZIP_NOTES + 1), ZIP_NOTES)]
    return float(np.mean([len(block) / len(zlib.compress(block, 9)) for block in blocks]))
