"""Scores to compound words and back.

decode(encode(score)) is quantise(score), but for the names and programs of parts: on the grid of the vocabulary nothing
is lost. What quantise changes in real music is measured by `./run bench words`.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import TypeVar

from composer.errors import SettingsError
from composer.music.chords import chords_of
from composer.music.grid import TICKS_PER_POSITION, snap
from composer.music.meter import TICKS_PER_BEAT, Bar, Meter
from composer.music.score import DEFAULT_BPM, Chord, Note, Part, Role, Score, TempoChange, cut_at_repeats
from composer.music.words import Family, Vocabulary, Word

Change = TypeVar("Change", TempoChange, Chord)

STEADY_BARS = 4  # tempo is averaged over so many bars before it becomes a word


# ------------------------------------------------------------------ Score -> words


def quantise(score: Score, vocabulary: Vocabulary) -> Score:
    """Move every time, velocity and tempo to the nearest value that the vocabulary has.

    Pitched notes only, in a part a role; those off the piano are moved by octaves. Notes of one pitch and role on one
    position merge (the louder and the longer wins), and a note ends where its pitch starts again in its role. Tempo and
    chord stand at tick 0 at the latest, and only where they change. Onsets behind the last bar are left out.

    Raises:
        SettingsError: a bar has a length that the vocabulary does not know.
    """
    bars = tuple(_known(bar, vocabulary) for bar in score.bars)
    played = score.tempos or (TempoChange(0, DEFAULT_BPM),)
    tempos = [replace(t, bpm=vocabulary.tempos[vocabulary.tempo_id(t.bpm) - 1]) for t in played]
    return Score(
        parts=_quantise_parts(score.pitched, bars, vocabulary),
        bars=bars,
        tempos=_changes_on_grid(tempos, bars),
        chords=_changes_on_grid(score.chords or [Chord(0, None)], bars),
    )


def to_words(score: Score, vocabulary: Vocabulary) -> list[Word]:
    """The words of played music, as the model knows them from training: chords found, tempo steadied."""
    return encode(replace(steady_tempo(score), chords=chords_of(score)), vocabulary)


def encode(score: Score, vocabulary: Vocabulary) -> list[Word]:
    """The words of a score, quantised on the way: for each bar a bar word, then its positions from left to right.

    A position gets a metrical word where a note starts or where tempo or chord change; each metrical word carries the
    tempo and the chord in force, so that the model has them at hand. Its notes follow by role, then from the highest
    down. No end word: the piece may go on. Raises SettingsError as quantise does.
    """
    score = quantise(score, vocabulary)
    onsets: dict[int, list[tuple[Role, Note]]] = {}
    for tick in [*(tempo.tick for tempo in score.tempos), *(chord.tick for chord in score.chords)]:
        onsets[tick] = []
    for part in score.parts:
        for note in part.notes:
            onsets.setdefault(note.start, []).append((part.role, note))
    tempo_ids = {t.tick: vocabulary.tempo_id(t.bpm) for t in score.tempos}
    chord_ids = {c.tick: vocabulary.chord_ids[c.name] for c in score.chords}
    ticks = sorted(onsets)
    words: list[Word] = []
    tempo = chord = at = 0
    for bar in score.bars:
        words.append(Word(Family.BAR, meter=vocabulary.meter_id(bar.meter, bar.ticks) or 0))
        behind = bisect_left(ticks, bar.end)
        for tick in ticks[at:behind]:
            tempo, chord = tempo_ids.get(tick, tempo), chord_ids.get(tick, chord)
            position = (tick - bar.start) // TICKS_PER_POSITION + 1
            words.append(Word(Family.METRICAL, position=position, chord=chord, tempo=tempo))
            words += [
                _note_word(role, note, vocabulary)
                for role, note in sorted(onsets[tick], key=lambda pair: (pair[0], -pair[1].pitch))
            ]
        at = behind
    return words


def steady_tempo(score: Score) -> Score:
    """The score with one tempo for every STEADY_BARS bars, by how long they last.

    Transcribed music has a new tempo on every beat. Drawn word by word that is noise; what a listener follows is the
    pulse over a phrase. The notes stay on their ticks.
    """
    bounds = [*score.bar_starts[::STEADY_BARS], score.end]
    seconds = [score.seconds_at(tick) for tick in bounds]
    tempos = tuple(
        TempoChange(start, (stop - start) / TICKS_PER_BEAT * 60 / (after - before))
        for (start, stop), (before, after) in zip(pairwise(bounds), pairwise(seconds), strict=True)
    )
    return replace(score, tempos=tempos)


def _known(bar: Bar, vocabulary: Vocabulary) -> Bar:
    """The bar with a meter that the vocabulary has, as long as it is."""
    found = vocabulary.meter_id(bar.meter, bar.ticks)
    if found is None:
        raise SettingsError(f"a bar of {bar.ticks / TICKS_PER_BEAT:g} quarters")
    return bar._replace(meter=Meter.parse(vocabulary.meters[found - 1]))


def _quantise_parts(parts: Sequence[Part], bars: Sequence[Bar], vocabulary: Vocabulary) -> tuple[Part, ...]:
    """All parts are divided alike: what one of them leaves open another may show."""
    notes = [(part.role, note) for part in parts for note in part.notes]
    if not notes:
        return ()
    starts = snap([note.start for _, note in notes], bars)
    merged: dict[tuple[Role, int, int], Note] = {}
    for (role, note), start in zip(notes, map(int, starts), strict=True):
        if start >= bars[-1].end:
            continue
        positions = (note.end - note.start) / TICKS_PER_POSITION
        length = vocabulary.durations[vocabulary.duration_id(positions) - 1] * TICKS_PER_POSITION
        velocity = vocabulary.velocities[vocabulary.velocity_id(note.velocity) - 1]
        pitch = _folded(note.pitch, vocabulary)
        if twin := merged.get((role, start, pitch)):
            length, velocity = max(length, twin.end - start), max(velocity, twin.velocity)
        merged[role, start, pitch] = Note(start, pitch, start + length, velocity)
    by_role = {role: [note for (its, *_), note in merged.items() if its is role] for role in Role}
    return tuple(
        Part(tuple(_shortened(note, vocabulary) for note in cut_at_repeats(notes_of)), role)
        for role, notes_of in by_role.items()
        if notes_of
    )


def _folded(pitch: int, vocabulary: Vocabulary) -> int:
    """The pitch, moved by octaves on to the piano."""
    lowest, highest = vocabulary.pitches[0], vocabulary.pitches[-1]
    if pitch < lowest:
        return pitch + -(-(lowest - pitch) // 12) * 12
    return pitch - -(-(pitch - highest) // 12) * 12 if pitch > highest else pitch


def _shortened(note: Note, vocabulary: Vocabulary) -> Note:
    """The note with the longest duration of the vocabulary that is not longer than it is."""
    longest = max(1, (note.end - note.start) // TICKS_PER_POSITION)
    positions = vocabulary.durations[bisect_right(vocabulary.durations, longest) - 1]
    return replace(note, end=note.start + positions * TICKS_PER_POSITION)


def _changes_on_grid(changes: Sequence[Change], bars: Sequence[Bar]) -> tuple[Change, ...]:
    """Changes at the nearest positions, the last one winning where several fall on one, repeats left out."""
    line = [bar.start for bar in bars]
    at: dict[int, Change] = {}
    for change in changes:
        start = line[max(0, bisect_left(line, change.tick + 1) - 1)]
        steps = (change.tick - start + TICKS_PER_POSITION // 2) // TICKS_PER_POSITION
        at[start + steps * TICKS_PER_POSITION] = change
    kept: list[Change] = [replace(at[min(at)], tick=0)]  # what holds first held from the start
    for tick in sorted(at):
        change = replace(at[tick], tick=tick)
        if tick < bars[-1].end and replace(change, tick=0) != replace(kept[-1], tick=0):
            kept.append(change)
    return tuple(kept)


def _note_word(role: Role, note: Note, vocabulary: Vocabulary) -> Word:
    return Word(
        Family.NOTE,
        pitch=vocabulary.pitch_id(note.pitch),
        velocity=vocabulary.velocity_id(note.velocity),
        duration=vocabulary.duration_id((note.end - note.start) / TICKS_PER_POSITION),
        role=role + 1,
    )


# ------------------------------------------------------------------ words -> Score


def decode(words: Iterable[Word], vocabulary: Vocabulary) -> Score:
    """The score that the words stand for, a part a role. They have to follow the grammar, a bar word first."""
    bars: list[Bar] = []
    notes: dict[Role, list[Note]] = {role: [] for role in Role}
    tempos: list[TempoChange] = []
    chords: list[Chord] = []
    tick = 0
    for word in words:
        match word.family:
            case Family.BAR:
                meter = Meter.parse(vocabulary.meters[word.meter - 1])
                tick = bars[-1].end if bars else 0
                bars.append(Bar(tick, tick + meter.ticks, meter))
            case Family.METRICAL:
                tick = bars[-1].start + (word.position - 1) * TICKS_PER_POSITION
                tempos.append(TempoChange(tick, vocabulary.tempos[word.tempo - 1]))
                chords.append(vocabulary.chord_at(tick, word.chord))
            case Family.NOTE:
                end = tick + vocabulary.durations[word.duration - 1] * TICKS_PER_POSITION
                pitch, velocity = vocabulary.pitches[word.pitch - 1], vocabulary.velocities[word.velocity - 1]
                notes[Role(word.role - 1)].append(Note(tick, pitch, end, velocity))
    return Score(
        parts=tuple(Part(cut_at_repeats(played), role) for role, played in notes.items() if played),
        bars=tuple(bars),
        tempos=_changes_on_grid(tempos or [TempoChange(0, DEFAULT_BPM)], bars),
        chords=_changes_on_grid(chords or [Chord(0, None)], bars),
    )
