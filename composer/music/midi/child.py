"""A stranger's MIDI file, read in a child process with limits: both sides of it, and the JSON between them.

The child's time is a user's time: what is imported here, and by what this imports, has to stay little.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from composer import errors, sandbox
from composer.errors import CompositionError, HostileMidiError, OpeningError
from composer.music.meter import Bar, Meter
from composer.music.midi.reading import parse_midi
from composer.music.midi.scan import MAX_EVENTS, MAX_NOTES, check_size
from composer.music.score import Control, Lost, Note, Part, Role, Score, TempoChange

# Far more than any file within the limits of the scan costs, as a net below them.
LIMITS = sandbox.Limits(memory=256 * 2**20, cpu=10)
WALL_SECONDS = 60  # for a machine that is busy with something else

_CODE = f"import sys; sys.path[:] = sys.argv[1:]; from {__name__} import answer; answer()"


def read_midi(data: bytes) -> Score:
    """parse_midi for a stranger's file: no file can hang or fill the process that calls it.

    Blocks: call it in a thread.

    Args:
        data: the file.

    Returns:
        The score that parse_midi makes of it.

    Raises:
        OpeningError: what parse_midi raises; HostileMidiError also if the child had to be killed.
        CompositionError: the child cannot work here at all.
    """
    check_size(data)
    try:
        child = sandbox.run(_command(), data, LIMITS, WALL_SECONDS)
    except subprocess.TimeoutExpired:
        raise HostileMidiError("reading it takes too long") from None
    if child.returncode < 0:  # a signal ended it
        raise HostileMidiError("reading it takes too much time or memory")
    if child.returncode > 0:  # no file can do this: the installation is broken
        last_line = child.stderr.decode(errors="replace").strip().rpartition("\n")[2]
        raise CompositionError(f"MIDI files cannot be read here: {last_line}. Set Segue up again and try once more.")
    return _received(json.loads(child.stdout))


def _command() -> list[str]:
    """This interpreter without site packages of its own (-I -S), given the paths where this process finds its modules.

    The folder of the package composer comes last, for installations whose path is known to an import hook alone.
    """
    return [sys.executable, "-I", "-S", "-c", _CODE, *sys.path, str(Path(__file__).parents[3])]


def answer() -> None:
    """The child's side: read a file from stdin, write a score or an error as JSON to stdout."""
    try:
        score = parse_midi(sys.stdin.buffer.read(), max_events=MAX_EVENTS, max_notes=MAX_NOTES)
        reply = json.dumps(_sent(score))
    except MemoryError:
        reply = json.dumps(
            {"error": HostileMidiError.__name__, "fields": {"reason": "reading it takes too much memory"}}
        )
    except OpeningError as error:
        reply = json.dumps({"error": type(error).__name__, "fields": vars(error)})
    sys.stdout.write(reply)


def _sent(score: Score) -> dict[str, Any]:
    return {
        "parts": [
            {**vars(part), "notes": [(note.start, note.pitch, note.end, note.velocity) for note in part.notes]}
            for part in score.parts
        ],
        "bars": [(bar.start, bar.end, *bar.meter) for bar in score.bars],
        "tempos": [(tempo.tick, tempo.bpm) for tempo in score.tempos],
        "lost": score.lost,
    }


def _received(reply: dict[str, Any]) -> Score:
    """The score that the child sent.

    Raises:
        OpeningError: the one that the child met.
    """
    if "error" in reply:
        raise getattr(errors, reply["error"])(**reply["fields"])
    return Score(
        parts=tuple(_part(**part) for part in reply["parts"]),
        bars=tuple(Bar(start, end, Meter(*meter)) for start, end, *meter in reply["bars"]),
        tempos=tuple(TempoChange(*tempo) for tempo in reply["tempos"]),
        lost=Lost(*reply["lost"]),
    )


def _part(notes: list[list[int]], controls: list[list[int]], role: int, **fields: Any) -> Part:
    return Part(
        notes=tuple(Note(*note) for note in notes),
        controls=tuple(Control(*control) for control in controls),
        role=Role(role),
        **fields,
    )
