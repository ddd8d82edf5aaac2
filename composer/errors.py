"""Everything that can go wrong, as types that carry their data. Imports nothing.

    SegueError
      OpeningError            the user's file: say what was found and what to do
        NotMidiError            not MIDI at all, or broken beyond reading
        HostileMidiError        reading it would cost more than any piece of music does
        NoNotesError            nothing that a piano could play
        MeterError              a meter other than 4/4
        OpeningTooLongError     more bars than are taken
        OpeningTooDenseError    more notes than are taken
        PitchRangeError         notes that the checkpoint has no word for
      SettingsError           a setting out of range or of an unknown name
      CompositionError        ours: the checkpoint or the machine
        CheckpointError         missing, broken, or not matching its vocabulary
        RenderingError          the sound or the picture could not be made

str(error) is a sentence for people: what was found, what is taken, what to do.
"""

from __future__ import annotations


class SegueError(Exception):
    """The root: what a user may be told. Anything else that escapes is a defect."""


class OpeningError(SegueError):
    """The opening cannot be used."""


class NotMidiError(OpeningError):
    def __init__(self, reason: str) -> None:
        super().__init__(
            f"This is not a MIDI file that can be read: {reason}. Export it again as a standard .mid file."
        )
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
    def __init__(self, numerator: int, denominator: int, bar: int) -> None:
        super().__init__(
            f"The meter is {numerator}/{denominator} in bar {bar}; only 4/4 can be continued for now. "
            "Give an opening that stays in 4/4."
        )
        self.numerator, self.denominator, self.bar = numerator, denominator, bar


class OpeningTooLongError(OpeningError):
    def __init__(self, bars: int, limit: int) -> None:
        super().__init__(f"The opening is {bars} bars long; {limit} are taken. Trim it and try again.")
        self.bars, self.limit = bars, limit


class OpeningTooDenseError(OpeningError):
    def __init__(self, notes: int, limit: int) -> None:
        super().__init__(f"The opening has {notes} notes; {limit} are taken. Trim it and try again.")
        self.notes, self.limit = notes, limit


class PitchRangeError(OpeningError):
    def __init__(self, pitch: int, lowest: int, highest: int) -> None:
        super().__init__(
            f"The opening has a note of MIDI pitch {pitch}; the model knows {lowest} to {highest}. "
            "Move that note by an octave and try again."
        )
        self.pitch, self.lowest, self.highest = pitch, lowest, highest


class SettingsError(SegueError):
    """A setting that cannot be used; the sentence names the range."""


class CompositionError(SegueError):
    """Ours to mend: the checkpoint, the packages or the machine."""


class CheckpointError(CompositionError):
    def __init__(self, path: object, reason: str) -> None:
        super().__init__(f"The checkpoint {path} cannot be used: {reason}.")
        self.path, self.reason = path, reason


class RenderingError(CompositionError):
    """The sound or the picture could not be made; the sentence says what is missing."""
