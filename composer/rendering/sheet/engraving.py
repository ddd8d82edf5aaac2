"""MusicXML as pictures of its pages, and as one PDF of them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import matplotlib
import verovio
from PIL import Image
from resvg_py import svg_to_bytes

PAGE = (2100, 2970)  # A4, in tenths of a millimetre
MARGIN, TITLE_SIZE = 120, 72  # the same; above the first page's music there is room for a title
WIDTH = 1240  # pixels of a page in a picture
RESOLUTION = WIDTH / (PAGE[0] / 254)  # pixels an inch
SYMBOL_SIZE = 405  # of a chord symbol's letters, as verovio writes them
LETTERS = {  # of SMuFL's characters: accidentals of chord symbols, and the note value of a tempo
    "\uea64": "\u266d",
    "\uea66": "\u266f",
    "\uea63": "\U0001d12b",
    "\uea67": "\U0001d12a",
    "\ueca5": "\u2669",
    "\uecb7": ".",
}
FONTS = [
    str(Path(matplotlib.get_data_path(), "fonts", "ttf", name))
    for name in ("DejaVuSerif.ttf", "DejaVuSerif-Italic.ttf", "DejaVuSerif-Bold.ttf")
]


def engrave(musicxml: bytes, title: str) -> list[bytes]:
    """The pages as PNG, each WIDTH pixels wide and as high as its music.

    Args:
        musicxml: as to_musicxml gives it.
        title: stands above the first page.
    """
    verovio.enableLog(verovio.LOG_OFF)
    toolkit = verovio.toolkit()
    toolkit.setOptions(
        {
            "pageWidth": PAGE[0],
            "pageHeight": PAGE[1] - MARGIN - TITLE_SIZE,
            **{f"pageMargin{side}": MARGIN for side in ("Top", "Bottom", "Left", "Right")},
            "adjustPageHeight": True,
            "breaks": "auto",
            "header": "none",
            "footer": "none",
            "svgViewBox": True,
        }
    )
    toolkit.loadData(musicxml.decode())
    pages = [_picture(_without_music_font(toolkit.renderToSVG(page))) for page in range(1, toolkit.getPageCount() + 1)]
    return [_under(_picture(_title(title)), pages[0]), *pages[1:]]


def to_pdf(pages: Sequence[bytes]) -> bytes:
    """The pages as one file to print, on A4."""
    height = round(WIDTH * PAGE[1] / PAGE[0])
    sheets = []
    for page in pages:
        sheet = Image.new("L", (WIDTH, height), 255)
        sheet.paste(Image.open(io.BytesIO(page)).convert("L"))
        sheets.append(sheet)
    file = io.BytesIO()
    sheets[0].save(file, "PDF", save_all=True, append_images=sheets[1:], resolution=RESOLUTION)
    return file.getvalue()


def _title(title: str) -> str:
    """A strip of a page."""
    middle, height = PAGE[0] // 2, MARGIN + TITLE_SIZE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {PAGE[0]} {height}">'
        f'<text x="{middle}" y="{height - TITLE_SIZE // 4}" font-size="{TITLE_SIZE}" text-anchor="middle">'
        f"{escape(title)}</text></svg>"
    )


def _without_music_font(svg: str) -> str:
    """Music characters in texts as letters that a text font has: a picture knows no other."""

    def letters(found: re.Match[str]) -> str:
        text = "".join(LETTERS.get(character, character) for character in found[1])
        return f'<tspan font-size="{SYMBOL_SIZE}px">{text}</tspan>'

    return re.sub(r'<tspan font-family="[^"]*" font-size="[^"]*">([^<]*[\uE000-\uF8FF][^<]*)</tspan>', letters, svg)


def _picture(svg: str) -> bytes:
    family = "DejaVu Serif"  # matplotlib brings it: a machine need not have any
    return bytes(
        svg_to_bytes(
            svg_string=svg,
            width=WIDTH,
            background="white",
            font_files=FONTS,
            skip_system_fonts=True,
            serif_family=family,
            font_family=family,
        )
    )


def _under(title: bytes, page: bytes) -> bytes:
    above, below = (Image.open(io.BytesIO(part)).convert("L") for part in (title, page))
    whole = Image.new("L", (WIDTH, above.height + below.height - MARGIN * WIDTH // PAGE[0]), 255)
    whole.paste(below, (0, whole.height - below.height))
    whole.paste(above, (0, 0))
    file = io.BytesIO()
    whole.save(file, "PNG")
    return file.getvalue()
