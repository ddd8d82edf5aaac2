"""How the next word is drawn: a temperature and a nucleus for each attribute. No torch.

The article that this project follows sets them low for what keeps a piece together (bars, positions) and high for what
makes it interesting (pitch, duration). A model that knows what came before needs less of that: see SamplingParams.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Literal

from composer.errors import OutOfRangeError, SettingsError, UnknownNameError

MAX_TEMPERATURE = 2.0  # beyond it a trained model is not to be told from a random one
MIN_TOP_P = 0.01  # below it no more than the likeliest id would be left
ALL = "all"  # names every attribute at once

Knob = Literal["temperature", "top_p"]
KNOBS: tuple[Knob, ...] = ("temperature", "top_p")


@dataclass(frozen=True, slots=True)
class Nucleus:
    """temperature divides the logits (0 is greedy); of what comes out, the likeliest ids that together reach top_p
    stay (Holtzman et al. 2020). Raises SettingsError outside the ranges."""

    temperature: float = 1.0
    top_p: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= MAX_TEMPERATURE:
            raise OutOfRangeError("a temperature", self.temperature, 0, MAX_TEMPERATURE)
        if not MIN_TOP_P <= self.top_p <= 1:
            raise OutOfRangeError("a top_p", self.top_p, MIN_TOP_P, 1)


AS_LEARNED = Nucleus()


@dataclass(frozen=True, slots=True)
class SamplingParams:
    """One Nucleus an attribute. Attributes that are not named take the default; meters and roles, which hold a piece
    together, are drawn as the model gives them.

    The defaults were found by measuring continuations of validation openings (docs/decisions.md). They are those of the
    default checkpoint: a model that has learned less, or was not told what came before, wants lower ones.
    """

    family: Nucleus = Nucleus(1.0, 1.0)
    position: Nucleus = Nucleus(1.0, 0.95)
    pitch: Nucleus = Nucleus(1.0, 0.95)
    velocity: Nucleus = Nucleus(1.0, 0.95)
    duration: Nucleus = Nucleus(1.0, 1.0)
    chord: Nucleus = Nucleus(1.15, 0.92)
    tempo: Nucleus = Nucleus(1.0, 0.95)

    def __getitem__(self, attribute: str) -> Nucleus:
        nucleus: Nucleus = getattr(self, attribute, AS_LEARNED)
        return nucleus

    def with_setting(self, knob: str, attribute: str, value: float) -> SamplingParams:
        """A copy with one setting changed; attribute `all` changes every one. Raises SettingsError."""
        _check_name(knob, KNOBS, "setting")
        _check_name(attribute, (*SETTABLE, ALL), "attribute")
        names = SETTABLE if attribute == ALL else (attribute,)
        return replace(self, **{name: replace(self[name], **{knob: value}) for name in names})

    def with_settings(self, settings: Iterable[str]) -> SamplingParams:
        """A copy changed by settings as they are typed: "temperature.pitch=0.5". Raises SettingsError."""
        params = self
        for text in settings:
            params = params.with_setting(*parse_setting(text))
        return params

    def to_json(self) -> dict[str, dict[str, float]]:
        """{knob: {attribute: value}}, every setting named."""
        return {knob: {name: getattr(self[name], knob) for name in SETTABLE} for knob in KNOBS}

    def changes(self) -> list[str]:
        """What differs from the defaults, as it is typed: "temperature.pitch=0.5"."""
        mine, default = self.to_json(), SamplingParams().to_json()
        typed = []
        for knob, values in mine.items():
            changed = {name: value for name, value in values.items() if value != default[knob][name]}
            if changed and len(set(values.values())) == 1:
                changed = {ALL: next(iter(values.values()))}
            typed += [f"{knob}.{name}={value!r}" for name, value in changed.items()]
        return typed

    @classmethod
    def from_json(cls, data: Mapping[str, Mapping[str, float]]) -> SamplingParams:
        """The inverse of to_json. Raises SettingsError on values out of range or unknown names."""
        params = cls()
        for knob, values in data.items():
            for attribute, value in values.items():
                params = params.with_setting(knob, attribute, float(value))
        return params


SETTABLE = tuple(field.name for field in fields(SamplingParams))  # attributes


def parse_setting(text: str) -> tuple[str, str, float]:
    """ "temperature.pitch=0.5" -> ("temperature", "pitch", 0.5). Raises SettingsError."""
    name, equals, value = text.partition("=")
    knob, dot, attribute = name.strip().partition(".")
    if not (equals and dot):
        raise SettingsError(f"'{text}' is no setting; write it like temperature.pitch=0.5 or top_p.duration=0.95.")
    try:
        return knob, attribute, float(value)
    except ValueError:
        raise SettingsError(f"'{value}' is no number; write it like temperature.pitch=0.5.") from None


def _check_name(name: str, known: tuple[str, ...], what: str) -> None:
    if name not in known:
        raise UnknownNameError(what, name, known)
