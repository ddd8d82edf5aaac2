"""Sheet music of a score.

hands      which hand plays which note
layout     a staff's notes as voices of chords and rests that one can write
spelling   what a pitch is called in a key
musicxml   the sheet as MusicXML
engraving  MusicXML as pictures and as a PDF
"""

from __future__ import annotations

from dataclasses import dataclass

from composer.music.score import Score


@dataclass(frozen=True)
class Sheet:
    """A piece as sheet music.

    Attributes:
        pages: pictures, as PNG.
        pdf: all of them, to print.
        musicxml: to go on with in a notation program.
    """

    pages: list[bytes]
    pdf: bytes
    musicxml: bytes


def sheet_of(score: Score, title: str, opening_bars: int) -> Sheet:
    """A score, with its chords, as a sheet that says where the composed part begins."""
    # What engraves takes long to load, and most pieces are never read.
    from composer.rendering.sheet.engraving import engrave, to_pdf
    from composer.rendering.sheet.musicxml import to_musicxml

    musicxml = to_musicxml(score, title, opening_bars)
    pages = engrave(musicxml, title)
    return Sheet(pages, to_pdf(pages), musicxml)
