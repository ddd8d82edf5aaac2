"""Score -> stems: each track alone, as an MP3 and as MIDI, to be mixed anew.

All begin together, are equally long and have one gain, so that they sum up to the piece. The gain leaves 6 dB for who
mixes them; the piece's own MP3 is louder, and its peaks are limited.
"""

from __future__ import annotations

import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import starmap, zip_longest
from pathlib import Path

import numpy as np

from composer.music.midi import dump_midi
from composer.music.roles import KEYBOARDS, with_roles
from composer.music.score import Part, Role, Score
from composer.rendering.audio import LIMIT_SECONDS, TAIL_SECONDS, duration_seconds, synthesise, trim
from composer.rendering.encoders import encode_mp3
from composer.rendering.instruments import INSTRUMENTS
from composer.rendering.loudness import CEILING, Sound, limit_peaks
from composer.rendering.sheet.hands import hands

HEADROOM = 0.5
SILENT = 1e-9  # a peak
BITRATES = (128, 96, 64, 48)  # kbit a second: the first one with which all stems fit
OVERHEAD = 4000  # bytes of an MP3's tags and of its entries in a zip, at most
LONGEST_NAME = 60  # characters
FORBIDDEN = '\\/:*?"<>|'  # in the name of a file, somewhere


@dataclass(frozen=True)
class Stem:
    """One track.

    Attributes:
        name: of its files, without their endings.
        midi: the track with tempi and meters.
        mp3: None where there was no room for it.
    """

    name: str
    midi: bytes
    mp3: bytes | None


def stems_of(score: Score, title: str = "", room: int = sys.maxsize, soundfont: Path | None = None) -> tuple[Stem, ...]:
    """Each track that plays; of a keyboard alone, each hand.

    Args:
        score: the piece.
        title: for the tags of the MP3s.
        room: bytes that all may have together. Where they are too many at the lowest rate too, the last have no MP3.
        soundfont: None looks in composer.rendering.audio.SOUNDFONTS.

    Raises:
        RenderingError: there are no notes, or something that plays or encodes is missing.
    """
    score = _by_hand(score)
    playing = [number for number, part in enumerate(score.parts) if part.notes]
    names = [_name(at, part) for at, part in enumerate((p for p in with_roles(score).parts if p.notes), start=1)]
    midi = [dump_midi(replace(score, parts=(score.parts[n],)), name) for n, name in zip(playing, names, strict=True)]
    room -= sum(map(len, midi)) + OVERHEAD * len(midi)
    seconds = min(duration_seconds(score) + TAIL_SECONDS, LIMIT_SECONDS)
    sizes = {bitrate: bitrate * 1000 / 8 * seconds for bitrate in BITRATES}
    bitrate = next((rate for rate, size in sizes.items() if size * len(playing) <= room), BITRATES[-1])
    heard = playing[: max(0, int(room / sizes[bitrate]))]
    sounds = _sounds(score, heard, soundfont)
    mp3 = [encode_mp3(sound, f"{title}, {name}", f"{bitrate}k") for name, sound in zip(names, sounds, strict=False)]
    return tuple(starmap(Stem, zip_longest(names, midi, mp3)))


def zipped(stems: Sequence[Stem]) -> bytes:
    """All files in one. The same stems give the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as folder:
        for stem in stems:
            for ending, data in (("mp3", stem.mp3), ("mid", stem.midi)):
                if data is not None:
                    folder.writestr(zipfile.ZipInfo(f"{stem.name}.{ending}"), data)
    return file.getvalue()


def _sounds(score: Score, parts: Sequence[int], soundfont: Path | None) -> Iterator[Sound]:
    """What each of these parts sounds like, one after the other: together they would be large."""
    if not parts:
        return
    whole = synthesise(score, soundfont)
    gain = HEADROOM * CEILING / max(float(np.abs(whole).max()), SILENT)
    frames = len(trim(whole * gain, duration_seconds(score)))
    del whole
    for part in parts:
        sound = synthesise(score, soundfont, part=part)[:frames] * np.float32(gain)
        limit_peaks(sound)  # of one that is twice as loud as the whole, which is to say of none
        yield sound


def _by_hand(score: Score) -> Score:
    """With two parts, right and left hand, for the one of a keyboard that plays alone."""
    if len(score.playing) != 1 or score.playing[0].program not in KEYBOARDS:
        return score
    alone = score.playing[0]
    both = [
        replace(alone, notes=tuple(sorted(notes)), name=name)
        for name, notes in zip(("Right hand", "Left hand"), hands(alone.notes), strict=True)
    ]
    if not all(part.notes for part in both):
        return score
    return replace(score, parts=tuple(new for part in score.parts for new in (both if part is alone else [part])))


def _name(number: int, part: Part) -> str:
    """As "2 Bass - Fingered Electric Bass": what the track is called, or else does, and its instrument."""
    called = _plain(part.name) or ("" if part.role is Role.UNSAID else part.role.name.capitalize())
    played = "Drums" if part.is_drum else INSTRUMENTS[part.program] if part.program in range(len(INSTRUMENTS)) else ""
    names = dict.fromkeys(filter(None, (called, played)))
    return f"{number} " + " - ".join(names)


def _plain(name: str) -> str:
    """As much of it as every system takes in a file's name."""
    kept = "".join(letter if letter.isprintable() and letter not in FORBIDDEN else " " for letter in name)
    return " ".join(kept.split())[:LONGEST_NAME].strip(" .")
