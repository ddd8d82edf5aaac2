"""Scores to compound words and back, and the same music as REMI tokens.

decode(encode(score)) is quantise(score): on the grid of the vocabulary nothing is lost. What quantise changes in
real songs is measured by `python bench/encoding.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import NamedTuple, TypeVar

from composer.music.chords import chords_of
from composer.music.score import (
    BEND,
    CONTROLLER,
    DEFAULT_BPM,
    DRUM_CHANNEL,
    NO_BEND,
    PEDAL,
    PEDAL_DOWN,
    PROGRAM,
    TICKS_PER_BAR,
    TICKS_PER_BEAT,
    Chord,
    Control,
    Note,
    Part,
    Score,
    Spans,
    TempoChange,
    cut_at_repeats,
    in_four,
    pedal_of,
    pedalling,
)
from composer.words import BAR, END, Family, Vocabulary, Word

Change = TypeVar("Change", TempoChange, Chord)

PEDAL_TICKS = TICKS_PER_BEAT // 16  # so long the pedal is up between two chords
CONTINUATION, PIANO = "Segue", 0  # name and program of a part that is nothing but continuation
STEADY_BARS = 4  # tempo is averaged over so many bars before it becomes a word


# ------------------------------------------------------------------ Score -> words


def quantise(score: Score, vocabulary: Vocabulary) -> Score:
    """Move every time, velocity and tempo to the nearest value that the vocabulary has; all pitched parts become one.

    Notes of one pitch on one position merge (the louder and the longer wins), and a note ends where its pitch
    starts again. Tempo and chord stand at tick 0 at the latest, and only where they change. Bars are 4/4.
    """
    played = score.tempos or (TempoChange(0, DEFAULT_BPM),)
    tempos = [TempoChange(t.tick, vocabulary.tempos[vocabulary.tempo_id(t.bpm) - 1]) for t in played]
    notes = _quantise_notes(score.notes, vocabulary)
    last_onset = notes[-1].start if notes else -1
    end = _to_grid(max(score.end, last_onset + 1), TICKS_PER_BAR, up=True)
    chords = _changes_on_grid(score.chords or [Chord(0, None)], end, vocabulary)
    return in_four(notes, _changes_on_grid(tempos, end, vocabulary), chords, end)


def to_words(score: Score, vocabulary: Vocabulary) -> list[Word]:
    """The words of played music, as the model knows them from training: chords found, tempo steadied."""
    return encode(replace(steady_tempo(score), chords=chords_of(score)), vocabulary)


def encode(score: Score, vocabulary: Vocabulary) -> list[Word]:
    """The words of a score, quantised on the way: for each bar a bar word, then its positions from left to right.

    A position gets a metrical word where a note starts or where tempo or chord change; each metrical word carries
    the tempo and the chord in force, so that the model has them at hand. No end word: the piece may go on.
    """
    score = quantise(score, vocabulary)
    change_ticks = [t.tick for t in score.tempos] + [c.tick for c in score.chords]
    onsets: dict[int, list[Note]] = {tick: [] for tick in change_ticks}
    for note in score.notes:
        onsets.setdefault(note.start, []).append(note)
    tempo_ids = {t.tick: vocabulary.tempo_id(t.bpm) for t in score.tempos}
    chord_ids = {c.tick: vocabulary.chord_ids[c.name] for c in score.chords}

    words: list[Word] = []
    tempo = chord = bars = 0
    for tick in sorted(onsets):
        bar, within = divmod(tick, TICKS_PER_BAR)
        words += [BAR] * (bar + 1 - bars)
        bars = bar + 1
        tempo, chord = tempo_ids.get(tick, tempo), chord_ids.get(tick, chord)
        position = within // vocabulary.ticks_per_position + 1
        words.append(Word(Family.METRICAL, position=position, chord=chord, tempo=tempo))
        words += [_note_word(note, vocabulary) for note in sorted(onsets[tick], key=lambda n: -n.pitch)]
    return words + [BAR] * (len(score.bars) - bars)


def steady_tempo(score: Score) -> Score:
    """The score with one tempo for every STEADY_BARS bars, by how long they last.

    Transcribed music has a new tempo on every beat. Drawn word by word that is noise; what a listener follows is
    the pulse over a phrase. The notes stay on their ticks.
    """
    end = max(score.end, 1)
    bounds = [*range(0, end, STEADY_BARS * TICKS_PER_BAR), end]
    seconds = [score.seconds_at(tick) for tick in bounds]
    tempos = tuple(
        TempoChange(start, (stop - start) / TICKS_PER_BEAT * 60 / (after - before))
        for (start, stop), (before, after) in zip(pairwise(bounds), pairwise(seconds), strict=True)
    )
    return replace(score, tempos=tempos)


def _quantise_notes(notes: Iterable[Note], vocabulary: Vocabulary) -> tuple[Note, ...]:
    step = vocabulary.ticks_per_position
    merged: dict[tuple[int, int], Note] = {}
    for note in notes:
        start = _to_grid(note.start, step)
        length = vocabulary.durations[vocabulary.duration_id((note.end - note.start) / step) - 1] * step
        velocity = vocabulary.velocities[vocabulary.velocity_id(note.velocity) - 1]
        twin = merged.get((start, note.pitch))
        if twin is not None:
            length, velocity = max(length, twin.end - start), max(velocity, twin.velocity)
        merged[start, note.pitch] = Note(start, note.pitch, start + length, velocity)
    return tuple(_shortened(note, vocabulary) for note in cut_at_repeats(merged.values()))


def _shortened(note: Note, vocabulary: Vocabulary) -> Note:
    """The note with the longest duration of the vocabulary that is not longer than it is."""
    step = vocabulary.ticks_per_position
    positions = max(d for d in vocabulary.durations if d * step <= max(note.end - note.start, step))
    return replace(note, end=note.start + positions * step)


def _to_grid(tick: int, step: int, up: bool = False) -> int:
    """The nearest multiple of step (half a step goes up), or the next one above; never below 0."""
    return max(0, (tick + (step - 1 if up else step // 2)) // step * step)


def _changes_on_grid(changes: Sequence[Change], end: int, vocabulary: Vocabulary) -> tuple[Change, ...]:
    """Changes at grid ticks before end, the last one winning where several fall on one tick, repeats left out."""
    at: dict[int, Change] = {}
    for change in changes:
        tick = _to_grid(change.tick, vocabulary.ticks_per_position)
        at[tick] = replace(change, tick=tick)
    kept: list[Change] = [replace(at[min(at)], tick=0)]  # what holds first held from the start
    for tick in sorted(at):
        if tick < end and replace(at[tick], tick=0) != replace(kept[-1], tick=0):
            kept.append(at[tick])
    return tuple(kept)


def _note_word(note: Note, vocabulary: Vocabulary) -> Word:
    return Word(
        Family.NOTE,
        pitch=vocabulary.pitch_id(note.pitch),
        velocity=vocabulary.velocity_id(note.velocity),
        duration=vocabulary.duration_id((note.end - note.start) / vocabulary.ticks_per_position),
    )


# ------------------------------------------------------------------ words -> Score


def decode(words: Iterable[Word], vocabulary: Vocabulary) -> Score:
    """The score that the words stand for. They have to follow the grammar (composer.engine.grammar)."""
    step = vocabulary.ticks_per_position
    notes: list[Note] = []
    tempos: list[TempoChange] = []
    chords: list[Chord] = []
    bars = tick = 0
    for word in words:
        match word.family:
            case Family.BAR:
                tick = bars * TICKS_PER_BAR
                bars += 1
            case Family.METRICAL:
                tick = (bars - 1) * TICKS_PER_BAR + (word.position - 1) * step
                tempos.append(TempoChange(tick, vocabulary.tempos[word.tempo - 1]))
                chords.append(vocabulary.chord_at(tick, word.chord))
            case Family.NOTE:
                end = tick + vocabulary.durations[word.duration - 1] * step
                pitch, velocity = vocabulary.pitches[word.pitch - 1], vocabulary.velocities[word.velocity - 1]
                notes.append(Note(tick, pitch, end, velocity))
    end = bars * TICKS_PER_BAR
    return in_four(
        cut_at_repeats(notes),
        _changes_on_grid(tempos or [TempoChange(0, DEFAULT_BPM)], end, vocabulary),
        _changes_on_grid(chords or [Chord(0, None)], end, vocabulary),
        end,
    )


# ------------------------------------------------------------------ opening + words -> Score


def join(opening: Score, words: Sequence[Word], heard: int, vocabulary: Vocabulary) -> Score:
    """The opening as it came, and behind its last bar the continuation.

    Where the tempo that the model heard last is the one played last, as near as the vocabulary knows, it does not
    change at the boundary; where the opening slowed down at its end, say, the continuation goes on at the tempo of the
    phrase. Words tell how long keys are held; where the opening was played with the pedal, the continuation is pedalled
    by its chords.

    Args:
        opening: in 4/4, of any parts.
        words: of its last bars, as they were given to the model, and of the continuation.
        heard: how many bars were given.
        vocabulary: of the words.
    """
    whole = decode(words, vocabulary)
    boundary = heard * TICKS_PER_BAR
    last = [tempo for tempo in whole.tempos if tempo.tick <= boundary][-1]
    goes_on = vocabulary.tempo_id(last.bpm) == vocabulary.tempo_id(opening.tempos[-1].bpm)
    tempos = [] if goes_on else [replace(last, tick=boundary)]
    tempos += [tempo for tempo in whole.tempos if tempo.tick > boundary]
    pedal = _pedal_by_chords(whole, boundary) if any(pedal_of([part]) for part in opening.pitched) else ()
    new = Part(tuple(note for note in whole.notes if note.start >= boundary), controls=pedalling(pedal))
    by = opening.end - boundary
    return replace(
        opening.lasting(len(opening.bars) + len(whole.bars) - heard),
        parts=_carried_on(opening, new.moved(by)),
        tempos=(*opening.tempos, *(replace(tempo, tick=tempo.tick + by) for tempo in tempos)),
        chords=(
            *chords_of(opening),
            *(replace(chord, tick=chord.tick + by) for chord in whole.chords if chord.tick >= boundary),
        ),
    )


def _carried_on(opening: Score, new: Part) -> tuple[Part, ...]:
    """The parts, of which the one that plays goes on; where several do, the continuation is a piano of its own.

    A piano that a continuation was before goes on too.
    """
    playing = opening.playing
    mine = playing if len(playing) == 1 else [part for part in playing if part.name == CONTINUATION][-1:]
    if mine:
        return tuple(_goes_on(part, new, opening.end) if part is mine[0] else part for part in opening.parts)
    channel = _free_channel(opening)
    controls = (Control(opening.end, PROGRAM, PIANO), *new.controls)
    return (*opening.parts, replace(new, name=CONTINUATION, program=PIANO, channel=channel, controls=controls))


def _goes_on(part: Part, new: Part, boundary: int) -> Part:
    """The part with the new notes. What it was told stays until the boundary, where pedal and bend are let go."""
    struck: dict[int, int] = {}  # by pitch: a key that is still down is let go before it is struck again
    for note in new.notes:
        struck.setdefault(note.pitch, note.start)
    old = (replace(note, end=min(note.end, struck.get(note.pitch, note.end))) for note in part.notes)
    told = [control for control in part.controls if control.tick < boundary]
    released = []
    if [c.second >= PEDAL_DOWN for c in told if c.is_pedal][-1:] == [True]:
        released.append(Control(boundary, CONTROLLER, PEDAL))
    if [c[2:] for c in told if c.kind == BEND][-1:] not in ([], [NO_BEND]):
        released.append(Control(boundary, BEND, *NO_BEND))
    return replace(part, notes=tuple(sorted([*old, *new.notes])), controls=(*told, *released, *new.controls))


def _free_channel(score: Score) -> int:
    """One that no part has, nor drums; where there is none, that of the last part, whose music is over."""
    taken = {part.channel for part in score.parts}
    free = (channel for channel in range(16) if channel not in taken and channel != DRUM_CHANNEL)
    return next(free, score.pitched[-1].channel)


def _pedal_by_chords(score: Score, start: int) -> Spans:
    """The pedal changed with every chord and every bar, as pianists do: pressed a little after it was let go."""
    changes = {chord.tick for chord in score.chords} | set(range(start, score.end + 1, TICKS_PER_BAR))
    ticks = sorted(tick for tick in changes if start <= tick <= score.end)
    return tuple((tick + PEDAL_TICKS, following) for tick, following in pairwise(ticks))


# ------------------------------------------------------------------ REMI


class RemiToken(NamedTuple):
    """One REMI token (Huang and Yang 2020): an attribute, or "family" for bar and end, and its id."""

    attribute: str
    id: int


def to_remi(words: Iterable[Word]) -> list[RemiToken]:
    """The same music as a REMI sequence: one token an attribute instead of one word an event.

    Bar; Position; Chord and Tempo where they change; then Pitch, Velocity, Duration for each note.
    """
    tokens: list[RemiToken] = []
    chord = tempo = 0
    for word in words:
        match word.family:
            case Family.METRICAL:
                tokens.append(RemiToken("position", word.position))
                if word.chord != chord:
                    tokens.append(RemiToken("chord", word.chord))
                if word.tempo != tempo:
                    tokens.append(RemiToken("tempo", word.tempo))
                chord, tempo = word.chord, word.tempo
            case Family.NOTE:
                names = ("pitch", "velocity", "duration")
                tokens += [RemiToken(name, getattr(word, name)) for name in names]
            case _:
                tokens.append(RemiToken("family", word.family))
    return tokens


def from_remi(tokens: Iterable[RemiToken]) -> list[Word]:
    """The inverse of to_remi."""
    words: list[Word] = []
    chord = tempo = 0
    for attribute, value in tokens:
        match attribute:
            case "family":
                words.append(END if value == Family.END else BAR)
            case "position":
                words.append(Word(Family.METRICAL, position=value, chord=chord, tempo=tempo))
            case "chord":
                chord = value
                words[-1] = words[-1]._replace(chord=chord)
            case "tempo":
                tempo = value
                words[-1] = words[-1]._replace(tempo=tempo)
            case "pitch":
                words.append(Word(Family.NOTE, pitch=value))
            case _:
                words[-1] = words[-1]._replace(**{attribute: value})
    return words


def remi_vocabulary_size(vocabulary: Vocabulary) -> int:
    """How many different REMI tokens there are: bar, end, and every value of the six other attributes."""
    return 2 + sum(size - 1 for name, size in vocabulary.sizes.items() if name != "family")
