"""MIDI bytes <-> Score, and the place where strangers' files are taken apart.

    bytes -- scan --> bytes -- miditoolkit, convert --> Score -- convert --> bytes

    scan        walks a file's events once, counts them and leaves out what a piano part does not need
    convert     turns what is left into a Score, and a Score into a file
    child       does both for a stranger's bytes, in a process that can be killed

The scan is there because miditoolkit is quadratic in stacked notes of one pitch and believes whatever a file claims.

    parse_midi    trusted bytes, in this process
    parse_keys    the same as it is written: the keys without the pedal
    read_midi     a stranger's bytes, in a child process
    sift_midi     the same music as a file with nothing else in it, to be kept
    dump_midi     a Score as a MIDI file
"""

from composer.midi.child import read_midi
from composer.midi.convert import FASTEST, SLOWEST, bar_ticks, dump_midi, parse_keys, parse_midi, sift_midi
from composer.midi.scan import MAX_BYTES, MAX_EVENTS

__all__ = [
    "FASTEST",
    "MAX_BYTES",
    "MAX_EVENTS",
    "SLOWEST",
    "bar_ticks",
    "dump_midi",
    "parse_keys",
    "parse_midi",
    "read_midi",
    "sift_midi",
]
