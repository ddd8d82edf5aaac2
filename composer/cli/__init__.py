"""The command `segue`: what is typed becomes types, and what they call upon is put together.

    __init__       the app, and how it ends: status 0; 2 with one sentence on stderr for whatever the user can mend
    compose, mirex, transcribe, train, promote, audition, worker, probe, bot, doctor
                   a command each: its options, and nothing but parsing
    options        what several commands have, and options made from the fields of a dataclass
    wiring         what the commands call upon, put together
    judging        what audition calls upon
    results        the folder that `segue compose` leaves

Torch and the rest are imported where they are used: `segue --help` answers at once.
"""

import io
import sys

import typer

from composer.cli import audition, bot, compose, doctor, mirex, probe, promote, train, transcribe, worker
from composer.errors import SegueError

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def _segue() -> None:
    """Segue composes on: hand it the opening of a piece, and it writes what follows."""


# In the order in which --help has them.
app.command()(compose.compose)
app.command()(mirex.mirex)
app.command()(transcribe.transcribe)
app.command()(train.train)
app.command()(promote.promote)
app.command()(audition.audition)
app.command()(worker.worker)
app.command(hidden=True)(probe.probe)
app.command()(bot.bot)
app.command()(doctor.doctor)


def main() -> None:
    """Run the command line; what goes wrong is said in one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files need not be text
    try:
        status = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except typer.Abort:
        status = 130
    except typer.TyperException as error:  # a wrong option or argument
        status = _refuse(error.format_message())
    except SegueError as error:
        status = _refuse(str(error))
    except OSError as error:
        status = _refuse(
            f"{error.filename or 'A file'}: {(error.strerror or str(error)).lower()}. Check it and try again."
        )
    sys.exit(status or 0)


def _refuse(sentence: str) -> int:
    print("segue:", " ".join(sentence.split()), file=sys.stderr)
    return 2
