"""Files as the programs that people have open them: none of them is read by what wrote it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from pathlib import PurePath
from xml.etree import ElementTree

import numpy as np
import symusic
from PIL import Image
from recordings import decoded


def opened(files: Mapping[str, bytes]) -> dict[str, int]:
    """Open every file, and look into it whether there is anything.

    Returns:
        By its name how much of it there is: notes, milliseconds, pixels, measures, bytes or, of a folder, files.
    """
    return {name: _READERS[PurePath(name).suffix](data) for name, data in files.items()}


def _midi(data: bytes) -> int:
    score = symusic.Score.from_midi(data)
    assert score.ticks_per_quarter == 480
    assert all(note.duration > 0 for track in score.tracks for note in track.notes)
    return score.note_num()


def _sound(data: bytes) -> int:
    samples = decoded(data)
    assert 0.01 < np.abs(samples).max() <= 1.1  # which the decoder of an MP3 may come to
    return round(1000 * len(samples) / 44100)


def _picture(data: bytes) -> int:
    with Image.open(io.BytesIO(data)) as picture:
        picture.load()
        assert len(picture.convert("RGB").getcolors(2**24) or ()) > 10, "something is drawn"
        return picture.width * picture.height


def _pdf(data: bytes) -> int:
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    return len(data)


def _sheet(data: bytes) -> int:
    part, *_ = ElementTree.fromstring(data).findall("part")
    assert part.find("measure/note/pitch/step") is not None
    return len(part.findall("measure"))


def _folder(data: bytes) -> int:
    with zipfile.ZipFile(io.BytesIO(data)) as folder:
        assert folder.testzip() is None
        return len(opened({name: folder.read(name) for name in folder.namelist()}))


_READERS = {
    ".mid": _midi,
    ".mp3": _sound,
    ".flac": _sound,
    ".png": _picture,
    ".pdf": _pdf,
    ".musicxml": _sheet,
    ".zip": _folder,
}
