"""A stranger's recording -> samples. ffmpeg takes it apart, with its hands tied.

Whatever the bytes claim to be, they come by standard input, only the containers below may be opened, and nothing but
that input: a playlist has no one to ask for the files that it names. The program sits in a sandbox with limits of
memory, time and disk, and what it decodes is cut off behind the limit of seconds, so that an hour of silence costs no
more than forty seconds of it.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from composer import sandbox
from composer.errors import CannotHearError, NotAudioError, RecordingTooLargeError, RecordingTooLongError

Samples = npt.NDArray[np.float32]  # (frames,), mono, from -1 to 1

SAMPLE_RATE = 44_100  # frames a second
MAX_SECONDS = 40
MAX_BYTES = 10_000_000

FORMATS = "ogg,mp3,wav,flac,aac,mov,matroska"  # mov is M4A too, and matroska WebM, what browsers record
# M4A may have its table of contents behind the sound; ffmpeg's cache keeps what came by the pipe, to go back in it.
PROTOCOLS = "cache,pipe"
BEGINNINGS = (b"OggS", b"RIFF", b"fLaC", b"ID3", b"\xff\xfb", b"\xff\xf3", b"\xff\xf1", b"\x1a\x45\xdf\xa3")
SUFFIXES = (".ogg", ".oga", ".opus", ".mp3", ".wav", ".flac", ".m4a", ".mp4", ".aac", ".webm")

UNKNOWN = "it is in none of the formats that are known, or broken"

# What the child may cost: a net below the limits on what it is given.
CHILD_LIMITS = sandbox.Limits(
    memory=2**30,  # ffmpeg takes 250 to 300 MB for a few seconds of sound
    cpu=3,  # ten times what forty seconds in any of the formats take
    file=MAX_BYTES + 2**15,  # which the cache writes
)
CHILD_WALL = 60  # seconds, for a machine that is busy with something else


def is_recording(data: bytes, name: str) -> bool:
    """Whether a file is one to listen to, not one of notes: by how it begins, else by what its name says that it is."""
    if data[:4] == b"MThd" or data[8:12] == b"RMID":
        return False
    return data.startswith(BEGINNINGS) or data[4:8] == b"ftyp" or name.lower().endswith(SUFFIXES)


def read_recording(data: bytes, max_seconds: float = MAX_SECONDS) -> Samples:
    """Mono samples at SAMPLE_RATE. Blocks: call it in a thread or in a process of its own.

    Raises RecordingTooLargeError, RecordingTooLongError, NotAudioError, or CannotHearError without ffmpeg.
    """
    if len(data) > MAX_BYTES:
        raise RecordingTooLargeError(len(data), MAX_BYTES)
    samples = _decoded(data, max_seconds + 1)
    if len(samples) > max_seconds * SAMPLE_RATE:
        raise RecordingTooLongError(int(max_seconds))
    return samples


def read_in_parts(path: Path, seconds: float) -> Iterator[Samples]:
    """A file of one's own, of any length, in parts of so many seconds. Raises NotAudioError or CannotHearError."""
    _need_ffmpeg()
    size = 2 * round(seconds * SAMPLE_RATE)
    with path.open("rb") as file, tempfile.TemporaryDirectory(prefix="segue-") as folder:
        child = subprocess.Popen(
            _ffmpeg(),
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env=sandbox.environment() | {"TMPDIR": folder},
        )
        with child:
            assert child.stdout is not None
            if not (pcm := child.stdout.read(size)):
                raise NotAudioError(UNKNOWN)
            while pcm:
                yield _samples(pcm)
                pcm = child.stdout.read(size)


def _decoded(data: bytes, seconds: float) -> Samples:
    _need_ffmpeg()
    with tempfile.TemporaryDirectory(prefix="segue-") as folder:  # where the cache is, and all that could be written
        try:
            child = sandbox.run(
                _ffmpeg("-t", f"{seconds:g}"), data, CHILD_LIMITS, CHILD_WALL, folder, {"TMPDIR": folder}
            )
        except subprocess.TimeoutExpired:
            raise NotAudioError("reading it takes too long") from None
    if child.returncode < 0:  # a signal ended it; what it had decoded until then is not the whole
        raise NotAudioError("reading it takes too much time or memory")
    if not child.stdout:
        raise NotAudioError(UNKNOWN)
    return _samples(child.stdout)


def _samples(pcm: bytes) -> Samples:
    whole = np.frombuffer(pcm[: len(pcm) // 2 * 2], dtype="<i2")
    return (whole / np.float32(2**15)).astype(np.float32)


def _need_ffmpeg() -> None:
    if shutil.which("ffmpeg") is None:
        raise CannotHearError("ffmpeg")


def _ffmpeg(*options: str) -> list[str]:
    """From standard input to samples on standard output."""
    source = ["-read_ahead_limit", "-1", "-i", "cache:pipe:0"]  # by default it goes no farther than 64 KiB ahead
    read = ["-format_whitelist", FORMATS, "-protocol_whitelist", PROTOCOLS, *source, "-map", "0:a:0"]
    write = ["-ac", "1", "-ar", str(SAMPLE_RATE), "-f", "s16le", "pipe:1"]
    return ["ffmpeg", "-nostdin", "-v", "error", "-threads", "1", *read, *options, *write]
