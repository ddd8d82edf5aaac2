from __future__ import annotations

import inspect
import pickle
import re
import string

import pytest

from composer import errors
from composer.errors import DatabaseError, LineFullError, OpeningError, SegueError, TaskError

EXAMPLES = {
    "reason": "it hurts",
    "numerator": 3,
    "denominator": 4,
    "bar": 2,
    "bars": 90,
    "minutes": 34,
    "limit": 64,
    "notes": 9000,
}
EXAMPLES |= {"lowest": 21, "highest": 108, "drum_notes": 7}
EXAMPLES |= {"name": "pich", "value": 9.5, "what": "preset", "known": ("pitch",), "likely": ("Violin",), "path": "here"}
EXAMPLES |= {"heard": "speech", "least": 4, "missing": "transkun", "size": 20_000_000}
EXAMPLES |= {"kind": "in_line", "place": 2, "again_in_seconds": 90.0, "database": "postgresql+asyncpg://host/segue"}


def leaves(base: type[Exception]) -> list[type[Exception]]:
    below = base.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [base]


@pytest.mark.parametrize("kind", [*leaves(OpeningError), LineFullError, DatabaseError])
def test_every_error_of_a_request_carries_its_data_and_says_what_to_do(kind: type[Exception]) -> None:
    names = list(inspect.signature(kind).parameters)
    error = kind(**{name: EXAMPLES[name] for name in names})
    assert vars(error) == {name: EXAMPLES[name] for name in names}
    assert str(kind(**vars(error))) == str(error)  # so it crosses the pipe from the child that reads MIDI
    assert len(str(error).split(". ")) >= 2, "what was found, and what to do"
    assert any(str(value) in str(error) for value in vars(error).values())


@pytest.mark.parametrize(
    "kind",
    [kind for kind in leaves(SegueError) if kind.__module__ == errors.__name__ and kind is not TaskError],
    ids=lambda kind: kind.__name__,
)
def test_every_error_passes_from_one_process_to_another(kind: type[Exception]) -> None:
    names = list(inspect.signature(kind.__init__).parameters)[1:]
    error = kind(**{name: EXAMPLES[name] for name in names}) if set(names) <= set(EXAMPLES) else kind("A sentence.")
    assert_passes(error)


def assert_passes(error: Exception) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


@pytest.mark.parametrize("kind", TaskError.SENTENCES)
def test_whatever_cannot_be_done_with_a_piece_is_said_with_its_values_and_passes(kind: str) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(TaskError.SENTENCES[kind]) if name]
    error = TaskError(kind, {name: f"<{name}>" for name in names})
    assert all(f"<{name}>" in str(error) for name in names)
    assert "{" not in str(error)
    assert len([part for part in re.split(r"[.:;] ", str(error)) if part]) >= 2, "what was found, and what to do"
    assert_passes(error)


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        if kind.__module__ != errors.__name__:
            continue
        assert issubclass(kind, errors.SegueError)
        assert name in (errors.__doc__ or "")


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            LineFullError("in_line", 3, 0, 61.2),
            "At most 3 pieces of yours may be in line at a time, and the first of them is being composed. "
            "Try again in 62 seconds, or cancel one of them.",
        ),
        (
            LineFullError("in_line", 1, 4, None),
            "At most 1 piece of yours may be in line at a time, and the first of them is number 4 in line. "
            "Try again later, or cancel one of them.",
        ),
        (
            LineFullError("a_day", 20, None, 7000),
            "At most 20 pieces of yours can be taken in 24 hours. Try again in 117 minutes.",
        ),
        (
            LineFullError("table", 200, 201, 0.2),
            "The line is full: 200 pieces may wait. Try again in 1 second.",
        ),
    ],
)
def test_a_full_line_says_when_to_try_again(error: LineFullError, sentence: str) -> None:
    assert str(error) == sentence
