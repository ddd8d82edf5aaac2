"""Everything that can go wrong, as types that carry their data. Imports nothing of ours.

    SegueError
      OpeningError            the user's file: say what was found and what to do
        NotMidiError            not MIDI at all, or broken beyond reading
        NotationError           MusicXML or ABC that cannot be read
        HostileMidiError        reading it would cost more than any piece of music does
        NoNotesError            nothing that a piano could play
        MeterError              a bar of a length that there is no word for
        OpeningTooLongError     more minutes than are taken
        OpeningTooDenseError    more notes than are taken
        NotAudioError           not a recording, or broken beyond reading
        RecordingTooLongError   more seconds than are taken
        RecordingTooLargeError  more bytes than are taken
        NothingPlayedError      a recording of silence, noise or speech
        TooFewNotesError        too few notes to hear beats in
        CannotHearError         recordings cannot be transcribed here
      SettingsError           a setting out of range or of an unknown name
        OutOfRangeError         a number that is too low or too high
        UnknownNameError        there is nothing of that name
        UnknownInstrumentError  General MIDI has no such instrument
        TaskError               bars, chords or a key that cannot be had
      PromptError             a file that is no prompt of MIREX
      CompositionError        ours: the checkpoint or the machine
        CheckpointError         missing, broken, or not matching its vocabulary
        RenderingError          the sound or the picture could not be made
        RequestError            a row of the table that no piece can be made from
        PieceError              one piece has broken off; its neighbours go on
      LineFullError           the line, or a person's share of it, is full
      DatabaseError           the table of jobs cannot be reached

str(error) is a sentence for people: what was found, what is taken, what to do.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
from collections.abc import Mapping
from typing import Literal


class SegueError(Exception):
    """The root: what a user may be told. Anything else that escapes is a defect.

    The attributes of an error are the arguments that it was made from: so it passes from one process to another.
    """

    def __reduce__(self) -> str | tuple[object, ...]:
        return (functools.partial(type(self), **vars(self)), ()) if vars(self) else super().__reduce__()


class OpeningError(SegueError):
    """The opening cannot be used."""


class NotMidiError(OpeningError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This is not a MIDI file that can be read: {reason}. Export it again as a standard .mid file."
        )
        self.reason = reason


class NotationError(OpeningError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"This notation cannot be read: {reason}. Export it as MIDI and try again.")
        self.reason = reason


class HostileMidiError(OpeningError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This MIDI file is not one that will be read: {reason}. Export just the opening and try again."
        )
        self.reason = reason


class NoNotesError(OpeningError):
    def __init__(self, drum_notes: int = 0) -> None:
        found = f"only drums ({drum_notes} notes)" if drum_notes else "no notes"
        super().__init__(f"The file holds {found}. Put at least one bar of pitched notes into it.")
        self.drum_notes = drum_notes


class MeterError(OpeningError):
    """numerator, denominator, bar: what was found, and where   known: meters that there are words for"""

    def __init__(self, numerator: int, denominator: int, bar: int, known: str) -> None:
        super().__init__(
            f"The meter is {numerator}/{denominator} in bar {bar}; bars as long as those of {known} can be continued. "
            "Give an opening that stays in them."
        )
        self.numerator, self.denominator, self.bar, self.known = numerator, denominator, bar, known


class OpeningTooLongError(OpeningError):
    """minutes: rounded up   limit: in minutes"""

    def __init__(self, minutes: int, limit: int) -> None:
        super().__init__(f"The opening lasts {minutes} minutes; {limit} are taken. Say from which bar to which.")
        self.minutes, self.limit = minutes, limit


class OpeningTooDenseError(OpeningError):
    def __init__(self, notes: int, limit: int) -> None:
        super().__init__(f"The opening has {notes} notes; {limit} are taken. Say from which bar to which.")
        self.notes, self.limit = notes, limit


class NotAudioError(OpeningError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This is not a recording that can be read: {reason}. Give it as MP3, WAV, OGG, M4A or FLAC and try again."
        )
        self.reason = reason


class RecordingTooLongError(OpeningError):
    """limit: in seconds"""

    def __init__(self, limit: int) -> None:
        super().__init__(f"The recording is longer than {limit} s, which is what is taken. Trim it and try again.")
        self.limit = limit


class RecordingTooLargeError(OpeningError):
    """size, limit: in bytes"""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"The recording has {size:,} bytes; {limit:,} are taken. Trim it, or give it as MP3.")
        self.size, self.limit = size, limit


class NothingPlayedError(OpeningError):
    def __init__(self, heard: Literal["silence", "noise", "speech"]) -> None:
        super().__init__(
            f"No music is heard in the recording, only {heard}. Play on a piano or hum a melody, nearer to the "
            "microphone, and try again."
        )
        self.heard = heard


class TooFewNotesError(OpeningError):
    """least: so many are needed"""

    def __init__(self, notes: int, least: int) -> None:
        super().__init__(
            f"The notes heard are {notes}; at least {least} are needed to find the beat. Play a little more of it."
        )
        self.notes, self.least = notes, least


class CannotHearError(OpeningError):
    """missing: the package that is not installed"""

    def __init__(self, missing: str) -> None:
        super().__init__(
            f"Recordings cannot be heard here, for {missing} is not installed. Run ./run audio, or give a MIDI file."
        )
        self.missing = missing


class PromptError(SegueError):
    """reason: why it is none"""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"The prompt cannot be read: {reason}. It is JSON with a list of notes called prompt, each with start, "
            "pitch and duration in sixteenths; examples/mirex has some."
        )
        self.reason = reason


class SettingsError(SegueError):
    """A setting that cannot be used; the sentence names the range."""


class OutOfRangeError(SettingsError):
    """name: what the number is, as a user would call it   lowest, highest: both included"""

    def __init__(self, name: str, value: float, lowest: float, highest: float) -> None:
        numbers = (lowest, highest, value)
        low, high, found = (str(number) if isinstance(number, int) else f"{number:g}" for number in numbers)
        super().__init__(f"{name.capitalize()} lies between {low} and {high}; {found} does not.")
        self.name, self.value, self.lowest, self.highest = name, value, lowest, highest


class UnknownNameError(SettingsError):
    """what: the kind of thing   known: what there is"""

    def __init__(self, what: str, name: str, known: tuple[str, ...]) -> None:
        if near := difflib.get_close_matches(name, known, n=1):
            hint = f"did you mean {near[0]}?"
        else:
            hint = f"there are {', '.join(known)}." if known else "there are none yet."
        super().__init__(f"No {what} is called '{name}'; {hint}")
        self.what, self.name, self.known = what, name, known


class UnknownInstrumentError(SettingsError):
    """likely: names that may have been meant, perhaps none"""

    def __init__(self, name: str, likely: tuple[str, ...]) -> None:
        if likely:
            advice = f"Did you mean {' or '.join(likely)}?"
        else:
            advice = "Take a General MIDI name, such as Acoustic Grand Piano, Violin or Flute."
        super().__init__(f'There is no instrument "{name}". {advice}')
        self.name, self.likely = name, likely


class TaskError(SettingsError):
    """What is asked for cannot be done with this piece.

    kind: one of SENTENCES   values: what it says
    """

    SENTENCES: Mapping[str, str] = {
        "bars": "“{text}” are no bars. Say for example 9-12.",
        "not_there": "Bars {first} to {last} are not there: the piece has bars 1 to {bars}. Take some of these.",
        "all_bars": "If every bar is composed again, nothing is left to go by. Keep at least one.",
        "too_many": "At most {most} bars are composed again at once; these are {bars}. Take fewer.",
        "too_long": "At most {most} bars get an accompaniment; these are {bars}. Send fewer.",
        "chord": "No chord is called “{text}”. Known are {known}, on any root; write for example Am F C G.",
        "no_chord": "“{text}” names no chord. Write for example Am F C G.",
        "full_bar": "A bar of {beats} beats has no place for {chords} chords. Write fewer between two lines.",
        "chord_bars": "Chords for {bars} bars are written, and there are {most}. Take some away.",
        "key": "No key is called “{text}”. Say for example A minor or Eb major.",
        "accompanied": "There is an accompaniment already. Send the melody alone, and it gets one.",
        "two": "Ask for bars again or for an accompaniment; one after the other, both can be had.",
        "redo_place": "Bars that are composed again are counted in the whole piece. Leave its first and last bar out.",
        "not_new": "Bar {bar} is not composed: the new bars are {first} to {last}. Take one of these.",
    }

    def __init__(self, kind: str, values: Mapping[str, str | int]) -> None:
        super().__init__(self.SENTENCES[kind].format(**values))
        self.kind, self.values = kind, values


class CompositionError(SegueError):
    """Ours to mend: the checkpoint, the packages or the machine."""


class CheckpointError(CompositionError):
    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The checkpoint {path} cannot be used: {reason}.")
        self.path, self.reason = path, reason


class RenderingError(CompositionError):
    """The sound or the picture could not be made; the sentence says what is missing."""


class RequestError(CompositionError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"No piece can be made from this request: {reason}.")
        self.reason = reason


class PieceError(CompositionError):
    def __init__(self, reason: str) -> None:
        super().__init__(f"The piece has broken off: {reason}. Try another seed or other settings, and report it.")
        self.reason = reason


class LineFullError(SegueError):
    """kind: which limit was met: an owner's pieces in line, those of a day, or the whole line
    place: of the owner's foremost piece, 0 while it is composed; for the whole line that of a new one; None for a day
    again_in_seconds: when it is worth trying again; None where that cannot be told
    """

    def __init__(
        self, kind: Literal["in_line", "a_day", "table"], limit: int, place: int | None, again_in_seconds: float | None
    ) -> None:
        found = {
            "in_line": f"At most {_pieces(limit)} of yours may be in line at a time",
            "a_day": f"At most {_pieces(limit)} of yours can be taken in 24 hours",
            "table": f"The line is full: {_pieces(limit)} may wait",
        }[kind]
        if kind == "in_line" and place is not None:
            found += ", and the first of them is " + (f"number {place} in line" if place else "being composed")
        when = "later" if again_in_seconds is None else f"in {_duration(again_in_seconds)}"
        remedy = ", or cancel one of them" if kind == "in_line" and limit else ""
        super().__init__(f"{found}. Try again {when}{remedy}.")
        self.kind, self.limit, self.place, self.again_in_seconds = kind, limit, place, again_in_seconds


class DatabaseError(SegueError):
    """database: its address, without user and password"""

    def __init__(self, database: str, reason: str) -> None:
        super().__init__(
            f"The database {database} cannot be used: {reason}. "
            "Check DATABASE_URL, and that its server runs or its disk is there."
        )
        self.database, self.reason = database, reason


REFUSED_AS = '{"error": "'  # how every reason begins that `to_reason` makes; the name of the error's type goes on


def to_reason(error: OpeningError) -> str:
    """A refusal as the reason of a failed job (composer.line), from which `from_reason` makes it again."""
    return json.dumps({"error": type(error).__name__, **vars(error)})


def from_reason(reason: str) -> OpeningError | None:
    """The refusal that a job failed with. None if it failed for another reason."""
    try:
        data = json.loads(reason)
        kinds = {kind.__name__: kind for kind in OpeningError.__subclasses__()}
        return kinds[data.pop("error")](**data)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _pieces(count: int) -> str:
    return "1 piece" if count == 1 else f"{count} pieces"


def _duration(seconds: float) -> str:
    """Rounded up: "90 seconds", "5 minutes", "23 hours"."""
    units = (("hour", 3600), ("minute", 60))
    unit, length = next((found for found in units if seconds > 2 * found[1]), ("second", 1))
    count = max(1, math.ceil(seconds / length))
    return f"{count} {unit}" + "s" * (count > 1)
