"""MusicXML and ABC, which notation programs give, read as MIDI is: verovio plays them, in a child with limits."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from composer import sandbox
from composer.errors import NotationError, NotMidiError
from composer.music.midi import read_midi
from composer.music.score import Score

MAX_BYTES = 5_000_000
LIMITS = sandbox.Limits(memory=2 * 2**30, cpu=30)  # far more than 15 minutes of music take
WALL_SECONDS = 60
UNREADABLE = 3  # the child's exit status for a file that verovio cannot read

_LOOKED_AT = 8192  # bytes
_XML = re.compile(rb"<score-(partwise|timewise)\b")
_ABC = re.compile(rb"^X:\s*\d.*?^K:", re.MULTILINE | re.DOTALL)
_ZIP = b"PK\x03\x04"
_GUITAR_PRO = (b"\x18FICHIER GUITAR PRO", b"BCFZ", b"BCFS")
_CODE = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import answer; answer()"


def read_written(data: bytes) -> Score:
    """A stranger's file of notes: MIDI, MusicXML (also compressed) or ABC.

    Blocks: call it in a thread.

    Raises:
        OpeningError: it is none of them, or damaged, or costs too much.
        CompositionError: it cannot be read here at all.
    """
    if is_notation(data):
        return read_midi(to_midi(data))
    if data.startswith(_ZIP):
        raise NotMidiError("it is a zip archive; unpack it and send what is in it")
    if data.startswith(_GUITAR_PRO):
        raise NotMidiError("it is a Guitar Pro file")
    return read_midi(data)


def is_notation(data: bytes) -> bool:
    """By what it holds, not by its name."""
    head = data[:_LOOKED_AT]
    if head.startswith(_ZIP):
        return b"META-INF/container.xml" in head or b".musicxml" in head
    return _XML.search(head.replace(b"\0", b"")) is not None or _ABC.search(head) is not None


def to_midi(data: bytes) -> bytes:
    """Notation as a MIDI file.

    Raises:
        NotationError: it cannot be read, or reading it costs more than any music does.
    """
    if len(data) > MAX_BYTES:
        raise NotationError(f"it has more than {MAX_BYTES // 1_000_000} MB")
    command = [sys.executable, "-I", "-S", "-c", _CODE, *sys.path, str(Path(__file__).parents[2])]
    try:
        child = sandbox.run(command, data, LIMITS, WALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise NotationError("reading it takes too long") from None
    if child.returncode < 0:  # a limit was met, or verovio fell over it
        raise NotationError("it is damaged, or takes too much time or memory")
    if child.returncode or not child.stdout:
        raise NotationError("it is damaged, or uses what is not understood here")
    return child.stdout


def answer() -> None:
    """The child's side: notation from stdin, a MIDI file to stdout."""
    import base64

    import verovio

    data = sys.stdin.buffer.read()
    verovio.enableLog(verovio.LOG_OFF)
    engraver = verovio.toolkit()
    if data.startswith(_ZIP):
        read = engraver.loadZipDataBase64(base64.b64encode(data).decode())
    else:
        read = engraver.loadData(data.decode(_encoding(data), errors="replace"))
    if not read:
        sys.exit(UNREADABLE)
    sys.stdout.buffer.write(base64.b64decode(engraver.renderToMIDI()))


def _encoding(data: bytes) -> str:
    return "utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
