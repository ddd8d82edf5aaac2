"""What pictures are drawn with: a pen with smooth lines, colours of what was given and of what is new, text that fits.

All sizes are pixels of the finished picture.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, replace
from functools import cache
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]


class Box(NamedTuple):
    """In pixels of the finished picture; right and bottom are just outside."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Palette:
    """The colours of one part of the piece."""

    ground: Colour  # behind the white keys
    shade: Colour  # behind the black keys
    line: Colour  # bar lines and octaves; beats are fainter
    soft: Colour  # a note of velocity SOFT or less
    loud: Colour  # a note of velocity LOUD or more
    text: Colour


OPENING = Palette(
    ground=(32, 43, 68),
    shade=(26, 35, 57),
    line=(72, 90, 128),
    soft=(62, 100, 192),
    loud=(134, 236, 255),
    text=(150, 206, 255),
)
CONTINUATION = Palette(
    ground=(32, 29, 33),
    shade=(25, 22, 26),
    line=(76, 69, 74),
    soft=(168, 54, 64),
    loud=(255, 214, 92),
    text=(255, 190, 120),
)
# Of the opening's parts, in turn.
PARTS = (
    OPENING,
    replace(OPENING, soft=(34, 120, 84), loud=(132, 255, 190), text=(120, 226, 170)),
    replace(OPENING, soft=(108, 76, 190), loud=(206, 176, 255), text=(190, 160, 255)),
    replace(OPENING, soft=(20, 116, 132), loud=(72, 226, 236), text=(80, 210, 220)),
    replace(OPENING, soft=(96, 108, 132), loud=(214, 226, 246), text=(196, 206, 226)),
    replace(OPENING, soft=(140, 60, 140), loud=(250, 160, 250), text=(236, 150, 236)),
)
BACKGROUND: Colour = (17, 17, 21)
DIVIDER: Colour = (255, 246, 224)
TITLE: Colour = (240, 240, 244)
FAINT: Colour = (150, 150, 160)
WHITE_KEY: Colour = (214, 214, 220)
BLACK_KEY: Colour = (40, 40, 48)

SOFT, LOUD = 30, 110  # MIDI velocities between which the shade changes

# Lengths are pixels of the finished picture.
SCALE = 2  # drawn this many times as large, then scaled down: smooth edges
WIDTH = 1100
TITLE_SIZE, CHORD_SIZE, SMALL_SIZE = 32, 23, 20  # of fonts


class Pen:
    """Draws in pixels of the finished picture on an image SCALE times as large: halves of a pixel count."""

    def __init__(self, width: int, height: int) -> None:
        self._image = Image.new("RGB", (width * SCALE, height * SCALE), BACKGROUND)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, box: Box, colour: Colour, radius: float = 0) -> None:
        left, top, right, bottom = (round(edge * SCALE) for edge in box)
        corners = left, top, max(left, right - 1), max(top, bottom - 1)  # Pillow draws the far edges too
        self._draw.rounded_rectangle(corners, round(radius * SCALE), colour)

    def text(self, x: float, y: float, text: str, size: int, colour: Colour, anchor: str = "lm") -> None:
        """anchor: what of the text stands at (x, y), in Pillow's letters: "lm" is its left end, half way up."""
        self._draw.text((x * SCALE, y * SCALE), text, colour, _font(size * SCALE), anchor)

    def finished(self) -> Image.Image:
        return self._image.reduce(SCALE)


def text_width(text: str, size: int) -> float:
    return float(_font(size * SCALE).getlength(text)) / SCALE


def shade(palette: Palette, velocity: int) -> Colour:
    """The colour of a note: the louder, the brighter."""
    return mix(palette.soft, palette.loud, min(max((velocity - SOFT) / (LOUD - SOFT), 0), 1))


def shortened(text: str, size: int, room: float) -> str:
    """As much of `text` as fits into so many pixels."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "...", size) > room:
        text = text[:-1]
    return text.rstrip() + "..."


def in_ascii(title: str) -> str:
    """Pillow's own font holds no more than that, and needs no installing."""
    ascii_only = unicodedata.normalize("NFKD", title[:200]).encode("ascii", "ignore").decode()
    return " ".join("".join(letter if letter.isprintable() else " " for letter in ascii_only).split())


@cache
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of `other`, from 0 to 1."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
