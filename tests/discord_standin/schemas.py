"""Whether a value fits a JSON schema. Each schema is compiled once, into functions: jsonschema, which can say what is
wrong with a value, takes twenty times as long to say that nothing is.

Of the keywords those that Discord's description uses; another one raises KeyError. As in jsonschema, `format` is not
looked at unless somebody asks for it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

Fits = Callable[[Any], bool]

ANNOTATIONS = {"title", "description", "format", "default", "deprecated", "contentEncoding", "x-discord-union"}
TYPES: dict[str, Fits] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _is_number(value) and value == int(value),
    "number": lambda value: _is_number(value),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _same(one: Any, other: Any) -> bool:
    """As in JSON, where true is not 1."""
    return bool(one == other and isinstance(one, bool) == isinstance(other, bool))


def _unique(values: list[Any]) -> bool:
    return not any(_same(one, other) for at, one in enumerate(values) for other in values[:at])


class Schemas:
    """The schemas of a document, by their references as well."""

    def __init__(self, referred: Callable[[str], Any]) -> None:
        self._referred = referred
        self._compiled: dict[
            int, tuple[Any, Fits]
        ] = {}  # by id, with the schema itself: while it is kept, so is its id

    def fits(self, schema: Any, value: Any) -> bool:
        return self._check(schema)(value)

    def _check(self, schema: Any) -> Fits:
        if found := self._compiled.get(id(schema)):
            return found[1]
        check = self._compile(schema)
        self._compiled[id(schema)] = (schema, check)
        return check

    def _compile(self, schema: Any) -> Fits:
        if isinstance(schema, bool):
            return lambda _: schema
        checks = [KEYWORDS[name](self, schema, schema[name]) for name in schema if name not in ANNOTATIONS]
        return checks[0] if len(checks) == 1 else lambda value: all(check(value) for check in checks)

    def _ref(self, _: Any, reference: str) -> Fits:
        return lambda value: self.fits(
            self._referred(reference), value
        )  # found when it is needed, for some go in circles

    def _type(self, _: Any, wanted: Any) -> Fits:
        names = [wanted] if isinstance(wanted, str) else wanted
        if len(names) == 1:
            return TYPES[names[0]]
        return lambda value: any(TYPES[name](value) for name in names)

    def _enum(self, _: Any, wanted: list[Any]) -> Fits:
        return lambda value: any(_same(value, one) for one in wanted)

    def _const(self, _: Any, wanted: Any) -> Fits:
        return lambda value: _same(value, wanted)

    def _all_of(self, _: Any, wanted: list[Any]) -> Fits:
        checks = list(map(self._check, wanted))
        return lambda value: all(check(value) for check in checks)

    def _any_of(self, _: Any, wanted: list[Any]) -> Fits:
        checks = list(map(self._check, wanted))
        return lambda value: any(check(value) for check in checks)

    def _properties(self, _: Any, wanted: Mapping[str, Any]) -> Fits:
        checks = [(name, self._check(child)) for name, child in wanted.items()]
        return lambda value: (
            not isinstance(value, dict) or all(check(value[name]) for name, check in checks if name in value)
        )

    def _additional_properties(self, schema: Any, wanted: Any) -> Fits:
        known, check = schema.get("properties", {}), self._check(wanted)
        return lambda value: (
            not isinstance(value, dict) or all(check(child) for name, child in value.items() if name not in known)
        )

    def _required(self, _: Any, wanted: list[str]) -> Fits:
        return lambda value: not isinstance(value, dict) or all(name in value for name in wanted)

    def _items(self, _: Any, wanted: Any) -> Fits:
        check = self._check(wanted)
        return lambda value: not isinstance(value, list) or all(map(check, value))

    def _pattern(self, _: Any, wanted: str) -> Fits:
        pattern = re.compile(wanted)
        return lambda value: not isinstance(value, str) or pattern.search(value) is not None

    def _unique_items(self, _: Any, wanted: bool) -> Fits:
        return lambda value: not wanted or not isinstance(value, list) or _unique(value)


def _size(kind: type, wanted: int, sign: int) -> Fits:
    """At least so long, or with -1 at most."""
    return lambda value: not isinstance(value, kind) or sign * len(value) >= sign * wanted


def _limit(wanted: float, sign: int) -> Fits:
    return lambda value: not _is_number(value) or sign * value >= sign * wanted


KEYWORDS: dict[str, Callable[[Schemas, Any, Any], Fits]] = {
    "$ref": Schemas._ref,
    "type": Schemas._type,
    "enum": Schemas._enum,
    "const": Schemas._const,
    "allOf": Schemas._all_of,
    "anyOf": Schemas._any_of,
    "properties": Schemas._properties,
    "additionalProperties": Schemas._additional_properties,
    "required": Schemas._required,
    "items": Schemas._items,
    "pattern": Schemas._pattern,
    "uniqueItems": Schemas._unique_items,
    "minLength": lambda _, __, wanted: _size(str, wanted, 1),
    "maxLength": lambda _, __, wanted: _size(str, wanted, -1),
    "minItems": lambda _, __, wanted: _size(list, wanted, 1),
    "maxItems": lambda _, __, wanted: _size(list, wanted, -1),
    "minProperties": lambda _, __, wanted: _size(dict, wanted, 1),
    "maxProperties": lambda _, __, wanted: _size(dict, wanted, -1),
    "minimum": lambda _, __, wanted: _limit(wanted, 1),
    "maximum": lambda _, __, wanted: _limit(wanted, -1),
}
