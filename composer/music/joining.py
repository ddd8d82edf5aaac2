"""What was composed, put into the score that it was composed to."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from composer.music.chords import chords_of
from composer.music.drums import Drums, going_on
from composer.music.meter import TICKS_PER_BEAT
from composer.music.roles import with_roles
from composer.music.score import (
    BEND,
    CONTROLLER,
    DRUM_CHANNEL,
    EARLY_TICKS,
    NO_BEND,
    PEDAL,
    PEDAL_DOWN,
    PROGRAM,
    Chord,
    Control,
    Note,
    Part,
    Role,
    Score,
    Spans,
    TempoChange,
    cut_at_repeats,
    pedal_of,
    pedalling,
)

PEDAL_TICKS = TICKS_PER_BEAT // 16  # so long the pedal is up between two chords
NAMES = {Role.UNSAID: "Segue", Role.ACCOMPANIMENT: "Accompaniment", Role.INNER: "Accompaniment"}  # of new parts
NAMES |= {Role.MELODY: "Melody", Role.BASS: "Bass"}
PIANO, BASS = 0, 32  # programs of new parts
SAME_TEMPO = 1.04  # nearer than the steps of a vocabulary's tempos
STEADY_BARS, MOST_STEADY = 16, 0.75  # the last bars given, and the share of them that has one tempo if it is steady
ENDING_BARS = 4  # in which an end may slow down


def joined(
    score: Score, new: Score, first: int, beside: bool = False, drums: Drums = Drums.PATTERN, ending: bool = False
) -> Score:
    """The score with new bars from number `first` on, in its parts by their roles.

    What it has outside of them stays as it is. Behind its end new bars are added: at its tempo, where that is steady,
    also behind a last ritardando; else with tempos of their own. Within it its own tempos hold. Where the score is
    played with the pedal, the new bars are pedalled by their chords.

    Args:
        score: of any parts.
        new: bars from tick 0, its parts by role.
        first: number of the score's bar that becomes the first new one, or how many it has.
        beside: whether what the score has in these bars stays beside what is new.
        drums: what they do behind the score's end.
        ending: whether the last new bars are an end, which may slow down.
    """
    start = score.line(first)
    whole = _longer(score, new, first)
    end = whole.line(first + len(new.bars))
    new = replace(new, parts=tuple(part.moved(start) for part in new.parts))
    chords = tuple(replace(chord, tick=chord.tick + start) for chord in new.chords)
    pedal = _pedal_by_chords(whole, chords, start, end)
    parts = _parts(score, new, start, end, pedal, beside)
    if drums is not Drums.OFF and start == score.end:
        fills = drums is Drums.FILLS
        parts = tuple(going_on(part, score, whole, fills=fills) if part.is_drum else part for part in parts)
    return replace(
        whole,
        parts=parts,
        tempos=_tempos(score, new, ending) if start == score.end else score.tempos,
        chords=_between(chords_of(score), chords, _silent_until(chords, end) if beside else start, end),
    )


def _longer(score: Score, new: Score, first: int) -> Score:
    """With bars for all that is new; of its last meter, where theirs are as long."""
    start = score.line(first)
    meter = score.bars[-1].meter
    more = [bar.later(start) for bar in new.bars[len(score.bars) - first :]]
    bars = (bar._replace(meter=meter) if bar.ticks == meter.ticks else bar for bar in more)
    return replace(score, bars=(*score.bars, *bars))


def _tempos(score: Score, new: Score, ending: bool) -> tuple[TempoChange, ...]:
    """Those of a score, and of new bars behind its end."""
    steady = _steady_tempo(score)
    if steady is None:
        begin, *changes = new.tempos
    else:
        begin, changes = TempoChange(0, steady), _slowing_down(new, steady) if ending else []
    if not _same_tempo(begin.bpm, score.tempos[-1].bpm):
        changes = [begin, *changes]
    return (*score.tempos, *(replace(tempo, tick=tempo.tick + score.end) for tempo in changes))


def _steady_tempo(score: Score) -> float | None:
    """The tempo of most of the last bars; None where they have no one tempo."""
    start = score.bars[-STEADY_BARS:][0].start
    spans = pairwise([*score.tempos, TempoChange(score.end, 0)])
    held = [(one.bpm, max(0, min(two.tick, score.end) - max(one.tick, start))) for one, two in spans]
    for bpm, _ in sorted(held, key=lambda span: -span[1]):
        near = sum(ticks for other, ticks in held if _same_tempo(bpm, other))
        if near >= MOST_STEADY * (score.end - start):
            return score.tempos[-1].bpm if _same_tempo(bpm, score.tempos[-1].bpm) else bpm
    return None


def _same_tempo(one: float, other: float) -> bool:
    return 1 / SAME_TEMPO < one / other < SAME_TEMPO


def _slowing_down(new: Score, bpm: float) -> list[TempoChange]:
    """The changes in its last bars, as many times slower than bpm as they are than what was before; none is faster."""
    start = new.bars[-ENDING_BARS:][0].start
    before = [tempo.bpm for tempo in new.tempos if tempo.tick <= start][-1]
    late = (tempo for tempo in new.tempos if tempo.tick > start)
    return [TempoChange(tempo.tick, bpm * min(1.0, tempo.bpm / before)) for tempo in late]


def _silent_until(new: Sequence[Chord], end: int) -> int:
    """Where the first of them begins: until then what they stand beside is heard alone."""
    return new[0].tick if new else end


def _between(old: Sequence[Chord], new: Sequence[Chord], start: int, end: int) -> tuple[Chord, ...]:
    """The old changes, from start up to end the new ones; the first of all at tick 0."""
    before = [chord for chord in old if chord.tick < start]
    if not before and not (new and new[0].tick == 0):
        before = [Chord(0, None)]  # silence at the beginning
    held = [chord for chord in old if chord.tick <= end][-1:]
    behind = [chord for chord in old if chord.tick > end]
    back = [replace(chord, tick=end) for chord in held if behind or chord.tick == end]
    return (*before, *new, *back, *behind)


# ------------------------------------------------------------------ parts


def _parts(score: Score, new: Score, start: int, end: int, pedal: Spans, beside: bool) -> tuple[Part, ...]:
    """The parts with what is new for each; what no part can play gets one of its own."""
    parts = list(score.parts)
    roles = [part.role for part in with_roles(score).parts]
    playing = [index for index, part in enumerate(parts) if part.notes and not part.is_drum]
    shares: dict[int, list[Note]] = {} if beside else {index: [] for index in playing}
    unplayed: dict[str, Part] = {}
    for part in new.parts:
        theirs = [index for index in playing if roles[index] is part.role]
        if beside or not theirs:
            name = NAMES[part.role]
            before = unplayed[name].notes if name in unplayed else ()
            unplayed[name] = replace(part, name=name, notes=cut_at_repeats([*before, *part.notes]))
            continue
        for note in part.notes:
            nearest = min(theirs, key=lambda index: abs(parts[index].height - note.pitch))
            shares[nearest].append(note)
    for index, notes in shares.items():
        parts[index] = _replaced(parts[index], notes, start, end, pedal, is_behind=start >= score.end)
    for part in unplayed.values():
        parts.append(_of_its_own(part, parts, start, pedal))
    return tuple(parts)


def _of_its_own(new: Part, parts: Sequence[Part], start: int, pedal: Spans) -> Part:
    """On a channel that no part has, nor drums; where there is none, on that of the last pitched part, as it sounds."""
    taken = {part.channel: part for part in parts}
    free = (channel for channel in range(16) if channel not in taken and channel != DRUM_CHANNEL)
    channel = next(free, [part.channel for part in parts if not part.is_drum][-1])
    program = taken[channel].program if channel in taken else BASS if new.role is Role.BASS else PIANO
    pedalled = pedalling(pedal) if any(pedal_of([part]) for part in parts if not part.is_drum) else ()
    controls = (Control(start, PROGRAM, program), *pedalled)
    return replace(new, program=program, channel=channel, controls=controls)


def _replaced(part: Part, new: Sequence[Note], start: int, end: int, pedal: Spans, *, is_behind: bool) -> Part:
    """The part with these notes from start up to end. A key that is down is let go before it is struck again. What the
    part was told stays, but for pedal and bends in between, which are let go at start and hold again from end.

    is_behind: whether start is the end of the score: no note of its own gives way, and it is told nothing more
    """
    old = [note for note in part.notes if not start <= note.start + EARLY_TICKS < end or is_behind]
    kept = _until_struck(old, new) + _until_struck(new, [note for note in old if note.start >= start])
    return replace(part, notes=tuple(sorted(kept)), controls=_told(part, start, end, pedal, is_behind=is_behind))


def _until_struck(notes: Sequence[Note], others: Sequence[Note]) -> list[Note]:
    """The notes, each ending at the latest where another one strikes its key."""
    struck: dict[int, list[int]] = {}
    for note in sorted(others):
        struck.setdefault(note.pitch, []).append(note.start)

    def until(note: Note) -> Note:
        again = struck.get(note.pitch, [])
        at = bisect_left(again, note.start + 1)
        return replace(note, end=min(note.end, again[at])) if at < len(again) else note

    return [until(note) for note in notes]


def _told(part: Part, start: int, end: int, pedal: Spans, *, is_behind: bool) -> tuple[Control, ...]:
    before = [control for control in part.controls if control.tick < start]
    inside = [c for c in part.controls if start <= c.tick < end and not (c.is_pedal or c.kind == BEND)]
    behind = [control for control in part.controls if control.tick >= end]
    held = [control for control in part.controls if control.tick < end]
    released = [Control(start, CONTROLLER, PEDAL)] if _is_down(before) else []
    released += [Control(start, BEND, *NO_BEND)] if _bend(before) != NO_BEND else []
    again = [Control(end, CONTROLLER, PEDAL, 127)] if _is_down(held) else []
    again += [Control(end, BEND, *_bend(held))] if _bend(held) != NO_BEND else []
    pedalled = pedalling(pedal) if any(control.is_pedal for control in part.controls) and pedal_of([part]) else ()
    if is_behind:
        return (*before, *released, *pedalled)
    told = sorted([*inside, *pedalled], key=lambda control: control.tick)
    return (*before, *released, *told, *again, *behind)


def _is_down(told: Sequence[Control]) -> bool:
    return [control.second >= PEDAL_DOWN for control in told if control.is_pedal][-1:] == [True]


def _bend(told: Sequence[Control]) -> tuple[int, ...]:
    return next((control[2:] for control in reversed(told) if control.kind == BEND), NO_BEND)


def _pedal_by_chords(score: Score, chords: Sequence[Chord], start: int, end: int) -> Spans:
    """The pedal changed with every chord and every bar, as pianists do: pressed a little after it was let go."""
    changes = {chord.tick for chord in chords} | {*score.bar_starts, score.end}
    ticks = sorted(tick for tick in changes if start <= tick <= end)
    return tuple((tick + PEDAL_TICKS, following) for tick, following in pairwise(ticks))
