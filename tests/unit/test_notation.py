"""MusicXML and ABC as openings."""

from __future__ import annotations

import io
import zipfile

import pytest

from composer.errors import NotationError, NotMidiError
from composer.music.meter import TICKS_PER_BEAT, Bar, Meter
from composer.music.notation import is_notation, read_written
from composer.music.score import Note, Part, Score, TempoChange
from composer.rendering.sheet.musicxml import to_musicxml

WALTZ = Meter(3, 4)
ABC = b"""X:1
T:A waltz
M:3/4
L:1/8
K:G
D2 G2 A2 | B4 A2 | F2 G2 A2 | G6 |
"""


def waltz() -> Score:
    """Eight bars of a violin and a piano, on the beats."""
    violin = tuple(Note(beat * 480, 72 + beat % 5, beat * 480 + 480, 80) for beat in range(24))
    piano = tuple(Note(bar * 1440, 48 + bar % 3, bar * 1440 + 1440, 60) for bar in range(8))
    bars = tuple(Bar(number * WALTZ.ticks, (number + 1) * WALTZ.ticks, WALTZ) for number in range(8))
    parts = (Part(violin, name="Violin", program=40), Part(piano, name="Piano", channel=1))
    return Score(parts, bars, (TempoChange(0, 132.0),))


def struck(score: Score) -> set[tuple[int, int]]:
    return {(note.start, note.pitch) for note in score.notes}


def zipped(data: bytes, name: str = "score.xml") -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        where = f'<container><rootfiles><rootfile full-path="{name}"/></rootfiles></container>'
        archive.writestr("META-INF/container.xml", where)
        archive.writestr(name, data)
    return file.getvalue()


@pytest.mark.parametrize("packed", [False, True], ids=["MusicXML", "compressed"])
def test_a_sheet_of_ours_is_read_back_note_by_note_with_its_meter_tempo_and_programs(packed: bool) -> None:
    written = to_musicxml(waltz(), "Waltz")
    read = read_written(zipped(written) if packed else written)
    assert struck(read) == struck(waltz())
    assert {bar.meter for bar in read.bars} == {WALTZ}
    assert len(read.bars) == 8
    assert read.tempos[0].bpm == pytest.approx(132, abs=0.01)
    assert [part.program for part in read.playing][:1] == [40]
    assert {part.program for part in read.playing[1:]} == {0}


def test_abc_is_read() -> None:
    read = read_written(ABC)
    assert [(note.start // (TICKS_PER_BEAT // 2), note.pitch) for note in read.notes] == [
        *((0, 62), (2, 67), (4, 69), (6, 71), (10, 69)),
        *((12, 66), (14, 67), (16, 69), (18, 67)),
    ]
    assert {bar.meter for bar in read.bars} == {WALTZ}


@pytest.mark.parametrize(
    "data", [b"X:1\nK:\n@@@", to_musicxml(waltz(), "")[:3000], b"<score-partwise" + b"<part>" * 999]
)
def test_damaged_notation_is_refused_or_read_and_never_hurts_who_reads(data: bytes) -> None:
    try:
        read_written(data)
    except Exception as error:
        assert str(error).endswith(("try again.", "into it."))  # noqa: PT017


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zipped(b"", "a.txt").replace(b"META-INF", b"XETA-INF"), "zip archive"),
        (b"\x18FICHIER GUITAR PRO v5.00" + b"\0" * 99, "Guitar Pro"),
        (ABC[:12], "no MIDI header"),
    ],
)
def test_what_is_something_else_is_named(data: bytes, reason: str) -> None:
    assert not is_notation(data)
    with pytest.raises(NotMidiError, match=reason):
        read_written(data)


def test_too_much_of_it_is_refused_at_once() -> None:
    with pytest.raises(NotationError, match="more than 5 MB"):
        read_written(ABC + b"| c8 " * 1_200_000)
