"""Score -> PNG: the piano roll, row under row like a page of music, opening and continuation told apart by colour.

Cool notes on a blue ground were given, each part in a colour of its own, warm ones on a plain ground were composed, a
bright line stands between them; the louder a note, the brighter. Drums are left out. Discord shows a picture at 550
pixels, half of WIDTH, so nothing is written smaller than 20 pixels. Long pieces get more bars a row and lower rows, so
that 520 bars make a picture of WIDTH x 4000.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import NamedTuple

from PIL import Image

from composer.music.meter import TICKS_PER_BEAT, Bar
from composer.music.score import EARLY_TICKS, Chord, Note, Part, Score
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.pen import (
    BACKGROUND,
    BLACK_KEY,
    CHORD_SIZE,
    CONTINUATION,
    DIVIDER,
    FAINT,
    LOUD,
    OPENING,
    PARTS,
    SMALL_SIZE,
    SOFT,
    TITLE,
    TITLE_SIZE,
    WHITE_KEY,
    WIDTH,
    Box,
    Palette,
    Pen,
    in_ascii,
    mix,
    shade,
    shortened,
    text_width,
)

# Lengths are pixels of the finished picture.
LEFT, RIGHT = 82, 20  # margins: keys and octave names stand at the left
KEYS_WIDTH = 26
TITLE_HEIGHT, LEGEND_HEIGHT = 50, 44
CHORDS_HEIGHT, NUMBERS_HEIGHT, ROW_GAP = 34, 28, 12
ROWS_HEIGHT = 520  # of all rows of notes together, as long as they do not get lower than MIN_ROW_HEIGHT
MIN_ROW_HEIGHT, MAX_ROW_HEIGHT = 150, 380
MIN_SEMITONE = 2.5  # height of a lane
MIN_NOTE_WIDTH, MIN_NOTE_HEIGHT = 3.5, 4.5  # more than the lane where that is narrow
LEGEND_WIDTH = 128  # of an entry beside its text
TEXT_INDENT, TEXT_GAP = 6, 10  # after the bar line or the divider; between one chord name and the next

BEAT_SPACING = 12  # from one beat's line to the next, at least
NUMBER_SPACING = 48  # from one bar number to the next, at least

MIN_SEMITONES = 24  # two octaves at least are shown
SPARE_SEMITONES = 2  # above the highest note and below the lowest
MOST_BARS_A_ROW = ((96, 12), (192, 16), (384, 24), (640, 32))  # up to so many bars in all, so many a row
MOST_ROWS = 20  # of a piece that is longer still

BLACK_KEYS = {1, 3, 6, 8, 10}  # pitch classes


@dataclass(frozen=True)
class Layout:
    """Where everything goes. Rows count from 0, from the top."""

    bars: tuple[Bar, ...]
    bars_a_row: int
    lowest: int  # MIDI pitches, both shown
    highest: int
    header: int  # pixels above the first row

    @property
    def rows(self) -> int:
        return -(-len(self.bars) // self.bars_a_row)

    @property
    def bar_width(self) -> float:
        """In the mean of a full row."""
        return (WIDTH - LEFT - RIGHT) / self.bars_a_row

    @cached_property
    def tick_width(self) -> float:
        """So that the longest row fits."""
        spans = (self.row_ticks(row) for row in range(self.rows))
        return (WIDTH - LEFT - RIGHT) / max(end - start for start, end in spans)

    @property
    def notes_height(self) -> int:
        wanted = min(MAX_ROW_HEIGHT, max(MIN_ROW_HEIGHT, ROWS_HEIGHT // self.rows))
        return max(wanted, round(MIN_SEMITONE * (self.highest - self.lowest + 1)))

    @property
    def row_height(self) -> int:
        return CHORDS_HEIGHT + self.notes_height + NUMBERS_HEIGHT + ROW_GAP

    @property
    def height(self) -> int:
        return self.header + self.rows * self.row_height

    def row_bars(self, row: int) -> tuple[Bar, ...]:
        """The last row may hold fewer."""
        return self.bars[row * self.bars_a_row : (row + 1) * self.bars_a_row]

    def row_ticks(self, row: int) -> tuple[int, int]:
        """Where `row` begins and ends."""
        bars = self.row_bars(row)
        return bars[0].start, bars[-1].end

    def x(self, tick: int, row: int) -> float:
        return LEFT + (tick - self.row_ticks(row)[0]) * self.tick_width

    def lane(self, pitch: int) -> tuple[float, float]:
        """Top and bottom of a pitch within its row."""
        semitone = self.notes_height / (self.highest - self.lowest + 1)
        top = CHORDS_HEIGHT + (self.highest - pitch) * semitone
        return top, top + semitone

    def note_box(self, note: Note, row: int) -> Box:
        """What is drawn of `note` in `row`, measured from the row's top left corner."""
        start, end = self.row_ticks(row)
        left = min(self.x(max(note.start, start), row), self.x(end, row) - MIN_NOTE_WIDTH)
        right = max(self.x(min(note.end, end), row) - 1, left + MIN_NOTE_WIDTH)  # the gap parts repeated notes
        top, bottom = self.lane(note.pitch)
        middle, half = (top + bottom) / 2, max(bottom - top - 0.5, MIN_NOTE_HEIGHT) / 2
        return Box(left, middle - half, right, middle + half)


def layout_of(score: Score, titled: bool = False) -> Layout:
    lowest, highest = pitch_range(score)
    header = LEGEND_HEIGHT * (2 if _has_parts(score) else 1) + (TITLE_HEIGHT if titled else 0)
    return Layout(score.bars, _bars_a_row(len(score.bars)), lowest, highest, header)


class New(NamedTuple):
    """What of a score is new: all that begins in these ticks.

    Attributes:
        start: the first tick.
        end: the one behind the last.
        beside: number of parts that were there and stay; None where in these ticks all of them are new.
    """

    start: int
    end: int
    beside: int | None = None

    def has(self, tick: int, part: int = 0) -> bool:
        """Whether what begins at a tick in a part, by its number, is new. A note just before a line is meant for it."""
        return self.start <= tick < self.end - EARLY_TICKS and (self.beside is None or part >= self.beside)


def draw_piano_roll(
    score: Score, first: int, title: str = "", bars: int | None = None, beside: int | None = None
) -> bytes:
    """The PNG of `score`, with what is new in it marked. The same score gives the same bytes.

    Args:
        score: all of it.
        first: number of the first new bar; how many bars there were, where the new ones stand behind them.
        title: what the font lacks is written without accents or left out.
        bars: how many new ones there are; None for all to the end.
        beside: number of parts that were there and stay as they were in the new bars too.
    """
    title = in_ascii(title)
    layout = layout_of(score, titled=bool(title))
    start = score.line(max(first, 0))
    end = score.end if bars is None else score.line(max(first, 0) + bars)
    new = New(start, end if end < score.end else score.end + EARLY_TICKS, beside)
    picture = Image.new("RGB", (WIDTH, layout.height), BACKGROUND)
    picture.paste(_header(score, layout, new, title), (0, 0))
    for row in range(layout.rows):
        picture.paste(_row(score, layout, new, row), (0, layout.header + row * layout.row_height))
    file = io.BytesIO()
    picture.save(file, format="PNG")
    return file.getvalue()


def place_chords(chords: tuple[Chord, ...], layout: Layout, row: int) -> list[tuple[float, Chord]]:
    """The chords of `row` whose names fit, each with its x. Those on a bar line go first, since they weigh most."""
    start, end = layout.row_ticks(row)
    sounding = [chord for chord in chords if start <= chord.tick < end and chord.root is not None]
    lines = {bar.start for bar in layout.row_bars(row)}
    placed: list[tuple[float, float, Chord]] = []
    for chord in sorted(sounding, key=lambda chord: (chord.tick not in lines, chord.tick)):
        left = layout.x(chord.tick, row) + TEXT_INDENT
        right = left + text_width(chord.name, CHORD_SIZE) + TEXT_GAP
        if right <= WIDTH and all(right <= other_left or left >= other for other_left, other, _ in placed):
            placed.append((left, right, chord))
    return [(left, chord) for left, _, chord in placed]


def _header(score: Score, layout: Layout, new: New, title: str) -> Image.Image:
    """The title, and below it what the colours mean."""
    pen = Pen(WIDTH, layout.header)
    if title:
        pen.text(
            LEFT, TITLE_HEIGHT / 2 + 6, shortened(title, TITLE_SIZE, WIDTH - LEFT - RIGHT), TITLE_SIZE, TITLE, "lm"
        )
    news = sum(new.start <= bar.start < new.end for bar in layout.bars)
    behind = new.end >= score.end and new.beside is None
    x, y = float(LEFT), layout.header - LEGEND_HEIGHT / 2
    if _has_parts(score):
        _draw_parts(pen, score, new, y)
        y -= LEGEND_HEIGHT
    for name, bars, palette in (
        ("opening", len(layout.bars) - (news if new.beside is None else 0), OPENING),
        ("continuation" if behind else "new", news, CONTINUATION),
    ):
        if bars:
            x = _legend(pen, x, y, f"{name}, {bars} bar{'s' * (bars > 1)}", palette)
    hint = "brighter is louder" + ", drums are not shown" * any(part.is_drum for part in score.parts)
    pen.text(WIDTH - RIGHT, y, hint, SMALL_SIZE, FAINT, "rm")
    return pen.finished()


def _has_parts(score: Score) -> bool:
    return len(score.playing) > 1


def _draw_parts(pen: Pen, score: Score, new: New, y: float) -> None:
    """Whose notes have which colour, as far as the line goes."""
    x = float(LEFT)
    for palette, number, part in coloured(score):
        if all(new.has(note.start, number) for note in part.notes):
            palette = CONTINUATION
        name = in_ascii(part.name)[:24] or INSTRUMENTS[part.program]
        if x + text_width(name, SMALL_SIZE) + LEGEND_WIDTH > WIDTH - RIGHT:
            pen.text(x, y, "...", SMALL_SIZE, FAINT, "lm")
            return
        x = _legend(pen, x, y, name, palette)


def _legend(pen: Pen, x: float, y: float, text: str, palette: Palette) -> float:
    """Four notes from soft to loud and what they stand for. Returns where the next entry may begin."""
    for step in range(4):
        velocity = SOFT + (LOUD - SOFT) * step // 3
        pen.box(Box(x, y - 7, x + 18, y + 7), shade(palette, velocity), radius=3)
        x += 21
    pen.text(x + 8, y, text, SMALL_SIZE, palette.text, "lm")
    return x + 8 + text_width(text, SMALL_SIZE) + 36


def _row(score: Score, layout: Layout, new: New, row: int) -> Image.Image:
    pen = Pen(WIDTH, layout.row_height)
    for palette, start, end in _parts(layout, new, row):
        _draw_ground(pen, layout, row, palette, start, end)
    _draw_keys(pen, layout)
    _draw_notes(pen, score, layout, new, row)
    for x, chord in place_chords(score.chords, layout, row):
        palette = CONTINUATION if new.has(chord.tick, len(score.parts)) else OPENING
        pen.text(x, CHORDS_HEIGHT / 2 + 1, chord.name, CHORD_SIZE, palette.text)
    _draw_bar_numbers(pen, layout, row)
    _draw_dividers(pen, layout, new, row)
    return pen.finished()


def _parts(layout: Layout, new: New, row: int) -> Iterator[tuple[Palette, int, int]]:
    """What `row` holds of what was there and what is new: palette, first tick, tick after the last."""
    start, end = layout.row_ticks(row)
    first, behind = (min(max(tick, start), end) for tick in (new.start, new.end))
    if new.beside is not None:
        first = behind = end
    for palette, one, other in ((OPENING, start, first), (CONTINUATION, first, behind), (OPENING, behind, end)):
        if one < other:
            yield palette, one, other


def _draw_ground(pen: Pen, layout: Layout, row: int, palette: Palette, start: int, end: int) -> None:
    """A lane for each pitch, shaded like the keyboard, with a line below each C, at each beat and at each bar."""
    left, right = layout.x(start, row), layout.x(end, row)
    for pitch in range(layout.lowest, layout.highest + 1):
        top, bottom = layout.lane(pitch)
        pen.box(Box(left, top, right, bottom), palette.shade if pitch % 12 in BLACK_KEYS else palette.ground)
    top, bottom = CHORDS_HEIGHT, CHORDS_HEIGHT + layout.notes_height
    for beat in (beat for bar in layout.row_bars(row) for beat in bar.beats() if start <= beat.start < end):
        x = layout.x(beat.start, row)
        if beat.weight == 0:
            pen.box(Box(x, top, x + 1.5, bottom), palette.line)
        elif layout.tick_width * TICKS_PER_BEAT >= BEAT_SPACING:
            pen.box(Box(x, top, x + 1, bottom), mix(palette.ground, palette.line, 0.35))
    for pitch in _octaves(layout):
        y = layout.lane(pitch)[1]
        pen.box(Box(left, y - 0.5, right, y + 0.5), mix(palette.ground, palette.line, 0.8))


def _draw_keys(pen: Pen, layout: Layout) -> None:
    """The keyboard at the left, with the names of the Cs."""
    left, right = LEFT - KEYS_WIDTH - 3, LEFT - 3
    pen.box(Box(left, CHORDS_HEIGHT, right, CHORDS_HEIGHT + layout.notes_height), WHITE_KEY)
    for pitch in range(layout.lowest, layout.highest + 1):
        top, bottom = layout.lane(pitch)
        if pitch % 12 in BLACK_KEYS:
            pen.box(Box(left, top, left + KEYS_WIDTH * 0.62, bottom), BLACK_KEY)
        elif pitch % 12 in (0, 5) and pitch > layout.lowest:  # no black key parts C from B, nor F from E
            pen.box(Box(left, bottom - 0.5, right, bottom + 0.5), FAINT)
    for pitch in _octaves(layout):
        top, bottom = layout.lane(pitch)
        pen.text(left - 6, (top + bottom) / 2, f"C{pitch // 12 - 1}", SMALL_SIZE, FAINT, "rm")


def _draw_notes(pen: Pen, score: Score, layout: Layout, new: New, row: int) -> None:
    """Softest first, so that a loud note is not hidden by one that overlaps it."""
    start, end = layout.row_ticks(row)
    sounding = [
        (note, CONTINUATION if new.has(note.start, number) else palette)
        for palette, number, part in coloured(score)
        for note in part.notes
        if note.start < end and note.end > start
    ]
    for note, palette in sorted(sounding, key=lambda drawn: (drawn[0].velocity, drawn[0])):
        box = layout.note_box(note, row)
        radius = min(3.0, (box.bottom - box.top) / 3, (box.right - box.left) / 3)
        pen.box(box, shade(palette, note.velocity), radius)


def coloured(score: Score) -> Iterator[tuple[Palette, int, Part]]:
    """The pitched parts that play, each with its colour where it is not new, and its number in the score."""
    playing = ((number, part) for number, part in enumerate(score.as_heard) if part.notes and not part.is_drum)
    return ((palette, number, part) for palette, (number, part) in zip(cycle(PARTS), playing, strict=False))


def _draw_bar_numbers(pen: Pen, layout: Layout, row: int) -> None:
    """Below the notes; only every second, fourth, ... bar where they would touch."""
    step = 1
    while step * layout.bar_width < NUMBER_SPACING:
        step *= 2
    y = CHORDS_HEIGHT + layout.notes_height + NUMBERS_HEIGHT / 2
    first = row * layout.bars_a_row
    for number, bar in list(enumerate(layout.row_bars(row), start=first + 1))[::step]:
        pen.text(layout.x(bar.start, row) + TEXT_INDENT, y, str(number), SMALL_SIZE, FAINT)


def _draw_dividers(pen: Pen, layout: Layout, new: New, row: int) -> None:
    """Where what is new begins, and where it ends, if that is in this row."""
    start, end = layout.row_ticks(row)
    for tick in () if new.beside is not None else (new.start, new.end):
        if start <= tick < end:
            x = layout.x(tick, row)
            bottom = CHORDS_HEIGHT + layout.notes_height + NUMBERS_HEIGHT - 4
            pen.box(Box(x - 1.5, 6, x + 1.5, bottom), DIVIDER, radius=1.5)


def pitch_range(score: Score) -> tuple[int, int]:
    """The lowest and highest pitch to show: what is played and a little more, MIN_SEMITONES at least."""
    pitches = [note.pitch for note in score.sounding] or [60]
    lowest, highest = min(pitches) - SPARE_SEMITONES, max(pitches) + SPARE_SEMITONES
    missing = max(0, MIN_SEMITONES - (highest - lowest + 1))
    return max(0, lowest - missing // 2), min(127, highest + missing - missing // 2)


def _bars_a_row(bars: int) -> int:
    """All in one row if they fit, else an even number that fills the rows about equally."""
    most = next((a_row for limit, a_row in MOST_BARS_A_ROW if bars <= limit), -(-bars // MOST_ROWS))
    if bars <= most:
        return bars
    a_row = -(-bars // -(-bars // most))
    return a_row + a_row % 2


def _octaves(layout: Layout) -> range:
    """The Cs that are shown."""
    return range(-(-layout.lowest // 12) * 12, layout.highest + 1, 12)
