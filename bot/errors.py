"""What a user may be refused by the bot itself; bot.messages has a sentence for each.

SegueError
  GoneError               the piece is no longer kept
  ParentGoneError         the piece that this one came from is no longer kept
  NotFinishedError        the piece is still being composed
  EndedError              there is nothing left to cancel
  DeliveredError          there is nothing left to hand over
  NotYoursError           only the person who asked for the piece may do that
  NotYourRecordingError   only the person who sent the recording may do that
  NotYourComparisonError  only the person who asked for the comparison may do that
  OverError               the comparison has been told, or is gone
  NoTakeError             what is to be compared is no finished piece of the person
  NotTwoTakesError        there are no two takes of one opening
  NobodyListensError      no worker that lives can transcribe
  VotesOffError           the server wants no votes
  FileTooLargeError       the attachment
  UnreadableError         Discord did not hand the attachment out
  NoOpeningHereError      the message has neither a MIDI file nor a recording
  NotHereError            the server wants it in other channels
  LoopTooLargeError       what is new is too long to be posted as a loop
  PieceFullError          it would be longer than a piece can get
  FormError               a field of a form that is not understood
  TooManyPresetsError     as many as there is room for
"""

from __future__ import annotations

from composer.errors import SegueError


class GoneError(SegueError):
    pass


class ParentGoneError(SegueError):
    pass


class NotFinishedError(SegueError):
    pass


class EndedError(SegueError):
    pass


class DeliveredError(SegueError):
    pass


class NotYoursError(SegueError):
    pass


class NotYourRecordingError(SegueError):
    pass


class NotYourComparisonError(SegueError):
    pass


class OverError(SegueError):
    pass


class NoTakeError(SegueError):
    pass


class NotTwoTakesError(SegueError):
    pass


class NobodyListensError(SegueError):
    pass


class VotesOffError(SegueError):
    pass


class FileTooLargeError(SegueError):
    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes; {limit} are taken")
        self.size, self.limit = size, limit


class UnreadableError(SegueError):
    pass


class NoOpeningHereError(SegueError):
    pass


class NotHereError(SegueError):
    """channels: where it is allowed"""

    def __init__(self, channels: tuple[int, ...]) -> None:
        super().__init__(f"only in {channels}")
        self.channels = channels


class PieceFullError(SegueError):
    """bars: that it would have"""

    def __init__(self, bars: int, limit: int) -> None:
        super().__init__(f"{bars} bars; {limit} at most")
        self.bars, self.limit = bars, limit


class LoopTooLargeError(SegueError):
    """bars: that are new   size, limit: in bytes"""

    def __init__(self, bars: int, size: int, limit: int) -> None:
        super().__init__(f"{size} bytes; {limit} are taken")
        self.bars, self.size, self.limit = bars, size, limit


class FormError(SegueError):
    """whole: whether a whole number was wanted"""

    def __init__(self, text: str, whole: bool = False) -> None:
        super().__init__(text)
        self.text, self.whole = text, whole


class TooManyPresetsError(SegueError):
    def __init__(self, limit: int) -> None:
        super().__init__(f"{limit} at most")
        self.limit = limit
