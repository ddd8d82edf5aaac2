"""MIDI bytes <-> Score, and the place where strangers' files are taken apart.

bytes -- scan --> events -- reading --> Score -- writing --> bytes

scan        the tracks of a file and the events of a track; bounds what a file may cost
reading     makes them a Score
channel_10  tells a melody there from drums
writing     makes a Score a file
child       reads a stranger's bytes in a process that can be killed

parse_midi    trusted bytes, in this process
read_midi     a stranger's bytes, in a child process
dump_midi     a Score as a MIDI file
"""

from composer.music.midi.child import read_midi
from composer.music.midi.reading import FASTEST, SLOWEST, Roles, leaving_out, nothing_said, parse_midi
from composer.music.midi.scan import MAX_BYTES
from composer.music.midi.writing import dump_midi

__all__ = [
    "FASTEST",
    "MAX_BYTES",
    "SLOWEST",
    "Roles",
    "dump_midi",
    "leaving_out",
    "nothing_said",
    "parse_midi",
    "read_midi",
]
