"""A score as MusicXML 4.0: staves, voices, ties, beams, tuplets, key and meter, chord symbols, tempo."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from composer.music.grid import POSITIONS_PER_QUARTER, TICKS_PER_POSITION
from composer.music.key import Key, find_key
from composer.music.meter import Bar
from composer.music.score import Note, Part, Role, Score
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.sheet.hands import hands
from composer.rendering.sheet.layout import Chord, Grid, Voice, bars_of, beat_lines, grid_of
from composer.rendering.sheet.spelling import fifths_of, spell, spell_class

PIANOS = range(8)  # General MIDI
LOW = 60  # a staff whose notes lie below it in the mean gets a bass clef
# Note values by positions: name and dots. Those of a tuplet are half as long again.
VALUES = {3: ("16th", 0), 6: ("eighth", 0), 9: ("eighth", 1), 12: ("quarter", 0), 18: ("quarter", 1), 24: ("half", 0)}
VALUES |= {36: ("half", 1), 48: ("whole", 0)}
BEAMS = {"16th": 2, "eighth": 1}
ACCIDENTALS = {-2: "flat-flat", -1: "flat", 0: "natural", 1: "sharp", 2: "double-sharp"}
KINDS = {
    "": ("major", ""),
    "m": ("minor", "m"),
    "7": ("dominant", "7"),
    "maj7": ("major-seventh", "maj7"),
    "m7": ("minor-seventh", "m7"),
    "sus2": ("suspended-second", "sus2"),
    "sus4": ("suspended-fourth", "sus4"),
    "dim": ("diminished", "dim"),
    "m7b5": ("half-diminished", "m7b5"),
    "dim7": ("diminished-seventh", "dim7"),
    "aug": ("augmented", "aug"),
}
DRUMS = 10  # the channel, counted from 1
SIGNATURE = "FCGDAEB"  # in the order of the sharps


@dataclass(frozen=True)
class Staves:
    """What one player reads: one staff or two. program: General MIDI, for programs that play the sheet"""

    name: str
    notes: tuple[tuple[Note, ...], ...]
    program: int = 0

    @property
    def clefs(self) -> tuple[str, ...]:
        if len(self.notes) == 2:
            return "G", "F"
        pitches = [note.pitch for note in self.notes[0]]
        return ("F" if pitches and sum(pitches) / len(pitches) < LOW else "G",)


def staves_of(score: Score) -> list[Staves]:
    """A melody that is known as one on a staff of its own; pianos on two; every other instrument on its own."""
    parts = [part for part in score.pitched if part.notes]
    melodies = [part for part in parts if part.role is Role.MELODY]
    alone = melodies if len(melodies) < len(parts) else []
    others = [part for part in parts if part not in alone]
    keys = [part for part in others if part.program in PIANOS]
    players = [Staves(part.name or "Melody", (part.notes,), part.program) for part in alone]
    players += [_own(part) for part in sorted(others, key=attrgetter("height"), reverse=True) if part not in keys]
    if keys or not players:
        notes = sorted({(note.start, note.pitch): note for part in keys for note in part.notes}.values())
        right, left = hands(notes)
        players.append(Staves("Piano", (tuple(right), tuple(left)), keys[0].program if keys else 0))
    return players


def _own(part: Part) -> Staves:
    return Staves(part.name or INSTRUMENTS[part.program], (part.notes,), part.program)


def to_musicxml(score: Score, title: str, boundary: int | None = None) -> bytes:
    """The sheet.

    Args:
        score: with its chords, where they are to stand above the staff.
        title: of the piece.
        boundary: the number of the bar, from 0, from which on it was composed; None if nothing was.
    """
    root = Element("score-partwise", version="4.0")
    SubElement(SubElement(root, "work"), "work-title").text = title
    players, grid = staves_of(score), grid_of(score)
    listed = SubElement(root, "part-list")
    for number, player in enumerate(players, start=1):
        entry = SubElement(listed, "score-part", id=f"P{number}")
        SubElement(entry, "part-name").text = player.name
        _instrument(entry, f"P{number}-I1", player, channel=number + (number >= DRUMS))
    for number, player in enumerate(players, start=1):
        writer = _Writer(score, player, grid, boundary, first=number == 1)
        writer.write(SubElement(root, "part", id=f"P{number}"))
    indent(root)
    text: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _instrument(entry: Element, name: str, player: Staves, channel: int) -> None:
    """channel: counted from 1"""
    SubElement(SubElement(entry, "score-instrument", id=name), "instrument-name").text = INSTRUMENTS[player.program]
    instrument = SubElement(entry, "midi-instrument", id=name)
    SubElement(instrument, "midi-channel").text = str(min(channel, 16))
    SubElement(instrument, "midi-program").text = str(player.program + 1)


class _Writer:
    """One player's part."""

    def __init__(self, score: Score, player: Staves, grid: Grid, boundary: int | None, first: bool) -> None:
        self.score, self.player, self.boundary, self.first = score, player, boundary, first
        key: Key | None = find_key(score.notes)
        self.fifths, self.minor = fifths_of(key), bool(key and key.minor)
        self.staves = [bars_of(notes, score, grid) for notes in player.notes]

    def write(self, part: Element) -> None:
        meter = None
        for number, bar in enumerate(self.score.bars):
            measure = SubElement(part, "measure", number=str(number + 1))
            if bar.ticks < bar.meter.ticks:
                measure.set("implicit", "yes")
            self._attributes(measure, number, bar.meter != meter and bar)
            meter = bar.meter
            if self.first:
                self._directions(measure, number, bar)
            self._voices(measure, number, bar)
            if number + 1 == len(self.score.bars) or number + 1 == self.boundary:
                style = "light-light" if number + 1 == self.boundary else "light-heavy"
                SubElement(SubElement(measure, "barline", location="right"), "bar-style").text = style

    def _attributes(self, measure: Element, number: int, changed: Bar | bool) -> None:
        if number and not changed:
            return
        attributes = SubElement(measure, "attributes")
        if number == 0:
            SubElement(attributes, "divisions").text = str(POSITIONS_PER_QUARTER)
            SubElement(SubElement(attributes, "key"), "fifths").text = str(self.fifths)
        if isinstance(changed, Bar):
            time = SubElement(attributes, "time")
            SubElement(time, "beats").text = str(changed.meter.numerator)
            SubElement(time, "beat-type").text = str(changed.meter.denominator)
        if number == 0:
            if len(self.staves) > 1:
                SubElement(attributes, "staves").text = str(len(self.staves))
            for staff, sign in enumerate(self.player.clefs, start=1):
                clef = SubElement(attributes, "clef", number=str(staff))
                SubElement(clef, "sign").text = sign
                SubElement(clef, "line").text = "2" if sign == "G" else "4"

    def _directions(self, measure: Element, number: int, bar: Bar) -> None:
        """The tempo at the beginning, and where the composed part begins."""
        if number == 0:
            compound = bar.meter.is_compound
            quarters = self.score.tempos[0].bpm
            beats = round(quarters / 1.5 if compound else quarters)
            direction = SubElement(measure, "direction", placement="above")
            metronome = SubElement(SubElement(direction, "direction-type"), "metronome")
            SubElement(metronome, "beat-unit").text = "quarter"
            if compound:
                SubElement(metronome, "beat-unit-dot")
            SubElement(metronome, "per-minute").text = str(beats)
            SubElement(direction, "sound", tempo=f"{quarters:g}")
        if number == self.boundary and number:
            kind = SubElement(SubElement(measure, "direction", placement="above"), "direction-type")
            SubElement(kind, "words", {"font-style": "italic"}).text = "composed"

    def _voices(self, measure: Element, number: int, bar: Bar) -> None:
        length = bar.ticks // TICKS_PER_POSITION
        symbols = list(self._symbols(bar)) if self.first else []
        lines = beat_lines(bar.meter)
        for staff, bars in enumerate(self.staves, start=1):
            accidentals: dict[tuple[str, int], int] = {}
            # Both voices of a staff share its accidentals, from left to right.
            shown = _accidentals(bars[number], self.fifths, self.minor, accidentals)
            for index, voice in enumerate(bars[number]):
                if staff > 1 or index:
                    backup = SubElement(measure, "backup")
                    SubElement(backup, "duration").text = str(length)
                label = str((staff - 1) * 2 + index + 1)
                beams = _beams(voice, lines)
                for at, chord in enumerate(voice):
                    while symbols and staff == 1 and index == 0 and symbols[0][0] < chord.end:
                        self._symbol(measure, symbols.pop(0), chord.start)
                    self._chord(measure, chord, length, label, staff, len(bars[number]) > 1, index, beams[at], shown)

    def _chord(
        self,
        measure: Element,
        chord: Chord,
        length: int,
        voice: str,
        staff: int,
        several: bool,
        index: int,
        beams: Sequence[str],
        shown: dict[tuple[int, int], str],
    ) -> None:
        whole_rest = not chord.pitches and chord.length == length
        kind, dots = ("whole", 0) if whole_rest else _value(chord)
        for number, pitch in enumerate(chord.pitches or (None,)):
            note = SubElement(measure, "note")
            if pitch is None and several and index:
                note.set("print-object", "no")
            if number:
                SubElement(note, "chord")
            if pitch is None:
                rest = SubElement(note, "rest")
                if whole_rest:
                    rest.set("measure", "yes")
            else:
                name = spell(pitch, self.fifths, self.minor)
                written = SubElement(note, "pitch")
                SubElement(written, "step").text = name.step
                if name.alter:
                    SubElement(written, "alter").text = str(name.alter)
                SubElement(written, "octave").text = str(name.octave)
            SubElement(note, "duration").text = str(chord.length)
            ties = [kind for kind, tied in (("stop", chord.tied_back), ("start", chord.tied_on)) if pitch in tied]
            for tie in ties:
                SubElement(note, "tie", type=tie)
            SubElement(note, "voice").text = voice
            SubElement(note, "type").text = kind
            for _ in range(dots):
                SubElement(note, "dot")
            if pitch is not None and (sign := shown.get((chord.start, pitch))) and pitch not in chord.tied_back:
                SubElement(note, "accidental").text = sign
            if chord.tuplet:
                ratio = SubElement(note, "time-modification")
                SubElement(ratio, "actual-notes").text = str(chord.tuplet)
                SubElement(ratio, "normal-notes").text = str(chord.tuplet * 2 // 3)
            if several and pitch is not None:
                SubElement(note, "stem").text = "down" if index else "up"
            SubElement(note, "staff").text = str(staff)
            if number == 0:
                for level, beam in enumerate(beams, start=1):
                    SubElement(note, "beam", number=str(level)).text = beam
            if ties or (chord.edge and not number):
                notations = SubElement(note, "notations")
                for tie in ties:
                    SubElement(notations, "tied", type=tie)
                if chord.edge and not number:
                    SubElement(notations, "tuplet", type=chord.edge)

    def _symbols(self, bar: Bar) -> Iterator[tuple[int, str, int | None]]:
        """The chords that begin in a bar: position, quality, root."""
        for chord in self.score.chords:
            if bar.start <= chord.tick < bar.end:
                yield (chord.tick - bar.start) // TICKS_PER_POSITION, chord.quality, chord.root

    def _symbol(self, measure: Element, symbol: tuple[int, str, int | None], at: int) -> None:
        place, quality, root = symbol
        if root is None:
            return
        harmony = SubElement(measure, "harmony")
        step, alter = spell_class(root, self.fifths, self.minor)
        written = SubElement(harmony, "root")
        SubElement(written, "root-step").text = step
        if alter:
            SubElement(written, "root-alter").text = str(alter)
        kind, text = KINDS[quality]
        SubElement(harmony, "kind", text=text).text = kind
        if place != at:
            SubElement(harmony, "offset").text = str(place - at)
        SubElement(harmony, "staff").text = "1"


def _accidentals(
    voices: Sequence[Voice], fifths: int, minor: bool, state: dict[tuple[str, int], int]
) -> dict[tuple[int, int], str]:
    """By position and pitch, the accidental that has to be written there."""
    shown: dict[tuple[int, int], str] = {}
    chords = sorted((chord for voice in voices for chord in voice), key=lambda chord: chord.start)
    for chord in chords:
        for pitch in chord.pitches:
            name = spell(pitch, fifths, minor)
            place = name.step, name.octave
            if state.get(place, _signature(name.step, fifths)) != name.alter:
                shown[chord.start, pitch] = ACCIDENTALS[name.alter]
            state[place] = name.alter
    return shown


def _signature(step: str, fifths: int) -> int:
    """What the key signature does to a letter."""
    if fifths >= 0:
        return int(step in SIGNATURE[:fifths])
    return -int(step in SIGNATURE[fifths:])


def _value(chord: Chord) -> tuple[str, int]:
    """The name of a note value, and its dots."""
    return VALUES[chord.length * 3 // 2 if chord.tuplet else chord.length]


def _beams(voice: Voice, lines: Sequence[int]) -> list[list[str]]:
    """For each chord of a voice the state of each of its beams; none where it has no flag or stands alone."""

    def flags(chord: Chord) -> int:
        return BEAMS.get(_value(chord)[0], 0) if chord.pitches else 0

    def group(chord: Chord) -> tuple[int, bool]:
        return max(line for line in lines if line <= chord.start), flags(chord) > 0

    result: list[list[str]] = []
    for (_, beamed), some in groupby(voice, key=group):
        run = list(some)
        result += _run([flags(chord) for chord in run]) if beamed and len(run) > 1 else [[] for _ in run]
    return result


def _run(flags: Sequence[int]) -> list[list[str]]:
    """The beams of some chords that hang together. flags: how many each has"""
    rows: list[list[str]] = [[] for _ in flags]
    for level in range(1, max(flags) + 1):
        for at, count in enumerate(flags):
            if count < level:
                continue
            before, behind = at > 0 and flags[at - 1] >= level, at + 1 < len(flags) and flags[at + 1] >= level
            if before and behind:
                rows[at].append("continue")
            elif behind:
                rows[at].append("begin")
            elif before:
                rows[at].append("end")
            else:
                rows[at].append("backward hook" if at else "forward hook")
    return rows
