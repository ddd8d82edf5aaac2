from __future__ import annotations

import inspect

import pytest

from composer import errors
from composer.errors import OpeningError

EXAMPLES = {"reason": "it hurts", "numerator": 3, "denominator": 4, "bar": 2, "bars": 90, "limit": 64, "notes": 9000}
EXAMPLES |= {"pitch": 5, "lowest": 21, "highest": 108, "drum_notes": 7}


def leaves(base: type[Exception]) -> list[type[Exception]]:
    below = base.__subclasses__()
    return [leaf for child in below for leaf in leaves(child)] if below else [base]


@pytest.mark.parametrize("kind", leaves(OpeningError))
def test_every_opening_error_carries_its_data_and_says_what_to_do(kind: type[OpeningError]) -> None:
    names = list(inspect.signature(kind).parameters)
    error = kind(**{name: EXAMPLES[name] for name in names})
    assert vars(error) == {name: EXAMPLES[name] for name in names}
    assert str(kind(**vars(error))) == str(error)  # so it crosses the pipe from the child that reads MIDI
    assert len(str(error).split(". ")) >= 2, "what was found, and what to do"
    assert any(str(value) in str(error) for value in vars(error).values())


def test_the_tree_at_the_top_of_the_file_is_the_tree() -> None:
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        assert issubclass(kind, errors.SegueError)
        assert name in (errors.__doc__ or "")
