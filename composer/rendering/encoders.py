"""Sound -> MP3 and FLAC, by ffmpeg."""

from __future__ import annotations

import contextlib
import io
import shutil
import subprocess
import tempfile
import warnings
from collections.abc import Iterable

import numpy as np

from composer.errors import RenderingError
from composer.rendering.loudness import SAMPLE_RATE, Sound

TITLE_LENGTH = 200  # characters


def encode_mp3(sound: Sound, title: str = "", bitrate: str = "128k") -> bytes:
    """`sound` as an MP3 file with an ID3 title. Raises RenderingError without ffmpeg."""
    return _encode(sound, title, "mp3", bitrate)


def encode_flac(sound: Sound, title: str = "") -> bytes:
    """`sound` as it is, but for rounding to 16 bits, as a FLAC file. Raises RenderingError without ffmpeg."""
    return _encode(sound, title, "flac")


def _encode(sound: Sound, title: str, kind: str, bitrate: str | None = None) -> bytes:
    need_ffmpeg()
    with warnings.catch_warnings():  # on Python 3.11 and 3.12 pydub imports audioop, which 3.13 left out
        warnings.filterwarnings("ignore", "'audioop' is deprecated", DeprecationWarning)
        from pydub import AudioSegment
        from pydub.exceptions import CouldntEncodeError
    segment = AudioSegment(data=_pcm(sound), sample_width=2, frame_rate=SAMPLE_RATE, channels=2)
    file = io.BytesIO()
    try:
        segment.export(file, format=kind, bitrate=bitrate, tags={"title": _printable(title)})
    except CouldntEncodeError as error:
        raise RenderingError(f"ffmpeg could not write {kind.upper()} with bitrate {bitrate!r}.") from error
    return file.getvalue()


def encode_stream(parts: Iterable[Sound], title: str, bitrate: str) -> bytes:
    """Parts that follow each other as one MP3, encoded while they are made. pydub wants all of it before it begins."""
    need_ffmpeg()
    source = ("-f", "s16le", "-ar", str(SAMPLE_RATE), "-ac", "2", "-i", "pipe:0")
    with tempfile.NamedTemporaryFile(suffix=".mp3") as file:  # an MP3 says at its beginning how long it is
        encoding = ("-b:a", bitrate, "-metadata", f"title={_printable(title)}", "-id3v2_version", "4", "-f", "mp3")
        command = ["ffmpeg", "-v", "quiet", "-y", *source, *encoding, file.name]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
        with contextlib.suppress(BrokenPipeError), process:  # it may end early; its status says how
            assert process.stdin is not None
            for part in parts:
                process.stdin.write(_pcm(part))
        if process.returncode:
            raise RenderingError(f"ffmpeg could not write an MP3 with bitrate {bitrate!r}.")
        return file.read()


def need_ffmpeg() -> None:
    """Raises RenderingError without it."""
    if shutil.which("ffmpeg") is None:
        raise RenderingError("ffmpeg is missing, so no MP3 can be made. Install it, for example: apt install ffmpeg")


def _pcm(sound: Sound) -> bytes:
    """As 16-bit little-endian samples, left and right in turn."""
    pcm = np.empty(sound.shape, dtype="<i2")
    np.multiply(sound, 32767, out=pcm, casting="unsafe")
    return pcm.tobytes()


def _printable(title: str) -> str:
    """Without what an argument of ffmpeg cannot hold: control characters, halves of surrogate pairs."""
    return "".join(character for character in title if character.isprintable())[:TITLE_LENGTH]
