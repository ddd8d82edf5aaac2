"""Voice messages: what Discord's client tells of a recording that it has made.

It records Ogg Opus and sends it as the only attachment of a message without a text, with its length and a waveform of
at most 256 levels (the flag 8192, duration_secs and waveform of the API's documentation).
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Iterator
from typing import NamedTuple

from .errors import RefusedError

NAME, TYPE = "voice-message.ogg", "audio/ogg"
RATE = 48_000  # of Opus' granule positions, whatever was recorded
MOST_LEVELS = 256
MOST_SECONDS = 1200.0  # then the client stops recording
PAGE = struct.Struct("<4sBBqIIIB")  # the header of a page of Ogg, in front of its segment table


class Page(NamedTuple):
    """granule: samples up to its end   packets: sizes of those that end in it, in bytes   body: all of them"""

    granule: int
    packets: list[int]
    body: bytes


class Recorded(NamedTuple):
    """levels: from 0 to 255, at equal distances"""

    seconds: float
    levels: bytes

    @property
    def waveform(self) -> str:
        return base64.b64encode(self.levels).decode()


def recorded(data: bytes) -> Recorded:
    """Raises RefusedError for what the client cannot have recorded."""
    found = list(pages(data))
    if not found or not found[0].body.startswith(b"OpusHead"):
        raise RefusedError("a voice message is Ogg Opus")
    skipped = struct.unpack_from("<H", found[0].body, 10)[0]
    seconds = (max(page.granule for page in found) - skipped) / RATE
    if not 0 < seconds <= MOST_SECONDS:
        raise RefusedError(f"a voice message is not {seconds:g} s long")
    # Opus spends its bytes where there is something to hear, so their number will do for a level.
    sizes = [size for page in found[2:] for size in page.packets]
    step = max(1, -(-len(sizes) // MOST_LEVELS))
    peaks = [max(sizes[at : at + step]) for at in range(0, len(sizes), step)]
    lowest, highest = min(peaks), max(peaks)
    return Recorded(seconds, bytes(255 * (peak - lowest) // max(1, highest - lowest) for peak in peaks))


def pages(data: bytes) -> Iterator[Page]:
    """Of an Ogg stream, as far as it is one."""
    at = 0
    while at + PAGE.size <= len(data):
        magic, _, _, granule, _, _, _, count = PAGE.unpack_from(data, at)
        if magic != b"OggS":
            return
        table = data[at + PAGE.size : at + PAGE.size + count]
        begin = at + PAGE.size + count
        at = begin + sum(table)
        yield Page(granule, packet_sizes(table), data[begin:at])


def packet_sizes(table: bytes) -> list[int]:
    """A packet is as long as its segments, the last of which has less than 255 bytes."""
    sizes, size = [], 0
    for segment in table:
        size += segment
        if segment < 255:
            sizes.append(size)
            size = 0
    return sizes
