"""The 128 instruments of General MIDI Level 1, by name. Imports only the errors."""

from __future__ import annotations

import difflib
import re

from composer.errors import UnknownInstrumentError

# In the order of their program numbers, eight to a family, each spelled as in the standard.
INSTRUMENTS = (
    # Piano
    "Acoustic Grand Piano", "Bright Acoustic Piano", "Electric Grand Piano", "Honky-tonk Piano",
    "Electric Piano 1", "Electric Piano 2", "Harpsichord", "Clavinet",
    # Chromatic percussion
    "Celesta", "Glockenspiel", "Music Box", "Vibraphone", "Marimba", "Xylophone", "Tubular Bells", "Dulcimer",
    # Organ
    "Drawbar Organ", "Percussive Organ", "Rock Organ", "Church Organ",
    "Reed Organ", "Accordion", "Harmonica", "Tango Accordion",
    # Guitar
    "Nylon String Guitar", "Steel String Guitar", "Jazz Guitar", "Clean Electric Guitar",
    "Muted Electric Guitar", "Overdriven Guitar", "Distortion Guitar", "Guitar Harmonics",
    # Bass
    "Acoustic Bass", "Fingered Electric Bass", "Picked Electric Bass", "Fretless Bass",
    "Slap Bass 1", "Slap Bass 2", "Synth Bass 1", "Synth Bass 2",
    # Strings
    "Violin", "Viola", "Cello", "Contrabass",
    "Tremolo Strings", "Pizzicato Strings", "Orchestral Harp", "Timpani",
    # Ensemble
    "String Ensemble 1", "String Ensemble 2", "Synth Strings 1", "Synth Strings 2",
    "Choir Aahs", "Voice Oohs", "Synth Voice", "Orchestra Hit",
    # Brass
    "Trumpet", "Trombone", "Tuba", "Muted Trumpet", "French Horn", "Brass Section", "Synth Brass 1", "Synth Brass 2",
    # Reed
    "Soprano Sax", "Alto Sax", "Tenor Sax", "Baritone Sax", "Oboe", "English Horn", "Bassoon", "Clarinet",
    # Pipe
    "Piccolo", "Flute", "Recorder", "Pan Flute", "Blown Bottle", "Shakuhachi", "Whistle", "Ocarina",
    # Synth lead
    "Square Lead", "Sawtooth Lead", "Calliope Lead", "Chiff Lead",
    "Charang Lead", "Voice Lead", "Fifths Lead", "Bass and Lead",
    # Synth pad
    "New Age Pad", "Warm Pad", "Polysynth Pad", "Choir Pad", "Bowed Pad", "Metallic Pad", "Halo Pad", "Sweep Pad",
    # Synth effects
    "Rain", "Soundtrack", "Crystal", "Atmosphere", "Brightness", "Goblins", "Echoes", "Sci-fi",
    # Ethnic
    "Sitar", "Banjo", "Shamisen", "Koto", "Kalimba", "Bagpipe", "Fiddle", "Shanai",
    # Percussive
    "Tinkle Bell", "Agogo", "Steel Drums", "Woodblock", "Taiko Drum", "Melodic Tom", "Synth Drum", "Reverse Cymbal",
    # Sound effects
    "Guitar Fret Noise", "Breath Noise", "Seashore", "Bird Tweet",
    "Telephone Ring", "Helicopter", "Applause", "Gunshot",
)  # fmt: skip

# What people say where the standard has several instruments, or another word.
NICKNAMES = {
    "bass": "Acoustic Bass",
    "bells": "Tubular Bells",
    "bright piano": "Bright Acoustic Piano",
    "choir": "Choir Aahs",
    "double bass": "Contrabass",
    "electric bass": "Fingered Electric Bass",
    "electric guitar": "Clean Electric Guitar",
    "electric piano": "Electric Piano 1",
    "grand piano": "Acoustic Grand Piano",
    "guitar": "Nylon String Guitar",
    "harp": "Orchestral Harp",
    "horn": "French Horn",
    "organ": "Church Organ",
    "pad": "Warm Pad",
    "piano": "Acoustic Grand Piano",
    "sax": "Alto Sax",
    "saxophone": "Alto Sax",
    "strings": "String Ensemble 1",
    "synth": "Sawtooth Lead",
    "synth strings": "Synth Strings 1",
    "voice": "Voice Oohs",
}

SUGGESTIONS = 3


def program_of(name: str) -> int:
    """The General MIDI program, 0-127, of an instrument by its name, by a nickname, or by a part that only one has.

    Case and punctuation do not matter. Raises SettingsError, which suggests what may have been meant.
    """
    wanted = _plain(name)
    wanted = _plain(NICKNAMES.get(wanted, wanted))
    names = [_plain(instrument) for instrument in INSTRUMENTS]
    if wanted in names:
        return names.index(wanted)
    containing = [program for program, known in enumerate(names) if wanted and wanted in known]
    if len(containing) == 1:
        return containing[0]
    likely = [INSTRUMENTS[program] for program in containing] or _spelled_like(wanted)
    raise UnknownInstrumentError(name[:50], tuple(likely[:SUGGESTIONS]))


def _spelled_like(wanted: str) -> list[str]:
    """Instruments whose name, nickname, or a word of it is nearly `wanted`, nearest first."""
    spellings = {_plain(instrument): instrument for instrument in INSTRUMENTS}
    for instrument in INSTRUMENTS:
        for word in _plain(instrument).split():
            spellings.setdefault(word, instrument)
    spellings |= NICKNAMES
    near = difflib.get_close_matches(wanted, spellings, n=2 * SUGGESTIONS)
    return list(dict.fromkeys(spellings[spelling] for spelling in near))


def _plain(name: str) -> str:
    """Lower case, words apart by one space, no punctuation: "Honky-Tonk  piano" is "honky tonk piano"."""
    return " ".join(re.findall(r"[a-z0-9]+", name.lower()))
