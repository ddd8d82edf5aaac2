"""What several commands have in common, and options made from the fields of a dataclass."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, get_origin, get_type_hints

import typer

from composer.errors import SettingsError


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    cuda = "cuda"


DeviceOption = Annotated[Device, typer.Option(help="auto takes a GPU if there is one.")]
CacheOption = Annotated[Path, typer.Option(help="Where encoded corpora are kept.")]
DEFAULT_CACHE = Path(".cache/corpora")


def from_fields(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that the dataclasses among its parameters speak of.

    Every field that has a `help` in its metadata becomes an option of its name and type; `min` and `max`
    narrow it. Its default is the field's, or `new`, where something new is to begin with another value.

    Args:
        command: its parameters of a dataclass are made from the options.

    Returns:
        The command as typer takes it.
    """
    signature = inspect.signature(command, eval_str=True)
    parameters = signature.parameters.values()
    made = {one.name: one.annotation for one in parameters if _is_dataclass(one.annotation)}
    options = [option for one in parameters for option in (_options(made[one.name]) if one.name in made else [one])]

    @functools.wraps(command)
    def typed(**values: Any) -> None:
        for name, kind in made.items():
            values[name] = _made(name, kind, {field.name: values.pop(field.name) for field in _told(kind)})
        command(**values)

    typed.__signature__ = signature.replace(parameters=options)  # type: ignore[attr-defined]
    return typed


def _is_dataclass(annotation: Any) -> bool:
    return isinstance(annotation, type) and is_dataclass(annotation)


def _told(kind: type) -> list[Field[Any]]:
    return [field for field in fields(kind) if "help" in field.metadata]


def _options(kind: type) -> list[inspect.Parameter]:
    types = get_type_hints(kind)
    return [_option(field, types[field.name]) for field in _told(kind)]


def _option(field: Field[Any], kind: Any) -> inspect.Parameter:
    told = field.metadata
    default = told.get("new", field.default)
    if get_origin(kind) is tuple:  # of numbers: one text, with commas between
        kind, default = str, ",".join(map(str, default))
    option = typer.Option(default, help=told["help"], min=told.get("min"), max=told.get("max"))
    return inspect.Parameter(field.name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=option, annotation=kind)


def _made(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    """The dataclass of what was typed.

    Raises:
        SettingsError: there is no such thing.
    """
    types = get_type_hints(kind)
    try:
        return kind(**{field: _read(value, types[field]) for field, value in values.items()})
    except ValueError as error:
        raise SettingsError(f"No such {name}: {error}.") from error


def _read(value: Any, kind: Any) -> Any:
    return tuple(int(number) for number in value.split(",") if number) if get_origin(kind) is tuple else value
